"""Sums over a network, and over each of its stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from surgery import analysis
from surgery.graph.calls import Call
from surgery.graph.traversal import calls_at_every_depth, tree
from surgery.view.rows import Row, Sheet


def each_layer(calls: Iterable[tuple[str, Call]]) -> dict[str, Call]:
    """Returns address -> call of the layers that calls apply, each where it is called first; models are none."""
    first: dict[Any, tuple[str, Call]] = {}
    for address, call in calls:
        if call.op is not None and call.inner is None:
            first.setdefault((call.op, call.layer), (address, call))
    return dict(first.values())


def params_of(calls: Mapping[str, Call]) -> int:
    """Returns the number of parameters of calls and of all that is inside them; a shared layer counts once."""
    inside = (one for call in calls.values() for one in _with_what_is_inside(call))
    return sum(call.params for call in each_layer(inside).values())


def _with_what_is_inside(call: Call) -> Iterable[tuple[str, Call]]:
    yield call.name, call
    for one in call.below:
        yield from ((f"{call.name}/{address}", below) for address, below in _with_what_is_inside(one))


def trainable_params_of(calls: Iterable[tuple[str, Call]]) -> int:
    """Returns the number of parameters of calls that train; those of a shared layer count once."""
    layers = each_layer(calls).values()
    return sum(one.size for call in layers if call.trainable for one in call.weights if one.trainable)


def totals(sheet: Sheet) -> dict[str, Any]:
    """Returns the sums over a network: calls, parameters, those that train, bytes, MACs, bytes of activations."""
    graph, calls = sheet.graph, list(tree(sheet.graph))
    return {
        "calls": len(graph),
        "params": graph.params,
        "trainable": trainable_params_of(calls),
        "bytes": sum(weight.bytes for weight in graph.weights),
        "macs": analysis.total_macs(graph, sheet.macs),
        "memory": analysis.total_memory(graph, sheet.memory),
    }


def stages(sheet: Sheet) -> list[Row]:
    """Returns the sums by output stride, in the order in which the strides first appear; `-` is last."""
    calls = dict(calls_at_every_depth(sheet.graph))
    layers = each_layer(calls.items())
    groups: dict[str, list[str]] = {}
    for address, call in calls.items():
        if call.inner is None:
            groups.setdefault(analysis.stride_text(sheet.strides[address]), []).append(address)
    return [
        {
            "stride": stride,
            "first": members[0],
            "last": members[-1],
            "calls": len(members),
            "params": sum(layers[address].params for address in members if address in layers),
            "macs": analysis.total(sheet.macs[address] for address in members),
            "memory": analysis.total(sheet.memory[address] for address in members),
        }
        for stride, members in sorted(groups.items(), key=lambda group: group[0] == "-")
    ]
