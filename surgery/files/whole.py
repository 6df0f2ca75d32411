"""Writes a file so that its path always holds a whole one: the old one, or the new one when it is finished."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from surgery.errors import SurgeryError, first_line, printable


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a draft beside a path, which takes its place when the block ends without an error; else it is gone.

    Raises:
        SurgeryError: there is no such folder, no right to write, or no room.
    """
    try:
        handle, name = tempfile.mkstemp(suffix=path.suffix, prefix=f".{path.stem[:40]}-", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise SurgeryError(f"{printable(path)!r} cannot be written: {error.strerror}.") from error
    try:
        yield Path(name)
        _settle(Path(name))
        os.replace(name, path)
    except OSError as error:
        raise SurgeryError(f"{printable(path)!r} cannot be written: {error.strerror or first_line(error)}.") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _settle(draft: Path) -> None:
    """Gives a draft the permissions that a new file has, and waits until its bytes are on the disk."""
    mask = os.umask(0)
    os.umask(mask)
    draft.chmod(0o666 & ~mask)
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
