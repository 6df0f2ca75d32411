"""Types and values as a user of the command line reads and writes them: `gap or flatten`, `photos`, `list of int`."""

from __future__ import annotations

import collections
import dataclasses
import enum
import inspect
import typing
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from surgery.core.errors import printable
from surgery.recipe.settings import alternatives, fields_of, is_record, words_of

_LISTS = (list, tuple, set, frozenset, collections.deque)


def type_name(kind: Any) -> str:
    """Returns the name of a type as a user reads it, with what may be written where that is a choice."""
    names = list(dict.fromkeys(name for one in alternatives(kind) for name in _names(one)))
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def is_choice(kind: Any) -> bool:
    """Whether a type is a number of words to choose from: a `Literal`, an enum, yes or no."""
    return all(one in (bool, type(None)) or words_of(one) for one in alternatives(kind))


def how(kind: Any) -> str:
    """Returns how a value of a type is written where that is not as it is read: nothing for numbers and texts."""
    kinds = [typing.get_origin(one) or one for one in alternatives(kind)]
    containers = [one for one in kinds if isinstance(one, type) and one is not str and issubclass(one, Iterable)]
    if not containers or any(isinstance(one, type) and issubclass(one, enum.Enum) for one in kinds):
        return ""
    return " It is written as in Python: " + ("{'a': 1}." if issubclass(containers[0], Mapping) else "[1, 2] or ['a'].")


def value_text(value: Any) -> str:
    """Returns a value as a user writes it on a command line; one that cannot be written there, by its type."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    plain = _plain(value)
    if not isinstance(plain, str):
        return printable(repr(plain))
    return plain if plain and plain.strip() == plain and plain.isprintable() else printable(repr(plain))


def _names(kind: Any) -> list[str]:
    """Returns what a type is called: a choice by each of its words."""
    if typing.get_origin(kind) is typing.Literal:
        return [value_text(one) for one in typing.get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return list(kind.__members__)
    return ["yes", "no"] if kind is bool else [_name(kind)]


def _name(kind: Any) -> str:
    if kind is type(None):
        return "none"
    if kind in (Any, object):
        return "any value"
    container, inside = typing.get_origin(kind) or kind, typing.get_args(kind)
    if isinstance(container, type) and issubclass(container, PurePath):
        return "path"
    if typing.is_typeddict(container) or is_record(container):
        return f"{container.__name__}{_record(container)}"
    name = getattr(container, "__name__", None) or getattr(container, "__forward_arg__", None) or str(container)
    if not inside or not _is_collection(container):
        return name.rpartition(".")[2]
    of = [type_name(one) for one in inside if one is not ...]
    if issubclass(container, Mapping):
        return f"{name} of {' to '.join(of)}"
    return f"({', '.join(of)})" if container is tuple and ... not in inside else f"{name} of {' and '.join(of)}"


def _is_collection(kind: Any) -> bool:
    return (
        isinstance(kind, type)
        and issubclass(kind, Iterable)
        and (issubclass(kind, (*_LISTS, dict)) or inspect.isabstract(kind))
    )


def _record(kind: Any) -> str:
    """Returns what a dataclass, a named tuple or a `TypedDict` is made of, if that can be read."""
    try:
        fields = fields_of(kind)
    except ValueError:
        return ""
    return f" ({{{', '.join(f'{key!r}: {type_name(one)}' for key, one in fields.items())}}})"


def _plain(value: Any) -> Any:
    """Returns a value in what Python writes as it reads it: texts, numbers, lists and dicts."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "tolist"):  # an array
        return value.tolist()
    if value is None or isinstance(value, str | bool | int | float | complex | bytes):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name, None)) for one in dataclasses.fields(value)}
    if isinstance(value, tuple) and (names := getattr(value, "_fields", ())):
        return dict(zip(names, map(_plain, value), strict=True))
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, _LISTS):
        entries = [_plain(one) for one in value]
        return tuple(entries) if isinstance(value, tuple) else entries
    return getattr(value, "__name__", None) or f"an object of {type(value).__name__}"
