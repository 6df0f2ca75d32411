"""A `Graph` as JSON and back: ops become `StoredOp`, arguments keep their Python types. Weights are described, not
kept.

No Keras import on the way back. On the way there `describe` turns a live op into Keras' own serialised form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from surgery.core.errors import SurgeryError
from surgery.core.specs import Ref, Spec, Weight
from surgery.graph.calls import Call, Op
from surgery.graph.graph import Graph
from surgery.graph.ops import StoredOp
from surgery.graph.primitives import check


def encode(graph: Graph, describe: Callable[[Op], dict[str, Any]]) -> dict[str, Any]:
    """Returns a graph as plain JSON values.

    Args:
        graph: the graph.
        describe: returns the serialised form of an op (`module`, `class_name`, `config`).

    Raises:
        SurgeryError: an argument of a call is neither a tensor nor a plain value.
    """
    ops: dict[Op, int] = {}
    table: list[dict[str, Any]] = []
    for op in (call.op for call in graph if call.op is not None):
        if op not in ops:
            ops[op] = len(ops)
            weights = [[weight.name, list(weight.shape), weight.dtype, weight.trainable] for weight in op.weights]
            inner = None if op.inner is None else encode(op.inner, describe)
            table.append({"stored": describe(op), "weights": weights, "inner": inner})
    calls = [
        {
            "name": call.name,
            "op": None if call.op is None else ops[call.op],
            "args": _encoded(call.args),
            "kwargs": _encoded(dict(call.kwargs)),
            "output": _encoded(call.output),
        }
        for call in graph
    ]
    ends = {"inputs": _encoded(graph.inputs), "outputs": _encoded(graph.outputs)}
    return {"name": graph.name, "ops": table, "calls": calls, **ends}


def decode(data: Mapping[str, Any]) -> Graph:
    """Returns the graph that `encode` wrote, with stored ops."""
    ops = [
        StoredOp(
            entry["stored"],
            tuple(Weight(name, tuple(shape), dtype, trainable) for name, shape, dtype, trainable in entry["weights"]),
            None if entry["inner"] is None else decode(entry["inner"]),
        )
        for entry in data["ops"]
    ]
    calls = tuple(
        Call(
            call["name"],
            None if call["op"] is None else ops[call["op"]],
            _decoded(call["args"]),
            _decoded(call["kwargs"]),
            _decoded(call["output"]),
        )
        for call in data["calls"]
    )
    return check(Graph(data["name"], calls, _decoded(data["inputs"]), _decoded(data["outputs"])))


def _encoded(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Ref):
        return {"ref": [value.call, value.index]}
    if isinstance(value, Spec):
        return {"spec": [None if value.shape is None else list(value.shape), value.dtype]}
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_encoded(item) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[_encoded(key), _encoded(item)] for key, item in value.items()]}
    if isinstance(value, slice):
        return {"slice": [_encoded(item) for item in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"ellipsis": True}
    raise SurgeryError(f"an argument of type {type(value).__name__} has no JSON form.")


_READERS: dict[str, Callable[[Any], Any]] = {
    "ref": lambda item: Ref(item[0], item[1]),
    "spec": lambda item: Spec(None if item[0] is None else tuple(item[0]), item[1]),
    "tuple": lambda items: tuple(map(_decoded, items)),
    "dict": lambda items: {_decoded(key): _decoded(item) for key, item in items},
    "slice": lambda items: slice(*map(_decoded, items)),
    "ellipsis": lambda _: Ellipsis,
}


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if isinstance(value, dict):
        ((kind, content),) = value.items()
        return _READERS[kind](content)
    return value
