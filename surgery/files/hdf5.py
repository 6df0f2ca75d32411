"""HDF5 from strangers: groups, attributes and tensors, read through h5py, without following anything out of the file.

Links (soft, external), virtual and external datasets, objects and strings in the place of numbers are refused; so is
what claims more than the file can hold.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from surgery.errors import SurgeryError, first_line, printable
from surgery.files.heaps import TEXT, GuardedStream
from surgery.files.tensors import Tensor, aligned, stored, width
from surgery.files.windows import Window

MAGIC = b"\x89HDF\r\n\x1a\n"
OBJECTS = 1_000_000
DEPTH = 100
NAMES = 1_000_000  # elements of an attribute
MEMORY = 2**30  # bytes of the texts of one attribute
RATIO = 1_100  # deflate packs at most 1,032 : 1


@dataclasses.dataclass(frozen=True)
class Hdf5:
    """The content of an HDF5 file.

    Args:
        tensors: by path.
        groups: the attributes of each group, by path; `""` is the root.
    """

    tensors: dict[str, Tensor]
    groups: dict[str, dict[str, Any]]


def read_hdf5(stream: Any, what: str) -> Hdf5:
    """Reads what an HDF5 file holds, without the values of its tensors.

    Args:
        stream: a seekable stream; a `Window` where the values may be read from it later without h5py.
        what: the name of the file, for messages.

    Raises:
        SurgeryError: it is broken, or holds what no Keras writes.
    """
    _refuse_odd(stream, what)
    with opened(stream, what) as (file, guard):
        found = Hdf5({}, {})
        _walk(file, stream, guard, what, found)
        return found


@contextlib.contextmanager
def opened(stream: Any, what: str) -> Iterator[Any]:
    """Opens a stream with h5py; whatever goes wrong inside is a SurgeryError."""
    import h5py

    guard = GuardedStream(stream, what)
    try:
        with h5py.File(guard, "r") as file:
            yield file, guard
        if guard.refusal:
            raise guard.refusal
    except SurgeryError:
        raise
    except Exception as error:  # strangers' files raise anything
        raise guard.refusal or SurgeryError(f"{what} is broken HDF5: {first_line(error)}") from error


def _refuse_odd(stream: Any, what: str) -> None:
    """Refuses a file with offsets and lengths of other sizes than the 8 bytes that every writer of today uses."""
    stream.seek(0)
    head = stream.read(16)
    sizes = head[9:11] if head[8:9] in (b"\x02", b"\x03") else head[13:15]
    if head[:8] != MAGIC or sizes != b"\x08\x08":
        raise SurgeryError(f"{what} is broken HDF5: its first bytes are not those of a file of today.")


def _walk(file: Any, stream: Any, guard: GuardedStream, what: str, found: Hdf5) -> None:
    from h5py import Dataset, Group, h5l, h5o  # pyright: ignore[reportAttributeAccessIssue]

    waiting, seen = [("", file)], set()
    while waiting:
        path, group = waiting.pop()
        place = h5o.get_info(group.id)
        if (place.fileno, place.addr) in seen or path.count("/") > DEPTH:
            raise SurgeryError(f"{what} has a loop of links at {printable(path)!r}.")
        seen.add((place.fileno, place.addr))
        found.groups[path] = _attributes(group, path, guard, what)
        for name in group:
            below = f"{path}/{name}" if path else name
            if group.id.links.get_info(name.encode()).type != h5l.TYPE_HARD:
                raise SurgeryError(f"{what} has a link at {printable(below)!r}; links are not followed.")
            item = group[name]
            if isinstance(item, Group):
                waiting.append((below, item))
            elif isinstance(item, Dataset):
                found.tensors[below] = _tensor(item, below, stream, what)
            if len(found.tensors) + len(waiting) + len(seen) > OBJECTS:
                raise SurgeryError(f"{what} holds more than {OBJECTS:,} objects.")


def _attributes(group: Any, path: str, guard: GuardedStream, what: str) -> dict[str, Any]:
    found = {}
    for name in group.attrs:
        one = group.attrs.get_id(name)
        count = math.prod(one.shape)
        texts = count * guard.largest if one.dtype.kind == "O" and count > 1 else 0
        if count > NAMES or count * one.dtype.itemsize > TEXT or texts > MEMORY:
            raise SurgeryError(f"{what}: {printable(name)!r} of {printable(path or '/')!r} is too large to be read.")
        found[name] = _plain(group.attrs[name])
    return found


def _plain(value: Any) -> Any:
    """Returns an attribute as text or a list of texts where it is one; old files hold bytes, new ones text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _tensor(dataset: Any, path: str, stream: Any, what: str) -> Tensor:
    shape, dtype = tuple(map(int, dataset.shape or ())), _dtype(dataset, path, what)
    if dataset.shape is None:
        raise SurgeryError(f"{what}: {printable(path)!r} is empty, not a tensor.")
    layout = dataset.id.get_create_plist()
    if dataset.is_virtual or dataset.external:
        raise SurgeryError(f"{what}: {printable(path)!r} lies in another file; other files are not opened.")
    offset = dataset.id.get_offset()
    little = dataset.dtype.byteorder in ("<", "|", "=") or dtype == "bfloat16"
    if isinstance(stream, Window) and offset is not None and little and layout.get_nfilters() == 0:
        return stored(path, stream, offset, shape, dtype)
    size = width(dtype)
    for side in shape:
        size *= side
    if size > RATIO * dataset.id.get_storage_size() + 4096:
        raise SurgeryError(f"{what}: {printable(path)!r} claims {size:,} bytes, more than the file can hold.")

    def load() -> Any:
        import numpy as np

        array = aligned(shape, dtype)
        with opened(stream, what) as (file, _):
            if dtype == "bfloat16":
                array.view("uint16")[...] = np.frombuffer(file[path][()].tobytes(), "uint16").reshape(shape)
            elif array.size:
                array[...] = file[path][()]
        return array

    return Tensor(path, shape, dtype, load)


def _dtype(dataset: Any, path: str, what: str) -> str:
    kind = dataset.dtype
    if kind.kind == "V" and kind.itemsize == 2 and _plain(dataset.attrs.get("dtype", "")) == "bfloat16":
        return "bfloat16"
    if kind.kind not in "fiub":
        held = "objects or text" if kind.kind in "OSU" else f"{kind}"
        raise SurgeryError(f"{what}: {printable(path)!r} holds {held}, where numbers are wanted.")
    return kind.newbyteorder("=").name
