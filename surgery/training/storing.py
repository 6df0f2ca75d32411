"""Rows of tensors that are computed chunk by chunk and kept: in memory, or on disk, where a kill costs one chunk.

On disk each tensor is a plain `.npy` file that grows by whole chunks, and `progress.json` says how many rows are whole;
it is replaced, never written over. Nothing is mapped while it is written: a full disk is an error, not a crash.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surgery.errors import SurgeryError, printable
from surgery.specs import Spec, megabytes

SKIPPED = 64  # rows that are skipped at a time


def numpy_spec(spec: Spec) -> tuple[tuple[int, ...], np.dtype]:
    """Returns the shape of one row and the type that keeps its values; bfloat16 is kept as its 16 bits.

    Raises:
        SurgeryError: a side of the tensor varies from row to row.
    """
    if spec.shape is None or None in spec.shape[1:]:
        raise SurgeryError(f"rows of {spec} differ in size; give the network inputs of one size: sg.resize.")
    dtype = np.dtype("uint16" if spec.dtype == "bfloat16" else spec.dtype)
    return tuple(int(side) for side in spec.shape[1:] if side is not None), dtype


def as_bits(array: Any) -> Any:
    """Returns an array as it is kept: bfloat16, which `.npy` does not know, as its 16 bits."""
    return array.view("uint16") if array.dtype.name == "bfloat16" else array


def row_bytes(specs: Sequence[Spec]) -> int:
    """Returns the size of one row of all tensors."""
    return sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in map(numpy_spec, specs))


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
        return [_as_dtype(array, dtype) for array, dtype in zip(found, self._dtypes, strict=True)]

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
        room = shutil.disk_usage(folder).free
        missing = self.bytes * (self.rows - self.done) // max(self.rows, 1)
        if missing > room:
            raise SurgeryError(
                f"{megabytes(missing)} are to be written into {printable(folder)!r}, where {megabytes(room)} are free."
            )
        for number, (shape, dtype) in enumerate(self._shapes):
            head = self._head(number)
            with self._path(number).open("r+b" if self.done else "wb") as file:
                if not self.done:
                    file.write(head)
                file.truncate(len(head) + self.done * int(np.prod(shape)) * dtype.itemsize)
        self._note(folder)

    def _rows_there(self, folder: Path) -> int:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            said = json.loads((folder / "progress.json").read_text())
            if said["key"] == self._key and said["rows"] == self.rows and 0 <= said["done"] <= self.rows:
                for number, (shape, dtype) in enumerate(self._shapes):
                    size = said["done"] * int(np.prod(shape)) * dtype.itemsize
                    if self._path(number).stat().st_size < len(self._head(number)) + size:
                        return 0
                return said["done"]
        return 0

    def _append(self, number: int, array: Any) -> None:
        shape, dtype = self._shapes[number]
        with self._path(number).open("r+b") as file:
            file.seek(len(self._head(number)) + self.done * int(np.prod(shape)) * dtype.itemsize)
            file.write(np.ascontiguousarray(array, dtype).data)
            file.flush()
            os.fsync(file.fileno())

    def _note(self, folder: Path) -> None:
        draft = folder / ".progress.json"
        draft.write_text(json.dumps({"key": self._key, "rows": self.rows, "done": self.done}))
        os.replace(draft, folder / "progress.json")


def _as_dtype(array: Any, dtype: str) -> Any:
    if dtype != "bfloat16":
        return array
    import ml_dtypes

    return array.view(ml_dtypes.bfloat16)


@contextlib.contextmanager
def _writing(folder: Path) -> Any:
    try:
        yield
    except OSError as error:
        raise SurgeryError(f"{printable(folder)!r} cannot be written: {error.strerror}.") from error
