"""Writes a file so that its path always holds a whole one: the old one, or the new one when it is finished.

All that surgery writes is written here: models, features, images, cards, recipes. The new file has the permissions
and, where the system allows it, the owner of the one in whose place it comes; a link stays a link, to the new content.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from surgery.core.errors import SurgeryError, first_line, printable
from surgery.formats.locks import DRAFT, held, real


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a draft beside a path, which takes its place when the block ends without an error; else it is gone.

    Raises:
        SurgeryError: there is no such folder, no right to write, or no room; it is a device; another process writes it.
    """
    target = real(path)
    _refuse_device(target)
    with held(target) as stem:
        try:
            draft = _draft(target, stem)
        except OSError as error:
            raise SurgeryError(f"{printable(path)!r} cannot be written: {error.strerror}.") from error
        try:
            yield draft
            _settle(draft, target)
            os.replace(draft, target)
        except OSError as error:
            what = error.strerror or first_line(error)
            raise SurgeryError(f"{printable(path)!r} cannot be written: {what}.") from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)


@contextlib.contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """Gives a folder which takes the place of a path when the block ends without an error; else it is gone.

    Of a folder that is there already (a link to one, or a disk of its own, too) files of the same names are replaced,
    each whole, all or none, and others stay.

    Raises:
        SurgeryError: there is no such folder to make it in, no right to write, or no room; another process writes it.
    """
    target = real(path)
    with held(target) as stem:
        try:
            inside = target if target.is_dir() else target.parent
            draft = Path(tempfile.mkdtemp(prefix=f"{stem}-", suffix=DRAFT, dir=inside))
        except OSError as error:
            raise SurgeryError(f"{printable(path)!r} cannot be written: {error.strerror}.") from error
        try:
            yield draft
            if target.is_dir():
                _move_in(draft, target, stem)
            else:
                for file in draft.iterdir():
                    _settle(file, file)
                draft.chmod(0o777 & ~_mask())
                os.replace(draft, target)
        except OSError as error:
            what = error.strerror or first_line(error)
            raise SurgeryError(f"{printable(path)!r} cannot be written: {what}.") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _move_in(draft: Path, folder: Path, stem: str) -> None:
    """Moves the files of a draft into the folder it is in; where one cannot be, those before it are taken back.

    A file that is a link stays one: its target, on whatever disk, is replaced.
    """
    with contextlib.ExitStack() as stack:
        moves: list[tuple[Path, Path, Path | None]] = []
        for file in sorted(draft.iterdir()):
            target = real(folder / file.name)
            _refuse_device(target)
            new = file
            if target.parent != folder:
                new = _draft(target, stack.enter_context(held(target)))
                stack.callback(new.unlink, missing_ok=True)
                shutil.copyfile(file, new)
            _settle(new, target)
            old = _kept(target, stem) if os.path.lexists(target) else None
            if old is not None:
                stack.callback(old.unlink, missing_ok=True)
            moves.append((new, target, old))
        done: list[tuple[Path, Path | None]] = []
        try:
            for new, target, old in moves:
                os.replace(new, target)
                done.append((target, old))
        except OSError:
            for target, old in done:
                if old is not None:
                    os.replace(old, target)
                else:
                    target.unlink()
            raise


def _draft(target: Path, stem: str) -> Path:
    """Makes an empty file beside a path, which nobody else can read; a program may go by its suffix."""
    handle, name = tempfile.mkstemp(prefix=f"{stem}-", suffix=f"{DRAFT}{target.suffix}", dir=target.parent)
    os.close(handle)
    return Path(name)


def _kept(file: Path, stem: str) -> Path:
    """Returns a second name of a file, or a copy of it, beside it."""
    beside = _draft(file, stem)
    beside.unlink()
    try:
        os.link(file, beside, follow_symlinks=False)
    except OSError:  # a file system without links, or a file of another user
        shutil.copy2(file, beside, follow_symlinks=False)
    return beside


def _refuse_device(target: Path) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        mode = os.stat(target).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise SurgeryError(f"{printable(target)!r} is not a regular file; it stays as it is. Give another name.")


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _settle(draft: Path, target: Path) -> None:
    """Gives a draft the permissions and the owner of the file in whose place it comes, or those that a new file has,
    and waits until its bytes are on the disk."""
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    there = os.stat(target) if target != draft and target.is_file() else None
    if there is not None and hasattr(os, "chown"):
        for owner, group in ((-1, there.st_gid), (there.st_uid, -1)):
            with contextlib.suppress(OSError):  # of another user; the group may be kept all the same
                os.chown(draft, owner, group)
    draft.chmod(0o666 & ~_mask() if there is None else stat.S_IMODE(there.st_mode))
