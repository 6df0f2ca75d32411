"""A range of bytes of an open file, as a seekable stream: a zip member that is stored as it is needs no unpacking.

The descriptor stays open as long as something reads from it, so a file that is replaced meanwhile is still the one that
was opened.
"""

from __future__ import annotations

import io
import os
import weakref
from pathlib import Path
from typing import IO

from surgery.core.errors import SurgeryError, printable
from surgery.formats.budget import Budget


class Descriptor:
    """An open file, closed when nothing refers to it any more."""

    def __init__(self, path: Path):
        try:
            self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            raise SurgeryError(f"{printable(path)!r} cannot be read: {error.strerror}.") from error
        weakref.finalize(self, os.close, self.number)
        self.path = path
        self.size = os.fstat(self.number).st_size
        self.budget = Budget(self.size)


class Unpacked(Descriptor):
    """A file without a name that holds what was packed in another, whose path and budget it has."""

    def __init__(self, content: IO[bytes], source: Descriptor):
        content.flush()
        self.number = os.dup(content.fileno())
        weakref.finalize(self, os.close, self.number)
        self.path = source.path
        self.size = os.fstat(self.number).st_size
        self.budget = source.budget


class Window(io.RawIOBase):
    """`size` bytes of a file from `start` on.

    Args:
        source: the open file.
        start: offset in bytes.
        size: in bytes; up to the end of the file by default.
    """

    def __init__(self, source: Descriptor, start: int = 0, size: int | None = None):
        super().__init__()
        self.source = source
        self.start = start
        self.size = source.size - start if size is None else size
        self._at = 0
        if not 0 <= start <= start + self.size <= source.size:
            raise SurgeryError(f"{printable(source.path)!r} is truncated: it ends before what it says it holds.")

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fills a buffer with the bytes from `offset` on.

        Raises:
            SurgeryError: the file has fewer.
        """
        done = 0
        if not 0 <= offset <= offset + len(buffer) <= self.size:
            raise SurgeryError(f"{printable(self.source.path)!r} is truncated: it ends before what it says it holds.")
        while done < len(buffer):
            count = os.preadv(self.source.number, [buffer[done:]], self.start + offset + done)
            if count == 0:
                raise SurgeryError(f"{printable(self.source.path)!r} became shorter while it was read.")
            done += count

    # ---- what io, zipfile and h5py ask for ----

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = min(max(0, at), self.size)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = max(0, min(len(buffer), self.size - self._at))
        if count:
            count = os.preadv(self.source.number, [memoryview(buffer)[:count]], self.start + self._at)
        self._at += count
        return count
