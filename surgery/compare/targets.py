"""A layer of a network that is to get weights."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from surgery.core.names import unnumbered
from surgery.formats.weight_pieces import Piece
from surgery.keras_bridge.variables import shapes_written
from surgery.layers.classes import auto_names, kind_of_weights


@dataclasses.dataclass(frozen=True)
class Target:
    """A layer that wants weights.

    Args:
        name: its address.
        class_name: its class.
        shapes: those of its weights, in order.
        layer: the live layer.
        path: the place at which Keras 3 would write it, where it is known.
        order: its place in the order in which Keras writes layers, where it is known.
    """

    name: str
    class_name: str
    shapes: tuple[tuple[int, ...], ...]
    layer: Any
    path: str = ""
    order: int = 0

    @functools.cached_property
    def written(self) -> list[tuple[int, ...]]:
        """The shapes of the tensors that Keras 3 writes for it into a tree, by size."""
        return shapes_written(self.layer)

    def has_shapes_of(self, piece: Piece) -> bool:
        """Whether a layer of a file has tensors of the shapes of its weights, or of what Keras writes for it."""
        found = sorted(tensor.shape for tensor in piece.tensors)
        return found == sorted(self.shapes) or (bool(piece.source.tree) and found == self.written)

    @property
    def kind(self) -> str:
        """The class whose weights it has."""
        return kind_of_weights(self.class_name)

    @property
    def numbered(self) -> bool:
        """Whether Keras gave the name."""
        return unnumbered(last_name(self.name)) in self.stems

    @property
    def stems(self) -> set[str]:
        """The names that Keras gives such a layer, without the number."""
        return auto_names(self.class_name) | auto_names(self.kind)


def last_name(name: str) -> str:
    """Returns an address without the models around the layer."""
    return name.rpartition("/")[2]
