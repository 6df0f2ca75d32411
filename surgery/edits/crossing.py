"""Which tensors cross a cut, and what is refused because a cut is not closed by the tensors given."""

from __future__ import annotations

from typing import Any

from surgery.core.errors import SurgeryError, doing
from surgery.core.nested import leaves
from surgery.core.specs import Ref
from surgery.edits.inline import reached
from surgery.graph.graph import Graph
from surgery.graph.masks import taken_unnamed
from surgery.graph.primitives import before, prune
from surgery.keras_bridge.either import as_graph
from surgery.selectors.select import Where, tensors


def crossing_tensors(x: Any, at: Where, expect: int | None = None) -> list[Ref]:
    """Returns every tensor that crosses a cut at the given tensors, themselves included, in order.

    The front of the cut is all that the given tensors depend on. `cut(x, inputs=...)` with the tensors returned is
    closed.

    Args:
        x: `Graph` or `keras.Model`.
        at: which tensors.
        expect: how many tensors `at` must match.
    """
    graph = as_graph(x)
    with doing(f"looking for what crosses {at!r} in {graph.name!r}"):
        graph, refs = reached(graph, tensors(graph, at, expect))
        return crossing_of(prune(graph), refs)


def crossing_of(graph: Graph, refs: list[Ref]) -> list[Ref]:
    """Returns the tensors that cross a cut at these tensors, in a graph in which they can be reached."""
    front = before(graph, [ref.call for ref in refs])
    needed = {ref for call in graph if call.name not in front for ref in call.parents} | set(leaves(graph.outputs))
    return [ref for call in graph if call.name in front for ref in call.refs if ref in needed]


def refuse_open_cut(graph: Graph, refs: list[Ref]) -> None:
    crossing = crossing_of(graph, refs)
    missed = [ref for ref in crossing if ref not in refs]
    if missed:
        lines = "\n".join(f"  {ref}  {graph.spec(ref)}  {_need(graph, ref, refs)}" for ref in missed)
        count = f"{len(missed)} more tensor{'s' if len(missed) > 1 else ''}"
        closing = ", ".join(map(graph.address, crossing))
        raise SurgeryError(
            f"entering at {', '.join(map(str, refs))} leaves {count} crossing the cut:\n{lines}\nThe cut is closed by "
            f"inputs={closing!r}."
        )
    idle = [graph.address(ref) if ref.call in graph else str(ref) for ref in refs if ref not in crossing]
    if idle:
        raise SurgeryError(f"nothing beyond the cut needs {', '.join(idle)}: leave it out of inputs=.")


def refuse_lost_masks(graph: Graph, refs: list[Ref], behind: set[str]) -> None:
    taken = taken_unnamed(graph, refs, behind)
    if taken:
        name, ref = next(iter(taken.items()))
        raise SurgeryError(
            f"{graph.address(ref)!r} carries a mask that {name!r} ({graph[name].class_name}) takes without naming it, "
            "and an input carries none: the back would compute something else. Cut before what makes the mask, or give "
            "it by name where the network is made (mask=, query_mask=, value_mask=)."
        )


def _need(graph: Graph, ref: Ref, refs: list[Ref]) -> str:
    front = before(graph, [one.call for one in refs])
    users = [name for name in graph.consumers.get(ref, ()) if name not in front]
    return f"needed by {', '.join(users[:3])}" if users else "an output of the network"
