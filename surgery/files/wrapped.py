"""The layers inside a layer, a wrapper's or an RNN's: whose a tensor is, by its place or by its path.

Each of them has a flag of its own, and Keras goes by that alone: the flag of a wrapper reaches what it wraps when it is
set, not when both are made from a file. What a layer makes by itself, the projections of attention, is in no
configuration, and trains in a model from a file whatever the flag of the layer; an `LSTM` gives its flag to its cell.
"""

from __future__ import annotations

from typing import Any

from surgery.files.mending import RECURRENT, Stored, is_layer
from surgery.files.placing import snake_case


def part_at(layer: Stored, place: str) -> tuple[Stored, str]:
    """Returns the innermost layer that a configuration describes on the way to a place below a layer.

    Args:
        layer: the layer.
        place: in the tree of a file, `forward_layer/cell/vars/0`.

    Returns:
        `(part, rest)`: what is left of the place below the part, `vars/0`.
    """
    steps = place.split("/")
    while steps[0] != "vars":
        found, taken = _step(layer, steps)
        if found is None:
            break
        layer, steps = found, steps[taken:]
    return layer, "/".join(steps)


def _step(layer: Stored, steps: list[str]) -> tuple[Stored | None, int]:
    config, key = layer.config, steps[0]
    if key in ("forward_layer", "backward_layer") and not is_layer(config.get(key)):
        key = "layer"
    if is_layer(config.get(key)):
        return _stored(config[key]), 1
    if key == "cell" and RECURRENT.match(layer.class_name):
        return Stored("cell", f"{layer.class_name}Cell", config), 1
    if isinstance(config.get(key), list) and len(steps) > 2:  # numbered by class
        counts: dict[str, int] = {}
        for one in filter(is_layer, config[key]):
            stem = snake_case(one["class_name"])
            count = counts[stem] = counts.get(stem, -1) + 1
            if steps[1] == (f"{stem}_{count}" if count else stem):
                return _stored(one), 2
    return None, 0


def part_on(layer: Stored, path: str) -> Stored | None:
    """Returns the innermost layer on the path of a variable, `rnn/lstm_cell/kernel`; a wrapper's only one if no name
    says it; `None` for what a layer makes by itself.
    """
    steps = path.split(":")[0].split("/")[:-1]
    inside = _inside(layer)
    if not inside:
        made = layer.name in steps and steps[-1] != layer.name and not RECURRENT.match(layer.class_name)
        return None if made else layer
    own = path.split(":")[0].rpartition("/")[2] == "vector_u"  # of SpectralNormalization
    named = [one for one in inside if one.name in steps]
    if own or not (named or len(inside) == 1):
        return layer
    return part_on(named[0] if named else inside[0], path)


def _inside(layer: Stored) -> list[Stored]:
    found: list[Stored] = []
    for key in ("layer", "forward_layer", "backward_layer", "cell", "cells", "layers"):
        value = layer.config.get(key)
        found += [_stored(one) for one in (value if isinstance(value, list) else [value]) if is_layer(one)]
    return found


def _stored(described: Any) -> Stored:
    name = described["config"].get("name")
    return Stored(str(name or ""), described["class_name"].rpartition(">")[2], described["config"])
