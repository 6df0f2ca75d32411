"""An architecture without weights: its layers have the weights that they will make, as far as these are known."""

from __future__ import annotations

from surgery.graph.graph import Graph
from surgery.graph.ops import StoredOp
from surgery.layers.expected import expected, may_make_variables


def with_expected(graph: Graph, everywhere: bool) -> Graph:
    """Returns the graph, whose stored layers without tensors now have the weights that they will make.

    Args:
        graph: with the specs of its tensors.
        everywhere: whether that is said of every layer without tensors, or only of those whose tensors the file lists
            and does not hold.
    """
    for call in graph.calls:
        op = call.op
        if not isinstance(op, StoredOp) or op.inner is not None or op.weights or op.source is None:
            continue  # what a rule put in, to compute a mask, has no source, and no weights
        if everywhere or op.source.absent:
            op.weights = expected(op.name, op.kind, op.config, [graph.spec(ref) for ref in call.operands]) or ()
    return graph


def unknown(op: StoredOp) -> bool:
    """Whether a layer without weights may make some all the same: which, is not known."""
    if op.weights or op.inner is not None:
        return False
    return op.wrapped is not None or may_make_variables(op.kind, op.config)
