"""Model files: what a file is, told by its content, its network, and its weights."""

from surgery.files.architecture import NoArchitecture, WeightsAlone
from surgery.files.opening import SUFFIXES, exists, open_file
from surgery.files.pieces import Piece, pieces_of_file
from surgery.files.placing import Source, snake_case
from surgery.files.saving import save_model
from surgery.files.tensors import Tensor
from surgery.files.variables import layers_of, names_of_variables, own_name
from surgery.files.whole import folder_written_whole, written_whole

__all__ = [
    "SUFFIXES",
    "NoArchitecture",
    "Piece",
    "Source",
    "Tensor",
    "WeightsAlone",
    "exists",
    "folder_written_whole",
    "layers_of",
    "names_of_variables",
    "open_file",
    "own_name",
    "pieces_of_file",
    "save_model",
    "snake_case",
    "written_whole",
]
