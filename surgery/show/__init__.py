"""What a person reads of a graph."""

from surgery.show.showing import show
from surgery.show.table import FORMATS, text_of

__all__ = ["FORMATS", "show", "text_of"]
