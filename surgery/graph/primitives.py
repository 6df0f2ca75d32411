"""The primitives that carry every edit: Graph -> Graph, each linear in the number of edges, none of them recursive.

tap = new outputs + prune; cut = new ends + prune; graft = extend + new outputs; insert = extend + substitute; inline =
rename + substitute; join = rename + extend + substitute.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from surgery.core.errors import SurgeryError, listing
from surgery.core.nested import leaves, rebuilt
from surgery.core.specs import Ref
from surgery.graph.calls import Call, Op
from surgery.graph.graph import Graph


def substitute(graph: Graph, new: Mapping[Ref, Ref], but: Iterable[str] = ()) -> Graph:
    """Returns the graph with every use of a tensor in `new` redirected, except inside the calls named in `but`."""
    but = frozenset(but)

    def swap(leaf: Any) -> Any:
        return new.get(leaf, leaf) if isinstance(leaf, Ref) else leaf

    def redirected(call: Call) -> Call:
        if call.name in but or not any(ref in new for ref in call.parents):
            return call
        return dataclasses.replace(call, args=rebuilt(swap, call.args), kwargs=rebuilt(swap, dict(call.kwargs)))

    return dataclasses.replace(graph, calls=tuple(map(redirected, graph.calls)), outputs=rebuilt(swap, graph.outputs))


def extend(graph: Graph, calls: Iterable[Call]) -> Graph:
    """Returns the graph with `calls` added; names that are taken are refused."""
    calls = tuple(calls)
    clash = [call.name for call in calls if call.name in graph]
    if clash:
        raise SurgeryError(f"{graph.name!r} already has calls named {listing(clash)}.")
    return dataclasses.replace(graph, calls=graph.calls + calls)


def held_still(graph: Graph) -> Graph:
    """Returns the graph of a model whose own flag is `trainable=False`, which in Keras holds over those of its layers:
    what would train by its own flag is marked, and a note says so."""
    moving = {call.name: _moving(call) for call in graph.calls}
    if not any(moving.values()):
        return graph
    calls = tuple(
        dataclasses.replace(call, flags={**call.flags, **dict.fromkeys(moving[call.name], False)})
        for call in graph.calls
    )
    count = sum({(call.op, call.layer): len(moving[call.name]) for call in graph.calls}.values())
    note = (
        f"the model's own flag is trainable=False, which holds over those of {count} of its layers: nothing trains; "
        "sg.unfreeze(graph, where) lets layers train"
    )
    return dataclasses.replace(graph, calls=calls, notes=(*graph.notes, note))


def _moving(call: Call) -> list[str]:
    """Returns the leaf layers that train, by their paths below a call; `""` is the layer itself."""
    if call.inner is None:
        return [""] if call.trainable else []
    return [f"{one.layer}/{path}".rstrip("/") for one in call.below for path in _moving(one)]


def prune(graph: Graph) -> Graph:
    """Returns the graph without the calls that no output needs. Inputs stay."""
    live = {ref.call for ref in leaves(graph.outputs) + leaves(graph.inputs)}
    for call in reversed(graph.calls):
        if call.name in live:
            live.update(parent.call for parent in call.parents)
    return dataclasses.replace(graph, calls=tuple(call for call in graph.calls if call.name in live))


def before(graph: Graph, names: Iterable[str]) -> set[str]:
    """Returns the names of the calls given and of all that they depend on."""
    found = set(names)
    for call in reversed(graph.calls):
        if call.name in found:
            found.update(ref.call for ref in call.parents)
    return found


def rename(graph: Graph, new: Callable[[str], str]) -> Graph:
    """Returns the graph with every address passed through `new`."""

    def swap(leaf: Any) -> Any:
        return Ref(new(leaf.call), leaf.index) if isinstance(leaf, Ref) else leaf

    def renamed(call: Call) -> Call:
        kwargs = rebuilt(swap, dict(call.kwargs)) if call.kwargs else call.kwargs
        return dataclasses.replace(call, name=new(call.name), args=rebuilt(swap, call.args), kwargs=kwargs)

    calls = tuple(map(renamed, graph.calls))
    return dataclasses.replace(
        graph, calls=calls, inputs=rebuilt(swap, graph.inputs), outputs=rebuilt(swap, graph.outputs)
    )


def ordered(graph: Graph) -> Graph:
    """Returns the graph with its calls in runnable order: depth first from the outputs, arguments left to right.

    The order depends on the wiring alone, so the same network has the same order wherever it was opened from. Inputs
    that nothing uses come first. A cycle is refused, with the calls on it. Without recursion: depth is no limit.
    """
    done: dict[str, Call] = {}
    path: list[tuple[str, Iterator[Ref]]] = []
    on_path: set[str] = set()

    def enter(name: str) -> None:
        path.append((name, iter(graph[name].parents)))
        on_path.add(name)

    for end in leaves(graph.outputs):
        if end.call not in done:
            enter(end.call)
        while path:
            name, rest = path[-1]
            parent = next((ref.call for ref in rest if ref.call not in done), None)
            if parent is None:
                done[name] = graph[name]
                path.pop()
                on_path.remove(name)
            elif parent in on_path:
                names = [one for one, _ in path]
                cycle = [*names[names.index(parent) :], parent]
                raise SurgeryError(f"{graph.name!r} would have a cycle: {_route(cycle)}.")
            else:
                enter(parent)
    unused = [graph[ref] for ref in leaves(graph.inputs) if ref.call not in done]
    return dataclasses.replace(graph, calls=(*unused, *done.values()))


def _route(names: list[str]) -> str:
    """Returns `a <- b <- a`, shortened in the middle where it is long."""
    return " <- ".join(names if len(names) <= 12 else [*names[:6], f"({len(names) - 12:,} more)", *names[-6:]])


def named(graph: Graph) -> Graph:
    """Returns the graph with its calls named after their layers: `x`, from the second call on `x@1`, in its order."""
    seen: dict[str, int] = {}
    names: dict[str, str] = {}
    for call in graph.calls:
        layer = call.name if call.op is None else call.op.name
        count = seen[layer] = seen.get(layer, -1) + 1
        names[call.name] = layer if count == 0 else f"{layer}@{count}"
    return rename(graph, names.__getitem__)


def check(graph: Graph) -> Graph:
    """Returns the graph itself when it is well-formed, and refuses it otherwise.

    1. Calls have names, each once. 2. Every tensor that a call takes is made by an earlier call that has such an
    output. 3. All calls of one layer (`x`, `x@1`) apply one op. 4. Inputs are calls without op, and all of them are
    ends. 5. There is an output.
    """
    made: set[Ref] = set()
    layers: dict[str, Op | None] = {}
    for call in graph.calls:
        if Ref(call.name) in made or not call.name:
            raise SurgeryError(f"{graph.name!r} has two calls named {call.name!r}.")
        for ref in call.parents:
            if ref not in made:
                fault = "comes later" if ref.call in graph else "does not exist"
                raise SurgeryError(f"{call.name!r} in {graph.name!r} takes {ref}, which {fault}.")
        if layers.setdefault(call.layer, call.op) != call.op:
            raise SurgeryError(f"{graph.name!r} has two different layers named {call.layer!r}.")
        made.update(call.refs)
    _check_ends(graph, made)
    return graph


def _check_ends(graph: Graph, made: set[Ref]) -> None:
    entries, ends = leaves(graph.inputs), leaves(graph.outputs)
    if not ends:
        raise SurgeryError(f"{graph.name!r} has no output.")
    for ref in [*entries, *ends]:
        if not isinstance(ref, Ref) or ref not in made:
            raise SurgeryError(f"an end of {graph.name!r} is {ref}, which no call makes.")
    marked = {call.name for call in graph.calls if call.op is None}
    if {ref.call for ref in entries} != marked:
        odd = sorted({ref.call for ref in entries} ^ marked)
        raise SurgeryError(f"inputs of {graph.name!r} and its calls without op differ: {listing(odd)}.")
