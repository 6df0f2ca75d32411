"""Stages: runs of calls at one output stride, from the entry of a network to its ends, so that they can be folded."""

from __future__ import annotations

from collections.abc import Mapping

from surgery.graph.graph import Graph


def stages(graph: Graph, strides: Mapping[str, str]) -> dict[str, int]:
    """Returns the number of the stage of each call of the top level.

    A stage never comes after a later one, so that folded stages make no cycle: a decoder that comes back to the stride
    of its encoder has a stage of its own. What has no spatial axes, and comes back to a map (squeeze and excite), stays
    in the stage that it left.

    Args:
        graph: the graph.
        strides: the output stride of each call as text, `-` without spatial axes.
    """
    returns: set[str] = set()
    for call in reversed(graph.calls):
        if call.name in returns or strides.get(call.name) != "-":
            returns.update(ref.call for ref in call.parents)
    found: dict[str, int] = {}
    stride_of: list[str] = []
    for call in graph:
        stride = strides.get(call.name, "-")
        least = max((found[ref.call] for ref in call.parents), default=0)
        if stride == "-" and call.name in returns and call.parents:
            found[call.name] = least
            continue
        stage = next((one for one in range(least, len(stride_of)) if stride_of[one] == stride), len(stride_of))
        if stage == len(stride_of):
            stride_of.append(stride)
        found[call.name] = stage
    return found
