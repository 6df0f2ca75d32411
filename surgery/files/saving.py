"""Writes a model file so that the path always holds a whole file: the old one or the new one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from surgery.errors import SurgeryError, first_line, printable


def save_model(model: Any, path: str | os.PathLike[str], prove: bool = True) -> Path:
    """Writes a Keras model to a `.keras` file, atomically.

    Args:
        model: a live `keras.Model`.
        path: where to; an existing file is replaced only by a finished one.
        prove: whether the file is opened again and its weights are compared, to the bit, before it takes its place.

    Raises:
        SurgeryError: the path does not end in `.keras` or cannot be written, or the file does not hold the same model.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise SurgeryError(f"{printable(path)!r} should end in .keras, the format that is written.")
    try:
        handle, name = tempfile.mkstemp(suffix=".keras", prefix=f".{path.stem}-", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise SurgeryError(f"{printable(path)!r} cannot be written: {error.strerror}.") from error
    try:
        _write(model, Path(name), path, prove)
        os.replace(name, path)
    except OSError as error:
        raise SurgeryError(f"{printable(path)!r} cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
    return path


def _write(model: Any, draft: Path, path: Path, prove: bool) -> None:
    try:
        model.save(draft)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise SurgeryError(f"Keras cannot save {model.name!r}: {first_line(error)}") from error
    mask = os.umask(0)
    os.umask(mask)
    draft.chmod(0o666 & ~mask)
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    if prove:
        _compare(model, draft, path)


def _compare(model: Any, draft: Path, path: Path) -> None:
    import keras
    import numpy as np

    try:
        reopened: Any = keras.models.load_model(
            draft, compile=False, safe_mode=False
        )  # written just now by this process
    except Exception as error:
        raise SurgeryError(
            f"{printable(path)!r} was not written: Keras cannot open what it saved: {first_line(error)} "
            "Register custom classes with keras.saving.register_keras_serializable()."
        ) from error
    if len(reopened.weights) != len(model.weights):
        raise SurgeryError(
            f"{printable(path)!r} was not written: it has {len(reopened.weights)} weights, not {len(model.weights)}."
        )
    for mine, theirs in zip(model.weights, reopened.weights, strict=True):
        if not np.array_equal(mine.numpy(), theirs.numpy(), equal_nan=mine.dtype not in ("string",)):
            raise SurgeryError(f"{printable(path)!r} was not written: {mine.path} differs after reopening.")
