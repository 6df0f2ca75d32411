"""Groups of layers by depth, from the stem to the head: what is frozen, unfrozen and given a learning rate together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from surgery import analysis
from surgery.core.errors import SurgeryError, doing, listing, printable
from surgery.core.reprs import block, line, table
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.traversal import Walk
from surgery.keras_bridge.either import as_graph
from surgery.selectors.select import Where, selected

PARTS = 8  # groups of a network without spatial axes
_HEADERS = ("group", "layers", "parameters", "train", "frozen")


@dataclasses.dataclass(frozen=True)
class Groups(Mapping[str, list[str]]):
    """Group -> addresses of its layers, from the stem to the head; `print` it for what trains, in parameters.

    Args:
        layers: group -> address -> the first call of the layer.
    """

    layers: dict[str, dict[str, Call]]

    def __getitem__(self, group: str) -> list[str]:
        return list(self.layers[group])

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __str__(self) -> str:
        from tabulate import tabulate

        aligned = ("left", *["right"] * 4)
        return tabulate(self._rows(), _HEADERS, tablefmt="plain", colalign=aligned, disable_numparse=True)

    def __repr__(self) -> str:
        named = (f"{name} ({len(calls):,})" for name, calls in self.layers.items())
        return line(self, f"group (layers): {listing(named, PARTS)}")

    def _repr_html_(self) -> str:
        return block("layers by depth", table(_HEADERS, self._rows(), _HEADERS[1:]))

    def _rows(self) -> list[list[str]]:
        rows = [[printable(name), f"{len(calls):,}", *_figures(calls)] for name, calls in self.layers.items()]
        every = {address: call for calls in self.layers.values() for address, call in calls.items()}
        return [*rows, ["in all", f"{len(every):,}", *_figures(every)]]


def _figures(calls: Mapping[str, Call]) -> list[str]:
    size = sum(call.params for call in calls.values())
    trains = sum(w.size for call in calls.values() if call.trainable for w in call.weights if _moves(w))
    return [f"{size:,}", f"{trains:,}", f"{size - trains:,}"]


def _moves(weight: Any) -> bool:
    return weight.trainable or not weight.name.rpartition("/")[2].startswith(("moving_", "seed_"))


def layer_groups(x: Any, by: Mapping[str, Where] | None = None) -> Groups:
    """Returns the layers with weights in groups by depth; the network is unchanged.

    By output stride, as the field counts stages: `stem` (the smallest stride at which there are weights), `stride 4`,
    `stride 8` ..., `decoder` (where the stride becomes smaller again) and `head` (what has lost its spatial axes).
    A squeeze-and-excite branch belongs to the stage that it serves. A network without spatial axes is divided into at
    most eight parts of as many layers each.

    Args:
        x: `Graph` or `keras.Model`.
        by: group -> which layers, in the place of these; a layer belongs to the first group that has it.

    Returns:
        `Groups`. `print(sg.layer_groups(model))` says what trains, by group.

    Raises:
        SurgeryError: a selector matches nothing, or nothing that has weights.

    Example:

    >>> list(sg.layer_groups(sg.open("tinyvgg")))
    ['stem', 'stride 2', 'stride 4', 'stride 8', 'stride 16', 'head']
    """
    graph = as_graph(x)
    with doing(f"grouping the layers of {graph.name!r}"):
        walk = Walk(graph)
        layers = _layers(walk)
        named = _named(graph, layers, by) if by is not None else _by_stride(walk, layers)
        return Groups({name: {address: layers[address] for address in found} for name, found in named.items()})


def _layers(walk: Walk) -> dict[str, Call]:
    """Returns the first call of each leaf layer that has weights, by address, in order."""
    found: dict[str, Call] = {}
    seen = set()
    for address, call in walk.calls.items():
        if call.op is not None and call.op.inner is None and call.weights and (call.op, call.layer) not in seen:
            seen.add((call.op, call.layer))
            found[address] = call
    return found


def _named(graph: Graph, layers: Mapping[str, Call], by: Mapping[str, Where]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    taken: set[str] = set()
    for name, where in by.items():
        chosen = set(selected(graph, where))
        mine = [one for one in layers if one not in taken and any(one == c or one.startswith(f"{c}/") for c in chosen)]
        if not mine:
            raise SurgeryError(f"the group {name!r}, {where!r}, has no layer with weights that no group before it has.")
        taken.update(mine)
        found[name] = mine
    return found


def _by_stride(walk: Walk, layers: Mapping[str, Call]) -> dict[str, list[str]]:
    scale = {address: float(max(stride)) for address, stride in analysis.strides(walk.graph).items() if stride}
    reach: dict[str, float] = {}  # the largest stride on the way to a call
    for address in walk.calls:
        reach[address] = max([scale.get(address, 0.0), *(reach[parent] for parent in walk.parents[address])])
    spatial = walk.before(scale)  # calls that something with spatial axes depends on
    stages: dict[str, list[str]] = {}
    for address in layers:
        if address not in spatial:
            stages.setdefault("head", []).append(address)
        elif scale.get(address, reach[address]) < reach[address]:
            stages.setdefault("decoder", []).append(address)
        else:
            stages.setdefault(f"stride {reach[address]:g}", []).append(address)
    return _in_order(stages) if len(stages) > 1 else _in_parts(list(layers))


def _in_order(stages: dict[str, list[str]]) -> dict[str, list[str]]:
    strides = sorted((name for name in stages if name.startswith("stride")), key=lambda name: float(name.split()[1]))
    names = {name: "stem" if name == strides[0] else name for name in strides} | {"decoder": "decoder", "head": "head"}
    return {new: stages[old] for old, new in names.items() if old in stages}


def _in_parts(addresses: list[str]) -> dict[str, list[str]]:
    count = min(PARTS, len(addresses))
    cuts = [round(len(addresses) * part / count) for part in range(count + 1)] if count else []
    return {f"part {part}": addresses[cuts[part - 1] : cuts[part]] for part in range(1, len(cuts))}
