"""What a layer of the user's own keeps beside its weights and its configuration: a copy made of these would lose it."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np

from surgery.keras_bridge.assign import reads_by_itself


def lost_in(copy: Any, layer: Any, all_of_it: bool = False) -> list[str]:
    """Returns the attributes that a layer has and its copy has not, or has with other values.

    Looked at are numbers, strings, arrays, variables that the layer does not know as its own, collections of them, and
    plain objects that hold them, in layers whose class is not one of Keras. What Keras itself keeps on a layer does not
    count, nor what a call left behind: a number or shape that was `None`, or not there. An attribute that is one of the
    layer's variables does not count either: the copy gets its value with the other weights.

    Args:
        copy: a layer made from the configuration of `layer`.
        layer: the layer as it is.
        all_of_it: whether also layers count that write and read their values themselves (`load_own_variables`).

    Returns:
        `class.attribute`, one for each.
    """
    found = []
    own_variables = frozenset(map(id, layer.variables))
    for part, like in zip(*(one._flatten_layers() for one in (layer, copy)), strict=False):
        if type(part).__module__.partition(".")[0] == "keras" or type(part) is not type(like):
            continue
        if reads_by_itself(part) and not all_of_it:
            continue
        names = [name for name in vars(part) if name not in _of_every_layer() and not name.startswith("_self_")]
        comparison = _Comparison(own_variables, like.built)
        found += [
            f"{type(part).__name__}.{name}"
            for name in names
            if comparison.is_lost(vars(part)[name], vars(like).get(name))
        ]
    return found


@functools.cache
def _of_every_layer() -> frozenset[str]:
    return frozenset(vars(keras.layers.Layer(name="any")))  # a layer without a name would use one up


class _Comparison:
    """Compares what a layer keeps with what its copy keeps.

    Args:
        known: the identities of the layer's variables.
        built: whether the copy is built; one that is not has yet to make what `build` makes.
    """

    def __init__(self, known: frozenset[int], built: bool):
        self._known = known
        self._built = built
        self._seen: set[int] = set()

    def is_lost(self, value: Any, other: Any) -> bool:
        """Whether a copy that keeps `other` lost `value`."""
        if _holds_values(value):
            if id(value) in self._known or (other is None and not self._built):
                return False
            return other is None or not _equal(value, other)
        if isinstance(value, (list, tuple)):
            others = other if isinstance(other, (list, tuple)) else ()
            if len(value) != len(others):  # numbers and names may be what a call left behind
                return any(not _is_plain(one) and self.is_lost(one, None) for one in value)
            return any(map(self.is_lost, value, others))
        if isinstance(value, dict):
            others = other if isinstance(other, dict) else {}
            return any(
                self.is_lost(one, others.get(key)) for key, one in value.items() if key in others or not _is_plain(one)
            )
        if _is_plain(value):
            return self._built and _is_plain(other) and value != other
        return self._is_lost_in_object(value, other)

    def _is_lost_in_object(self, value: Any, other: Any) -> bool:
        """The same for an object of the user's own; one that is met again, in a cycle, has been compared."""
        inside = getattr(value, "__dict__", None)
        if not isinstance(inside, dict) or id(value) in self._seen or callable(value) or _is_of_keras(value):
            return False
        self._seen.add(id(value))
        return self.is_lost(inside, getattr(other, "__dict__", None))


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))


def _holds_values(value: Any) -> bool:
    """Whether something is an array, a tensor or a variable, of Keras or of the backend."""
    return isinstance(value, (np.ndarray, keras.Variable)) or bool(keras.ops.is_tensor(value))


def _equal(value: Any, other: Any) -> bool:
    try:
        mine, its = (np.asarray(keras.ops.convert_to_numpy(one)) for one in (value, other))
        return bool(np.array_equal(mine, its))
    except Exception:  # a backend's own, for what has no values: a symbolic tensor, strings
        return value is other or bool(np.array_equal(np.asarray(value), np.asarray(other)))


def _is_of_keras(value: Any) -> bool:
    """Whether an object is one whose state Keras keeps account of, or has none: layers, seeds, metrics, policies."""
    home = type(value).__module__.partition(".")[0]
    kinds = (keras.Operation, keras.random.SeedGenerator, keras.metrics.Metric)
    return home in ("keras", "tensorflow", "jax", "jaxlib", "torch", "numpy") or isinstance(value, kinds)
