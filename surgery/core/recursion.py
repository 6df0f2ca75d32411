"""Room for large networks: Keras walks a graph recursively, and Python stops it at a depth of about 1,000 calls;
and Python's search for garbage takes ever longer the more calls there are."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

from surgery.core.errors import SurgeryError

FRAMES_PER_CALL = 4  # Keras uses one or two frames for each call on its way down; measured on a chain of 8,000
# Calls. Keras takes minutes to wire more in one chain, and its time grows faster than their number; before 3.11, Python
# keeps its frames on the stack of the process, which ends without an exception where that is full.
MOST = 20_000 if sys.version_info >= (3, 11) else 8_000


@contextlib.contextmanager
def room_for(calls: int) -> Iterator[None]:
    """Raises Python's recursion limit for a walk over a chain of `calls` calls, and puts it back.

    Raises:
        SurgeryError: there are too many, or the walk went deeper than that.
    """
    if calls > MOST:
        raise SurgeryError(
            f"it has {calls:,} calls, and Keras wires at most {MOST:,} here: cut it, and build the parts."
        )
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 1_000 + FRAMES_PER_CALL * calls))
    try:
        yield
    except RecursionError as error:
        raise SurgeryError(f"it is deeper than Keras can follow: {MOST:,} calls in a row are the most.") from error
    finally:
        sys.setrecursionlimit(before)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Looks for no cycles of garbage in the block, which makes many objects and little garbage: time stays linear."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
