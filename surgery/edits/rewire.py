"""`rewire`: move an edge, or add a skip edge. A cycle is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

from surgery.core.errors import SurgeryError, doing, listing
from surgery.core.nested import leaves
from surgery.core.specs import Ref
from surgery.edits.adapters import adapted, fitted
from surgery.edits.inline import reached
from surgery.edits.insert_remove import matched_calls_and
from surgery.edits.parts import attach, part_graph
from surgery.graph.graph import Graph
from surgery.graph.primitives import ordered, prune, substitute
from surgery.keras_bridge.either import edit
from surgery.selectors.select import Where, tensors


@edit
def rewire(
    graph: Graph, source: Where, into: Where, instead_of: Where = None, merge: Any = None, adapt: bool = False
) -> Graph:
    """Returns a new graph with an edge moved, or with a new skip edge.

    Args:
        graph: `Graph` or `keras.Model`.
        source: the tensor at the start of the new edge.
        into: with `instead_of`, the call that takes `source` in its place; without, the tensor that `source` is merged
            with.
        instead_of: the tensor that the call `into` no longer takes.
        merge: how a skip edge comes in: a layer or function of `[into, source]`; the sum by default, as in a residual
            network (He et al. 2015, arXiv:1512.03385, section 3.2).
        adapt: whether an adapter is put on the edge where shapes differ.

    Raises:
        SurgeryError: the edge would close a cycle, shapes differ (the message says what would fit), or there is no
            such edge.

    Example:

    >>> graph = sg.rewire(sg.open("tinyvgg"), "block4_conv1", into="block4_conv3")
    """
    with doing(f"rewiring {graph.name!r}"):
        if instead_of is None:
            ends = [tensors(graph, one, expect=1)[0] for one in (source, into)]
            graph, (start, end) = reached(graph, ends)
            return _skip(graph, start, end, merge, adapt)
        graph, (call,), (start, old) = matched_calls_and(graph, into, [source, instead_of], expect=1)
        if old not in call.parents:
            raise SurgeryError(f"{call.name!r} takes {listing(map(str, call.parents))}, not {old}.")
        graph, start = fitted(graph, start, graph.spec(old), f"the edge from {start}", adapt)
        moved = substitute(graph, {old: start}, but={one.name for one in graph} - {call.name})
        return prune(ordered(dataclasses.replace(moved, outputs=graph.outputs)))


def _skip(graph: Graph, start: Ref, end: Ref, merge: Any, adapt: bool) -> Graph:
    import keras

    if merge is None:
        graph, start = fitted(graph, start, graph.spec(end), f"the edge from {start}", adapt)
        merge = keras.layers.Add()
    piece = part_graph(merge, [graph.spec(end), graph.spec(start)])
    piece = adapted(piece, graph.spec(end), str(end), adapt, graph)
    before = {call.name for call in graph}
    grown, output = attach(graph, piece, [end, start])
    new = {call.name for call in grown} - before
    merged = substitute(grown, {end: leaves(output)[0]}, but=new)
    return ordered(merged)
