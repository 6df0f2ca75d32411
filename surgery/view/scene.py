"""What is drawn, whatever the format: nodes with what is known of them, edges, and the nested models around them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

from surgery import analysis
from surgery.compare.tensor_names import labels
from surgery.compare.tensors import tensors_of
from surgery.core.nested import leaves
from surgery.core.progress import progress
from surgery.core.recursion import uncollected
from surgery.core.specs import Ref
from surgery.graph.calls import Call
from surgery.graph.file_errors import understood
from surgery.graph.graph import Graph
from surgery.graph.traversal import tree
from surgery.layers.configurations import bare
from surgery.view.columns import COLUMNS
from surgery.view.rows import Sheet
from surgery.view.stages import stages
from surgery.view.statistics import statistics

_TOLD = ("changed", "new", "dropped")
_MEASURES = ("output", "dtype", "stride", "field", "params", "macs", "memory", "trainable", "weights")


@dataclasses.dataclass(frozen=True)
class Node:
    """One call as it is drawn.

    Args:
        address: its full address.
        kind: its class.
        texts: measure -> how a person reads it: output, stride, field, params, macs, memory, trainable, weights.
        numbers: measure -> number, where it is one.
        config: its configuration as plain values, without its name.
        tensors: its weights: name, shape, dtype, bytes, and statistics where they were read.
        origin: `kept`, `frozen`, `changed`, `new`, `dropped`, or `""`.
        note: what changed, in words.
        stage: the number of its stage.
        model: the address of the nested model that it lies in, or `""`.
        nested: whether it is a nested model itself.
        narrow: whether the network is one tensor wide after it.
        layer: the name of its layer.
    """

    address: str
    kind: str
    texts: Mapping[str, str]
    numbers: Mapping[str, float | None]
    config: Mapping[str, Any]
    tensors: list[dict[str, Any]]
    origin: str = ""
    note: str = ""
    stage: int = 0
    model: str = ""
    nested: bool = False
    narrow: bool = False
    layer: str = ""

    @property
    def role(self) -> str:
        """By which color it is drawn: its origin, or whether it trains."""
        return self.origin or {"yes": "trains", "no": "still"}.get(self.texts["trainable"], "plain")

    @property
    def name(self) -> str:
        """Its address below the nested model that it lies in, which may have had another name."""
        if self.model and not self.address.startswith(f"{self.model}/"):
            return self.address.rpartition("/")[2]
        return self.address[len(self.model) + 1 :] if self.model else self.address


@dataclasses.dataclass(frozen=True)
class Scene:
    """An image before it is drawn.

    Args:
        title: one line.
        nodes: in runnable order; what is inside a nested model comes after it.
        edges: from address to address, at every depth; those into a nested model reach its inputs too.
        legend: origin -> how the legend calls it; empty where colors tell what trains.
    """

    title: str
    nodes: list[Node]
    edges: list[tuple[str, str]]
    legend: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def is_dropped(self, edge: tuple[str, str]) -> bool:
        """Whether an edge begins or ends at a call that is gone."""
        return any(self.by_address[end].origin == "dropped" for end in edge)

    @functools.cached_property
    def drawn_edges(self) -> list[tuple[str, str]]:
        """The edges between nodes; an open model is a box, and its edges are those of what is in it."""
        return [edge for edge in self.edges if not self.open_models.intersection(edge)]

    @functools.cached_property
    def by_address(self) -> dict[str, Node]:
        """Address -> node."""
        return {node.address: node for node in self.nodes}

    def outer(self) -> Scene:
        """Returns the scene without what is inside nested models; one in which something changed is changed."""
        inside = {node.address.split("/")[0]: node for node in self.nodes if node.model and node.origin in _TOLD}
        nodes = [
            dataclasses.replace(node, origin="changed", note=f"something inside it, {inside[node.address].address}")
            if node.origin == "kept" and node.address in inside
            else node
            for node in self.nodes
            if not node.model
        ]
        names = {node.address for node in nodes}
        return dataclasses.replace(self, nodes=nodes, edges=[(a, b) for a, b in self.edges if {a, b} <= names])

    def only(self, addresses: set[str]) -> Scene:
        """Returns the scene of some nodes, of those that are gone, and of the edges between them."""
        addresses = addresses | {node.address for node in self.nodes if node.origin == "dropped"}
        nodes = [
            node if node.model in addresses else dataclasses.replace(node, model="")
            for node in self.nodes
            if node.address in addresses
        ]
        edges = [(a, b) for a, b in self.edges if {a, b} <= addresses]
        return dataclasses.replace(self, nodes=nodes, edges=edges)

    @functools.cached_property
    def open_models(self) -> frozenset[str]:
        """The nested models that are drawn as boxes around what is in them, and so have no node of their own."""
        return frozenset(node.model for node in self.nodes if node.model)


@uncollected()
def scene_of(graph: Graph, values: bool = False, batch: int = 1) -> Scene:
    """Returns the scene of a graph.

    Args:
        graph: the graph.
        values: whether statistics of the weights are read, where there are values.
        batch: samples in a batch, for the memory of activations.
    """
    with understood(graph):
        return _scene_of(graph, values, batch)


def _scene_of(graph: Graph, values: bool, batch: int) -> Scene:
    sheet = Sheet(graph, batch)
    numbers = stages(graph, {call.name: analysis.stride_text(sheet.strides[call.name]) for call in graph})
    narrow = set(analysis.narrow(graph))
    calls = list(tree(graph))
    nodes = []
    for address, call in progress(calls, "reading weights") if values else calls:
        stage = numbers[address] if address in numbers else nodes[-1].stage  # that of the model around it
        nodes.append(dataclasses.replace(_node(sheet, address, call, stage, values), narrow=address in narrow))
    return Scene(str(graph), nodes, list(dict.fromkeys(_edges(graph))))


def _node(sheet: Sheet, address: str, call: Call, stage: int, values: bool) -> Node:
    row = sheet.row(address, call, _MEASURES)
    nested = call.inner is not None
    field = row["field"]
    numbers = {
        **{name: row[name] for name in ("params", "macs", "memory")},
        "stride": None if " x " in row["stride"] else COLUMNS["stride"].key(row["stride"]),
        "field": max(field["size"], default=None) if field and not field["all"] else None,
    }
    texts = {name: COLUMNS[name].text(row[name]) for name in _MEASURES}
    return Node(
        address,
        call.class_name,
        texts,
        numbers,
        {} if nested else bare(call.config),
        [] if nested else _tensors(call, values),
        stage=stage,
        model=address.removesuffix(call.name).removesuffix("/"),
        nested=nested,
        layer=str(call.config.get("name", call.layer)),
    )


def _tensors(call: Call, values: bool) -> list[dict[str, Any]]:
    read = tensors_of(call)
    if read is None or not values:
        weights = call.weights if read is None else read
        return [_described(name, weight) for name, weight in zip(labels(call), weights, strict=True)]
    found = []
    for name, tensor in zip(labels(call), read, strict=True):
        known = statistics(tensor)
        finite = known.histogram != ()
        numbers = {
            "mean": f"{known.mean:.3g}" if finite else "-",
            "std": f"{known.std:.3g}" if finite else "-",
            "zeros": f"{known.zeros:.1%}",
            "odd": known.nan + known.infinite,
            "histogram": list(known.histogram),
        }
        found.append({**_described(name, tensor), **numbers})
    return found


def _described(name: str, weight: Any) -> dict[str, Any]:
    return {
        "name": name,
        "shape": list(weight.shape),
        "dtype": weight.dtype,
        "bytes": weight.bytes,
    }


def _edges(graph: Graph, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields the edges at every depth. What a nested model gives leaves it from the call inside that makes it, too, and
    what it takes reaches its inputs: whether it is drawn folded or not, its edges are there.
    """
    for call in graph:
        for ref in call.parents:
            yield from ((source, prefix + call.name) for source in _sources(graph, ref, prefix))
        inner = call.inner
        if inner is not None:
            below = f"{prefix}{call.name}/"
            yield from _edges(inner, below)
            for ref, entry in zip(call.parents, leaves(inner.inputs), strict=False):
                yield from ((source, below + entry.call) for source in _sources(graph, ref, prefix))
            for end in leaves(inner.outputs):
                yield below + end.call, f"{prefix}{call.name}"


def _sources(graph: Graph, ref: Ref, prefix: str) -> Iterator[str]:
    """Yields the call that makes a tensor, and, where that is a nested model, the call inside that makes it."""
    call = graph[ref]
    yield prefix + call.name
    if call.inner is not None:
        yield from _sources(call.inner, leaves(call.inner.outputs)[ref.index], f"{prefix}{call.name}/")
