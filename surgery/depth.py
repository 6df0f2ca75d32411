"""Room for deep networks: Keras walks a graph recursively, and Python stops it at a depth of about 1,000 calls."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

FRAMES_PER_CALL = 4  # Keras uses one or two frames for each call on its way down; measured on a chain of 8,000


@contextlib.contextmanager
def room_for(calls: int) -> Iterator[None]:
    """Raises Python's recursion limit for a walk over a chain of `calls` calls, and puts it back."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 1_000 + FRAMES_PER_CALL * calls))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
