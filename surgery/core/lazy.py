"""Packages whose modules are imported when a name of theirs is first used, as PEP 562 allows."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def names_of(
    package: str, homes: Mapping[str, tuple[str, ...]], modules: Mapping[str, str] | None = None
) -> Callable[[str], Any]:
    """Returns the `__getattr__` of a package.

    Args:
        package: its `__name__`.
        homes: module of the package -> the names that the package takes from it. None of them is the name of a module.
        modules: further names -> the modules of the package that they stand for.
    """
    home_of = {name: home for home, names in homes.items() for name in names}
    modules = modules or {}

    def __getattr__(name: str) -> Any:
        if name in modules:
            return importlib.import_module(f"{package}.{modules[name]}")
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{home_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__
