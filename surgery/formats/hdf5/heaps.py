"""The stream that the HDF5 library reads a file through: whole reads, no errors, no heap of strings it could not leave.

An attribute that is text lies in a "global heap", a list of objects one after the other. The library walks that list
and trusts the lengths in it: one that is zero holds it for ever. So the list is walked here first.
Source: HDF5 File Format Specification 3.0, section III.E.
"""

from __future__ import annotations

import os
from typing import Any

from surgery.core.errors import SurgeryError

HEAP = b"GCOL"
TEXT = 64 * 2**20  # bytes of one text; the configuration of a model with 1,000 layers has 2 MB
_HEAD = 16  # bytes before the first object, and before the content of each


class GuardedStream:
    """A file-like object as h5py wants one, over another.

    Args:
        stream: a seekable stream of bytes.
        what: the name of the file, for messages.
    """

    def __init__(self, stream: Any, what: str):
        self._stream = stream
        self._what = what
        self._size = stream.seek(0, os.SEEK_END)
        self._at = 0
        self.refusal: SurgeryError | None = None
        self.largest = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        self._stream.seek(self._at)
        content = self._stream.read(size)
        self._at += len(content)
        return content

    def readinto(self, buffer: Any) -> int:
        """Fills the whole buffer, which the library takes for granted."""
        view = memoryview(buffer).cast("B")
        start, done = self._at, 0
        inside = 0 <= start < self._size
        self._stream.seek(start if inside else 0)
        while done < len(view):
            count = self._stream.readinto(view[done:]) if inside else 0
            if not count:
                view[done:] = bytes(len(view) - done)
                self._refuse("it is truncated")
                break
            done += count
        self._at = start + len(view)
        if bytes(view[:4]) == HEAP and not self._is_sound(start, bytes(view[:_HEAD])):
            view[:] = bytes(len(view))
        return len(view)

    def _is_sound(self, start: int, head: bytes) -> bool:
        """Whether the objects of a heap of text follow each other from its start to its end."""
        size = int.from_bytes(head[8:16], "little")
        if len(head) < _HEAD or size > 2 * TEXT:
            return self._refuse(f"a heap of text claims {size:,} bytes")
        self._stream.seek(start)
        heap = self._stream.read(size)
        at = _HEAD
        while at + _HEAD <= len(heap):
            number = int.from_bytes(heap[at : at + 2], "little")
            length = int.from_bytes(heap[at + 8 : at + 16], "little")
            if number:
                self.largest = max(self.largest, length)
            step = _HEAD + (length + 7) // 8 * 8 if number else length
            if step < _HEAD or at + step > len(heap):
                return self._refuse("a heap of text does not hold what it says")
            at += step
        return True

    def _refuse(self, why: str) -> bool:
        self.refusal = self.refusal or SurgeryError(f"{self._what} is broken HDF5: {why}.")
        return False
