"""What a call applies: a live Keras operation, or the stored description of one.

Both answer the questions of `graph.Op` without computing anything, and both know the live layers that stand for them:
a stored op becomes live when it is first built, and stays the same layer for every later build, as a live one does.
No Keras import: a `LiveOp` only asks the object that it was given.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from surgery.core.errors import first_line
from surgery.core.specs import Weight
from surgery.graph.graph import Graph
from surgery.layers.classes import kind_of_stored
from surgery.layers.configurations import told_still


@dataclasses.dataclass(eq=False)
class Standin:
    """A live layer that stands for an op in built models, under one name and with one set of flags."""

    layer: Any
    name: str
    flags: dict[str, bool | str]


class LiveOp:
    """A Keras operation. Two of them are equal when they hold the same layer.

    Args:
        layer: `keras.Operation`, usually a layer.
        open_inner: returns the graph inside when the layer is itself a model.
        open_wrapped: returns the graph of the model that the layer applies to each step of time.
    """

    def __init__(
        self,
        layer: Any,
        open_inner: Callable[[], Graph] | None = None,
        open_wrapped: Callable[[], Graph] | None = None,
    ):
        self.layer = layer
        self._open_wrapped = open_wrapped
        self.standins = [Standin(layer, layer.name, {})]
        self._open_inner = open_inner
        self._inner: Graph | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LiveOp) and other.layer is self.layer

    def __hash__(self) -> int:
        return id(self.layer)

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def class_name(self) -> str:
        return type(self.layer).__name__

    @property
    def config(self) -> dict[str, Any]:
        return self._description[0]

    @functools.cached_property
    def undescribed(self) -> str:
        """Why the layer cannot describe itself, empty if it can: it can be looked at and frozen, if not copied."""
        return self._description[1]

    @property
    def _description(self) -> tuple[dict[str, Any], str]:
        try:
            config = self.layer.get_config()
        except Exception as error:  # code of the layer's author, hence anything
            config, why = {}, f"get_config() raises {type(error).__name__}: {first_line(error)}"
        else:
            why = "" if isinstance(config, dict) else f"get_config() returns {type(config).__name__}"
        return ({"name": self.layer.name}, why) if why else (config, "")

    @property
    def weights(self) -> tuple[Weight, ...]:
        return tuple(
            Weight(variable.path, tuple(variable.shape), str(variable.dtype), bool(variable.trainable))
            for variable in getattr(self.layer, "weights", ())
        )

    @property
    def trainable(self) -> bool:
        return any(weight.trainable for weight in self.weights)  # `fit` goes by these, whatever the layer's flag

    @property
    def frozen(self) -> bool:
        parts = getattr(self.layer, "_flatten_layers", lambda: [self.layer])()
        return bool(self.weights) and not self.trainable and not all(part.trainable for part in parts)

    @property
    def inner(self) -> Graph | None:
        if self._inner is None and self._open_inner is not None:
            self._inner = self._open_inner()
        return self._inner

    @inner.setter
    def inner(self, graph: Graph | None) -> None:
        self._inner = graph

    @functools.cached_property
    def wrapped(self) -> Graph | None:
        """The graph of the model that the layer applies to each step of time, a `TimeDistributed`."""
        return None if self._open_wrapped is None else self._open_wrapped()


class StoredOp:
    """The description of an operation from a card or a file. Two of them are equal only when they are one object.

    Args:
        stored: what `keras.saving.serialize_keras_object` made of the operation (`module`, `class_name`, `config`).
        weights: its variables, without values.
        inner: the graph inside when the operation is itself a model.
        source: where the values of its variables are, for an operation from a file; `None` draws fresh ones.
        wrapped: the graph of the model that the operation applies to each step of time, a `TimeDistributed`.
    """

    def __init__(
        self,
        stored: dict[str, Any],
        weights: tuple[Weight, ...] = (),
        inner: Graph | None = None,
        source: Any = None,
        wrapped: Graph | None = None,
    ):
        self.stored = stored
        self.wrapped = wrapped
        self.weights = weights
        self.inner = inner
        self.source = source
        self.standins: list[Standin] = []

    @property
    def class_name(self) -> str:
        return self.stored["class_name"]

    @functools.cached_property
    def kind(self) -> str:
        """The class by the name under which Keras has it, as `kind_of` says it."""
        return kind_of_stored(self.stored)

    def restate(self, stored: dict[str, Any]) -> None:
        """Takes another description in place of its own."""
        self.stored = stored
        vars(self).pop("kind", None)

    @property
    def config(self) -> dict[str, Any]:
        return self.stored.get("config", {})

    @property
    def name(self) -> str:
        return self.config["name"]

    @property
    def trainable(self) -> bool:
        return any(weight.trainable for weight in self.weights)

    @property
    def frozen(self) -> bool:
        return bool(self.weights) and not self.trainable and told_still(self.config)
