"""The verbs: every one takes a `Graph` (or a `keras.Model`) and returns a new one of the same kind."""

from surgery.edits.ends import crossing, cut, split, tap
from surgery.edits.grafting import graft
from surgery.edits.nesting import inline
from surgery.edits.selecting import select

__all__ = ["crossing", "cut", "graft", "inline", "select", "split", "tap"]
