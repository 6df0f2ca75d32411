"""The content of an HDF5 file, read with h5py, without following anything out of the file. Runs in a process apart.

Links (soft, external), virtual and external datasets, objects and strings in the place of numbers are refused; so is
what claims more than the file can hold.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

from surgery.core.errors import SurgeryError, first_line, printable
from surgery.formats.budget import Budget
from surgery.formats.hdf5.heaps import TEXT, GuardedStream
from surgery.formats.hdf5.index import DEPTH, NAME, NAMES, OBJECT, OBJECTS

MEMORY = 2**30  # bytes of the texts of one attribute
RATIO = 1_100  # deflate packs at most 1,032 : 1

Content = dict[str, Any]


def content(stream: Any, what: str, budget: Budget) -> Content:
    """Returns what an HDF5 file holds, as plain values.

    Args:
        stream: a seekable stream.
        what: the name of the file, for messages.
        budget: of the file.

    Returns:
        `groups`: path -> attributes; `tensors`: path -> `[shape, dtype, offset]`, where the offset is that of the bytes
        in the stream if they lie there as they are, else `None`.

    Raises:
        SurgeryError: it is broken, or holds what no Keras writes.
    """
    with opened(stream, what) as (file, guard):
        found: Content = {"groups": {}, "tensors": {}}
        _walk(file, guard, what, found, budget)
        return found


def values(stream: Any, what: str, path: str) -> bytes:
    """Returns the bytes of one tensor, little-endian and in C order, whatever way it is packed.

    Raises:
        SurgeryError: they cannot be read.
    """
    with opened(stream, what) as (file, _):
        array = file[path][()]
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


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


def _walk(file: Any, guard: GuardedStream, what: str, found: Content, budget: Budget) -> None:
    from h5py import Dataset, Group, h5l, h5o  # pyright: ignore[reportAttributeAccessIssue]

    waiting, seen = [("", file)], set()
    while waiting:
        path, group = waiting.pop()
        place = h5o.get_info(group.id)
        if (place.fileno, place.addr) in seen or path.count("/") > DEPTH:
            raise SurgeryError(f"{what} has a loop of links at {printable(path)!r}.")
        seen.add((place.fileno, place.addr))
        found["groups"][path] = _attributes(group, path, guard, what, budget)
        for name in group:
            below = f"{path}/{name}" if path else name
            budget.take(OBJECT + 2 * len(below), f"the index of {what}")
            if len(name) > NAME:
                raise SurgeryError(f"{what} has an object with a name of {len(name):,} characters.")
            if group.id.links.get_info(name.encode()).type != h5l.TYPE_HARD:
                raise SurgeryError(f"{what} has a link at {printable(below)!r}; links are not followed.")
            item = group[name]
            if isinstance(item, Group):
                waiting.append((below, item))
            elif isinstance(item, Dataset):
                found["tensors"][below] = _tensor(item, below, what)
            if len(found["tensors"]) + len(waiting) + len(seen) > OBJECTS:
                raise SurgeryError(f"{what} holds more than {OBJECTS:,} objects.")


def _attributes(group: Any, path: str, guard: GuardedStream, what: str, budget: Budget) -> dict[str, Any]:
    found = {}
    for name in group.attrs:
        one = group.attrs.get_id(name)
        count = math.prod(one.shape)
        texts = count * guard.largest if one.dtype.kind == "O" and count > 1 else 0
        if count > NAMES or count * one.dtype.itemsize > TEXT or texts > MEMORY:
            raise SurgeryError(f"{what}: {printable(name)!r} of {printable(path or '/')!r} is too large to be read.")
        found[name] = _plain(group.attrs[name])
        budget.take(_taken(found[name]) + len(name), f"an attribute of {what}")
    return found


def _taken(value: Any) -> int:
    """Returns about how many bytes of memory an attribute takes."""
    if isinstance(value, list):
        return 64 + sum(map(_taken, value))
    return 64 + (len(value) if isinstance(value, str) else 0)


def _plain(value: Any) -> Any:
    """Returns an attribute as text or a list of texts where it is one; old files hold bytes, new ones text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _tensor(dataset: Any, path: str, what: str) -> list[Any]:
    shape, dtype = list(map(int, dataset.shape or ())), _dtype(dataset, path, what)
    if dataset.shape is None:
        raise SurgeryError(f"{what}: {printable(path)!r} is empty, not a tensor.")
    if dataset.is_virtual or dataset.external:
        raise SurgeryError(f"{what}: {printable(path)!r} lies in another file; other files are not opened.")
    offset = dataset.id.get_offset()
    little = dataset.dtype.byteorder in ("<", "|", "=") or dtype == "bfloat16"
    if offset is not None and little and dataset.id.get_create_plist().get_nfilters() == 0:
        return [shape, dtype, int(offset)]
    size = math.prod(shape) * dataset.dtype.itemsize
    if size > RATIO * dataset.id.get_storage_size() + 4096:
        raise SurgeryError(f"{what}: {printable(path)!r} claims {size:,} bytes, more than the file can hold.")
    return [shape, dtype, None]


def _dtype(dataset: Any, path: str, what: str) -> str:
    kind = dataset.dtype
    if kind.kind == "V" and kind.itemsize == 2 and _plain(dataset.attrs.get("dtype", "")) == "bfloat16":
        return "bfloat16"
    if kind.kind not in "fiub":
        held = "objects or text" if kind.kind in "OSU" else f"{kind}"
        raise SurgeryError(f"{what}: {printable(path)!r} holds {held}; expected numbers.")
    return kind.newbyteorder("=").name
