"""The sums of figures some of which may not be known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from surgery.graph.graph import Graph
from surgery.graph.traversal import calls_at_every_depth


def total(figures: Iterable[int | None]) -> int | None:
    """Returns the sum; `None` where one of them is not known."""
    known = list(figures)
    return None if None in known else sum(one for one in known if one is not None)


def total_macs(graph: Graph, macs: Mapping[str, int | None]) -> int | None:
    """Returns the multiply-accumulates of a graph, of those of its calls; a nested model has the sum of its own."""
    return total(macs[call.name] for call in graph.calls)


def total_memory(graph: Graph, memory: Mapping[str, int | None]) -> int | None:
    """Returns the bytes of what a graph makes, of those of its calls: at every depth, where they are made."""
    return total(memory[address] for address, call in calls_at_every_depth(graph) if call.inner is None)
