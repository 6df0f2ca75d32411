"""What a person reads of a graph."""

from surgery.showing.show import show
from surgery.showing.table import FORMATS, View, text_of

__all__ = ["FORMATS", "View", "show", "text_of"]
