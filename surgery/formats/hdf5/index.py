"""The index of an HDF5 file as Keras and h5py write it by default, read without the HDF5 library.

Old-style groups, tensors that lie in the file as they are, attributes that are numbers or texts. That is nearly every
model file, in a few milliseconds, and nothing in it can crash a process. What is otherwise, or broken, is `Unusual`,
and is left to the library in its process apart.
Source: HDF5 File Format Specification 3.0; sections are named at each function.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

from surgery.core.errors import SurgeryError
from surgery.formats.budget import Budget
from surgery.formats.hdf5.datatypes import LETTERS, Unusual, nested, number_at, shape_of, type_of
from surgery.formats.hdf5.heaps import TEXT

OBJECTS = 1_000_000
NAMES = 1_000_000  # elements of an attribute
DEPTH = 100
NAME = 1_000  # characters
OBJECT = 400  # bytes of memory of a group or a tensor, without its path
_ELEMENT = 64  # of an element of an attribute
_UNDEFINED = 2**64 - 1
_DATASPACE, _DATATYPE, _LAYOUT, _ATTRIBUTE, _CONTINUATION, _SYMBOLS = 0x1, 0x3, 0x8, 0xC, 0x10, 0x11
_HARMLESS = {0x0, 0x4, 0x5, 0xD, 0xE, 0x12, 0x13}  # nothing, fill values, a comment, times, what B-trees are like

Read = Callable[[int, int], bytes]  # (offset, size) -> bytes; fewer at the end of the file


def content(read: Read, budget: Budget) -> dict[str, Any]:
    """Returns what the file holds, in the form and order of `walking.content`.

    Raises:
        Unusual: the library has to look at it.
        SurgeryError: it describes more than the budget has room for.
    """
    try:
        return _Index(read, budget).content()
    except SurgeryError:
        raise
    except (struct.error, LookupError, ValueError, OverflowError, MemoryError, RecursionError) as error:
        raise Unusual(str(error)) from error


class _Index:
    def __init__(self, read: Read, budget: Budget):
        self._read = read
        self._budget = budget
        self._heaps: dict[int, dict[int, bytes]] = {}

    def bytes(self, offset: int, size: int) -> bytes:
        """Returns exactly so many bytes."""
        if size > 2 * TEXT:
            raise Unusual("more than an index has")
        self._budget.take(size + 100, "the index of the HDF5")  # the time, too: much is read again and again
        found = self._read(offset, size)
        if len(found) != size:
            raise Unusual("truncated")
        return found

    def content(self) -> dict[str, Any]:
        """Walks the groups in the order of `walking`: a stack, names sorted as the B-trees have them."""
        head = self.bytes(0, 96)  # section II.A: superblock, version 0
        if head[:9] != b"\x89HDF\r\n\x1a\n\x00" or head[13:15] != b"\x08\x08" or any(head[24:32]):
            raise Unusual("another superblock")
        found: dict[str, Any] = {"groups": {}, "tensors": {}}
        waiting = [("", number_at(head, 64))]
        seen: set[int] = set()
        while waiting:
            path, address = waiting.pop()
            if address in seen or path.count("/") > DEPTH:
                raise Unusual("a loop")
            seen.add(address)
            messages = list(self.messages(address))
            found["groups"][path] = dict(self.attribute(data) for kind, data in messages if kind == _ATTRIBUTE)
            (table,) = (data for kind, data in messages if kind == _SYMBOLS)
            for name, below in self.symbols(number_at(table, 0), number_at(table, 8)):
                inner = f"{path}/{name}" if path else name
                self._budget.take(OBJECT + 2 * len(inner), "the index of the HDF5")
                parts = dict(self.messages(below))
                if _SYMBOLS in parts:
                    waiting.append((inner, below))
                else:
                    found["tensors"][inner] = self.tensor(parts)
                if len(found["tensors"]) + len(waiting) + len(seen) > OBJECTS:
                    raise Unusual("too many objects")
        return found

    def messages(self, address: int) -> Iterator[tuple[int, bytes]]:
        """Yields (kind, data) of an object. Section IV.A.1.a: object header, version 1."""
        version, _, count, _, size = struct.unpack("<BBHII", self.bytes(address, 12))
        if version != 1:
            raise Unusual("another object header")
        blocks, blocks_seen = [(address + 16, size)], 0
        while blocks:
            start, size = blocks.pop(0)
            blocks_seen += 1
            block, at = self.bytes(start, size), 0
            while at + 8 <= len(block) and count > 0:
                kind, length, flags = struct.unpack_from("<HHB", block, at)
                data = block[at + 8 : at + 8 + length]
                if flags & 2 or len(data) != length or blocks_seen > 1000:
                    raise Unusual("a message that is shared or cut off")
                if kind == _CONTINUATION:
                    blocks.append((number_at(data, 0), number_at(data, 8)))
                elif kind in (_DATASPACE, _DATATYPE, _LAYOUT, _ATTRIBUTE, _SYMBOLS):
                    yield kind, data
                elif kind not in _HARMLESS:
                    raise Unusual(f"a message of kind {kind:#x}")
                at, count = at + 8 + length, count - 1

    def symbols(self, tree: int, heap: int) -> Iterator[tuple[str, int]]:
        """Yields (name, address of the object) of a group. Sections III.A.1, III.B and III.D."""
        signature, _, size, _, segment = struct.unpack("<4sIQQQ", self.bytes(heap, 32))
        if signature != b"HEAP":
            raise Unusual("no local heap")
        names = self.bytes(segment, size)
        for node in self.leaves(tree, 0):
            signature, _, _, count = struct.unpack("<4sBBH", self.bytes(node, 8))
            if signature != b"SNOD" or count > 1024:
                raise Unusual("no symbol table node")
            entries = self.bytes(node + 8, 40 * count)
            for at in range(0, len(entries), 40):
                name, address, cached = struct.unpack_from("<QQI", entries, at)
                end = names.index(b"\0", name, name + 4 * NAME) if name < len(names) else -1
                if cached > 1 or end <= name:
                    raise Unusual("a link, or no name")
                yield names[name:end].decode(), address

    def leaves(self, node: int, depth: int) -> Iterator[int]:
        """Yields the symbol table nodes below a node of a B-tree, version 1."""
        signature, kind, level, count, _, _ = struct.unpack("<4sBBHQQ", self.bytes(node, 24))
        if signature != b"TREE" or kind != 0 or depth > 16:
            raise Unusual("no group B-tree")
        children = self.bytes(node + 24, 16 * count + 8)
        for at in range(8, 16 * count, 16):
            child = number_at(children, at)
            yield from self.leaves(child, depth + 1) if level else (child,)

    def tensor(self, parts: dict[int, bytes]) -> list[Any]:
        """Returns `[shape, dtype, offset]`. Section IV.A.2.i: contiguous layout, version 3."""
        layout, shape = parts.get(_LAYOUT, b""), shape_of(parts.get(_DATASPACE, b""))
        if layout[:2] != b"\x03\x01" or shape is None:
            raise Unusual("no contiguous tensor")
        kind, dtype, _ = type_of(parts.get(_DATATYPE, b""))
        offset = number_at(layout, 2)
        if kind != "number" or offset == _UNDEFINED:
            raise Unusual("no numbers")
        return [shape, dtype, offset]

    # ---- attributes ----

    def attribute(self, data: bytes) -> tuple[str, Any]:
        """Returns name and value. Section IV.A.2.m."""
        version, flags, name_size, type_size, space_size = struct.unpack_from("<BBHHH", data, 0)
        if version not in (1, 3) or (version == 3 and flags):
            raise Unusual("another attribute")
        at = 8 if version == 1 else 9
        pieces = []
        for size in (name_size, type_size, space_size):
            pieces.append(data[at : at + size])
            at += -(-size // 8) * 8 if version == 1 else size
        shape = shape_of(pieces[2])
        if shape is None:
            raise Unusual("an empty attribute")
        count = 1
        for side in shape:
            count *= side
        kind, dtype, size = type_of(pieces[1])
        if count > NAMES or len(data) < at + count * size:
            raise Unusual("a large attribute")
        self._budget.take(_ELEMENT * count + len(data), "an attribute of the HDF5")
        raw = [data[at + size * number : at + size * (number + 1)] for number in range(count)]
        values = [self.value(kind, dtype, one) for one in raw]
        return pieces[0].split(b"\0")[0].decode(), nested(values, shape)

    def value(self, kind: str, dtype: str, raw: bytes) -> Any:
        if kind == "number":
            return struct.unpack("<" + LETTERS[dtype], raw)[0]
        if kind == "text":
            return raw.rstrip(b"\0").decode("utf-8", "replace")
        length, address, number = struct.unpack("<IQI", raw)  # section IV.B: an object in a global heap
        if length == 0:
            return ""
        text = self.heap(address).get(number, b"")
        if len(text) < length:
            raise Unusual("no such text")
        self._budget.take(length, "an attribute of the HDF5")
        return text[:length].decode("utf-8", "surrogateescape")

    def heap(self, address: int) -> dict[int, bytes]:
        """Returns the objects of a global heap collection, by number. Section III.E."""
        if address not in self._heaps:
            signature, _, size = struct.unpack("<4sIQ", self.bytes(address, 16))
            if signature != b"GCOL":
                raise Unusual("no global heap")
            block, at, found = self.bytes(address, size), 16, {}
            self._budget.take(size, "a heap of texts of the HDF5")
            while at + 16 <= len(block):
                number, _, _, length = struct.unpack_from("<HHIQ", block, at)
                if number == 0:
                    break
                if at + 16 + length > len(block):
                    raise Unusual("a heap that does not hold what it says")
                found[number] = block[at + 16 : at + 16 + length]
                at += 16 + -(-length // 8) * 8
            self._heaps[address] = found
        return self._heaps[address]
