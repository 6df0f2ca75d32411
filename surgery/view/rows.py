"""What is told of each call, as plain values: one row a call, with as much computed as its columns ask for."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from surgery import analysis
from surgery.graph.calls import Call
from surgery.graph.graph import Graph

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


_METHODS = {"class": "class_name", "from": "parents", "offset": "field"}


def weights_from(call: Call) -> str | None:
    """Returns where the values of weights come from: a place in a file, `memory`, or `fresh`; `None` without any."""
    if not call.weights:
        return None
    if call.inner is not None:
        below = dict.fromkeys(weights_from(one) for one in call.inner if one.weights)
        kinds = [kind if kind in ("memory", "fresh") else "file" for kind in below if kind]
        return ", ".join(dict.fromkeys(kinds))
    if hasattr(call.op, "layer"):
        return "memory"
    tensors = getattr(getattr(call.op, "source", None), "tensors", ())
    return re.sub(r"/?[^/]*$", "", tensors[0].name) or tensors[0].name if tensors else "fresh"
