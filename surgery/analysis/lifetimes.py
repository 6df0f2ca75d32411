"""How long tensors live when the calls of a graph run in their order."""

from __future__ import annotations

from surgery.core.nested import leaves
from surgery.core.specs import Ref
from surgery.graph.graph import Graph


def last_uses(graph: Graph) -> dict[Ref, int]:
    """Returns the position of the last call that takes each tensor that is taken; beyond the last for the outputs."""
    found = {ref: position for position, call in enumerate(graph) for ref in call.parents}
    return found | {ref: len(graph) for ref in leaves(graph.outputs)}


def expiring(last: dict[Ref, int]) -> dict[int, list[Ref]]:
    """Returns the tensors that are taken for the last time by the call at each position."""
    found: dict[int, list[Ref]] = {}
    for ref, end in last.items():
        found.setdefault(end, []).append(ref)
    return found
