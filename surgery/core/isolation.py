"""Python without the current folder: what lies in a folder that one looks into is data, whatever it is called.

Python puts the current folder first on the path of `python -m` and of `python -c`, where `json.py` of a downloaded
folder would be imported instead of the standard library's. This module is imported first of all, and needs only what
Python has loaded by then.
"""

import os
import sys

TYPE_CHECKING = False  # without importing typing
if TYPE_CHECKING:
    from typing import Any

_FIRST = """import sys
sys.path[:] = {paths!r} + [path for path in sys.path if path not in {paths!r}]
import importlib.util
spec = importlib.util.spec_from_file_location("surgery", {init!r}, submodule_search_locations=[{folder!r}])
surgery = sys.modules["surgery"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(surgery)
"""


def isolated(statement: str, *arguments: str) -> "dict[str, Any]":
    """Returns what `subprocess` takes to run a statement in a Python of its own that imports from no current folder.

    It finds this very package, and whatever else this process would import, wherever that is installed: the path is
    passed on. Neither the variables that Python reads nor plugins of HDF5 have a say, and its current folder is that of
    this package.

    Args:
        statement: what it runs; `sys` is imported.
        arguments: its `sys.argv[1:]`.
    """
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    init = os.path.join(folder, "__init__.py")
    code = _FIRST.format(paths=trusted_path(), init=init, folder=folder) + statement
    flags = ["-I", *(["-B"] if sys.dont_write_bytecode else [])]
    env = {**os.environ, "HDF5_PLUGIN_PRELOAD": "::"}  # the value that switches plugins off
    return {"args": [os.path.abspath(sys.executable), *flags, "-c", code, *arguments], "env": env, "cwd": folder}


def trusted_path() -> "list[str]":
    """Returns the folders that this process imports from, without the current one unless `PYTHONPATH` names it."""
    named = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(path)]
    return [path for path in sys.path if os.path.isabs(path) and (path in named or not _is_current(path))]


def program(name: str) -> "str | None":
    """Returns where a program lies on `PATH`; one in the current folder is none."""
    import shutil

    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if os.path.isabs(folder) and not _is_current(folder))
    found = shutil.which(name, path=path)
    return None if found is None or _is_current(os.path.dirname(found)) else found


def forget_current_folder() -> None:
    """Takes the current folder, which `python -m surgery` puts first, off the path; elsewhere it does nothing."""
    arguments, command = getattr(sys, "argv", []), getattr(sys, "orig_argv", [])
    started = arguments[:1] == ["-m"] and command[-len(arguments) :][:1] in (["surgery"], ["-msurgery"])
    if started and sys.path and _is_current(sys.path[0]) and not getattr(sys.flags, "safe_path", sys.flags.isolated):
        del sys.path[0]


def _is_current(path: str) -> bool:
    try:
        return not path or os.path.samefile(path, os.getcwd())
    except OSError:
        return False
