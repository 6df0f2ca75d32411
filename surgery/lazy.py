"""What a look at a network may not need is loaded when it is first used: modules of a package, as PEP 562 allows, and
regular expressions.
"""

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any


def names_of(package: str, homes: Mapping[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """Returns the `__getattr__` of a package.

    Args:
        package: its `__name__`.
        homes: module of the package -> the names that the package takes from it. None of them is the name of a module.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def __getattr__(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{home_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__


def later(pattern: str) -> re.Pattern[str]:
    """Returns a regular expression that is compiled when it is first used; a long one takes a millisecond."""
    made: Any = _Later(pattern)
    return made


class _Later:
    def __init__(self, pattern: str):
        self.pattern = pattern

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(self.pattern), name)
        setattr(self, name, value)
        return value
