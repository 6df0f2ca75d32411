"""The layers inside a layer, a wrapper's or an RNN's: whose a tensor is, by its place or by its path.

Each of them has a flag of its own, and Keras goes by that alone: the flag of a wrapper reaches what it wraps when it is
set, not when both are made from a file. What a layer makes by itself, the projections of attention, is in no
configuration, and trains in a model from a file whatever the flag of the layer; an `LSTM` gives its flag to its cell, a
`ConvLSTM2D` does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from surgery.core.names import snake_case
from surgery.layers.description import Stored, is_layer
from surgery.layers.facts import Trait
from surgery.layers.table import has

_KEYS = ("layer", "forward_layer", "backward_layer", "cell", "cells", "layers")


class Parts:
    """The layers that a configuration describes inside a layer; each list of them is indexed once.

    Args:
        layer: the layer.
    """

    def __init__(self, layer: Stored):
        self._layer = layer
        self._by_number: dict[int, dict[str, Stored]] = {}
        self._by_name: dict[int, dict[str, Stored]] = {}

    def at(self, place: str) -> tuple[Stored, str]:
        """Returns the innermost layer on the way to a place.

        Args:
            place: a group in the tree of a file, below the layer: `forward_layer/cell/vars`.

        Returns:
            `(part, rest)`: what is left of the place below the part, `vars`.
        """
        layer, steps = self._layer, place.split("/")
        while steps and steps[0] != "vars":
            found, taken = self._step(layer, steps)
            if found is None:
                break
            layer, steps = found, steps[taken:]
        return layer, "/".join(steps)

    def _step(self, layer: Stored, steps: list[str]) -> tuple[Stored | None, int]:
        config, key = layer.config, steps[0]
        if key in ("forward_layer", "backward_layer") and not is_layer(config.get(key)):
            key = "layer"
        if is_layer(config.get(key)):
            return _stored(config[key]), 1
        if key == "cell" and has(layer.class_name, Trait.GATED):
            given = {} if layer.class_name.startswith("Conv") else {"trainable": config.get("trainable", True)}
            return Stored("cell", f"{layer.class_name}Cell", {**config, "trainable": True, **given}), 1
        if isinstance(config.get(key), list) and len(steps) > 1:
            return self._numbered(config[key]).get(steps[1]), 2
        return None, 0

    def _numbered(self, described: list[Any]) -> dict[str, Stored]:
        """Returns the layers of a list as Keras numbers them: `dense`, `dense_1`."""
        if id(described) not in self._by_number:
            found: dict[str, Stored] = {}
            counts: dict[str, int] = {}
            for one in filter(is_layer, described):
                stem = snake_case(one["class_name"])
                count = counts[stem] = counts.get(stem, -1) + 1
                found[f"{stem}_{count}" if count else stem] = _stored(one)
            self._by_number[id(described)] = found
        return self._by_number[id(described)]

    def on(self, path: str) -> Stored | None:
        """Returns the innermost layer on the path of a variable, `rnn/lstm_cell`; a wrapper's only one if no name says
        it; `None` for what a layer makes by itself.
        """
        layer, steps = self._layer, path.split("/")
        while inside := self._named(layer):
            found = next((inside[step] for step in steps if step in inside), None)
            if found is None and len(inside) > 1:
                return layer
            layer = found or next(iter(inside.values()))
        below = layer.name in steps and steps[-1] != layer.name
        gives = has(layer.class_name, Trait.GATED) and not layer.class_name.startswith("Conv")
        return None if below and not gives else layer

    def _named(self, layer: Stored) -> dict[str, Stored]:
        if id(layer.config) not in self._by_name:
            values = [layer.config.get(key) for key in _KEYS]
            listed = [one for value in values for one in (value if isinstance(value, list) else [value])]
            self._by_name[id(layer.config)] = {one.name: one for one in map(_stored, filter(is_layer, listed))}
        return self._by_name[id(layer.config)]


def names_inside(config: dict[str, Any]) -> list[str]:
    """Returns the names of the layers that the configuration of a layer describes directly."""
    described = (config.get(key) for key in _KEYS)
    return [_stored(one).name for one in described if is_layer(one)]


def held_by(config: Any) -> Iterator[tuple[str, str]]:
    """Yields (class, name) of whatever has a class in the configuration of a layer, at every depth."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            inner = value.get("config")
            if isinstance(inner, dict) and "class_name" in value:
                yield str(value["class_name"]), str(inner.get("name"))
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _stored(described: Any) -> Stored:
    name = described["config"].get("name")
    return Stored(str(name or ""), described["class_name"].rpartition(">")[2], described["config"])
