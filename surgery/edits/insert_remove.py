"""`insert` a part after, before or between calls, and `remove` calls by bypassing them. Each undoes the other."""

from __future__ import annotations

import dataclasses
from typing import Any

from surgery.core.errors import SurgeryError, doing, listing
from surgery.core.nested import leaves
from surgery.core.specs import Ref
from surgery.edits.adapters import adapted
from surgery.edits.compatibility import fits
from surgery.edits.inline import reached
from surgery.edits.parts import attach, one_output, part_graph
from surgery.edits.reshaped import Changes, followed, with_outputs_noted
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.primitives import ordered, substitute
from surgery.keras_bridge.either import edit
from surgery.selectors.select import Where, tensors


@edit
def insert(
    graph: Graph,
    part: Any,
    after: Where = None,
    before: Where = None,
    between: tuple[Where, Where] | None = None,
    adapt: bool = False,
    expect: int | None = None,
) -> Graph:
    """Returns a new graph with a part put on every use of a tensor, or on one edge only.

    Args:
        graph: `Graph` or `keras.Model`.
        part: a layer, a list of layers, a function of a tensor, a model or a `Graph`, with one input and one output. A
            layer that is put in several places is shared; a function makes new layers in each.
        after: tensors; everything that uses one, outputs included, uses the part's output instead.
        before: calls that take one tensor; the part comes between that tensor and the call, other uses stay.
        between: `(tensor, call)`: one edge.
        adapt: whether an adapter (resize, 1 x 1 convolution, Dense) follows the part where shapes differ; it is noted
            in `graph.notes`.
        expect: how many places must match.

    Raises:
        SurgeryError: the part returns several tensors, or none; or another shape than it was given, and what follows
            has weights or does not take that.

    Example:

    >>> graph = sg.insert(sg.open("tinyvgg"), keras.layers.Dropout(0.2, name="drop"), after="block3_pool")
    >>> graph["block4_conv1"].parents
    [drop]
    """
    if sum(place is not None for place in (after, before, between)) != 1:
        raise SurgeryError("insert takes one of after=, before= and between=.")
    if between is not None and not (isinstance(between, (tuple, list)) and len(between) == 2):
        raise SurgeryError(f"between=(tensor, call) names an edge, not {between!r}.")
    with doing(f"inserting into {graph.name!r}"):
        edges, graph = _edges(graph, after, before, between, expect)
        whole, changes = graph, Changes(graph)
        for tensor, users in edges:
            spec = graph.spec(tensor)
            if tensor not in graph.consumers and tensor not in leaves(graph.outputs):
                raise SurgeryError(f"nothing uses {tensor}; a part after it would be dropped.")
            piece = part_graph(part, spec)
            piece = adapted(piece, spec, str(tensor), adapt, graph) if adapt else piece
            made = piece.spec(one_output(piece))
            had = {call.name for call in graph}
            grown, output = attach(graph, piece, [tensor])
            untouched = {call.name for call in grown if call.name not in (users if users is not None else had)}
            graph = substitute(grown, {tensor: leaves(output)[0]}, but=untouched)
            changes.made_for(graph, {call.name for call in grown} - had)
            if not fits(made, spec):
                changes.put(leaves(output)[0], spec)
            if users is not None:  # one edge: outputs stay as they were
                graph = dataclasses.replace(graph, outputs=grown.outputs)
        return ordered(with_outputs_noted(followed(graph, changes), whole))


def _edges(
    graph: Graph, after: Where, before: Where, between: Any, expect: int | None
) -> tuple[list[tuple[Ref, set[str] | None]], Graph]:
    """Returns (tensor, the calls whose use of it is meant; `None` for every use) for each place."""
    if after is not None:
        graph, refs = reached(graph, tensors(graph, after, expect))
        return [(ref, None) for ref in refs], graph
    if before is not None:
        graph, calls = matched_calls(graph, before, expect)
        return [(_only_parent(call), {call.name}) for call in calls], graph
    graph, calls, (source,) = matched_calls_and(graph, between[1], [between[0]], expect)
    users = {call.name for call in calls if source in call.parents}
    if not users:
        taken = listing(map(str, dict.fromkeys(ref for call in calls for ref in call.parents)))
        raise SurgeryError(f"{listing(call.name for call in calls)} does not take {source}; it takes {taken}.")
    return [(source, users)], graph


