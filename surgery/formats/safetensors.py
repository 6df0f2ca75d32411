"""The safetensors format: a length, a JSON header, the bytes of the tensors. Data alone, which is why it is liked.

Format: https://huggingface.co/docs/safetensors, section "Format". Offsets are bytes from the end of the header.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from surgery.core.errors import SurgeryError, printable
from surgery.core.tensors import Tensor, sound_size, width
from surgery.formats.byte_ranges import Window
from surgery.formats.stored_tensors import stored

HEADER = 100 * 2**20  # bytes; the format's own limit
_TYPES = {
    "BOOL": "bool",
    "BF16": "bfloat16",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    **{f"{sign}{bits}": f"{word}int{bits}" for sign, word in (("I", ""), ("U", "u")) for bits in (8, 16, 32, 64)},
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins so can be safetensors: a small length, then an object."""
    return len(head) >= 9 and int.from_bytes(head[:8], "little") <= HEADER and head[8:9] == b"{"


def header_of(window: Window, what: str) -> bytes:
    """Returns the JSON of the header.

    Raises:
        SurgeryError: it is longer than the file, or than any header may be.
    """
    length = bytearray(8)
    window.read_into(memoryview(length), 0)
    size = int.from_bytes(length, "little")
    if size > HEADER or 8 + size > window.size:
        raise SurgeryError(f"{what} is broken: its header claims {size:,} bytes.")
    header = bytearray(size)
    window.read_into(memoryview(header), 8)
    return bytes(header)


def tensors_of(window: Window, header: dict[str, Any], start: int, what: str) -> dict[str, Tensor]:
    """Returns the tensors that a header describes.

    Args:
        window: the file.
        header: the parsed header.
        start: where the bytes of the tensors begin.
        what: the name of the file, for messages.

    Raises:
        SurgeryError: a tensor has a type that is none, or lies outside the file or over another.
    """
    found, ranges = {}, []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        kind = str(entry.get("dtype")) if isinstance(entry, dict) else ""
        if kind not in _TYPES and re.fullmatch(r"[A-Z]+\d+(_[A-Z0-9]+)?", kind):
            raise SurgeryError(f"{what}: {printable(name)!r} holds {kind}, a type of numbers that is not read.")
        try:
            dtype, shape = _TYPES[kind], tuple(entry["shape"])
            begin, end = entry["data_offsets"]
            if not all(isinstance(one, int) and one >= 0 and one is not True for one in (*shape, begin, end)):
                raise ValueError("a size is not a number")
        except (KeyError, TypeError, ValueError) as error:
            raise SurgeryError(f"{what} is broken: {printable(name)!r} is not described as a tensor.") from error
        if end - begin != sound_size(name, shape, dtype):
            raise SurgeryError(f"{what} is broken: {printable(name)!r} has {end - begin:,} bytes for {shape} {dtype}.")
        found[name] = stored(name, window, start + begin, shape, dtype)
        ranges.append((begin, end, name))
    for (_, before, one), (after, _, other) in itertools.pairwise(sorted(ranges)):
        if after < before:
            raise SurgeryError(f"{what} is broken: {printable(one)!r} and {printable(other)!r} lie over one another.")
    return found


def paths_in(header: Mapping[str, Any]) -> dict[str, str]:
    """Returns the place of each layer in its model, as `write` put it into the metadata; nothing where it is not."""
    metadata = header.get("__metadata__")
    text = metadata.get("surgery.paths") if isinstance(metadata, dict) else None
    try:
        paths = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
    return {name: path for name, path in paths.items() if isinstance(path, str)} if isinstance(paths, dict) else {}


def write(file: BinaryIO, tensors: Iterable[tuple[str, Any]], paths: Mapping[str, str]) -> None:
    """Writes named NumPy arrays, one after the other; in the metadata the place of each layer in its model."""
    import numpy as np

    tensors = list(tensors)
    header: dict[str, Any] = {"__metadata__": {"format": "keras", "surgery.paths": json.dumps(dict(paths))}}
    at = 0
    for name, array in tensors:
        dtype = str(array.dtype)
        size = math.prod(array.shape) * width(dtype)
        header[name] = {"dtype": _NAMES[dtype], "shape": list(array.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for _, array in tensors:
        file.write(np.ascontiguousarray(array).tobytes())
