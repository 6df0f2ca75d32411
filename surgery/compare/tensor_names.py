"""What to call each tensor of a layer: `kernel`; `query/kernel` where the layer has several kernels."""

from __future__ import annotations

import re
from typing import Any

from surgery.compare.tensors import live_layer, names_in_tree, tensors_of
from surgery.core.names import own_name
from surgery.graph.calls import Call
from surgery.keras_bridge.variables import names_of_variables


def labels(call: Call) -> list[str]:
    """Returns what to call the tensors of a layer, in the order of `tensors_of`; of `call.weights` for fresh ones."""
    below = _names_below(call)
    short = [name.rpartition("/")[2] for name in below]
    return short if len(set(short)) == len(short) else below


def labels_by_name(call: Call) -> dict[str, str]:
    """Returns the name of a tensor, where it lies -> what to call it."""
    return {tensor.name: label for tensor, label in zip(tensors_of(call) or [], labels(call), strict=False)}


def _names_below(call: Call) -> list[str]:
    """Returns the names of the tensors with what is between the layer and them."""
    layer, tensors = live_layer(call), tensors_of(call)
    if layer is not None:
        return [name.replace(".", "/") for name in names_of_variables(layer)]
    if tensors is None:
        return [_below(weight.name, call) for weight in call.weights]
    op: Any = call.op
    source = op.source
    if source.tree:
        return [_as_live(name) for name in names_in_tree(call)]
    return [*source.named] if source.named else [_below(tensor.name, call) for tensor in tensors]


def _as_live(name: str) -> str:
    """Returns a name in attention as Keras calls it in memory: in files the parts go by their attributes."""
    name = re.sub(r"(^|/)_?output_dense/", r"\1attention_output/", name)
    return re.sub(r"(^|/)_?(query|key|value)_dense/", r"\1\2/", name)


def _below(name: str, call: Call) -> str:
    """Returns a path below the layer, `query/kernel` of `attention/query/kernel:0`."""
    steps = name.split(":")[0].split("/")
    if call.layer not in steps[:-1]:
        return own_name(name)
    return "/".join(steps[len(steps) - steps[::-1].index(call.layer) :])
