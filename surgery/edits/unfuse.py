"""`unfuse`: an activation out of the layer that holds it, into a layer of its own."""

from __future__ import annotations

import dataclasses
from typing import Any

from surgery.core.errors import SurgeryError, doing
from surgery.core.nested import leaves
from surgery.core.specs import Ref
from surgery.edits.insert_remove import matched_calls
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import LiveOp
from surgery.graph.primitives import ordered, substitute
from surgery.graph.traversal import one_call_per_op
from surgery.keras_bridge.either import edit
from surgery.layers.classes import kind_of
from surgery.layers.facts import Trait
from surgery.layers.table import has
from surgery.selectors.select import Where


def fused_activation(call: Call) -> Any:
    """Returns the activation that a Conv or Dense applies itself, as its configuration has it, or `None`."""
    activation = call.config.get("activation") if has(kind_of(call), Trait.FUSES_ACTIVATION) else None
    return None if activation == "linear" else activation


@edit
def unfuse(graph: Graph, where: Where = fused_activation, expect: int | None = None) -> Graph:
    """Returns a new graph in which the matched Conv and Dense layers hold no activation; calls of their own apply it.

    The output is bit-identical, and the tensor before the activation can be tapped: VGG's `block1_conv1` is then
    the pre-activation, `block1_conv1_activation` what `block1_conv1` was. An output of the network keeps its name, so
    that `compile(loss={"predictions": ...})` means the same: `predictions` is the softmax, `predictions_logits` the
    Dense before it.

    Args:
        graph: `Graph` or `keras.Model`.
        where: which calls; all that hold an activation by default.
        expect: how many calls must match.

    Raises:
        SurgeryError: a matched call holds no activation.
    """
    with doing(f"unfusing {graph.name!r}"):
        graph, calls = matched_calls(graph, where, expect)
        for call in one_call_per_op(calls):
            if fused_activation(call) is None:
                raise SurgeryError(f"{call.name!r} is a {call.class_name} without an activation of its own.")
            graph = _unfused(graph, call)
        return ordered(graph)


def _unfused(graph: Graph, call: Call) -> Graph:
    import keras

    from surgery.keras_bridge.build import live_layer
    from surgery.keras_bridge.copy import variant
    from surgery.keras_bridge.effective_values import unquantized_policy

    layer = live_layer(graph, call)
    calls_of = [one for one in graph if (one.op, one.layer) == (call.op, call.layer)]
    ends = {ref.call for ref in leaves(graph.outputs)}
    is_output = any(one.name in ends for one in calls_of)
    name = f"{call.layer}_{'logits' if is_output else 'activation'}"
    if any(one.layer == name for one in graph):
        raise SurgeryError(f"{graph.name!r} already has a layer named {name!r}.")
    names = (name, call.layer) if is_output else (call.layer, name)
    bare = LiveOp(variant(layer, activation="linear", name=names[0]))
    act = LiveOp(keras.layers.Activation(layer.activation, name=names[1], dtype=unquantized_policy(layer)))
    calls, new = [], {}
    for one in graph:
        if one not in calls_of:
            calls.append(one)
            continue
        before, after = (one.name.replace(call.layer, new_name, 1) for new_name in names)
        applied = Call(after, act, (Ref(before),), {}, one.output)
        calls += [dataclasses.replace(one, name=before, op=bare), applied]
        new[Ref(one.name)] = Ref(after)
    grown = dataclasses.replace(graph, calls=tuple(calls))
    return substitute(grown, new, but=[ref.call for ref in new.values()])
