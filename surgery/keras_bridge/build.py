"""The door from a `Graph` to a live Keras model: one call of each op, in order."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from surgery.core.errors import SurgeryError, doing, first_line, listing, printable
from surgery.core.nested import leaves, rebuilt
from surgery.core.recursion import room_for
from surgery.core.specs import Ref
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import LiveOp, StoredOp
from surgery.graph.primitives import check
from surgery.graph.traversal import calls_at_every_depth
from surgery.keras_bridge.allowlist import refuse_code, refused
from surgery.keras_bridge.lookups import WORDS
from surgery.keras_bridge.nodes import input_of_donor, outputs_of_call
from surgery.keras_bridge.standins import Copies
from surgery.keras_bridge.trace import expecting, model_of, spec_of
from surgery.layers.classes import kind_of_stored
from surgery.layers.facts import Trait
from surgery.layers.table import has
from surgery.selectors.select import selected


def assemble(
    graph: Graph,
    copy: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
    replacements: Mapping[str, Any] | None = None,
) -> keras.Model:
    """Builds the uncompiled Keras model of a graph.

    Args:
        graph: the graph to build.
        copy: whether layers are copied, with equal weights, instead of shared with the donor.
        custom_objects: classes and functions that layers of a file may name, besides those of Keras.
        replacements: address -> the layer to apply instead of what a file names.

    Raises:
        SurgeryError: the graph is not well-formed, a call of it does not fit what it is given, or it comes from a file
            and names code that is not part of Keras.
    """
    with doing(f"building {graph.name!r}"):
        check(graph)
        graph = _replaced(graph, replacements or {})
        custom_objects = custom_objects or {}
        _refuse_code(graph, custom_objects)
        copies = Copies(copy, custom_objects, _model)
        with room_for(_calls(graph)), _one_error(), copies.of(graph.calls):
            return _model(graph, graph.name, copies)


def _calls(graph: Graph) -> int:
    return sum(1 for _ in calls_at_every_depth(graph))


@contextlib.contextmanager
def _one_error() -> Iterator[None]:
    """Turns what Keras raises for what a file says into a SurgeryError."""
    try:
        yield
    except (SurgeryError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise SurgeryError(f"Keras cannot make it: {type(error).__name__}: {first_line(error)}") from error


def live_layer(graph: Graph, call: Call) -> Any:
    """Returns the live layer of a call of a graph, with its weights; a stored op is made live, and built, for it.

    Raises:
        SurgeryError: a copy would be needed of a layer that cannot be copied, or the layer is code of a file.
    """
    _refuse_code(dataclasses.replace(graph, calls=(call,)), {})
    copies = Copies(nested=_model)

    def symbolic(leaf: Any) -> Any:
        if not isinstance(leaf, Ref):
            return leaf
        spec = known(graph, leaf)
        return keras.KerasTensor(spec.shape, spec.dtype)

    with room_for(_calls(graph) if call.inner is not None else 0), copies.of([call]):
        layer = copies.layer_for(call)
        if not getattr(layer, "built", True):
            args, kwargs = rebuilt(symbolic, (call.args, dict(call.kwargs)))
            layer(*args, **kwargs)
    return layer


def shaped(graph: Graph) -> Graph:
    """Returns the graph with the shapes of all tensors, as Keras computes them; the layers are made live for it.

    Raises:
        SurgeryError: as `assemble`.
    """
    with doing(f"computing the shapes of {graph.name!r}"):
        _refuse_code(graph, {})
        copies = Copies(nested=_model)
        with room_for(_calls(graph)), _one_error(), copies.of(graph.calls):
            outputs: dict[str, Any] = {}
            _run(graph, copies, outputs)
        specs = {name: rebuilt(spec_of, output) for name, output in outputs.items()}
        calls = tuple(dataclasses.replace(call, output=specs[call.name]) for call in graph)
        return dataclasses.replace(graph, calls=calls)


def known(graph: Graph, ref: Ref) -> Any:
    """Returns the spec of a tensor.

    Raises:
        SurgeryError: the file that the graph comes from does not say it.
    """
    spec = graph.spec(ref)
    if spec.shape is None:
        raise SurgeryError(f"the file does not say the shape of {ref}; open(path, shapes=True) has Keras compute it.")
    return spec


def _replaced(graph: Graph, replacements: Mapping[str, Any]) -> Graph:
    """Returns the graph with other layers in the place of those that a file names; functions become Lambda layers."""
    for address, part in replacements.items():
        ops = {call.op for call in selected(graph, address).values()}
        if not isinstance(part, keras.Operation):
            if not callable(part) or isinstance(part, Graph):
                raise SurgeryError(f"the replacement of {address!r} is {part!r}, neither a layer nor a function.")
            part = keras.layers.Lambda(part)
        new = LiveOp(part)
        calls = tuple(dataclasses.replace(call, op=new) if call.op in ops else call for call in graph)
        graph = dataclasses.replace(graph, calls=calls)
    return graph


def _refuse_code(graph: Graph, custom_objects: Mapping[str, Any]) -> None:
    found = {
        address: words
        for address, call in calls_at_every_depth(graph)
        if isinstance(call.op, StoredOp)
        and call.op.source is not None
        and not call.op.standins
        and (words := [*refused((call.op.stored, call.args, dict(call.kwargs)), custom_objects), *_assets(call.op)])
    }
    refuse_code(found)


def _assets(op: StoredOp) -> list[str]:
    kept = getattr(op.source, "assets", ())
    known = {name.rpartition("/")[2] for name in kept} == {WORDS} and WORDS in kept
    if known and has(kind_of_stored(op.stored), Trait.LOOKUP):
        return []  # lines of text; a TextVectorization writes those of its lookup a second time
    return [f"what it keeps in a file of its own ({listing(map(printable, kept), 3)}), which is not read"] * bool(kept)


def _model(graph: Graph, name: str, copies: Copies) -> keras.Model:
    tensors = _run(graph, copies)
    inputs, outputs = (rebuilt(tensors.__getitem__, ends) for ends in (graph.inputs, graph.outputs))
    return model_of(inputs, outputs, name)


def _run(graph: Graph, copies: Copies, outputs: dict[str, Any] | None = None) -> dict[Ref, Any]:
    """Returns every tensor of a symbolic run through the graph; `outputs` gets what each call makes."""
    tensors: dict[Ref, Any] = {}
    used: set[int] = set()

    def look(leaf: Any) -> Any:
        return tensors[leaf] if isinstance(leaf, Ref) else leaf

    for call in graph:
        if call.op is None:
            found = None if copies.fresh else input_of_donor(graph, call)
            output = placeholder(call) if found is None else found
        else:
            args, kwargs = rebuilt(look, call.args), rebuilt(look, dict(call.kwargs))
            layer = copies.layer_for(call)
            found = outputs_of_call(layer, args, kwargs, used)
            output = _applied(layer, call, args, kwargs) if found is None else found
            used.update(id(node) for node in getattr(layer, "_inbound_nodes", ())[-1:] if found is None)
        if outputs is not None:
            outputs[call.name] = output
        made = leaves(output)
        if len(made) < len(call.refs):
            raise SurgeryError(f"{call.name!r} makes {len(made)} tensors, not {len(call.refs)}.")
        tensors.update(zip(call.refs, made, strict=False))  # a file need not say how many a call makes
    return tensors


def placeholder(call: Call) -> Any:
    """Returns the symbolic input for an input call."""
    spec = call.specs[0]
    if spec.shape is None:
        raise SurgeryError(f"the file does not say the shape of the input {call.name!r}; no layer of it is built.")
    tensor = keras.Input(batch_shape=spec.shape, dtype=spec.dtype, name=call.name, **call.kwargs)
    return expecting(tensor, call.preprocessing)


def _applied(layer: Any, call: Call, args: Any, kwargs: Any) -> Any:
    try:
        return layer(*args, **kwargs)
    except Exception as error:
        given = ", ".join(str(tuple(leaf.shape)) for leaf in leaves((args, kwargs)) if hasattr(leaf, "shape"))
        raise SurgeryError(
            f"{call.name!r} ({call.class_name}) does not take {given or 'what it is given'}: {first_line(error)}"
        ) from error
