"""JSON in model files, parsed within the budget of the file and within what any model needs."""

from __future__ import annotations

import collections
import json
import os
from typing import Any

from surgery.core.errors import SurgeryError, printable
from surgery.formats.budget import Budget
from surgery.formats.byte_ranges import Descriptor

TEXT = 32 * 2**20  # bytes of JSON; the configuration of a model with 1,000 layers has 2 MB
DIGITS = 40  # of a whole number in it; a seed has 20
NESTING = 200  # a configuration of models in models in models has about 30


def parsed(text: Any, what: str, budget: Budget, unique: bool = False) -> dict[str, Any]:
    """Returns JSON as Python values, if it is an object that is not nested beyond all models.

    Args:
        text: the JSON.
        what: what it is, for messages.
        budget: of the file that it is in.
        unique: whether a key that an object has twice is refused; else the last holds, as in Keras.

    Raises:
        SurgeryError: it is not.
    """
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")
    if not isinstance(text, bytes):
        raise SurgeryError(f"{what} is not text.")
    budget.read_json(text, what)
    try:
        value = json.loads(text, parse_int=_whole, object_pairs_hook=_once if unique else None)
    except RecursionError as error:
        raise SurgeryError(f"{what} is nested more than {NESTING} deep.") from error
    except ValueError as error:
        raise SurgeryError(f"{what} is not valid JSON: {printable(error)}.") from error
    if not isinstance(value, dict):
        raise SurgeryError(f"{what} is a {type(value).__name__}; expected a JSON object.")
    _refuse_deep(value, what)
    return value


def _whole(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError(f"it has a number of {len(digits):,} digits")
    return int(digits)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in collections.Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"it has {printable(twice)!r} twice")
    return found


def _refuse_deep(value: Any, what: str) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > NESTING:
            raise SurgeryError(f"{what} is nested more than {NESTING} deep.")
        held = (one.values() if isinstance(one, dict) else one for one in level)
        level = [below for one in held for below in one if isinstance(below, (dict, list))]


def is_json(head: bytes) -> bool:
    """Whether a file that begins so can be an object in JSON, or a text that holds one."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b'"{'))


def read_json(source: Descriptor, what: str) -> dict[str, Any]:
    """Returns the object in a file of JSON; also where it was written as a text in JSON, as `json.dump` writes one.

    Raises:
        SurgeryError: it is none, or has more than `TEXT` bytes.
    """
    if source.size > TEXT:
        raise SurgeryError(f"{what} has {source.size:,} bytes; at most {TEXT:,} are read.")
    text = os.pread(source.number, source.size, 0).removeprefix(b"\xef\xbb\xbf").strip()
    if text.startswith(b'"'):
        try:
            text = json.loads(text)
        except ValueError as error:
            raise SurgeryError(f"{what} is not valid JSON: {printable(error)}.") from error
    return parsed(text, what, source.budget)


def is_list_of_shards(stored: dict[str, Any]) -> bool:
    """Whether an object is the list in which Keras says where the weights of a sharded file lie."""
    return "weight_map" in stored
