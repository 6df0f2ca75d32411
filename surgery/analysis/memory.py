"""Memory of activations: the bytes of what every call makes, and peak memory."""

from __future__ import annotations

from collections.abc import Sequence

from surgery.analysis.batch_folding import Rows, rows, scaled
from surgery.analysis.lifetimes import expiring, last_uses
from surgery.analysis.sizes import inside
from surgery.analysis.totals import total
from surgery.core.nested import leaves
from surgery.core.specs import Spec, Weight
from surgery.graph.graph import Graph


def activations(graph: Graph, batch: int = 1) -> dict[str, int | None]:
    """Returns the bytes of the outputs of every call at every depth, by address; `None` where a size is open.

    Args:
        graph: the graph.
        batch: samples in a batch, where the batch size is open.
    """
    return _walk(graph, batch)


def _walk(graph: Graph, batch: int, entry: Sequence[Rows] | None = None) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    specs = graph.specs
    folded = rows(graph, specs, entry)
    for call in graph.calls:
        inner = inside(call, specs)
        if inner is not None:
            below = _walk(inner, batch, [folded[ref] for ref in call.parents])
            below |= {one.name: 0 for one in inner.calls if one.op is None}  # given, not made
            found.update((f"{call.name}/{address}", size) for address, size in below.items())
        found[call.name] = total(
            _bytes(spec, batch, folded[ref]) for ref, spec in zip(call.refs, call.specs, strict=True)
        )
    return found


def peak_memory(graph: Graph, batch: int = 1) -> int | None:
    """Returns the most bytes of tensors that are live at one time when the calls run in their order, at every depth.

    A tensor lives from the call that makes it to the last that takes it; what a framework shares or fuses is not known.
    """
    return _most(graph, batch)


def _most(graph: Graph, batch: int, entry: Sequence[Rows] | None = None) -> int | None:
    last_use = last_uses(graph)
    ending = expiring(last_use)
    specs = graph.specs
    folded = rows(graph, specs, entry)
    sizes = {ref: _bytes(spec, batch, folded[ref]) for ref, spec in specs.items()}
    if entry is not None:
        sizes |= dict.fromkeys(leaves(graph.inputs), 0)  # given, and counted where they were made
    alive = most = 0
    for position, call in enumerate(graph):
        below = inside(call, specs)
        peak = None if below is None else _most(below, batch, [folded[ref] for ref in call.parents])
        if (below is not None and peak is None) or any(sizes[ref] is None for ref in call.refs):
            return None
        most = max(most, alive + (peak or 0))
        alive += sum(sizes[ref] or 0 for ref in call.refs)
        most = max(most, alive)
        alive -= sum(sizes[ref] or 0 for ref in call.refs if ref not in last_use)  # made, and taken by nobody
        alive -= sum(sizes[ref] or 0 for ref in ending.get(position, ()))
    return most


def _bytes(spec: Spec, batch: int, folded: Rows) -> int | None:
    if spec.shape is None or spec.dtype == "string":
        return None
    if spec.shape[:1] == (None,):
        return scaled(_bytes(Spec((batch, *spec.shape[1:]), spec.dtype), batch, folded), [folded])
    sides = tuple(side for side in spec.shape if side is not None)
    return Weight("", sides, spec.dtype).bytes if len(sides) == len(spec.shape) else None
