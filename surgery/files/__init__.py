"""Model files: what a file is, told by its content, and its network."""

from surgery.files.opening import SUFFIXES, open_file
from surgery.files.saving import save_model

__all__ = ["SUFFIXES", "open_file", "save_model"]
