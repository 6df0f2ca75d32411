"""How the configuration of one layer that Keras 1 or 2 wrote is mended: by a list of small rules.

Each rule is a function that changes a `Stored` layer, in place, and says whether it did; its name is what the report
says, its docstring the reason. A rule that drops a key first sees that its value is the harmless one, and refuses the
file otherwise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from surgery.core.errors import SurgeryError, printable
from surgery.layers.description import Stored, is_layer


@dataclasses.dataclass(frozen=True)
class Origin:
    """What wrote a file: the version of Keras, and its backend."""

    version: tuple[int, ...]
    backend: str = "tensorflow"


Rule = Callable[[Stored, Origin], bool]


def mended(layer: Stored, origin: Origin, rules: tuple[Rule, ...], report: list[str]) -> Stored:
    """Returns a layer with all rules applied, to the layers inside it too; the report gets a line for each that fired.

    Raises:
        SurgeryError: the layer has a setting that its successor in Keras 3 has not.
    """
    layer = Stored(layer.name, layer.class_name, dict(layer.config))
    for rule in rules:
        if rule(layer, origin):
            report.append(f"{layer.name}: {rule.__name__.replace('_', ' ')}")
    for key, inner in _inside(layer.config):
        layer.config[key] = (
            [_within(one, layer, origin, rules, report) for one in inner]
            if isinstance(inner, list)
            else _within(inner, layer, origin, rules, report)
        )
    return layer


def _inside(config: dict[str, Any]) -> list[tuple[str, Any]]:
    """Returns the layers inside a wrapper or a recurrent layer, which are described in its configuration."""
    found = []
    for key in ("layer", "backward_layer", "cell", "cells"):
        inner = config.get(key)
        if is_layer(inner) or (isinstance(inner, list) and inner and all(map(is_layer, inner))):
            found.append((key, inner))
    return found


def _within(inner: Any, outer: Stored, origin: Origin, rules: tuple[Rule, ...], report: list[str]) -> dict[str, Any]:
    name = f"{outer.name}/{inner['config'].get('name', inner['class_name'])}"
    layer = mended(Stored(name, inner["class_name"], inner["config"]), origin, rules, report)
    place = {"module": "keras.layers", "registered_name": None} if origin.version[0] < 3 else {}
    return {**inner, **place, "class_name": layer.class_name, "config": layer.config}


def drop(layer: Stored, key: str, *harmless: Any) -> bool:
    """Drops a key that Keras 3 does not know, if its value is one of the harmless ones.

    Raises:
        SurgeryError: it is another.
    """
    if key not in layer.config:
        return False
    value = layer.config.pop(key)
    if value not in harmless:
        raise SurgeryError(
            f"{printable(layer.name)!r} ({printable(layer.class_name)}) was saved with {key}={printable(value)}, which "
            f"Keras 3 cannot do; only {key}={harmless[0]} can be mended."
        )
    return True


def renamed(config: dict[str, Any], old: str, new: str) -> bool:
    """Renames a key where it is there."""
    if old not in config:
        return False
    config[new] = config.pop(old)
    return True
