"""Model files: what a file is, told by its content, its network, and its weights."""

from typing import TYPE_CHECKING

from surgery.lazy import names_of

if TYPE_CHECKING:
    from surgery.files.alone import with_absent
    from surgery.files.locks import held, real
    from surgery.files.opening import SUFFIXES, exists, is_architecture, open_file
    from surgery.files.others import CutOff, refuse_url, unzipped
    from surgery.files.outputs import may_make_more
    from surgery.files.pieces import Piece, beside, gathered, pieces_of_file, weights_in
    from surgery.files.placing import Source, natural, snake_case
    from surgery.files.registered import NoArchitecture, WeightsAlone
    from surgery.files.saving import save_model
    from surgery.files.tensors import ALIGNMENT, Tensor, to_hand_over
    from surgery.files.variables import layers_of, names_of_variables, own_name, shapes_written
    from surgery.files.whole import folder_written_whole, written_whole

HOMES = {
    "alone": ("with_absent",),
    "locks": ("held", "real"),
    "opening": ("SUFFIXES", "exists", "is_architecture", "open_file"),
    "others": ("CutOff", "refuse_url", "unzipped"),
    "outputs": ("may_make_more",),
    "pieces": ("Piece", "beside", "gathered", "pieces_of_file", "weights_in"),
    "placing": ("Source", "natural", "snake_case"),
    "registered": ("NoArchitecture", "WeightsAlone"),
    "saving": ("save_model",),
    "tensors": ("ALIGNMENT", "Tensor", "to_hand_over"),
    "variables": ("layers_of", "names_of_variables", "own_name", "shapes_written"),
    "whole": ("folder_written_whole", "written_whole"),
}
__all__ = [
    "ALIGNMENT",
    "SUFFIXES",
    "CutOff",
    "NoArchitecture",
    "Piece",
    "Source",
    "Tensor",
    "WeightsAlone",
    "beside",
    "exists",
    "folder_written_whole",
    "gathered",
    "held",
    "is_architecture",
    "layers_of",
    "may_make_more",
    "names_of_variables",
    "natural",
    "open_file",
    "own_name",
    "pieces_of_file",
    "real",
    "refuse_url",
    "save_model",
    "shapes_written",
    "snake_case",
    "to_hand_over",
    "unzipped",
    "weights_in",
    "with_absent",
    "written_whole",
]
__getattr__ = names_of(__name__, HOMES)
