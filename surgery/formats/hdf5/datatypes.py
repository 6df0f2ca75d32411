"""Shapes and types of tensors and attributes, as an HDF5 file has them.

Source: HDF5 File Format Specification 3.0; sections are named at each function.
"""

from __future__ import annotations

import struct
from typing import Any

_FLOATS = {2: (10, 5, 0, 10, 15), 4: (23, 8, 0, 23, 127), 8: (52, 11, 0, 52, 1023)}


class Unusual(Exception):
    """The file is not as Keras writes it by default, or it is broken."""


LETTERS = {
    **{f"int{8 * size}": letter for size, letter in ((1, "b"), (2, "h"), (4, "i"), (8, "q"))},
    **{f"uint{8 * size}": letter for size, letter in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))},
    "float16": "e",
    "float32": "f",
    "float64": "d",
}


def number_at(data: bytes, at: int) -> int:
    """Returns the number of 8 bytes at a place."""
    return struct.unpack_from("<Q", data, at)[0]


def shape_of(data: bytes) -> list[int] | None:
    """Returns the sides; nothing for a dataspace that is empty. Section IV.A.2.b."""
    version, rank, _, kind = struct.unpack_from("<BBBB", data, 0)
    if version not in (1, 2) or (version == 2 and kind > 1) or rank > 32:
        return None
    return list(struct.unpack_from(f"<{rank}Q", data, 8 if version == 1 else 4))


def type_of(data: bytes) -> tuple[str, str, int]:
    """Returns ("number", "text" or "heap", dtype, bytes of one element). Section IV.A.2.d."""
    kind, bits, size = data[0] & 15, data[1:4], struct.unpack_from("<I", data, 4)[0]
    if kind == 0 and size in (1, 2, 4, 8) and not bits[0] & 1:
        if struct.unpack_from("<HH", data, 8) == (0, 8 * size):
            return "number", f"{'' if bits[0] & 8 else 'u'}int{8 * size}", size
    elif kind == 1 and size in _FLOATS and not bits[0] & 0x41:
        offset, precision, *layout, bias = struct.unpack_from("<HHBBBBI", data, 8)
        if (offset, precision, (*layout, bias), bits[1]) == (0, 8 * size, _FLOATS[size], 8 * size - 1):
            return "number", f"float{8 * size}", size
    elif kind == 3 and bits[0] & 15 < 2:
        return "text", "", size
    elif kind == 9 and bits[0] & 15 == 1 and size == 16:
        return "heap", "", size
    raise Unusual(f"a datatype of class {kind}")


def nested(values: list[Any], shape: list[int]) -> Any:
    """Returns values in lists of lists of a shape; of no sides, the value itself."""
    if not shape:
        return values[0]
    for side in reversed(shape[1:]):
        values = [values[at : at + side] for at in range(0, len(values), side)] if side else []
    return values
