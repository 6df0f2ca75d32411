"""One tensor in a file: what it is, and its values when they are asked for."""

from __future__ import annotations

from typing import Any

from surgery.core.errors import SurgeryError, printable
from surgery.core.tensors import Tensor, aligned, sound_size
from surgery.formats.byte_ranges import Window


def stored(name: str, window: Window, offset: int, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Returns a tensor whose values lie in a file as they are, little-endian and in C order, from `offset` on."""
    size = sound_size(name, shape, dtype)
    if offset < 0 or offset + size > window.size:
        raise SurgeryError(f"{printable(name)!r} lies beyond the end of the file.")

    def load() -> Any:
        array = aligned(shape, dtype)
        if size:
            window.read_into(memoryview(array.reshape(-1).view("uint8")), offset)
        return array

    def into(buffer: memoryview, at: int) -> None:
        window.read_into(buffer, offset + at)

    return Tensor(name, shape, dtype, load, into)
