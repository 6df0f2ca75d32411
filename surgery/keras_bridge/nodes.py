"""Calls that Keras remembers: a layer keeps a node for each symbolic call, with the tensors it was given and made.

A build that applies a shared layer to the very tensors it has been applied to takes the tensors of that call, as a user
does by hand (`keras.Model(model.inputs, Dense(2)(model.get_layer("pool").output))`). So `layer.output` lies in the new
model too, and no layer collects nodes. Nodes have no public name; a contract test pins what is used here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras

from surgery.core.nested import leaves, plain, rebuilt
from surgery.core.specs import Ref
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import LiveOp
from surgery.keras_bridge.trace import expected_of


def outputs_of_call(layer: Any, args: Any, kwargs: Mapping[str, Any], used: set[int]) -> Any:
    """Returns the tensors that a layer made, flat, when it was called with these arguments, or `None`.

    Args:
        layer: the layer.
        args: positional arguments.
        kwargs: keyword arguments.
        used: the nodes that stand for other calls of the network: two calls that are given the same are two, of which
            a dropout makes different tensors. The one found is added.
    """
    for node in _nodes(layer):
        if id(node) not in used and _same(node.arguments.args, args) and _same(node.arguments.kwargs, dict(kwargs)):
            used.add(id(node))
            return list(node.outputs)
    return None


def input_of_donor(graph: Graph, call: Call) -> Any:
    """Returns the symbolic input that the layers behind an input of a graph have been applied to, or `None`.

    Args:
        graph: the graph.
        call: one of its inputs; the tensor has its name, shape, dtype, further arguments and preprocessing.
    """
    ref = Ref(call.name)
    for name in graph.consumers.get(ref, ()):
        user = graph[name]
        given = leaves((user.args, dict(user.kwargs)))
        for standin in getattr(user.op, "standins", ()):
            for node in _nodes(standin.layer):
                taken = leaves((tuple(node.arguments.args), dict(node.arguments.kwargs)))
                pairs = zip(given, taken, strict=True) if len(given) == len(taken) else ()
                for mine, tensor in pairs:
                    if isinstance(mine, Ref) and mine == ref and _is_such_an_input(tensor, call):
                        return tensor
    return None


def forget(graph: Graph) -> None:
    """Has the layers that have been called in a graph alone, to trace it, forget that they were.

    `layer.output` is that of the first node: for a new layer it should be the call in the network that it is put into.
    """
    count: dict[int, int] = {}
    layers = [call.op.layer for call in graph if isinstance(call.op, LiveOp)]
    for layer in layers:
        count[id(layer)] = count.get(id(layer), 0) + 1
    for layer in layers:
        if len(list(_nodes(layer))) == count[id(layer)]:
            layer._inbound_nodes.clear()
            layer._outbound_nodes.clear()


def _nodes(layer: Any) -> Iterator[Any]:
    yield from getattr(layer, "_inbound_nodes", ())


def _is_such_an_input(tensor: Any, call: Call) -> bool:
    if not isinstance(tensor, keras.KerasTensor):
        return False
    maker = getattr(getattr(tensor, "_keras_history", None), "operation", None)
    if not isinstance(maker, keras.layers.InputLayer) or maker.name != call.name:
        return False
    if expected_of(maker) != call.preprocessing:
        return False
    config, spec = maker.get_config(), call.specs[0]
    further = {key: True for key in ("optional", "sparse", "ragged") if config.get(key)}
    return (tuple(tensor.shape), str(tensor.dtype)) == (spec.shape, spec.dtype) and further == dict(call.kwargs)


def _same(one: Any, other: Any) -> bool:
    """Whether two structures of arguments are the same: tensors by identity, anything else by value."""
    ours, theirs = leaves(one), leaves(other)
    if len(ours) != len(theirs) or any(
        isinstance(mine, keras.KerasTensor) != isinstance(its, keras.KerasTensor)
        or (isinstance(mine, keras.KerasTensor) and mine is not its)
        for mine, its in zip(ours, theirs, strict=True)
    ):
        return False
    return plain(_without_tensors(one)) == plain(_without_tensors(other))


def _without_tensors(structure: Any) -> Any:
    return rebuilt(lambda leaf: None if isinstance(leaf, keras.KerasTensor) else leaf, structure)
