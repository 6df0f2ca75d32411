"""Where the calls of an image come from: kept, frozen, changed, new, dropped; from a donor, or from a comparison."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from surgery.compare.donor_regions import Kept, is_inside, kept
from surgery.compare.report import Change, Difference, WeightChange
from surgery.graph.graph import Graph
from surgery.graph.traversal import tree
from surgery.view.scene import Node, Scene, scene_of

_OF_EDITS = {
    "kept": "kept from the donor",
    "frozen": "kept and frozen",
    "new": "new",
    "dropped": "dropped",
}
_OF_DIFFERENCES = {"kept": "equal", "changed": "changed", "new": "added", "dropped": "removed"}


def scene_of_difference(found: Difference, values: bool = False) -> Scene:
    """Returns the scene of a comparison: the second network, with what the first has and the second has not."""
    notes = _notes([*found.changed, *found.weights])
    for address, first in _first_calls(found.b):
        if first in notes:
            notes.setdefault(address, notes[first])  # the same layer, applied again
    origins = dict.fromkeys(notes, "changed") | dict.fromkeys(found.added, "new")
    scene = _with_dropped(scene_of(found.b, values), found.a, found.removed, found.pairs)
    nodes = [
        node
        if node.origin
        else dataclasses.replace(node, origin=origins.get(node.address, "kept"), note=notes.get(node.address, ""))
        for node in scene.nodes
    ]
    title = f"{found.a.name} -> {found.b.name}"
    return dataclasses.replace(scene, title=title, nodes=nodes, legend=_present(_OF_DIFFERENCES, nodes))


def scene_of_changes(graph: Graph, donors: Sequence[Graph], values: bool = False) -> Scene:
    """Returns the scene of a network that was made from donors: what is kept, frozen and new, and what of the donors is
    gone. A call is kept as `verify` has it: the same layer, under the same address.
    """
    scene = scene_of(graph, values)
    same = [_same(kept(graph, donor)) for donor in donors]
    here = {address for pairs in same for address in pairs}
    nodes = [dataclasses.replace(node, origin=_judged(node, here)) for node in scene.nodes]
    scene = dataclasses.replace(scene, nodes=nodes)
    for donor, pairs in zip(donors, same, strict=True):
        old = {other: address for address, other in pairs.items()}
        gone = {call.name for call in donor if not any(is_inside(other, call.name) for other in old)}
        scene = _with_dropped(scene, donor, gone, old)
    return dataclasses.replace(scene, legend=_present(_OF_EDITS, scene.nodes))


def _same(found: Kept) -> dict[str, str]:
    """Returns address -> address in the donor, of the calls that are kept and of the inputs that both have."""
    return found.inputs | found.pairs


def _judged(node: Node, kept: set[str]) -> str:
    around = [node.address.rsplit("/", up)[0] for up in range(node.address.count("/") + 1)]
    if not kept & {*around} and not any(is_inside(one, node.address) for one in kept):
        return "new"
    return "frozen" if node.texts["trainable"] == "no" else "kept"


def _first_calls(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yields (address, address of the first call of the same layer) of calls that are not the first, at every depth."""
    first: dict[Any, str] = {}
    for address, call in tree(graph):
        if call.op is not None and first.setdefault((call.op, call.layer), address) != address:
            yield address, first[call.op, call.layer]


def _notes(changes: Sequence[Change | WeightChange]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for change in changes:
        found.setdefault(change.b, []).append(str(change))
    return {address: "; ".join(texts) for address, texts in found.items()}


def _with_dropped(scene: Scene, donor: Graph, gone: Iterable[str], same: Mapping[str, str] | None = None) -> Scene:
    """Returns the scene with the calls of a donor that are gone, and their edges; a taken name gets ` (dropped)`."""
    same = same or {}
    old, here = scene_of(donor), {node.address for node in scene.nodes}
    gone = set(gone)
    new = {name: f"{name} (dropped)" if name in here else name for name in gone}
    last = max((node.stage for node in scene.nodes), default=0)
    dropped = [
        dataclasses.replace(
            node,
            address=new[node.address],
            origin="dropped",
            stage=last + 1,
            model=_around(node.model, same, {*here, *new.values()}),
        )
        for node in old.nodes
        if node.address in gone
    ]
    moved = {**{a: same.get(a, a) for a, _ in old.edges}, **new}
    edges = [(moved[a], new[b]) for a, b in old.edges if b in gone and moved[a] in here | set(new.values())]
    edges += [(new[a], same[b]) for a, b in old.edges if a in gone and b not in gone and same.get(b) in here]
    return dataclasses.replace(scene, nodes=[*scene.nodes, *dropped], edges=[*scene.edges, *edges])


def _around(model: str, same: Mapping[str, str], there: set[str]) -> str:
    """Returns the nested model around a dropped call as it is called now; none where it is gone."""
    now = same.get(model, model)
    return now if now in there else ""


def _present(legend: dict[str, str], nodes: Sequence[Node]) -> dict[str, str]:
    there = {node.origin for node in nodes}
    return {origin: text for origin, text in legend.items() if origin in there}
