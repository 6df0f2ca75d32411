"""Adapters: what makes a tensor fit where it does not. Put in only when asked for (`adapt=True`), and always
reported."""

from __future__ import annotations

import dataclasses

from surgery.core.errors import SurgeryError
from surgery.core.nested import leaves
from surgery.core.specs import Ref, Spec
from surgery.edits.compatibility import advice, channels_come_first, fits, recipe_for
from surgery.graph.graph import Graph


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
