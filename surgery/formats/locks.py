"""One writer for each path: a lock that another process sees, and that ends with the process that holds it.

The lock is the system's (`flock`, on Windows `msvcrt.locking`), on a file beside the path that says whose it is, and is
gone with the lock. A process that is killed leaves that file and its drafts, without the lock: the next one that writes
into the folder takes them away. Where a file system has no locks, there is none, and nothing is taken away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from surgery.core.errors import SurgeryError, printable

LOCK, DRAFT = ".surgery-lock", ".surgery-draft"
TRIES, PAUSE = 5, 0.05  # another process may hold a lock for a moment, to see whether it is left over

_mine = threading.local()


@contextlib.contextmanager
def held(path: str | os.PathLike[str]) -> Iterator[str]:
    """Holds a path against other writers, in this and in other processes; gives how its drafts begin.

    A thread that holds it may hold it again. What a killed process left in the folder is taken away.

    Args:
        path: of a file or folder, there or not; a link is followed.

    Raises:
        SurgeryError: another process writes there, or the folder cannot be written to.
    """
    path = real(path)
    folder = path if path.is_dir() else path.parent
    stem = f".{path.name[:40]}-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]}"
    lock = folder / f"{stem}{LOCK}"
    held_by_me = _mine.__dict__.setdefault("locks", set())
    if lock in held_by_me:
        yield stem
        return
    try:
        descriptor, sure = _taken(lock)
    except OSError as error:
        raise SurgeryError(f"{printable(path)!r} cannot be written: {error.strerror}.") from error
    if descriptor is None:
        raise SurgeryError(
            f"{printable(path)!r} is being written by {_owner(lock)}. Wait until it has ended, or give another name."
        )
    held_by_me.add(lock)
    try:
        if sure:
            _sweep(folder, stem)
        yield stem
    finally:
        held_by_me.discard(lock)
        _let_go(lock, descriptor)


def real(path: str | os.PathLike[str]) -> Path:
    """Returns the path that is written: links are followed."""
    return Path(os.path.realpath(path))


def _taken(lock: Path) -> tuple[int | None, bool]:
    """Returns the descriptor of a lock file, locked from now on, or `None` if another has it; whether locks work."""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE)
        descriptor = _opened(lock, os.O_CREAT)
        got = _locked(descriptor)
        if got is not False and _is_there(lock, descriptor):  # else its owner has taken it away meanwhile
            with contextlib.suppress(OSError):  # of another user
                os.ftruncate(descriptor, 0)
                os.write(descriptor, str(os.getpid()).encode())
            return descriptor, got is True
        os.close(descriptor)
    return None, True


def _opened(lock: Path, flags: int = 0) -> int:
    further = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        return os.open(lock, os.O_RDWR | flags | further, 0o644)
    except PermissionError:
        return os.open(lock, os.O_RDONLY | further)


def _locked(descriptor: int) -> bool | None:
    """Locks an open file, and returns whether it did; `None` where the file system knows no locks."""
    try:
        if os.name == "nt":
            import msvcrt

            windows: Any = msvcrt
            os.lseek(descriptor, 2**30, os.SEEK_SET)  # beyond what the file says, which others may read
            windows.locking(descriptor, windows.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def _is_there(lock: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(lock), os.fstat(descriptor))
    except OSError:
        return False


def _let_go(lock: Path, descriptor: int) -> None:
    if os.name == "nt":  # an open file cannot be removed there
        os.close(descriptor)
    with contextlib.suppress(OSError):
        os.unlink(lock)
    if os.name != "nt":
        os.close(descriptor)


def _owner(lock: Path) -> str:
    try:
        pid = int(lock.read_text())
    except (OSError, ValueError):
        return "another process"
    return "this process, in another thread" if pid == os.getpid() else f"process {pid}"


def _sweep(folder: Path, mine: str) -> None:
    """Removes what killed processes left in a folder: drafts whose lock nobody holds, and those locks."""
    with contextlib.suppress(OSError):
        names = [entry.name for entry in os.scandir(folder) if LOCK in entry.name or DRAFT in entry.name]
        stems = {name.removesuffix(LOCK) for name in names if name.endswith(LOCK)}
        for stem in stems:
            descriptor = None
            if stem != mine and (descriptor := _free(folder / f"{stem}{LOCK}")) is None:
                continue
            for name in names:
                if name.startswith(f"{stem}-") and DRAFT in name:
                    _remove(folder / name)
            if descriptor is not None:
                _let_go(folder / f"{stem}{LOCK}", descriptor)


def _free(lock: Path) -> int | None:
    """Returns the descriptor of the lock of a process that is gone, locked; `None` if one holds it."""
    descriptor = None
    with contextlib.suppress(OSError):
        descriptor = _opened(lock)
        if _locked(descriptor) and _is_there(lock, descriptor):
            return descriptor
    if descriptor is not None:
        os.close(descriptor)
    return None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
