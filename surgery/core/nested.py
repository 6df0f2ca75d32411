"""Nested structures of list, tuple and dict, as Keras passes tensors around.

The same leaves in the same order as `keras.tree` (the keys of a dict are visited sorted), without importing Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def leaves(structure: Any) -> list[Any]:
    """Returns the leaves of a nested structure, in order."""
    if not isinstance(structure, (dict, list, tuple)):
        return [structure]
    found: list[Any] = []
    _gather(structure, found)
    return found


def _gather(structure: Any, found: list[Any]) -> None:
    items = map(structure.__getitem__, sorted_keys(structure)) if isinstance(structure, dict) else structure
    for item in items:
        if isinstance(item, (dict, list, tuple)):
            _gather(item, found)
        else:
            found.append(item)


def rebuilt(fn: Callable[[Any], Any], structure: Any) -> Any:
    """Returns the same structure with `fn` applied to every leaf, in the order of `leaves`."""
    if isinstance(structure, dict):
        new = {key: rebuilt(fn, structure[key]) for key in sorted_keys(structure)}
        return {key: new[key] for key in structure}
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*(rebuilt(fn, item) for item in structure))
    if isinstance(structure, (list, tuple)):
        kind = tuple if isinstance(structure, tuple) else list
        return kind(rebuilt(fn, item) for item in structure)
    return fn(structure)


def packed(structure: Any, flat: list[Any]) -> Any:
    """Returns `structure` with its leaves taken from the list `flat`, in order."""
    rest = iter(flat)
    return rebuilt(lambda _: next(rest), structure)


def sorted_keys(mapping: dict[Any, Any]) -> list[Any]:
    """Returns the keys in the order in which Keras flattens a dict."""
    try:
        return sorted(mapping)
    except TypeError:
        return sorted(mapping, key=lambda key: (type(key).__name__, str(key)))


def plain(value: Any) -> Any:
    """Returns a configuration or an argument as plain values: what a trip through a file would make of it."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "tobytes") and hasattr(value, "dtype"):  # an array, which `repr` would cut short
        import hashlib

        digest = hashlib.blake2b(value.tobytes(), digest_size=8).hexdigest()
        return f"array of {value.dtype} {tuple(value.shape)}, {digest}"
    return repr(value)
