"""How far two tensors are apart, read piece by piece, and by what a tensor that moved is found again."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from typing import Any

from surgery.compare.tensors import tensors_of
from surgery.core.tensors import Tensor
from surgery.graph.calls import Call

CHUNK = 8 * 2**20  # bytes of a tensor that are held at a time


@dataclasses.dataclass(frozen=True)
class Distance:
    """How far two tensors of one shape are apart.

    Args:
        count: how many values differ.
        largest: the largest absolute difference; infinite where only one of them is a number.
        relative: that difference as a part of the larger value.
    """

    count: int
    largest: float
    relative: float


def distance(a: Tensor, b: Tensor) -> Distance | None:
    """Compares two tensors of one shape, piece by piece; `None` when they are bit-identical.

    Where their types differ, values are compared, not bits.
    """
    import numpy as np

    count, largest, relative = 0, 0.0, 0.0
    step = max(1, CHUNK // max(a.width, b.width))
    for mine, theirs in zip(a.parts(step), b.parts(step), strict=True):
        apart = _apart(mine, theirs)
        if not apart.any():
            continue
        count += int(apart.sum())
        with np.errstate(invalid="ignore", over="ignore"):
            x, y = (side[apart].astype("float64") for side in (mine, theirs))
            x, y = (np.where(np.isnan(side), math.inf, side) for side in (x, y))  # NaN is infinitely far from a number
            gap = np.abs(np.where(x == y, 0.0, x - y))
            scale = np.maximum(np.abs(x), np.abs(y))
        largest = max(largest, float(gap.max()))
        relative = max(
            relative, float(np.max(gap[scale > 0] / scale[scale > 0], initial=0)) if largest < math.inf else 1
        )
    if count:
        return Distance(count, largest, relative)
    return None if a.dtype == b.dtype else Distance(0, 0.0, 0.0)


def _apart(mine: Any, theirs: Any) -> Any:
    """Returns where two arrays differ: in any bit, or, where their types do, in value."""
    if mine.dtype == theirs.dtype:
        bits = f"uint{8 * mine.dtype.itemsize}"
        return mine.view(bits) != theirs.view(bits)
    return mine.astype("float64") != theirs.astype("float64")


def content(call: Call) -> tuple[str, ...] | None:
    """Returns the digests of the weights of a call, in no order that a file or Keras has; `None` for fresh ones."""
    tensors = tensors_of(call)
    return None if tensors is None else tuple(sorted(map(fingerprint, tensors)))


def fingerprint(tensor: Tensor) -> str:
    """Returns a digest of the values, by which a tensor that moved is found again."""
    digest = hashlib.blake2b(f"{tensor.shape} {tensor.dtype}".encode(), digest_size=16)
    for part in tensor.parts(max(1, CHUNK // tensor.width)):
        digest.update(part.tobytes())
    return digest.hexdigest()
