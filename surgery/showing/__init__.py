"""What a person reads of a graph."""

from surgery.showing.show import show
from surgery.showing.table import FORMATS, text_of

__all__ = ["FORMATS", "show", "text_of"]
