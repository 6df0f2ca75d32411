"""The tensors of the layer that a call applies, in the order in which Keras makes them."""

from __future__ import annotations

import re
from typing import Any

from surgery.files import Tensor
from surgery.graph import Call

_PARTS = ("query_dense", "key_dense", "value_dense", "output_dense", "forward_layer", "backward_layer")


def tensors_of(call: Call) -> list[Tensor] | None:
    """Returns the tensors of a layer that is called, in the order in which Keras makes them; `None` for fresh ones."""
    op: Any = call.op
    source = getattr(op, "source", None)
    standins = getattr(op, "standins", ())
    layer = getattr(op, "layer", None) or (standins[0].layer if standins else None)
    if layer is not None:
        return [_of_variable(variable) for variable in getattr(layer, "weights", ())]
    if source is None or not source.tensors:
        return None
    if not source.tree:
        return source.tensors
    places = sorted((place for place in source.tree if "seed_generator" not in place), key=_rank)
    return [source.tree[place] for place in places]


def _rank(place: str) -> list[Any]:
    """Returns a key that sorts the parts of a layer as Keras makes them: query, key, value; forward, backward."""
    return [
        (_PARTS.index(step) if step in _PARTS else -1, [int(one) if one.isdigit() else 0 for one in _split(step)], step)
        for step in place.split("/")
    ]


def _split(step: str) -> list[str]:
    return re.findall(r"\d+", step)


def _of_variable(variable: Any) -> Tensor:
    def load() -> Any:
        import numpy as np

        return np.asarray(variable)

    return Tensor(variable.path, tuple(variable.shape), str(variable.dtype), load)
