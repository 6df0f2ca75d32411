"""Files of features: HDF5 with a data set for each tap, NumPy's own for one, with the names of the images."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError, printable
from surgery.formats.atomic import written_whole

ROWS = 256  # that are written at a time


@dataclasses.dataclass(frozen=True)
class Shape:
    """Stands for an array that lies in a file."""

    shape: tuple[int, ...]


def target(out: str | os.PathLike[str]) -> Path:
    """Returns the path of a file to be written.

    Raises:
        SurgeryError: its suffix is none of features, or it cannot be written.
    """
    path = Path(out)
    if path.suffix not in (".h5", ".hdf5", ".npy"):
        raise SurgeryError(f"{printable(path)!r} should end in .h5 or .npy.")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise SurgeryError(f"{printable(path)!r} cannot be written: no such folder, or no right to write there.")
    return path


def refuse_taps(target: Path, names: Iterable[str]) -> None:
    """Refuses taps that a file cannot hold: two in one array, or names that are none of data sets.

    Raises:
        SurgeryError: which.
    """
    names = list(names)
    if target.suffix != ".npy":
        _refuse_names(names)
    elif len(names) > 1:
        raise SurgeryError(f"{printable(target.name)!r} takes one tap; several go into .h5.")


def _refuse_names(names: list[str]) -> None:
    """Refuses names of taps that are none of data sets, or lie in one another, in an HDF5 file."""
    for name in names:
        under = [other for other in names if other.startswith(f"{name}/")]
        if name == "names" or not name.strip("./") or under:
            why = f"{under[0]!r} would lie in it" if under else "the file names are kept there, or it is none"
            raise SurgeryError(f"a data set cannot be called {name!r}: {why}. Name the taps: {{'other': {name!r}}}.")


def write(
    target: Path, arrays: dict[str, Any], names: list[str], keep: Any, said: dict[str, str] | None = None
) -> dict[str, Shape]:
    """Writes features to a file, whole or not at all; returns what it holds.

    Args:
        target: `.npy`, or another suffix for HDF5.
        arrays: tap -> array.
        names: of the images that are kept.
        keep: their rows.
        said: attributes of an HDF5 file: how the features were made.
    """
    if target.suffix == ".npy":
        _write_npy(target, arrays, names, keep)
    else:
        _write_h5(target, arrays, names, keep, said or {})
    return {name: Shape((len(names), *array.shape[1:])) for name, array in arrays.items()}


def _write_h5(target: Path, arrays: dict[str, Any], names: list[str], keep: Any, said: dict[str, str]) -> None:
    import h5py

    with written_whole(target) as draft, h5py.File(draft, "w") as file:
        file.attrs.update(said)
        raw = [name.encode("utf-8", "surrogateescape") for name in names]  # a name may be no text
        file.create_dataset("names", data=raw, dtype=h5py.string_dtype())
        for name, array in arrays.items():
            sides = array.shape[1:]
            chunk = (max(min(64, len(names)), 1), *sides)
            made = file.create_dataset(name, (len(names), *sides), array.dtype, chunks=chunk)
            for first in range(0, len(names), ROWS):
                made[first : first + ROWS] = array[keep[first : first + ROWS]]


def _write_npy(target: Path, arrays: dict[str, Any], names: list[str], keep: Any) -> None:
    ((_, array),) = arrays.items()
    with written_whole(target.with_suffix(".txt")) as draft:
        draft.write_text("".join(f"{printable(name)}\n" for name in names), encoding="utf-8")
    with written_whole(target) as draft, draft.open("wb") as file:
        head = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False}
        np.lib.format.write_array_header_2_0(file, {**head, "shape": (len(names), *array.shape[1:])})
        for first in range(0, len(names), ROWS):
            file.write(np.ascontiguousarray(array[keep[first : first + ROWS]]).data)
