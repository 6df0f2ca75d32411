"""What follows a tensor that has another shape than before: its shapes are computed anew, or the edit is refused.

Only what learned nothing of the old shape may follow: a softmax, a pooling, a Reshape behind the last layer. Where a
layer with weights takes the tensor, they were learned for the old one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from surgery.core.errors import SurgeryError, listing
from surgery.core.nested import leaves, packed
from surgery.core.specs import Ref, Spec
from surgery.edits.compatibility import advice, channels_come_first
from surgery.edits.inline import dissolve
from surgery.edits.resize import specs_made, takes
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import LiveOp
from surgery.graph.primitives import ordered
from surgery.layers.classes import kind_of


@dataclasses.dataclass
class Changes:
    """The tensors that an edit gives another shape.

    Args:
        graph: the graph before the edit.
        was: tensor -> its spec before the edit.
        why: tensor -> the tensor that was changed first, of which it is made.
        known: (name of a call, tensor that it takes), where the call was made for the tensor as it is.
    """

    graph: Graph
    was: dict[Ref, Spec] = dataclasses.field(default_factory=dict)
    why: dict[Ref, Ref] = dataclasses.field(default_factory=dict)
    known: set[tuple[str, Ref]] = dataclasses.field(default_factory=set)

    def put(self, ref: Ref, before: Spec) -> None:
        """Notes that a tensor has another spec than the one that it is in the place of."""
        self.was[ref], self.why[ref] = before, ref

    def said(self, ref: Ref) -> str:
        """Returns the address of a tensor of the network; of a new part, whose names may be Keras', a description."""
        return str(ref) if ref.call in self.graph else "what the part makes"

    def made_for(self, graph: Graph, names: Collection[str]) -> None:
        """Notes that calls were made for the tensors that they take now."""
        self.known.update((name, ref) for name in names for ref in graph[name].parents)


def followed(graph: Graph, changes: Changes, names: Collection[str] | None = None) -> Graph:
    """Returns the graph, in runnable order, with the specs of what is made of changed tensors.

    Args:
        graph: the graph; its order may be any.
        changes: what was changed; what is made of it is added.
        names: the calls of which to compute them; all by default.

    Raises:
        SurgeryError: a call does not take the new shape, has weights that were learned for the old one, or hides the
            change by broadcasting.
    """
    if not changes.was:
        return graph
    graph = ordered(graph)
    waiting = [call.name for call in graph if names is None or call.name in names]
    while waiting:
        call = graph[waiting.pop(0)]
        given = [ref for ref in call.parents if ref in changes.was and (call.name, ref) not in changes.known]
        if not given:
            continue
        if call.weights:
            _refuse_learned(graph, call, changes, given[0])
        if not takes(call, graph.specs):
            graph, _ = dissolve(graph, call.name)
            return followed(graph, changes, names)
        call, notes = _for_the_new_shape(graph, call, changes)
        specs = specs_made(graph, call, graph.specs)
        _refuse_broadcast(graph, call, changes, given, specs)
        for ref, before, now in zip(call.refs, call.specs, specs, strict=True):
            if before != now:
                changes.was.setdefault(ref, before)
                changes.why.setdefault(ref, changes.why[given[0]])
        call = dataclasses.replace(call, output=packed(call.output, specs))
        calls = tuple(call if one.name == call.name else one for one in graph)
        graph = dataclasses.replace(graph, calls=calls, notes=(*graph.notes, *notes))
    return graph


def with_outputs_noted(graph: Graph, before: Graph) -> Graph:
    """Returns the graph with a note of each output that has another shape or name than before the edit; the name of
    one in a dict is its key."""
    notes = []
    for ref, old in zip(leaves(graph.outputs), leaves(before.outputs), strict=True):
        if graph.spec(ref) != before.spec(old) and before.spec(old).shape is not None:
            notes.append(f"{ref}: the output of the network is {graph.spec(ref)}, and was {before.spec(old)}")
        if graph[ref].layer != before[old].layer and not isinstance(before.outputs, dict):
            notes.append(f"{graph[ref].layer}: the name of an output, which was {before[old].layer}")
    return dataclasses.replace(graph, notes=(*graph.notes, *dict.fromkeys(notes)))


def _refuse_learned(graph: Graph, call: Call, changes: Changes, given: Ref) -> None:
    first, taken = changes.why[given], changes.said(given)
    raise SurgeryError(
        f"{call.name!r} ({call.class_name}) has weights for {changes.was[given]}, and would take {taken}, "
        f"{graph.spec(given)}.{advice(graph.spec(first), changes.was[first], channels_come_first(graph))}"
    )


def _refuse_broadcast(graph: Graph, call: Call, changes: Changes, given: list[Ref], specs: list[Spec]) -> None:
    """Refuses a merge of what changed with what did not, where nothing of the change is left."""
    others = [ref for ref in call.given if ref not in given and graph.spec(ref).shape]
    if others and specs == call.specs:
        raise SurgeryError(
            f"{call.name!r} ({call.class_name}) would repeat {changes.said(given[0])}, now {graph.spec(given[0])}, "
            f"for the shape of {listing(map(str, others))}."
        )


def _for_the_new_shape(graph: Graph, call: Call, changes: Changes) -> tuple[Call, list[str]]:
    """Returns the call of a Reshape to the number of classes for another number; any other call as it is."""
    alone = kind_of(call) == "Reshape" and sum(one.op == call.op for one in graph) == 1
    ref = call.parents[0]
    new = _target(list(call.config["target_shape"]), changes.was[ref], graph.spec(ref)) if alone else None
    if new is None:
        return call, []
    import keras

    from surgery.keras_bridge.build import live_layer

    old = live_layer(graph, call)
    op = LiveOp(keras.layers.Reshape(new, name=call.layer, dtype=old.dtype_policy))
    note = f"{call.name}: its target_shape is {new}, and was {tuple(old.target_shape)}"
    return dataclasses.replace(call, op=op), [note]


def _target(target: list[Any], before: Spec, now: Spec) -> tuple[Any, ...] | None:
    """Returns the target of a Reshape with the size that changed, if it is one size of both."""
    if len(before.sides) != len(now.sides) or -1 in target:
        return None
    changed = [(old, new) for old, new in zip(before.sides, now.sides, strict=True) if old != new]
    if len(changed) != 1 or target.count(changed[0][0]) != 1:
        return None
    return tuple(changed[0][1] if side == changed[0][0] else side for side in target)
