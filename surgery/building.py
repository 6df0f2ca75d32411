"""The door from a `Graph` to a live Keras model: one call of each op, in order."""

from __future__ import annotations

from typing import Any

import keras

from surgery.copying import Copies
from surgery.depth import room_for
from surgery.errors import SurgeryError, doing, first_line
from surgery.graph import Call, Graph
from surgery.primitives import check
from surgery.specs import Ref
from surgery.structure import leaves, rebuilt
from surgery.tracing import model_of


def assemble(graph: Graph, copy: bool = False) -> keras.Model:
    """Builds the uncompiled Keras model of a graph.

    Args:
        graph: the graph to build.
        copy: whether layers are copied, with equal weights, instead of shared with the donor.

    Raises:
        SurgeryError: the graph is not well-formed, or a call of it does not fit what it is given.
    """
    with doing(f"building {graph.name!r}"):
        check(graph)
        copies = Copies(fresh=copy)
        with room_for(len(graph)):
            tensors = _run(graph, copies)
            inputs, outputs = (rebuilt(tensors.__getitem__, ends) for ends in (graph.inputs, graph.outputs))
            model = model_of(inputs, outputs, graph.name)
        copies.finish()
    return model


def _run(graph: Graph, copies: Copies) -> dict[Ref, Any]:
    """Returns every tensor of a symbolic run through the graph."""
    tensors: dict[Ref, Any] = {}

    def look(leaf: Any) -> Any:
        return tensors[leaf] if isinstance(leaf, Ref) else leaf

    for call in graph:
        if call.op is None:
            output = placeholder(call)
        else:
            args, kwargs = rebuilt(look, call.args), rebuilt(look, dict(call.kwargs))
            output = _applied(copies.layer_for(call), call, args, kwargs)
        tensors.update(zip(call.refs, leaves(output), strict=True))
    return tensors


def placeholder(call: Call) -> Any:
    """Returns the symbolic input for an input call."""
    spec = call.specs[0]
    return keras.Input(batch_shape=spec.shape, dtype=spec.dtype, name=call.name, **call.kwargs)


def _applied(layer: Any, call: Call, args: Any, kwargs: Any) -> Any:
    try:
        return layer(*args, **kwargs)
    except Exception as error:
        given = ", ".join(str(tuple(leaf.shape)) for leaf in leaves((args, kwargs)) if hasattr(leaf, "shape"))
        raise SurgeryError(
            f"{call.name!r} ({call.class_name}) does not take {given or 'what it is given'}: {first_line(error)}"
        ) from error
