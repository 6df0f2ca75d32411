"""What a layer of the user's own keeps beside its weights and its configuration: a copy made of these would lose it."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np

from surgery.pairing import reads_by_itself


def lost_in(copy: Any, layer: Any, all_of_it: bool = False) -> list[str]:
    """Returns the attributes that a layer has and its copy has not, or has with other values.

    Looked at are numbers, strings, arrays and collections of them, in layers whose class is not one of Keras. What
    Keras itself keeps on a layer does not count, nor what a call left behind: a number or shape that was `None`, or
    not there.

    Args:
        copy: a layer made from the configuration of `layer`, before it got weights.
        layer: the layer as it is.
        all_of_it: whether also layers count that write and read their values themselves (`load_own_variables`).

    Returns:
        `class.attribute`, one for each.
    """
    found = []
    for part, like in zip(*(one._flatten_layers() for one in (layer, copy)), strict=False):
        if type(part).__module__.partition(".")[0] == "keras" or type(part) is not type(like):
            continue
        if reads_by_itself(part) and not all_of_it:
            continue
        own = [name for name in vars(part) if name not in _of_every_layer() and not name.startswith("_self_")]
        for name in own:
            if _is_lost(vars(part)[name], vars(like).get(name), like.built):
                found.append(f"{type(part).__name__}.{name}")
    return found


@functools.cache
def _of_every_layer() -> frozenset[str]:
    return frozenset(vars(keras.layers.Layer(name="any")))  # a layer without a name would use one up


def _is_lost(value: Any, other: Any, built: bool) -> bool:
    if keras.ops.is_tensor(value) or isinstance(value, np.ndarray):
        return other is None or not np.array_equal(np.asarray(value), np.asarray(other))
    if isinstance(value, (list, tuple)) and isinstance(other, (list, tuple)) and len(value) == len(other):
        return any(_is_lost(one, another, built) for one, another in zip(value, other, strict=True))
    if isinstance(value, dict) and isinstance(other, dict) and set(value) == set(other):
        return any(_is_lost(value[key], other[key], built) for key in value)
    plain = isinstance(value, (bool, int, float, str)) and isinstance(other, (bool, int, float, str))
    return plain and built and value != other
