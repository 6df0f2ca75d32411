"""The verbs: every one takes a `Graph` (or a `keras.Model`) and returns a new one of the same kind."""

from surgery.edits.convolving import fully_convolutional
from surgery.edits.dilating import dilate
from surgery.edits.ends import crossing, cut, split, tap
from surgery.edits.grafting import graft
from surgery.edits.inserting import insert, remove
from surgery.edits.joining import join, share, unshare
from surgery.edits.nesting import inline
from surgery.edits.preparing import preprocess
from surgery.edits.replacing import replace, unfuse
from surgery.edits.resizing import resize
from surgery.edits.rewiring import rewire
from surgery.edits.selecting import select

__all__ = [
    "crossing",
    "cut",
    "dilate",
    "fully_convolutional",
    "graft",
    "inline",
    "insert",
    "join",
    "preprocess",
    "remove",
    "replace",
    "resize",
    "rewire",
    "select",
    "share",
    "split",
    "tap",
    "unfuse",
    "unshare",
]
