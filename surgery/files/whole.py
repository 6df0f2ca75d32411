"""Writes a file so that its path always holds a whole one: the old one, or the new one when it is finished."""

from __future__ import annotations

import contextlib
import os
import shutil
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


@contextlib.contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """Gives a folder which takes the place of a path when the block ends without an error; else it is gone.

    Of a folder that is there already (a link to one, or a disk of its own, too) files of the same names are replaced,
    each whole, all or none, and others stay.

    Raises:
        SurgeryError: there is no such folder to make it in, no right to write, or no room.
    """
    try:
        inside = path if path.is_dir() else path.parent
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}-", dir=inside))
    except OSError as error:
        raise SurgeryError(f"{printable(path)!r} cannot be written: {error.strerror}.") from error
    try:
        yield draft
        if path.is_dir():
            _move_in(draft, path)
        else:
            draft.chmod(0o777 & ~_mask())
            os.replace(draft, path)
    except OSError as error:
        raise SurgeryError(f"{printable(path)!r} cannot be written: {error.strerror or first_line(error)}.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _move_in(draft: Path, folder: Path) -> None:
    """Moves the files of a draft into the folder it is in; where one cannot be, those before it are taken back."""
    new = sorted(draft.iterdir())
    old = Path(tempfile.mkdtemp(dir=draft))
    moved: list[Path] = []
    try:
        for file in new:
            target = folder / file.name
            if os.path.lexists(target):
                _keep(target, old / file.name)
            os.replace(file, target)
            moved.append(target)
    except OSError:
        for target in moved:
            if os.path.lexists(old / target.name):
                os.replace(old / target.name, target)
            else:
                target.unlink()
        raise


def _keep(file: Path, beside: Path) -> None:
    try:
        os.link(file, beside, follow_symlinks=False)
    except OSError:  # a file system without links, or a file of another user
        shutil.copy2(file, beside, follow_symlinks=False)


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _settle(draft: Path) -> None:
    """Gives a draft the permissions that a new file has, and waits until its bytes are on the disk."""
    draft.chmod(0o666 & ~_mask())
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