def matched_calls(graph: Graph, where: Where, expect: int | None) -> tuple[Graph, list[Call]]:
    """Returns the matched calls, in a graph in which they are no longer nested."""
    graph, calls, _ = matched_calls_and(graph, where, [], expect)
    return graph, calls


def matched_calls_and(
    graph: Graph, where: Where, others: list[Where], expect: int | None
) -> tuple[Graph, list[Call], list[Ref]]:
    """Returns the matched calls and one tensor for each of `others`, all in one graph in which none is nested."""
    found = list(dict.fromkeys(Ref(ref.call) for ref in tensors(graph, where)))
    if expect is not None and len(found) != expect:
        raise SurgeryError(f"{where!r} matches {len(found)} calls, not {expect}: {listing(map(str, found))}.")
    further = [tensors(graph, other, expect=1)[0] for other in others]
    graph, refs = reached(graph, found + further)
    return graph, [graph[ref] for ref in refs[: len(found)]], refs[len(found) :]


def _only_parent(call: Call) -> Ref:
    parents = call.given
    if len(parents) != 1:
        taken = listing(map(str, parents)) or "none"
        raise SurgeryError(f"{call.name!r} takes {len(parents)} tensors ({taken}); between=(tensor, call) says which.")
    return parents[0]


@edit
def remove(graph: Graph, where: Where, to: Where = None, adapt: bool = False, expect: int | None = None) -> Graph:
    """Returns a new graph in which the matched calls are bypassed: their users take what they were given.

    Args:
        graph: `Graph` or `keras.Model`.
        where: which calls.
        to: for calls that take several tensors, the one that takes its place; by default the only one.
        adapt: whether an adapter is put in where the shape that was given is not the one that was made.
        expect: how many calls must match.

    Raises:
        SurgeryError: a call is an input, takes several tensors, or changes the shape, and what follows has weights or
            does not take what the call was given (the message says what would fit).

    Example:

    >>> "drop" in sg.remove(sg.insert(donor, keras.layers.Dropout(0.2, name="drop"), after="fc1"), "drop")
    False
    """
    with doing(f"removing {where!r} from {graph.name!r}"):
        graph, calls, instead = matched_calls_and(graph, where, [] if to is None else [to], expect)
        stands_in = instead[0] if instead else None
        whole, changes = graph, Changes(graph)
        for name in [call.name for call in calls]:
            graph = _bypassed(graph, graph[name], stands_in, adapt, changes)
        return ordered(with_outputs_noted(followed(graph, changes), whole))


def _bypassed(graph: Graph, call: Call, stands_in: Ref | None, adapt: bool, changes: Changes) -> Graph:
    if call.op is None:
        raise SurgeryError(f"{call.name!r} is an input; cut(inputs=...) makes other inputs.")
    if len(call.specs) != 1:
        raise SurgeryError(
            f"{call.name!r} makes {len(call.specs)} tensors; nothing that it is given can stand for all."
        )
    if stands_in is None:
        parents = call.given
        if len(parents) != 1:
            raise SurgeryError(
                f"{call.name!r} takes {listing(map(str, parents))}; say to= which of them takes its place."
            )
        stands_in = parents[0]
    elif stands_in not in call.parents:
        raise SurgeryError(f"{call.name!r} takes {listing(map(str, call.parents))}, not {stands_in}.")
    given, wanted = graph.spec(stands_in), call.specs[0]
    if not adapt or fits(given, wanted):
        if not fits(given, wanted):
            users = {*graph.consumers[stands_in]}.difference(graph.consumers.get(Ref(call.name), ()))
            changes.known.update((user, stands_in) for user in users)
            changes.put(stands_in, wanted)
        return _without(substitute(graph, {Ref(call.name): stands_in}), call)
    piece = adapted(part_graph(lambda x: x, given), wanted, call.name, True, graph, str(stands_in))
    kept = _without(graph, call)
    grown, output = attach(kept, piece, [stands_in])
    return substitute(
        grown, {Ref(call.name): leaves(output)[0]}, but={one.name for one in grown if one.name not in kept}
    )


def _without(graph: Graph, call: Call) -> Graph:
    return dataclasses.replace(graph, calls=tuple(one for one in graph.calls if one.name != call.name))
