"""The nouns below a call: the address of a tensor, what flows along an edge, and the description of a variable."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence

AXES = 32  # of a tensor; NumPy has no more
LONGEST = 2**48  # elements of a tensor; the address space of a processor


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Ref:
    """The address of one tensor: the `index`-th output of the call named `call`."""

    call: str
    index: int = 0

    def __str__(self) -> str:
        return self.call if self.index == 0 else f"{self.call}#{self.index}"

    def __repr__(self) -> str:
        text = str(self)
        return text if text.isprintable() else repr(text)[1:-1]


@dataclasses.dataclass(frozen=True, slots=True)
class Spec:
    """What flows along an edge: `shape` with `None` for the sizes that vary, and `dtype`.

    The whole shape is `None` where a file does not say it and Keras has not been asked.
    """

    shape: tuple[int | None, ...] | None
    dtype: str = "float32"

    @property
    def sides(self) -> tuple[int | None, ...]:
        """The shape; no axes where it is not known."""
        return self.shape or ()

    def __str__(self) -> str:
        shape = "?" if self.shape is None else str(self.shape)
        return shape if self.dtype == "float32" else f"{shape} {self.dtype}"


def is_possible(shape: Sequence[int | None]) -> bool:
    """Whether there can be a tensor of a shape."""
    whole = 1
    for side in shape[: AXES + 1]:
        if side is not None and (not isinstance(side, int) or isinstance(side, bool) or not 0 <= side < LONGEST):
            return False
        whole = min(whole * (side or 1), LONGEST)
    return whole < LONGEST and len(shape) <= AXES


def shapes_agree(one: Spec, other: Spec) -> bool:
    """Whether two tensors may have the same shape: equal rank, and equal sizes where both are known."""
    if one.shape is None or other.shape is None:
        return True
    return len(one.shape) == len(other.shape) and all(
        a is None or b is None or a == b for a, b in zip(one.shape, other.shape, strict=True)
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Weight:
    """The description of one variable of an op, without its values."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    trainable: bool = True

    @property
    def size(self) -> int:
        """Number of elements."""
        return functools.reduce(lambda product, side: product * side, self.shape, 1)

    @property
    def bytes(self) -> int:
        """Number of bytes."""
        bits = re.search(r"\d+$", self.dtype)
        return self.size * (int(bits[0]) // 8 if bits and int(bits[0]) >= 8 else 1)


def megabytes(size: int) -> str:
    """Returns bytes as people read them: `528 MB`, `0.4 MB` (1 MB = 2^20 bytes, as Keras' summary counts)."""
    value = size // 2**20 if size >= 2**1000 else size / 2**20
    return (
        f"{value:,.0f} MB"
        if value >= 10
        else f"{value:,.1f} MB"
        if value >= 0.1
        else f"{size / 2**10:,.1f} KB"
        if size >= 100
        else f"{size} B"
    )
