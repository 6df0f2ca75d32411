"""Rows of tensors that are computed chunk by chunk and kept: in memory, or on disk, where a kill costs one chunk.

On disk each tensor is a plain `.npy` file that grows by whole chunks, and `progress.json` says how many rows are whole,
with the checksum of their bytes; it is replaced, never written over. Rows that are not what was written are computed
again. Nothing is mapped while it is written: a full disk is an error, not a crash.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError, SurgeryWarning, printable
from surgery.core.specs import Spec, megabytes
from surgery.training.stored_rows import as_bits, as_dtype, numpy_spec

FORMAT = 2  # of what is kept on disk; a new number makes the old unread
SKIPPED = 64  # rows that are skipped at a time
PART = 2**24  # bytes that are read at a time, for their checksum


def made(folder: Path) -> Path:
    """Makes a folder, if it is not there; returns it.

    Raises:
        SurgeryError: it cannot be made.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def rows_in(folder: Path) -> tuple[int, int]:
    """Returns how many rows of how many a folder of a `Store` says that it has; none where it says nothing."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads((folder / "progress.json").read_text())
        return int(said["done"]), int(said["rows"])
    return 0, 0


class Store:
    """Rows of one or several tensors.

    Args:
        specs: of the tensors, with the batch axis first.
        rows: how many there will be.
        folder: where they are kept; `None` keeps them in memory.
        key: what the rows were computed from; a folder with rows of another key is begun anew.

    Raises:
        SurgeryError: the folder cannot be written, or the disk has no room.
    """

    def __init__(self, specs: Sequence[Spec], rows: int, folder: Path | None = None, key: str = ""):
        self.rows = rows
        self.folder = folder
        self._key = key
        self._shapes = [numpy_spec(spec) for spec in specs]
        self._dtypes = [spec.dtype for spec in specs]
        self.done = 0
        self._sums = [_checksum() for _ in specs]
        if folder is None:
            self._arrays = [np.empty((rows, *shape), dtype) for shape, dtype in self._shapes]
        else:
            with _writing(folder):
                self._begin(folder)

    @property
    def bytes(self) -> int:
        """Size of all rows."""
        return self.rows * sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in self._shapes)

    @property
    def whole(self) -> bool:
        """Whether all rows are there."""
        return self.done == self.rows

    def add(self, arrays: Sequence[Any]) -> None:
        """Appends rows: one array for each tensor.

        Raises:
            SurgeryError: they are not of the right shape, or cannot be written.
        """
        count = len(arrays[0])
        for array, (shape, _) in zip(arrays, self._shapes, strict=True):
            if array.shape != (count, *shape) or self.done + count > self.rows:
                raise SurgeryError(f"{array.shape} rows were made, where {self.rows - self.done} of {shape} are due.")
        if self.folder is None:
            for kept, array in zip(self._arrays, arrays, strict=True):
                kept[self.done : self.done + count] = as_bits(array)
        else:
            with _writing(self.folder):
                for number, array in enumerate(arrays):
                    self._append(number, as_bits(array))
        self.done += count
        if self.folder is not None:
            with _writing(self.folder):
                self._note(self.folder)

    def skip(self, count: int) -> None:
        """Appends rows of zeros."""
        for first in range(0, count, SKIPPED):
            rows = min(SKIPPED, count - first)
            self.add([np.zeros((rows, *shape), dtype) for shape, dtype in self._shapes])

    def arrays(self) -> list[Any]:
        """Returns the tensors of all rows; those on disk are mapped, not read."""
        if self.folder is None:
            found = self._arrays
        else:
            found = [np.load(self._path(number), mmap_mode="r") for number in range(len(self._shapes))]
        return [as_dtype(array, dtype) for array, dtype in zip(found, self._dtypes, strict=True)]

    def discard(self) -> None:
        """Removes what is on disk: it is not what its key says."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- on disk ----

    def _path(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"tensor{number}.npy"

    def _head(self, number: int) -> bytes:
        import io

        shape, dtype = self._shapes[number]
        head = io.BytesIO()
        described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (self.rows, *shape)}
        np.lib.format.write_array_header_2_0(head, described)
        return head.getvalue()

    def _begin(self, folder: Path) -> None:
        """Goes on where an earlier run of the same key stopped, or begins."""
        folder.mkdir(parents=True, exist_ok=True)
        self.done = self._rows_there(folder)
        if self.whole and self.rows:
            return
        room = shutil.disk_usage(folder).free
        missing = self.bytes * (self.rows - self.done) // max(self.rows, 1)
        if missing > room:
            raise SurgeryError(
                f"{megabytes(missing)} are to be written into {printable(folder)!r}, where {megabytes(room)} are free."
            )
        for number in range(len(self._shapes)):
            head, path = self._head(number), self._path(number)
            if not self.done:
                path.unlink(missing_ok=True)  # another process may have mapped what it held
                path.write_bytes(head)
            with path.open("r+b") as file:
                file.truncate(len(head) + self._size(number, self.done))
        self._note(folder)

    def _size(self, number: int, rows: int) -> int:
        shape, dtype = self._shapes[number]
        return rows * int(np.prod(shape)) * dtype.itemsize

    def _rows_there(self, folder: Path) -> int:
        """Returns how many rows of this key are on disk, and are what was written."""
        note = folder / "progress.json"
        if not note.exists():
            return 0
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            said = json.loads(note.read_text())
            if said["key"] != self._key and said["format"] == FORMAT:
                return 0  # of other settings
            if said["format"] == FORMAT and said["rows"] == self.rows and 0 <= said["done"] <= self.rows:
                sums = [self._sum(number, said["done"]) for number in range(len(self._shapes))]
                if [one.hexdigest() for one in sums] == said["checksums"]:
                    self._sums = sums
                    return said["done"]
        warnings.warn(
            f"what {printable(folder)!r} holds is not what was written there, by its checksum or its version; it is "
            "computed again.",
            category=SurgeryWarning,
            stacklevel=2,
        )
        return 0

    def _sum(self, number: int, rows: int) -> Any:
        """Returns the checksum of some rows of a tensor, as they are on disk."""
        found, left = _checksum(), self._size(number, rows)
        with self._path(number).open("rb") as file:
            head = self._head(number)
            if file.read(len(head)) != head:
                raise ValueError("another head")
            while left:
                part = file.read(min(left, PART))
                if not part:
                    raise ValueError("rows are missing")
                found.update(part)
                left -= len(part)
        return found

    def _append(self, number: int, array: Any) -> None:
        data = np.ascontiguousarray(array, self._shapes[number][1]).data
        with self._path(number).open("r+b") as file:
            file.seek(len(self._head(number)) + self._size(number, self.done))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self._sums[number].update(data)

    def _note(self, folder: Path) -> None:
        draft = folder / ".progress.json"
        said = {"format": FORMAT, "key": self._key, "rows": self.rows, "done": self.done}
        draft.write_text(json.dumps({**said, "checksums": [one.hexdigest() for one in self._sums]}))
        os.replace(draft, folder / "progress.json")


def _checksum() -> Any:
    return hashlib.blake2b(digest_size=16)


@contextlib.contextmanager
def _writing(folder: Path) -> Any:
    try:
        yield
    except OSError as error:
        raise SurgeryError(f"{printable(folder)!r} cannot be written: {error.strerror}.") from error
