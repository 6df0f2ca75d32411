"""What is told of each call, as plain values: one row a call, with as much computed as its columns ask for."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from surgery import analysis
from surgery.errors import SurgeryError, listing
from surgery.graph import Call, Graph, flags_below
from surgery.specs import Spec
from surgery.structure import leaves
from surgery.walking import calls_at_every_depth

Row = dict[str, Any]


class Sheet:
    """The measures of a graph, each computed when it is first asked for.

    Args:
        graph: the graph.
        batch: samples in a batch, for the memory of activations.
    """

    def __init__(self, graph: Graph, batch: int = 1):
        self.graph = graph
        self.batch = batch

    @functools.cached_property
    def strides(self) -> dict[str, analysis.Stride]:
        return analysis.strides(self.graph)

    @functools.cached_property
    def macs(self) -> dict[str, int | None]:
        return analysis.macs(self.graph)

    @functools.cached_property
    def memory(self) -> dict[str, int | None]:
        return analysis.activations(self.graph, self.batch)

    @functools.cached_property
    def fields(self) -> dict[str, analysis.Field | None]:
        return analysis.receptive_fields(self.graph)

    def row(self, address: str, call: Call, columns: Sequence[str]) -> Row:
        """Returns what the columns say of a call."""
        return {column: getattr(self, f"_{_METHODS.get(column, column)}")(address, call) for column in columns}

    def _call(self, address: str, call: Call) -> str:
        return address

    def _class_name(self, address: str, call: Call) -> str:
        return call.class_name

    def _output(self, address: str, call: Call) -> list[list[int | None] | None]:
        return [None if spec.shape is None else list(spec.shape) for spec in call.specs]

    def _dtype(self, address: str, call: Call) -> list[str]:
        return [spec.dtype for spec in call.specs]

    def _stride(self, address: str, call: Call) -> str:
        return analysis.stride_text(self.strides.get(address))

    def _field(self, address: str, call: Call) -> dict[str, Any] | None:
        field = self.fields.get(address)
        if field is None:
            return None
        return {"size": list(field.size), "offset": list(field.offset), "all": field.everything}

    def _params(self, address: str, call: Call) -> int:
        return call.params

    def _macs(self, address: str, call: Call) -> int | None:
        return self.macs[address]

    def _memory(self, address: str, call: Call) -> int | None:
        return self.memory[address]

    def _trainable(self, address: str, call: Call) -> bool | None:
        return True if call.trainable else False if call.frozen else None

    def _weights(self, address: str, call: Call) -> str | None:
        return weights_from(call)

    def _parents(self, address: str, call: Call) -> list[str]:
        prefix = address.removesuffix(call.name)
        return [f"{prefix}{ref}" for ref in dict.fromkeys(call.parents)]


def at_size(graph: Graph, size: tuple[int, int]) -> Graph:
    """Returns a graph as it would be for pictures of a size, where it leaves it open.

    Raises:
        SurgeryError: no input is a picture of open size.
    """
    specs = [graph.spec(ref) for ref in leaves(graph.inputs)]
    new = [Spec((spec.sides[0], *size, spec.sides[3]), spec.dtype) if _is_open(spec) else spec for spec in specs]
    if new == specs:
        raise SurgeryError(
            f"no input of {graph.name!r} is a picture of open size: {listing(map(str, specs))}. sg.resize changes it."
        )
    return analysis.sized(graph, new)


def _is_open(spec: Spec) -> bool:
    return len(spec.sides) == 4 and None in spec.sides[1:3]


_METHODS = {"class": "class_name", "from": "parents", "offset": "field"}


def weights_from(call: Call) -> str | None:
    """Returns where the values of weights come from: a place in a file, `memory`, or `fresh`; `None` without any."""
    if not call.weights:
        return None
    if call.op is not None and call.op.inner is not None:
        below = dict.fromkeys(weights_from(one) for one in call.op.inner if one.weights)
        kinds = [kind if kind in ("memory", "fresh") else "file" for kind in below if kind]
        return ", ".join(dict.fromkeys(kinds))
    if hasattr(call.op, "layer"):
        return "memory"
    tensors = getattr(getattr(call.op, "source", None), "tensors", ())
    return re.sub(r"/?[^/]*$", "", tensors[0].name) or tensors[0].name if tensors else "fresh"


def tree(graph: Graph, prefix: str = "") -> Iterator[tuple[str, Call]]:
    """Yields (address, call) at every depth; what is inside a nested model comes after it."""
    for call in graph:
        yield prefix + call.name, call
        if call.op is not None and call.op.inner is not None:
            yield from tree(call.op.inner, f"{prefix}{call.name}/")


def leaf_calls(call: Call) -> Iterator[Call]:
    """Yields the calls that apply layers: the call itself, or, of a nested model, those inside at every depth, with the
    marks that it carries for them.
    """
    inner = None if call.op is None else call.op.inner
    if inner is None:
        yield from () if call.op is None else (call,)
        return
    for one in inner:
        yield from leaf_calls(dataclasses.replace(one, flags=flags_below(call.flags, one.layer)) if call.flags else one)


def layers_of(calls: Iterable[Call]) -> list[Call]:
    """Returns a call of each layer, once."""
    return list({(call.op, call.layer): call for call in calls}.values())


def totals(sheet: Sheet) -> dict[str, Any]:
    """Returns the sums over a network: calls, parameters, those that train, bytes, MACs, bytes of activations."""
    graph = sheet.graph
    layers = layers_of(one for call in graph for one in leaf_calls(call))
    moved = [weight for call in layers if call.trainable for weight in call.weights if weight.trainable]
    return {
        "calls": len(graph),
        "params": graph.params,
        "trainable": sum(weight.size for weight in moved),
        "bytes": sum(weight.bytes for weight in graph.weights),
        "macs": _sum(sheet.macs[call.name] for call in graph),
        "memory": _sum(sheet.memory[address] for address, call in calls_at_every_depth(graph) if not _is_model(call)),
        "alive": analysis.most_alive(graph, sheet.batch),
    }


def stages(sheet: Sheet) -> list[Row]:
    """Returns the sums by output stride, in the order in which the strides first appear; `-` is last."""
    seen: set[tuple[Any, str]] = set()
    groups: dict[str, list[tuple[str, Call]]] = {}
    for address, call in calls_at_every_depth(sheet.graph):
        if not _is_model(call):
            groups.setdefault(analysis.stride_text(sheet.strides.get(address)), []).append((address, call))
    return [
        {
            "stride": stride,
            "first": members[0][0],
            "last": members[-1][0],
            "calls": len(members),
            "params": sum(call.params for _, call in members if _is_first(call, seen)),
            "macs": _sum(sheet.macs[address] for address, _ in members),
            "memory": _sum(sheet.memory[address] for address, _ in members),
        }
        for stride, members in sorted(groups.items(), key=lambda group: group[0] == "-")
    ]


def _is_first(call: Call, seen: set[tuple[Any, str]]) -> bool:
    """Whether a layer was not seen before; a shared one counts where it is called first."""
    key = (call.op, call.layer)
    return key not in seen and not seen.add(key)


def _is_model(call: Call) -> bool:
    return call.op is not None and call.op.inner is not None


def _sum(values: Any) -> int | None:
    known = list(values)
    return None if None in known else sum(known)
