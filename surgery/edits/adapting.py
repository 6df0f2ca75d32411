"""Adapters: what makes a tensor fit where it does not. Put in only when asked for (`adapt=True`), and always
reported."""

from __future__ import annotations

import dataclasses
from typing import Any

from surgery.errors import SurgeryError
from surgery.graph import Graph
from surgery.specs import Ref, Spec, shapes_agree
from surgery.structure import leaves


def fits(given: Spec, wanted: Spec) -> bool:
    """Whether a tensor can be passed where another is wanted: same kind of number and rank, equal sizes where known.

    A shape that is not known at all is let pass; `build` finds what it is.
    """
    if given.dtype != wanted.dtype and not ("float" in given.dtype and "float" in wanted.dtype):
        return False
    return shapes_agree(given, wanted)


Steps = list[tuple[str, tuple[Any, ...]]]


def recipe_for(given: Spec, wanted: Spec, channels_first: bool = False) -> Steps | None:
    """Returns the Keras layers, `(class name, arguments)`, that turn one shape into the other, or `None` if none do.

    Images are pooled to vectors, or resized and given their channels by a 1 x 1 convolution; the last axis of
    anything else goes through a Dense layer.

    Args:
        given: what there is.
        wanted: what is wanted.
        channels_first: whether images are `(batch, channels, height, width)`.
    """
    if channels_first and max(len(given.sides), len(wanted.sides)) == 4:
        moved = [Spec(_last(spec.shape), spec.dtype) for spec in (given, wanted)]
        return recipe_for(moved[0], moved[1])
    steps: Steps = []
    if given.shape is None or wanted.shape is None or "float" not in given.dtype or "float" not in wanted.dtype:
        return None
    shape = list(given.shape)
    if len(shape) == 4 and len(wanted.shape) == 2:
        steps.append(("GlobalAveragePooling2D", ()))
        shape = [shape[0], shape[3]]
    if len(shape) != len(wanted.shape) or len(shape) < 2 or shape[-1] is None:
        return None
    sides = [(a, b) for a, b in zip(shape[1:-1], wanted.shape[1:-1], strict=True) if None not in (a, b) and a != b]
    if sides:
        if len(shape) != 4 or None in wanted.shape[1:3]:
            return None
        steps.append(("Resizing", tuple(wanted.shape[1:3])))
    if wanted.shape[-1] is not None and shape[-1] != wanted.shape[-1]:
        steps.append(("Conv2D", (wanted.shape[-1], 1)) if len(shape) == 4 else ("Dense", (wanted.shape[-1],)))
    return steps


def _last(shape: Any) -> Any:
    """Returns a shape of an image with its channels last."""
    return (shape[0], *shape[2:], shape[1]) if shape is not None and len(shape) == 4 else shape


def channels_come_first(graph: Graph) -> bool:
    """Whether a layer of the network takes images with their channels first."""
    return any(call.config.get("data_format") == "channels_first" for call in graph)


def advice(given: Spec, wanted: Spec, channels_first: bool = False) -> str:
    """Returns the sentence that says what would fit."""
    steps = recipe_for(given, wanted, channels_first)
    if not steps:
        return ""
    layers = ", ".join(f"{name}({', '.join(map(str, arguments))})" for name, arguments in steps)
    return f" {layers} between them would fit: adapt=True puts it in."


def adapted(piece: Graph, wanted: Spec, at: str, adapt: bool, host: Graph, what: str = "what the part makes") -> Graph:
    """Returns a part with one output, followed by an adapter to `wanted` when it needs one and `adapt` allows it.

    The adapter has the layout, channels first or last, of the network `host` that the part goes into.

    Raises:
        SurgeryError: the shapes differ and no adapter was asked for, or none makes them fit.
    """
    from surgery.edits.parts import attach, one_output, part_graph

    ref = one_output(piece)
    given = piece.spec(ref)
    if fits(given, wanted):
        return piece
    first = channels_come_first(host)
    steps = recipe_for(given, wanted, first)
    if not adapt or not steps:
        raise SurgeryError(f"{what} is {given}; {at} expects {wanted}.{advice(given, wanted, first)}")
    import keras

    layout = {"data_format": "channels_first" if first else "channels_last"}
    layers = [
        getattr(keras.layers, name)(*arguments, **({} if name == "Dense" else layout)) for name, arguments in steps
    ]
    grown, output = attach(piece, part_graph(layers, given), [ref])
    note = f"adapter at {at}: {' + '.join(name for name, _ in steps)} from {given} to {wanted}"
    return dataclasses.replace(grown, outputs=output, notes=(*piece.notes, note))


def fitted(graph: Graph, given: Ref, wanted: Spec, at: str, adapt: bool) -> tuple[Graph, Ref]:
    """Returns the tensor, through an adapter where its shape is not the one wanted, in the graph that has it.

    Raises:
        SurgeryError: as `adapted`.
    """
    from surgery.edits.parts import attach, part_graph

    if fits(graph.spec(given), wanted):
        return graph, given
    piece = adapted(part_graph(lambda x: x, graph.spec(given)), wanted, at, adapt, graph, str(given))
    grown, output = attach(graph, piece, [given])
    return grown, leaves(output)[0]
