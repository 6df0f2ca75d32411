"""Opens a model file through Keras, without compiling and in safe mode: no code from the file is run."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

from surgery.errors import SurgeryError, first_line, nearest, printable
from surgery.graph import Graph

_HDF5 = b"\x89HDF\r\n\x1a\n"
SUFFIXES = (".keras", ".h5", ".hdf5")


def open_file(path: str | os.PathLike[str]) -> Graph:
    """Opens a `.keras` or legacy HDF5 model file as a new `Graph`.

    Args:
        path: the file; its content decides what it is, not its name.

    Raises:
        SurgeryError: there is no such file, it is no model, it is broken, or it holds code.
    """
    path = Path(path)
    kind = _kind(path)
    model = _loaded(path, kind)
    from surgery.tracing import trace

    return trace(model)


def _kind(path: Path) -> str:
    """Returns the suffix that the content of a file deserves."""
    if not path.exists():
        beside = (
            [file.name for file in path.parent.glob("*") if file.suffix in SUFFIXES] if path.parent.is_dir() else []
        )
        raise SurgeryError(f"no file {printable(path)!r}.{nearest(path.name, beside)}")
    if path.is_dir():
        raise SurgeryError(f"{printable(path)!r} is a directory; a model file (.keras, .h5) was expected.")
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise SurgeryError(f"{printable(path)!r} cannot be read: {error.strerror}.") from error
    if head.startswith(_HDF5):
        return ".h5"
    if head.startswith(b"PK\x03\x04"):
        if not zipfile.is_zipfile(path):
            raise SurgeryError(
                f"{printable(path)!r} is a broken or truncated .keras file: its zip directory is missing."
            )
        return ".keras"
    found = f"it begins with {head[:16]!r}" if head else "it is empty"
    raise SurgeryError(
        f"{printable(path)!r} is no Keras model file: {found}, and is neither a zip (.keras) nor HDF5 (.h5)."
    )


def _loaded(path: Path, kind: str) -> Any:
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # strangers' files raise anything
        text = first_line(error)
        if path.suffix != kind:
            text += f" (its content is that of a {kind} file: rename it)"
        raise SurgeryError(f"{printable(path)!r} cannot be opened: {text}") from error
