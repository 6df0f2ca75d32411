"""Texts of a command line as values of the types that annotations say: numbers, enums, lists, dataclasses."""

from __future__ import annotations

import ast
import collections
import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

_UNIONS = (typing.Union, types.UnionType)
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NOTHING = object()


def parse(kind: Any, text: str, or_none: bool = False) -> Any:
    """Returns a text as a value of a type; a list, a dict or a dataclass is written as Python writes it.

    Of a union, what says most is tried first: `int | float` of 3 is 3, and a text is what is nothing else.

    Args:
        kind: the type.
        text: the text.
        or_none: whether `none` is a value, too.

    Raises:
        ValueError: it is none; from the error of the type itself, if that said why.
    """
    kinds = sorted([*alternatives(kind), *([type(None)] if or_none else [])], key=_width)
    for one in kinds:
        if not _takes_any_text(one) and (known := _simple(one, text)) is not _NOTHING:
            return known
    exact = [one for one in kinds if not _takes_any_text(one)]
    try:
        return convert(exact, ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        refused = error.__cause__
    for one in kinds:
        if one in (Any, object):
            return text
        if _takes_any_text(one):
            return _built(one, text)
    raise ValueError(text) from refused


def alternatives(kind: Any) -> list[Any]:
    """Returns the types of a union, without what `Annotated` and `NewType` say beside them; texts last."""
    if typing.get_origin(kind) is typing.Annotated:
        return alternatives(typing.get_args(kind)[0])
    if isinstance(kind, typing.NewType):
        return alternatives(kind.__supertype__)
    if isinstance(kind, dataclasses.InitVar):
        return alternatives(kind.type)
    if typing.get_origin(kind) not in _UNIONS:
        return [type(None) if kind is None else kind]
    members = [one for member in typing.get_args(kind) for one in alternatives(member)]
    return sorted(members, key=lambda one: one is str)


def _takes_any_text(kind: Any) -> bool:
    return kind is str or (isinstance(kind, type) and issubclass(kind, PurePath))


def _width(kind: Any) -> int:
    """Returns how much a type takes that others in a union mean, too; the narrowest is asked first."""
    if typing.get_origin(kind) is typing.Literal or (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        return 0
    if kind in (type(None), int, float, bool):
        return 1 + (type(None), int, float, bool).index(kind)
    return 7 if kind in (Any, object) else 6 if _takes_any_text(kind) else 5


def _simple(kind: Any, text: str) -> Any:
    """Returns a text as a value of a type that is written as it is, without the quotes of Python."""
    if kind is bool:
        return _WORDS.get(text.lower(), _NOTHING)
    if kind is type(None):
        return None if text.lower() == "none" else _NOTHING
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return _NOTHING
    return words_of(kind).get(text, _NOTHING)


def words_of(kind: Any) -> dict[str, Any]:
    """Returns the values of an enum, or of a `Literal`, by what may be written for each."""
    if typing.get_origin(kind) is typing.Literal:
        members = typing.get_args(kind)
        enums = [one for one in members if isinstance(one, enum.Enum)]
        said = {word: one for word, known in _WORDS.items() for one in members if one is known}
        said |= {"none": None} if None in members else {}
        return said | {str(one): one for one in members} | {one.name: one for one in enums}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {str(one.value): one for one in kind} | dict(kind.__members__)
    return {}


def convert(kind: Any, value: Any) -> Any:
    """Returns a value as one of a type, or of a list of types: a whole number is a float, too, a list may be a tuple.

    Raises:
        ValueError: it is none; from the error of the type itself, if that said why.
    """
    kinds = kind if isinstance(kind, list) else sorted(alternatives(kind), key=_width)
    if type(value) in kinds:  # `float | bool` of True is True
        return value
    refused = None
    for one in kinds:
        try:
            return _converted(one, value)
        except ValueError as error:
            refused = refused or error.__cause__
        except (TypeError, OverflowError):  # what cannot be in a set; what no float is as large as
            pass
    raise ValueError(value) from refused


def _converted(kind: Any, value: Any) -> Any:
    container: Any = typing.get_origin(kind) or kind
    if container is Any or container is object:
        return value
    if container is typing.Literal:
        same = [one for one in typing.get_args(kind) if type(one) is type(value) and one == value]
        return same[0] if same else words_of(kind)[value] if value in words_of(kind) else _refuse(value)
    if typing.is_typeddict(container) or is_record(container):
        return _record(container, value)
    if not isinstance(container, type):
        return _refuse(value)
    if issubclass(container, enum.Enum):
        found = _simple(container, str(value))
        return found if found is not _NOTHING else _refuse(value)
    if issubclass(container, PurePath) and isinstance(value, str):
        return container(value)
    if container in (int, float) and not isinstance(value, bool):
        return float(value) if container is float and isinstance(value, int) else _of(container, value)
    if issubclass(container, Iterable) and container not in (str, bytes):
        return _collection(container, typing.get_args(kind), value)
    return _refuse(value) if isinstance(value, bool) or typing.get_args(kind) else _of(container, value)


def _refuse(value: Any) -> Any:
    raise ValueError(value)


def _of(kind: Any, value: Any) -> Any:
    return value if isinstance(value, kind) else _refuse(value)


_LISTS = (list, tuple, set, frozenset)


def _collection(container: Any, inside: tuple[Any, ...], value: Any) -> Any:
    """Returns a value as a list, tuple, set, deque or dict, or what stands for them, with its entries converted."""
    if isinstance(value, Mapping) and issubclass(container, Mapping):
        of_key, of_value = inside if len(inside) == 2 else (Any, Any)
        entries: Any = [(convert(of_key, key), convert(of_value, one)) for key, one in value.items()]
        return dict(entries) if inspect.isabstract(container) else _built(container, entries)
    if not isinstance(value, _LISTS):
        return _refuse(value)
    entries = _entries(container, inside, value)
    if inspect.isabstract(container):  # `Sequence`, `Set`, `Iterable`
        kinds = [one for one in (type(value), *_LISTS) if issubclass(one, container)]
        return kinds[0](entries) if kinds else _refuse(value)
    if not issubclass(container, (*_LISTS, collections.deque)):
        return _refuse(value)
    return _built(container, entries)


def _built(kind: Any, given: Any) -> Any:
    return kind(given)


def _entries(container: Any, kinds: tuple[Any, ...], value: Iterable[Any]) -> list[Any]:
    """Returns the entries of a list or tuple as those of `list[int]`, `tuple[float, ...]` or `tuple[int, str]`."""
    entries = list(value)
    if not kinds:
        return entries
    if container is tuple and ... not in kinds:
        if len(entries) != len(kinds):
            return _refuse(value)
        return [convert(kind, one) for kind, one in zip(kinds, entries, strict=True)]
    return [convert(kinds[0], one) for one in entries]


def is_record(kind: Any) -> bool:
    """Whether a type is a dataclass or a named tuple: one that has a value for each of its names."""
    return isinstance(kind, type) and (
        dataclasses.is_dataclass(kind) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
    )


def _record(kind: Any, value: Any) -> Any:
    """Returns a dict as a dataclass, a named tuple (or a list as one) or a `TypedDict`."""
    known = fields_of(kind)
    if isinstance(value, list | tuple) and issubclass(kind, tuple) and len(value) <= len(known):
        value = dict(zip(known, value, strict=False))
    wanted = getattr(kind, "__required_keys__", ())  # of a `TypedDict`
    if not isinstance(value, Mapping) or not set(wanted) <= value.keys() <= known.keys():
        return _refuse(value)
    given = {key: convert(known[key], one) for key, one in value.items()}
    try:
        return kind(**given)
    except Exception as error:  # a field without a value, or what the class itself refuses
        raise ValueError(value) from error


def fields_of(kind: Any) -> dict[str, Any]:
    """Returns what a record is made of, name -> type.

    Raises:
        ValueError: an annotation cannot be read.
    """
    try:
        hints = typing.get_type_hints(kind)
        names = hints if typing.is_typeddict(kind) else inspect.signature(kind).parameters
    except Exception as error:  # an annotation is code, and may fail
        raise ValueError(kind) from error
    return {name: hints.get(name, Any) for name in names}
