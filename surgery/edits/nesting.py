"""Nested models: dissolve them into the graph that calls them, also when they are called twice.

The calls inside keep their names where these are free; where another layer has the name already, the nested model's
name comes before it (`encoder_conv1`). Layers inside a model that is called twice become calls `conv1` and `conv1@1`
of one layer. No weight is touched.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from surgery.doors import edit
from surgery.errors import SurgeryError, doing, listing
from surgery.graph import Call, Graph, Op, flags_below
from surgery.primitives import substitute
from surgery.specs import Ref
from surgery.structure import leaves, rebuilt
from surgery.where import Where, selected


@edit
def inline(graph: Graph, where: Where = "**", expect: int | None = None) -> Graph:
    """Returns a new graph in which the matched nested models are dissolved, at every depth below them.

    Args:
        graph: `Graph` or `keras.Model`.
        where: which nested models; all by default.
        expect: how many calls `where` must match.

    Raises:
        SurgeryError: no nested model matches.
    """
    with doing(f"inlining {where!r} in {graph.name!r}"):
        nested = [name for name, call in selected(graph, where, expect).items() if _inner(call) is not None]
        if not nested:
            raise SurgeryError(
                f"no nested model matches; those of {graph.name!r}: {listing(_nested(graph)) or 'none'}."
            )
        waiting = [name for name in _nested(graph) if any(one.split("/")[0] == name for one in nested)]
        while waiting:
            graph, places = dissolve(graph, waiting.pop(0))
            waiting.extend(
                ref.call for ref in places.values() if _inner(graph[ref]) is not None and ref.call not in waiting
            )
        return graph


def _inner(call: Call) -> Graph | None:
    return None if call.op is None else call.op.inner


def _nested(graph: Graph) -> list[str]:
    return [call.name for call in graph if _inner(call) is not None]


def reached(graph: Graph, refs: list[Ref]) -> tuple[Graph, list[Ref]]:
    """Dissolves the nested models that hold any of the tensors; returns the new graph and the tensors' new
    addresses."""
    refs = list(refs)
    while True:
        hidden = next((ref.call for ref in refs if ref.call not in graph), None)
        if hidden is None:
            return graph, refs
        container = hidden.split("/")[0]
        graph, places = dissolve(graph, container)
        for position, ref in enumerate(refs):
            outer, _, path = ref.call.partition("/")
            if outer == container and path:
                first, slash, rest = path.partition("/")
                place = places[first]
                refs[position] = Ref(place.call + slash + rest, place.index + ref.index)


def dissolve(graph: Graph, name: str) -> tuple[Graph, dict[str, Ref]]:
    """Returns the graph with one nested call replaced by the calls inside, and where each inner call is now.

    An inner input is where the tensor is that the nested model was given.
    """
    outer = graph[name]
    inner = _inner(outer)
    if inner is None:
        raise SurgeryError(f"{name!r} is a {outer.class_name}, not a nested model.")
    names = _new_names(graph, outer, inner)
    moved = dict(zip(leaves(inner.inputs), _feeds(outer, inner), strict=True))

    def look(leaf: Any) -> Any:
        return moved.get(leaf) or Ref(names[leaf.call], leaf.index) if isinstance(leaf, Ref) else leaf

    flags = dict(outer.flags)
    calls = tuple(
        dataclasses.replace(
            call,
            name=names[call.name],
            args=rebuilt(look, call.args),
            kwargs=_with_training(call, rebuilt(look, dict(call.kwargs)), outer),
            flags={**call.flags, **flags_below(flags, call.layer)},
        )
        for call in inner
        if call.op is not None
    )
    position = [call.name for call in graph].index(name)
    opened = dataclasses.replace(graph, calls=graph.calls[:position] + calls + graph.calls[position + 1 :])
    outputs = dict(zip(outer.refs, map(look, leaves(inner.outputs)), strict=True))
    places = {call.name: look(Ref(call.name)) for call in inner}
    return substitute(opened, outputs), places


def _new_names(graph: Graph, outer: Call, inner: Graph) -> dict[str, str]:
    layers: dict[Op, str] = {call.op: call.layer for call in graph if call.op is not None}
    taken, names = {call.name for call in graph} - {outer.name}, {}
    for call in inner:
        if call.op is None:
            continue
        if call.op not in layers:
            free = not any(name == call.layer or name.startswith(f"{call.layer}@") for name in taken)
            layers[call.op] = call.layer if free else f"{outer.layer}_{call.layer}"
        names[call.name] = next_call(layers[call.op], taken)
        taken.add(names[call.name])
    return names


def next_call(layer: str, taken: set[str]) -> str:
    """Returns the name of a further call of a layer: `x`, `x@1`, `x@2`, whichever comes first and is free."""
    count = 0
    while (f"{layer}@{count}" if count else layer) in taken:
        count += 1
    return f"{layer}@{count}" if count else layer


def _feeds(outer: Call, inner: Graph) -> list[Ref]:
    """Returns the tensors given to a nested call, in the order of the inputs inside."""
    given = outer.args[0] if outer.args else outer.kwargs.get("inputs")
    further = [
        key for key, value in outer.kwargs.items() if key != "inputs" and any(isinstance(v, Ref) for v in leaves(value))
    ]
    if further or len(outer.args) > 1:
        raise SurgeryError(
            f"{outer.name!r} is given {listing(further or ['further arguments'])} beside its inputs; it cannot be "
            f"dissolved."
        )
    if isinstance(given, dict) and not isinstance(inner.inputs, dict):
        given = [given[ref.call] for ref in leaves(inner.inputs)]
    return leaves(given)


def _with_training(call: Call, kwargs: dict[str, Any], outer: Call) -> dict[str, Any]:
    """Passes the `training=` of a nested call on to the calls inside that know the argument."""
    if "training" not in outer.kwargs or "training" in kwargs:
        return kwargs
    layer = getattr(call.op, "layer", None)
    knows = layer is not None and "training" in inspect.signature(layer.call).parameters
    return {**kwargs, "training": outer.kwargs["training"]} if knows else kwargs
