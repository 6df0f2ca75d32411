"""Texts of a command line as values of the types that annotations say: numbers, enums, lists, dataclasses."""

from __future__ import annotations

import ast
import dataclasses
import enum
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

_UNIONS = (typing.Union, types.UnionType)
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parsed(kind: Any, text: str) -> Any:
    """Returns a text as a value of a type; a list, a dict or a dataclass is written as Python writes it.

    Raises:
        ValueError: it is none.
    """
    found = [_simple(one, text) for one in alternatives(kind)]
    for known in found:
        if known is not _NOTHING:
            return known
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        if Any in alternatives(kind):
            return text
        raise ValueError(text) from error
    return converted(kind, value)


def alternatives(kind: Any) -> list[Any]:
    """Returns the types of a union, without what `Annotated` says beside them; texts last, for they may be anything."""
    kind = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
    if typing.get_origin(kind) not in _UNIONS:
        return [kind]
    members = [one for member in typing.get_args(kind) for one in alternatives(member)]
    return sorted(members, key=lambda one: one is str)


_NOTHING = object()


def _simple(kind: Any, text: str) -> Any:
    """Returns a text as a value of a type that is written as it is, without the quotes of Python."""
    known: dict[str, Any] = {}
    if kind is bool:
        known, text = _WORDS, text.lower()
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        known = {str(one.value): one for one in kind} | {one.name: one for one in kind}
    elif typing.get_origin(kind) is typing.Literal:
        known = {str(one): one for one in typing.get_args(kind)}
    elif isinstance(kind, type) and (kind in (int, float, str) or issubclass(kind, PurePath)):
        try:
            return kind(text)
        except ValueError:
            return _NOTHING
    return known.get(text, _NOTHING)


def converted(kind: Any, value: Any) -> Any:
    """Returns a value as one of a type: a whole number is a float, too, and a list may be a tuple.

    Raises:
        ValueError: it is none.
    """
    kinds = alternatives(kind)
    for exact in (True, False):  # `int | float` of 3 is 3, whatever comes first
        for one in kinds:
            found = value if exact and type(value) is one else _NOTHING if exact else _converted(one, value)
            if found is not _NOTHING:
                return found
    raise ValueError(value)


def _converted(kind: Any, value: Any) -> Any:
    container: Any = typing.get_origin(kind) or kind
    inside = typing.get_args(kind)
    if container is typing.Literal:
        return next((one for one in inside if type(one) is type(value) and one == value), _NOTHING)
    if container is Any or not isinstance(container, type) or _is_form(container):  # what cannot be asked of values
        return value
    if isinstance(value, bool) and container in (int, float):
        return _NOTHING
    if container is float and isinstance(value, int):
        return float(value)
    if issubclass(container, enum.Enum) or (issubclass(container, PurePath) and isinstance(value, str)):
        return _simple(container, str(value))
    if isinstance(value, Mapping) and dataclasses.is_dataclass(kind):
        return _dataclass(kind, value)
    if isinstance(value, list | tuple | set | frozenset) and container in (list, tuple, set, frozenset):
        return container(_entries(container, inside, value))
    if isinstance(value, dict) and issubclass(dict, container) and len(inside) == 2:
        return {converted(inside[0], key): converted(inside[1], one) for key, one in value.items()}
    if isinstance(value, list | tuple) and len(inside) == 1 and isinstance(value, container):
        return type(value)(converted(inside[0], one) for one in value)
    return value if isinstance(value, container) else _NOTHING


def _is_form(kind: Any) -> bool:
    return typing.is_typeddict(kind) or getattr(kind, "_is_protocol", False)


def _entries(container: Any, kinds: tuple[Any, ...], value: Iterable[Any]) -> list[Any]:
    """Returns the entries of a list or tuple as those of `list[int]`, `tuple[float, ...]` or `tuple[int, str]`."""
    entries = list(value)
    if not kinds:
        return entries
    if container is tuple and ... not in kinds:
        if len(entries) != len(kinds):
            raise ValueError(value)
        return [converted(kind, one) for kind, one in zip(kinds, entries, strict=True)]
    return [converted(kinds[0], one) for one in entries]


def _dataclass(kind: Any, value: Mapping[Any, Any]) -> Any:
    known = typing.get_type_hints(kind)
    if not value.keys() <= known.keys():
        raise ValueError(value)
    try:
        return kind(**{key: converted(known[key], one) for key, one in value.items()})
    except TypeError as error:  # a field without a value
        raise ValueError(value) from error


def type_name(kind: Any) -> str:
    """Returns the name of a type as a user reads it, with what may be written where that is a choice."""
    return " or ".join(_name(one) for one in alternatives(kind))


def _name(kind: Any) -> str:
    if kind is type(None):
        return "none"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return f"{kind.__name__} ({', '.join(one.name for one in kind)})"
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        known = typing.get_type_hints(kind)
        return f"{kind.__name__} ({{{', '.join(f'{key!r}: {type_name(one)}' for key, one in known.items())}}})"
    return str(kind) if typing.get_args(kind) else getattr(kind, "__name__", str(kind))
