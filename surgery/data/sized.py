"""A network that takes one image, at a fixed size."""

from __future__ import annotations

from surgery.core.errors import SurgeryError
from surgery.core.nested import leaves
from surgery.edits.resize import resize
from surgery.graph.graph import Graph


def of_size(graph: Graph, size: tuple[int, int] | None) -> Graph:
    """Returns the graph with images of a size as its input.

    Args:
        graph: the network.
        size: `(height, width)` in pixels; the network's own by default.

    Raises:
        SurgeryError: it takes something else than one image, or images of any size and none is given.
    """
    entries = leaves(graph.inputs)
    sides = graph.spec(entries[0]).sides
    if len(entries) != 1 or len(sides) != 4 or sides[3] not in (1, 3):
        found = ", ".join(str(graph.spec(ref)) for ref in entries)
        raise SurgeryError(f"expected one image (batch, height, width, 1 or 3) as the input, not {found}.")
    wanted = size or sides[1:3]
    if None in wanted:
        raise SurgeryError("the network takes images of any size; say size=(height, width).")
    return graph if tuple(wanted) == sides[1:3] else resize(graph, (*wanted, sides[3]))
