"""The weights of one layer in a file, and those of a model that the network has as one layer."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from surgery.core.names import unnumbered
from surgery.core.tensors import Source, Tensor
from surgery.formats.weight_layout import is_of_optimizer


@dataclasses.dataclass(frozen=True)
class Piece:
    """The weights of one layer.

    Args:
        name: the name of the layer, with those of the models around it: `vgg16/block1_conv1`.
        source: its tensors.
        sure: whether the file says this name; else it is Keras' numbering, `dense_1`.
        class_name: the class of the layer, where the file says it.
        path: the place at which Keras 3 would write the layer, `layers/dense_1`, where it is known.
        order: how the layers of the file lie in it: as the network calls them (`"calls"`), perhaps as its author made
            them (`"made"`: the file may be that of a model with code of its own), or by the names of attributes (`""`).
        of: what it is of, for messages: the file, or the name of a network.
    """

    name: str
    source: Source
    sure: bool = True
    class_name: str = ""
    path: str = ""
    order: str = "calls"
    of: str = "the file"

    @property
    def tensors(self) -> list[Tensor]:
        """Its tensors, in order."""
        return self.source.tensors

    @property
    def is_state(self) -> bool:
        """Whether it is the state of an optimizer, which counts its steps, and none of the weights."""
        counts = any(tensor.shape == () and "int" in tensor.dtype for tensor in self.tensors)
        return counts and is_of_optimizer(self.path or self.name)


def gathered(pieces: Sequence[Piece], wanted: Mapping[str, Sequence[tuple[int, ...]]]) -> list[Piece]:
    """Returns the pieces with those of a model together as one, where the network has that model as one layer: a model
    with code of its own, whose tree may look like that of a model of layers.

    Args:
        pieces: of a file.
        wanted: name of a layer of the network -> the shapes of its weights.
    """
    below: dict[tuple[str, str], list[Piece]] = {}
    for piece in pieces:
        ends = [match.start() for match in re.finditer("/layers/", piece.path)]
        names = piece.name.split("/")
        for depth, end in enumerate(ends, start=len(names) - len(ends)):
            below.setdefault((piece.path[:end], "/".join(names[:depth])), []).append(piece)
    found = list(pieces)
    for (path, name), inside in below.items():
        shapes = sorted(tensor.shape for piece in inside for tensor in piece.tensors)
        last = name.rpartition("/")[2]
        alike = [one for one, given in wanted.items() if _stem(one) == _stem(last) and sorted(given) == shapes]
        if alike and all(piece in found for piece in inside):
            tree = {
                f"{piece.path[len(path) + 1 :]}/{place}": tensor
                for piece in inside
                for place, tensor in piece.source.tree.items()
            }
            whole = Piece(name, Source(tree=tree), inside[0].sure, path=path, order=inside[0].order)
            at = found.index(inside[0])
            found = [*found[:at], whole, *(piece for piece in found[at + 1 :] if piece not in inside)]
    return found


def _stem(name: str) -> str:
    return unnumbered(name.rpartition("/")[2])
