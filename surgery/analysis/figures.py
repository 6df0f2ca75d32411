"""The figures that calls and graphs have as attributes: numbers where all axes agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from surgery.analysis.fields import receptive_fields
from surgery.analysis.macs import macs
from surgery.analysis.memory import activations
from surgery.analysis.strides import strides
from surgery.analysis.totals import total_macs, total_memory
from surgery.graph.graph import Graph


def _strides(graph: Graph) -> dict[str, Any]:
    return {address: None if stride is None else _number(stride) for address, stride in strides(graph).items()}


def _fields(graph: Graph) -> dict[str, Any]:
    return {
        address: None if field is None else math.inf if field.everything else _number(field.size)
        for address, field in receptive_fields(graph).items()
    }


def _number(axes: Sequence[Any]) -> Any:
    """Returns one number where all axes have it, else the tuple; whole ones as `int`."""
    sides = tuple(int(side) if side == int(side) else side for side in axes)
    return sides[0] if len(set(sides)) == 1 else sides


OF_CALLS: dict[str, Callable[[Graph], Any]] = {
    "macs": macs,
    "memory": activations,
    "stride": _strides,
    "field": _fields,
    "all macs": lambda graph: total_macs(graph, graph.figure("macs")),
    "all memory": lambda graph: total_memory(graph, graph.figure("memory")),
}
