"""The samples to train on, in chunks of one size, as often as wanted: arrays, `tf.data`, `PyDataset`, any iterable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from surgery.core.errors import SurgeryError
from surgery.core.nested import leaves, rebuilt

Chunk = tuple[Any, Any, Any]  # inputs, targets, weights of samples; the latter two may be None


class Samples:
    """Samples that can be gone through several times.

    Args:
        x: arrays in the structure of the network's inputs; or a data set whose elements are batches `(x, y)` or
            `(x, y, sample_weight)`, which can be iterated more than once.
        y: targets, for arrays.
        sample_weight: weights of samples, for arrays.

    Raises:
        SurgeryError: there are none, arrays differ in length, or a generator is given, which can be used up but once.
    """

    def __init__(self, x: Any, y: Any = None, sample_weight: Any = None):
        self.parts = (x, y, sample_weight)
        self.are_arrays = all(_is_array(leaf) for leaf in leaves(x)) and bool(leaves(x))
        if self.are_arrays:
            lengths = {len(leaf) for part in self.parts for leaf in leaves(part) if leaf is not None}
            if len(lengths) != 1:
                raise SurgeryError(f"expected arrays of one length; they have {sorted(lengths)} rows.")
            (self.rows,) = lengths
            self.batch = 32
        else:
            if y is not None or sample_weight is not None:
                raise SurgeryError("a data set brings its targets itself; y= and sample_weight= are for arrays.")
            if isinstance(x, Iterator) or (not hasattr(x, "__iter__") and not hasattr(x, "__getitem__")):
                raise SurgeryError(
                    f"a {type(x).__name__} can be gone through but once; pass arrays, a tf.data.Dataset or a PyDataset."
                )
            if _is_endless(x):
                raise SurgeryError("the data set has no end; leave out repeat(), or say take(n).")
            sizes = [len(leaves(inputs)[0]) for inputs, _, _ in self._batches()]
            self.rows, self.batch = sum(sizes), max(sizes, default=0)
        if not self.rows:
            raise SurgeryError("there are no samples.")

    @classmethod
    def of(cls, data: Any) -> Samples:
        """Returns the samples of `(x, y)`, `(x, y, sample_weight)` or a data set, as `validation_data` is given."""
        return cls(*data) if isinstance(data, (tuple, list)) else cls(data)

    def chunks(self, size: int, start: int = 0) -> Iterator[Chunk]:
        """Yields (inputs, targets, weights) in chunks of at most `size` rows, from row `start` on."""
        if self.are_arrays:
            for first in range(start, self.rows, size):
                yield self._rows(first, min(first + size, self.rows))
            return
        seen = 0
        for batch in self._batches():
            count = len(leaves(batch[0])[0])
            if seen + count > start:
                skip = max(start - seen, 0)
                for first in range(skip, count, size):
                    yield _sliced(batch, first, min(first + size, count))
            seen += count
            if seen > self.rows:
                raise SurgeryError(f"the data set gave {self.rows:,} samples at first, and more than that now.")
        if seen < self.rows:
            raise SurgeryError(f"the data set gave {self.rows:,} samples at first, and {seen:,} now.")

    def digest(self, size: int) -> str:
        """Returns a hash of all inputs, and of the targets and weights of a data set, in order."""
        found = self.digested()
        for chunk in self.chunks(size):
            found.update(self.mark(chunk))
        return found.hexdigest()

    @staticmethod
    def digested() -> Any:
        """Returns the hash to be updated with the marks of chunks."""
        return hashlib.blake2b(digest_size=16)

    def mark(self, chunk: Chunk) -> bytes:
        """Returns a hash of one chunk."""
        found = hashlib.blake2b(digest_size=16)
        for leaf in leaves(chunk[0] if self.are_arrays else list(chunk)):
            if leaf is None:
                continue
            array: Any = np.ascontiguousarray(leaf)
            found.update(f"{array.dtype} {array.shape[1:]}".encode())
            found.update(array.astype("S").tobytes() if array.dtype.kind in "OU" else memoryview(array).cast("B"))
        return found.digest()

    def _rows(self, first: int, last: int) -> Chunk:
        return _sliced(self.parts, first, last)

    def _batches(self) -> Iterator[Chunk]:
        data = self.parts[0]
        elements = data
        if isinstance(data, keras.utils.PyDataset):
            elements = (data[number] for number in range(data.num_batches or 0))
        for element in elements:
            inputs, targets, weights = keras.utils.unpack_x_y_sample_weight(element)
            yield tuple(rebuilt(_numpy, part) for part in (inputs, targets, weights))  # type: ignore


def _is_endless(data: Any) -> bool:
    if isinstance(data, keras.utils.PyDataset):
        return data.num_batches is None
    cardinality = getattr(data, "cardinality", None)
    return callable(cardinality) and int(cardinality()) == -1  # pyright: ignore


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) or keras.ops.is_tensor(leaf)


def _numpy(value: Any) -> Any:
    if value is None or isinstance(value, np.ndarray):
        return value
    return np.asarray(keras.ops.convert_to_numpy(value))


def _sliced(parts: Any, first: int, last: int) -> Chunk:
    cut: Callable[[Any], Any] = lambda one: None if one is None else _numpy(one[first:last])
    return tuple(rebuilt(cut, part) for part in parts)  # type: ignore
