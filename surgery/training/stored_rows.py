"""How rows of tensors are kept: their shape, their type and their size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError
from surgery.core.specs import Spec


def numpy_spec(spec: Spec) -> tuple[tuple[int, ...], np.dtype]:
    """Returns the shape of one row and the type that keeps its values; bfloat16 is kept as its 16 bits.

    Raises:
        SurgeryError: a side of the tensor varies from row to row.
    """
    if spec.shape is None or None in spec.shape[1:]:
        raise SurgeryError(f"rows of {spec} differ in size; give the network inputs of one size: sg.resize.")
    dtype = np.dtype("uint16" if spec.dtype == "bfloat16" else spec.dtype)
    return tuple(int(side) for side in spec.shape[1:] if side is not None), dtype


def as_bits(array: Any) -> Any:
    """Returns an array as it is kept: bfloat16, which `.npy` does not know, as its 16 bits."""
    return array.view("uint16") if array.dtype.name == "bfloat16" else array


def row_bytes(specs: Sequence[Spec]) -> int:
    """Returns the size of one row of all tensors."""
    return sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in map(numpy_spec, specs))


def as_dtype(array: Any, dtype: str) -> Any:
    """Returns an array that is kept as bits in its own type: the inverse of `as_bits`."""
    if dtype != "bfloat16":
        return array
    import ml_dtypes

    return array.view(ml_dtypes.bfloat16)
