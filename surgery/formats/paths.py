"""What can be said of a path before anything is read; no reader is loaded for it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from surgery.core.errors import SurgeryError, printable

SUFFIXES = (".keras", ".h5", ".hdf5", ".json")  # of what is a model file, whether it is there or not


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether there is something at a path; no path that a system refuses is one."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def refuse_url(path: str | os.PathLike[str]) -> None:
    """Refuses a URL, which is no path of a file.

    Raises:
        SurgeryError: it is one.
    """
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/+(?=[^/])", os.fspath(path))  # a drive has one letter
    if found:
        slashes = "///" if found[1] == "file" else "//"  # pathlib makes one of them
        url = printable(f"{found[1]}:{slashes}{os.fspath(path)[found.end() :]}")
        raise SurgeryError(f"{url!r} is a URL, not a path: download the file first, and give its path.")
