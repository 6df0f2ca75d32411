"""HDF5 files: groups with their attributes, and tensors, whose values are read when they are asked for."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from surgery.core.errors import SurgeryError
from surgery.core.tensors import Tensor, aligned, sound_size
from surgery.formats.budget import Budget
from surgery.formats.byte_ranges import Window
from surgery.formats.hdf5.subprocess import Place, content_of, read_values
from surgery.formats.stored_tensors import stored

MAGIC = b"\x89HDF\r\n\x1a\n"


@dataclasses.dataclass(frozen=True)
class Hdf5:
    """The content of an HDF5 file.

    Args:
        tensors: by path.
        groups: the attributes of each group, by path; `""` is the root.
    """

    tensors: dict[str, Tensor]
    groups: dict[str, dict[str, Any]]


def read_hdf5(stream: Any, what: str, budget: Budget) -> Hdf5:
    """Reads what an HDF5 file holds, without the values of its tensors.

    Args:
        stream: a `Window`, or another stream over a file.
        what: the name of the file, for messages.
        budget: of the file that was opened.

    Raises:
        SurgeryError: it is broken, describes more than the budget has room for, or holds what no Keras writes.
    """
    _refuse_odd(stream, what)
    window = isinstance(stream, Window)
    place = Place(stream.source.number, stream.start, stream.size) if window else _whole(stream)
    found = content_of(place, what, budget)
    tensors, lying = {}, 0
    for path, (shape, dtype, offset) in found["tensors"].items():
        size = sound_size(path, shape, dtype)
        if offset is None:
            budget.unpack(size, f"a tensor of {what}")
        lying += size if offset is not None else 0
        if window and offset is not None:
            tensors[path] = stored(path, stream, offset, tuple(shape), dtype)
        else:
            tensors[path] = _packed(path, place, stream, tuple(shape), dtype, what, budget)
    budget.unpack(max(lying - place.size, 0), f"{what}, of tensors over one another,")
    return Hdf5(tensors, found["groups"])


def joined(*parts: str) -> str:
    """Returns the path that HDF5 means by several in a row: `a//b` and `a/./b` are `a/b`, and `/a` is at the root."""
    steps: list[str] = []
    for part in parts:
        if part.startswith("/"):
            steps = []
        steps.extend(step for step in part.split("/") if step not in ("", "."))
    return "/".join(steps)


def _whole(stream: Any) -> Place:
    return Place(stream.fileno(), 0, stream.seek(0, os.SEEK_END))


def _packed(
    path: str, place: Place, stream: Any, shape: tuple[int, ...], dtype: str, what: str, budget: Budget
) -> Tensor:
    """Returns a tensor whose values do not lie in the file as they are; only its first reading counts."""
    budgets = [budget]

    def load() -> Any:
        if stream.closed:  # it keeps the file open as long as something may be read
            raise SurgeryError(f"{what} was closed before its tensors were read.")
        array = aligned(shape, dtype)
        if array.size:
            read_values(place, what, path, memoryview(array.reshape(-1).view("uint8")), budgets[0])
            budgets[0] = Budget(budget.size)
        return array

    return Tensor(path, shape, dtype, load)


def _refuse_odd(stream: Any, what: str) -> None:
    """Refuses a file whose first block is not as every writer of today writes it, or that ends before it says.

    The library would notice too, but a file that it fails to open can take the process with it when that ends.
    Source: HDF5 File Format Specification 3.0, section II.A.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(96)
    version = head[8] if len(head) > 8 else 255
    sizes, end, length = {0: (13, 40, 96), 1: (13, 44, 100), 2: (9, 28, 48), 3: (9, 28, 48)}.get(version, (0, 0, 0))
    if head[:8] != MAGIC or not sizes or head[sizes : sizes + 2] != b"\x08\x08":
        raise SurgeryError(f"{what} is broken HDF5: its first bytes are not those of a file of today.")
    if size < length or int.from_bytes(head[end : end + 8], "little") > size:
        raise SurgeryError(f"{what} is broken HDF5: it is truncated.")
