"""Nested models: dissolve them into the graph that calls them, also when they are called twice.

The calls inside keep their names where these are free; where another layer has the name already, the nested model's
name comes before it (`encoder_conv1`). Layers inside a model that is called twice become calls `conv1` and `conv1@1`
of one layer. No weight is touched.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

from surgery.analysis.sizes import sized
from surgery.core.errors import SurgeryError, doing, listing
from surgery.core.nested import leaves, rebuilt
from surgery.core.specs import Ref, Spec
from surgery.graph.calls import Call, Op, flags_below
from surgery.graph.free_names import _free, next_call
from surgery.graph.graph import Graph
from surgery.graph.primitives import substitute
from surgery.keras_bridge.either import edit
from surgery.selectors.select import Where, selected


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
        chosen = [name for name, call in selected(graph, where, expect).items() if _inner(call) is not None]
        if not chosen:
            raise SurgeryError(
                f"no nested model matches; those of {graph.name!r}: {listing(_nested(graph)) or 'none'}."
            )
        waiting = [(name, name in chosen, _below(chosen, name)) for name in _nested(graph)]
        while waiting:
            name, whole, inside = waiting.pop(0)
            if not whole and not inside:
                continue
            nested = _nested(_inner(graph[name]) or graph)
            graph, moved = dissolve(graph, name)
            waiting += [
                (moved(Ref(f"{name}/{one}")).call, whole or one in inside, _below(inside, one)) for one in nested
            ]
        return graph


def _below(addresses: list[str], name: str) -> list[str]:
    """Returns the addresses inside a nested call, without its name."""
    return [address.removeprefix(f"{name}/") for address in addresses if address.startswith(f"{name}/")]


def _inner(call: Call) -> Graph | None:
    return None if call.op is None else call.op.inner


def _nested(graph: Graph) -> list[str]:
    return [call.name for call in graph if _inner(call) is not None]


def reached(graph: Graph, refs: list[Ref]) -> tuple[Graph, list[Ref]]:
    """Dissolves the nested models that hold any of the tensors; returns the new graph and the tensors' new
    addresses."""
    refs = list(refs)
    while (hidden := next((ref.call for ref in refs if ref.call not in graph), None)) is not None:
        graph, moved = dissolve(graph, hidden.split("/")[0])
        refs = [moved(ref) for ref in refs]
    return graph, refs


def dissolve(graph: Graph, name: str) -> tuple[Graph, Callable[[Ref], Ref]]:
    """Returns the graph with one nested call replaced by the calls inside, and a function: address -> new address.

    An inner input is where the tensor is that the nested model was given, as the inner input takes it: Keras casts it
    and adjusts its rank, and so do calls that are put in where it is needed.
    """
    outer = graph[name]
    inner = _inner(outer)
    if inner is None:
        raise SurgeryError(f"{name!r} is a {outer.class_name}, not a nested model.")
    names = _new_names(graph, outer, inner)
    entries = leaves(inner.inputs)
    before = len(graph)
    graph, feeds = _as_taken(graph, _feeds(outer, inner), [inner.spec(ref) for ref in entries])
    given = dict(zip(entries, feeds, strict=True))
    inside = sized(inner, [graph.spec(ref) for ref in feeds])  # it may be made for open sizes, and given known ones

    def look(leaf: Any) -> Any:
        return given.get(leaf) or Ref(names[leaf.call], leaf.index) if isinstance(leaf, Ref) else leaf

    flags = dict(outer.flags)
    calls = tuple(
        dataclasses.replace(
            call,
            name=names[call.name],
            args=rebuilt(look, call.args),
            kwargs=_with_training(call, rebuilt(look, dict(call.kwargs)), outer),
            flags={**call.flags, **flags_below(flags, call.layer)},
        )
        for call in inside
        if call.op is not None
    )
    position = [call.name for call in graph].index(name)
    new = graph.calls[before:]
    opened = dataclasses.replace(graph, calls=graph.calls[:position] + new + calls + graph.calls[position + 1 : before])
    outputs = dict(zip(outer.refs, map(look, leaves(inner.outputs)), strict=True))

    def moved(ref: Ref) -> Ref:
        container, _, path = ref.call.partition("/")
        if container != name:
            return ref
        if not path:
            return outputs[ref]
        first, slash, rest = path.partition("/")
        place = look(Ref(first))
        return Ref(place.call + slash + rest, place.index + ref.index)

    return substitute(opened, outputs, but=names.values()), moved  # a layer inside may have the name of its model


def _as_taken(graph: Graph, feeds: list[Ref], wanted: list[Spec]) -> tuple[Graph, list[Ref]]:
    """Returns the tensors as the inputs of a nested model take them; calls that cast or reshape come last."""
    found = []
    for ref, spec in zip(feeds, wanted, strict=True):
        given = graph.spec(ref)
        more = len(spec.sides) - len(given.sides) if None not in (spec.shape, given.shape) else 0
        if given.dtype != spec.dtype or more:
            from surgery.edits.parts import attach, part_graph

            graph, output = attach(graph, part_graph(_adjustment(spec.dtype, more), given), [ref])
            ref = leaves(output)[0]
        found.append(ref)
    return graph, found


def _adjustment(dtype: str, more: int) -> Callable[[Any], Any]:
    """Returns what Keras does to a tensor that another dtype, or one axis more or less, is wanted of."""
    import keras

    def adjusted(x: Any) -> Any:
        x = keras.ops.expand_dims(x, -1) if more > 0 else keras.ops.squeeze(x, -1) if more < 0 else x
        return x if x.dtype == dtype else keras.ops.cast(x, dtype)

    return adjusted


def _new_names(graph: Graph, outer: Call, inner: Graph) -> dict[str, str]:
    layers: dict[Op, str] = {call.op: call.layer for call in graph if call.op is not None}
    taken, names = {call.name for call in graph} - {outer.name}, {}
    for call in inner:
        if call.op is None:
            continue
        if call.op not in layers:
            free = not any(name == call.layer or name.startswith(f"{call.layer}@") for name in taken)
            layers[call.op] = call.layer if free else _free(f"{outer.layer}_{call.layer}", taken)
        names[call.name] = next_call(layers[call.op], taken)
        taken.add(names[call.name])
    return names


def _feeds(outer: Call, inner: Graph) -> list[Ref]:
    """Returns the tensors given to a nested call, in the order of the inputs inside."""
    given = outer.args[0] if outer.args else outer.kwargs.get("inputs")
    further = [
        key for key, value in outer.kwargs.items() if key != "inputs" and any(isinstance(v, Ref) for v in leaves(value))
    ]
    if further or len(outer.args) > 1:
        raise SurgeryError(
            f"{outer.name!r} is given {listing(further or ['further arguments'])} besides its inputs; it cannot be "
            f"dissolved."
        )
    if isinstance(given, dict) and not isinstance(inner.inputs, dict):
        given = [given[ref.call] for ref in leaves(inner.inputs)]
    return leaves(given)


def _with_training(call: Call, kwargs: dict[str, Any], outer: Call) -> dict[str, Any]:
    """Passes the `training=` of a nested call on to the calls inside that know the argument."""
    if "training" not in outer.kwargs or "training" in kwargs:
        return kwargs
    return {**kwargs, "training": outer.kwargs["training"]} if _knows_training(call) else kwargs


def _knows_training(call: Call) -> bool:
    if _inner(call) is not None:
        return True
    import keras

    layer = getattr(call.op, "layer", None) or getattr(keras.layers, call.class_name, None)
    return layer is not None and "training" in inspect.signature(layer.call).parameters
