"""Former names of the public API go on working: each use emits one DeprecationWarning, which says the present name."""

import functools
import operator
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def former_names(
    module: str, called: str, renamed: Mapping[str, str], others: Callable[[str], Any] | None = None
) -> Callable[[str], Any]:
    """Returns the `__getattr__` of a module whose names have changed.

    Args:
        module: its `__name__`.
        called: what users call it: `sg.parts`.
        renamed: former name -> present name in the same module, or in one that it holds: `samples.digits`.
        others: the `__getattr__` for names that have not changed.
    """

    def __getattr__(name: str) -> Any:
        if name not in renamed and others is not None:
            return others(name)
        if name not in renamed:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        # `from surgery import thaw` asks twice: the import whether the name exists, then the line for its value
        if sys._getframe(1).f_code.co_filename != "<frozen importlib._bootstrap>":
            warn_of_former(f"{called}.{name}", f"{called}.{renamed[name]}")
        return operator.attrgetter(renamed[name])(sys.modules[module])

    return __getattr__


def renamed_arguments(**renamed: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Returns a decorator for a function whose arguments may also be given by their former keywords.

    Args:
        renamed: former keyword -> present keyword.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            given: dict[str, Any] = kwargs
            for former in given.keys() & renamed.keys():
                name = renamed[former]
                if name in given:
                    raise TypeError(f"{function.__name__}() got {former}= and {name}=, which is its present name.")
                warn_of_former(f"{former}= of {function.__name__}()", f"{name}=")
                given[name] = given.pop(former)
            return function(*args, **kwargs)

        setattr(call, "renamed_arguments", renamed)  # noqa: B010  the test of the public API reads it
        return call

    return decorate


def warn_of_former(former: str, name: str) -> None:
    """Warns of a former name, at the line that calls the caller."""
    warnings.warn(f"{former} is deprecated. Use {name} instead.", category=DeprecationWarning, stacklevel=3)
