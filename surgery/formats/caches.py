"""Where what can be made again is kept: the user's cache directory, or a folder of the user's own where that cannot be
written, as in containers and services without a home.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


def cache_directory() -> Path:
    """Returns the folder of this package for caches, made if it can be: `SURGERY_CACHE`, the user's cache directory, or
    one in the system's temporary folder that nobody else can write.
    """
    if "SURGERY_CACHE" in os.environ:
        return Path(os.environ["SURGERY_CACHE"])
    import tempfile

    import platformdirs

    usual = Path(platformdirs.user_cache_dir("surgery"))
    if usual.is_absolute() and _is_ours(usual):  # without a home it would be `~` in the current folder
        return usual
    own = Path(tempfile.gettempdir()) / f"surgery-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
    return own if _is_ours(own, private=True) else usual.absolute()


def keep_fonts() -> None:
    """Gives Matplotlib, which Keras imports too, a folder for its list of fonts where there is no home to keep it in.

    Else each process makes a list of its own, which takes seconds, warns of it, and may leave its folder behind.
    """
    if "MPLCONFIGDIR" not in os.environ and not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ["MPLCONFIGDIR"] = str(cache_directory() / "matplotlib")


def _is_ours(folder: Path, private: bool = False) -> bool:
    """Makes a folder, if it is not there; returns whether it can be written, and, on request, by this user alone: in a
    temporary folder somebody else may have made one of the same name.
    """
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.lstat() if private else folder.stat()
        alone = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)
        return stat.S_ISDIR(found.st_mode) and os.access(folder, os.W_OK | os.X_OK) and (alone or not private)
    return False
