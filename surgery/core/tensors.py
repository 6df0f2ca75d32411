"""One tensor in a file, and the tensors of one layer: what they are, and their values when they are asked for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from surgery.core.errors import SurgeryError, printable
from surgery.core.names import natural
from surgery.core.specs import is_possible

ALIGNMENT = 64  # bytes; the widest registers of a processor, hence what TensorFlow and JAX ask of memory they share


_BYTES = {"bool": 1, "float8_e4m3fn": 1, "float8_e5m2": 1, "bfloat16": 2, "float16": 2, "float32": 4, "float64": 8} | {
    f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)
}


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor that a file holds.

    Args:
        name: its place in the file, `layers/dense/vars/0` or `block1_conv1/kernel`.
        shape: its shape.
        dtype: as Keras names it.
        load: reads the values, as a new array.
        into: fills a buffer with its bytes from an offset on, where they lie in the file as they are.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], Any] = dataclasses.field(compare=False, repr=False)
    into: Callable[[memoryview, int], None] | None = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def width(self) -> int:
        """Number of bytes of one element."""
        return _BYTES.get(self.dtype, 4)

    @property
    def bytes(self) -> int:
        """Number of bytes of its values."""
        return self.size * self.width

    def parts(self, count: int) -> Iterator[Any]:
        """Yields the values, flat, `count` at a time; from a file into one buffer, so that a part is good until the
        next.
        """
        if self.into is None:
            flat = self.load().reshape(-1)
            yield from (flat[start : start + count] for start in range(0, self.size, count))
            return
        buffer = aligned((min(count, self.size),), self.dtype)
        for start in range(0, self.size, count):
            part = buffer[: self.size - start]
            self.into(memoryview(part.view("uint8")), start * self.width)
            yield part


def width(dtype: str) -> int:
    """Returns the number of bytes of one element.

    Raises:
        SurgeryError: tensors are numbers; strings and objects are not.
    """
    if dtype not in _BYTES:
        raise SurgeryError(f"{printable(dtype)!r} is not a numeric dtype.")
    return _BYTES[dtype]


def numpy_type(dtype: str) -> Any:
    """Returns NumPy's type of a name; `bfloat16` and those of 8 bits are types of ml_dtypes, which Keras brings."""
    import numpy as np

    if dtype == "bfloat16" or dtype.startswith("float8"):
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, dtype))
    return np.dtype(dtype)


def sound_size(name: str, shape: Sequence[int], dtype: str) -> int:
    """Returns the number of bytes of a tensor.

    Raises:
        SurgeryError: no array has such a shape, or its elements are no numbers.
    """
    if not is_possible(shape):
        raise SurgeryError(f"{printable(name)!r} has the shape {printable(tuple(shape))}, which no tensor has.")
    return math.prod(shape) * width(dtype)


def aligned(shape: tuple[int, ...], dtype: str) -> Any:
    """Returns an array, not filled, at an address that a backend can take over without a copy."""
    import numpy as np

    kind = numpy_type(dtype)
    size = math.prod(shape) * kind.itemsize
    raw = np.empty(size + ALIGNMENT, "uint8")
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(kind).reshape(shape)


def to_hand_over(values: Any) -> Any:
    """Returns an array whose memory a backend can take over: itself where it lies so, else a copy that does.

    TensorFlow ends the process, without an exception, where a matrix product meets memory that is not aligned.
    """
    import numpy as np

    values = np.asarray(values)
    if values.ctypes.data % ALIGNMENT == 0 and values.flags.carray and values.dtype.isnative:
        return values
    copy = aligned(values.shape, values.dtype.name)
    np.copyto(copy, values)
    return copy


@dataclasses.dataclass(frozen=True)
class Source:
    """The tensors of one layer.

    Args:
        tree: by place below the layer, `vars/0`, `cell/vars/1`, for files that keep a tree.
        row: in the order of `layer.weights`, trainable ones first, for files that keep a list.
        named: by the name of the variable below the layer, `kernel`, `lstm_cell.kernel`, for files that keep names.
        as_made: whether `row` is in the order of `layer.weights` itself, whatever trains.
        assets: what the layer keeps in the file beside tensors, by its name there, `vocabulary.txt`: what reads it.
        absent: the names of tensors that the file lists for the layer, and does not hold; `row` is then not complete.
        fresh: whether no file has tensors for the layer, which keeps those that it is made with.
    """

    tree: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    row: tuple[Tensor, ...] = ()
    named: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    as_made: bool = False
    assets: dict[str, Callable[[], bytes]] = dataclasses.field(default_factory=dict)
    absent: tuple[str, ...] = ()
    fresh: bool = False

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors, in order."""
        return [*self.row, *(self.tree[place] for place in sorted(self.tree, key=natural)), *self.named.values()]
