"""`join` two networks, `share` one trunk on several inputs, and give a call its own layer with `unshare`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from surgery.core.errors import SurgeryError, doing, listing
from surgery.core.nested import leaves, rebuilt
from surgery.core.renames import renamed_arguments
from surgery.core.specs import Ref
from surgery.edits.adapters import fitted
from surgery.edits.inline import reached
from surgery.edits.insert_remove import matched_calls
from surgery.edits.tap_cut_split import refuse_input_names
from surgery.graph.calls import Call
from surgery.graph.free_names import next_call
from surgery.graph.graph import Graph
from surgery.graph.input_preprocessing import met, stamped
from surgery.graph.primitives import check, ordered, prune, rename
from surgery.graph.traversal import calls_at_every_depth
from surgery.keras_bridge.either import as_graph, build, edit
from surgery.selectors.select import Where, tensors


@renamed_arguments(wires="connections")
def join(
    a: Any,
    b: Any,
    connections: Mapping[str, Where] | None = None,
    prefix: str = "",
    keep: bool = False,
    adapt: bool = False,
) -> Any:
    """Returns one new graph of two; a model when both are models.

    Args:
        a: `Graph` or `keras.Model`.
        b: `Graph` or `keras.Model`.
        connections: input of `b` -> tensor of `a` that feeds it. By default the one output of `a` feeds the one input
            of `b`; with `{}` the two stand side by side. Inputs of `b` without a connection stay inputs.
        prefix: goes before the names of all calls of `b`. A layer that it renames is a copy with equal weights.
        keep: whether outputs of `a` that feed `b` stay outputs. Others always do.
        adapt: whether an adapter is put on a connection whose shapes differ; it is noted in `graph.notes`.

    Raises:
        SurgeryError: both have a call of one name (the message says which prefix solves it), or a connection does
            not fit.

    Example:

    >>> both = sg.join(sg.open("vgg16"), sg.open("vgg19"), connections={}, prefix="vgg19_")
    """
    left, right = as_graph(a), as_graph(b)
    with doing(f"joining {left.name!r} and {right.name!r}"):
        if not isinstance(prefix, str):
            raise SurgeryError(f"prefix={prefix!r}: expected a text that goes before names.")
        left, fed = _fed(left, right, connections)
        ends = set(fed.values())
        for name, ref in fed.items():
            left, fed[name] = fitted(left, ref, right[name].specs[0], f"{name!r} of {right.name!r}", adapt)
        left = stamped(left, *met(left, right, {Ref(name): ref for name, ref in fed.items()}))
        _refuse_clash(left, [call for call in right if call.name not in fed], right.name, prefix)
        right = rename(right, lambda name: prefix + name)
        swap = {Ref(prefix + name): ref for name, ref in fed.items()}

        def look(leaf: Any) -> Any:
            return swap.get(leaf, leaf) if isinstance(leaf, Ref) else leaf

        moved = [
            dataclasses.replace(call, args=rebuilt(look, call.args), kwargs=rebuilt(look, dict(call.kwargs)))
            for call in right
            if Ref(call.name) not in swap
        ]
        staying = [ref for ref in leaves(right.inputs) if ref not in swap]
        outputs = _left_over(left.outputs, set() if keep else ends)
        joined = Graph(
            left.name,
            (*left.calls, *moved),
            _together(left.inputs, staying, right.inputs),
            _together(outputs or None, [look(ref) for ref in leaves(right.outputs)], rebuilt(look, right.outputs)),
            left.notes + right.notes,
        )
        joined = ordered(check(joined))
    return joined if isinstance(a, Graph) or isinstance(b, Graph) else build(joined)


def _left_over(outputs: Any, ends: set[Ref]) -> Any:
    """Returns the outputs that feed nothing: of a dict a dict, else a list."""
    if isinstance(outputs, dict):
        return {key: one for key, one in outputs.items() if not ends & set(leaves(one))}
    return [ref for ref in leaves(outputs) if ref not in ends]


def _refuse_clash(left: Graph, calls: list[Call], name: str, prefix: str) -> None:
    taken = {call.layer for call in left}
    clash = [call.name for call in calls if prefix + call.layer in taken]
    if clash:
        free = f"{name}_" if name != left.name else f"{name}_2_"
        raise SurgeryError(f"both have {listing(clash, 4)}. prefix={free!r} distinguishes them.")


def _fed(left: Graph, right: Graph, connections: Mapping[str, Where] | None) -> tuple[Graph, dict[str, Ref]]:
    """Returns the tensor of the left network that feeds each input of the right one, in a graph where it is at hand."""
    if connections is not None and not isinstance(connections, Mapping):
        raise SurgeryError(
            f"connections={connections!r}: expected a dict, input of {right.name!r} -> tensor of {left.name!r}."
        )
    entries = [ref.call for ref in leaves(right.inputs)]
    if connections is None:
        ends = leaves(left.outputs)
        if len(ends) != 1 or len(entries) != 1:
            raise SurgeryError(
                f"say connections=: outputs are {listing(map(str, ends))}; inputs are {listing(entries)}."
            )
        fed = {entries[0]: ends[0]}
    else:
        unknown = [name for name in connections if name not in entries]
        if unknown:
            raise SurgeryError(f"{right.name!r} has no input {unknown[0]!r}; its inputs are {listing(entries)}.")
        left, refs = reached(left, [tensors(left, where, expect=1)[0] for where in connections.values()])
        fed = dict(zip(connections, refs, strict=True))
    return left, fed


def _together(mine: Any, theirs: list[Ref], structure: Any) -> Any:
    """Returns the ends of both: the one structure where the other is empty, a dict of two dicts, else a list."""
    if mine is None:
        return structure
    if not theirs:
        return mine
    if isinstance(mine, dict) and isinstance(structure, dict) and not set(mine) & set(structure):
        return {**mine, **{key: ref for key, ref in structure.items() if ref in theirs}}
    return [*leaves(mine), *theirs]


@edit
def share(graph: Graph, inputs: Sequence[str]) -> Graph:
    """Returns a new graph that applies the whole network to several inputs with one set of weights: siamese, triplet.

    Bromley et al. 1993, Signature Verification using a "Siamese" Time Delay Neural Network; Schroff et al. 2015,
    arXiv:1503.03832.

    Args:
        graph: `Graph` or `keras.Model` with one input.
        inputs: the names of the inputs, two or more.

    Returns:
        A network with these inputs, and a list of outputs in their order. Calls are `x`, `x@1`, `x@2` ...

    Raises:
        SurgeryError: the network has several inputs, or a name is taken or given twice.

    Example:

    >>> twins = sg.share(sg.cut(sg.open("tinyvgg"), outputs="fc1"), ["left", "right"])
    >>> twins.outputs
    [fc1, fc1@1]
    """
    with doing(f"sharing {graph.name!r}"):
        entries = leaves(graph.inputs)
        if len(entries) != 1:
            raise SurgeryError(f"it has {len(entries)} inputs, {listing(map(str, entries))}; expected one.")
        if isinstance(inputs, str) or not isinstance(inputs, Sequence):
            raise SurgeryError(f"inputs= is a list of names, not {inputs!r}.")
        names = list(inputs)
        refuse_input_names(names)
        taken = {call.layer for call in graph if call.op is not None}
        bad = [name for name in names if name in taken or names.count(name) > 1]
        if len(names) < 2 or bad:
            raise SurgeryError(f"inputs= takes two or more new names, not {names}: {bad[0] if bad else 'too few'}.")
        calls: list[Call] = []
        outputs: list[Any] = []
        applied: set[str] = set()
        for name in names:
            new = {entries[0].call: name}
            for call in graph:
                if call.op is not None:
                    new[call.name] = next_call(call.layer, applied)
                    applied.add(new[call.name])
            piece = rename(graph, new.__getitem__)
            calls.extend(piece.calls)
            outputs.append(piece.outputs)
        return ordered(Graph(graph.name, tuple(calls), [Ref(name) for name in names], outputs, graph.notes))


@edit
def unshare(graph: Graph, where: Where, expect: int | None = None) -> Graph:
    """Returns a new graph in which each matched call has a layer of its own, with equal weights.

    Args:
        graph: `Graph` or `keras.Model`.
        where: calls of shared layers, `shared@1`. The call is then named `shared_1`.
        expect: how many calls must match.

    Raises:
        SurgeryError: the layer of a call is not shared.
    """
    with doing(f"unsharing {where!r} in {graph.name!r}"):
        graph, calls = matched_calls(graph, where, expect)
        for call in calls:
            others = [one for _, one in calls_at_every_depth(graph) if one.op == call.op and one != graph[call.name]]
            if not others:
                raise SurgeryError(f"the layer of {call.name!r} is called once.")
            if all(one.layer != call.layer for one in others):
                continue  # the others were given copies just now; this one keeps the layer
            taken, count = {one.layer for one in graph}, 1
            while f"{call.layer}_{count}" in taken:
                count += 1
            new = f"{call.layer}_{count}"
            graph = rename(graph, lambda name, old=call.name, now=new: now if name == old else name)
        return prune(graph)
