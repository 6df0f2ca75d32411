"""The frozen prefix of a network: what computes the same for a sample in every epoch, so that once is enough."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from surgery.core.errors import SurgeryError, listing
from surgery.core.nested import leaves
from surgery.core.specs import Ref
from surgery.edits.inline import inline
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.primitives import before
from surgery.graph.traversal import calls_at_every_depth
from surgery.layers.facts import Trait
from surgery.layers.table import has

_RATES = ("rate", "dropout", "recurrent_dropout", "stddev", "drop_rate", "drop_path_rate", "dropout_rate")


@dataclasses.dataclass(frozen=True)
class Prefix:
    """The part of a network that computes the same in every epoch.

    Args:
        graph: the network; nested models that are partly in the prefix are dissolved.
        calls: the addresses of the prefix, inputs included.
        boundary: the tensors that leave it, and the inputs that the rest needs, in order.
        stops: address -> why the prefix ends before it, for calls all of whose inputs are in it.
    """

    graph: Graph
    calls: frozenset[str]
    boundary: tuple[Ref, ...]
    stops: dict[str, str]

    @property
    def params(self) -> int:
        """Number of parameters in the prefix."""
        return dataclasses.replace(self.graph, calls=tuple(one for one in self.graph if one.name in self.calls)).params


def frozen_prefix(graph: Graph, at: Iterable[Ref] | None = None) -> Prefix:
    """Returns the largest frozen, deterministic prefix, or the one that ends at given tensors.

    Args:
        graph: the network, with live layers.
        at: where the prefix shall end.

    Raises:
        SurgeryError: a call before `at` trains or varies from epoch to epoch; nothing with weights is frozen.
    """
    graph = _dissolved(graph)
    needed = None if at is None else before(graph, [ref.call for ref in at])
    wanted = None if needed is None else [call.name for call in graph if call.name in needed]
    inside: set[str] = set()
    stops: dict[str, str] = {}
    for call in graph:
        if wanted is not None and call.name not in wanted:
            continue
        why = why_not_steady(call)
        if all(ref.call in inside for ref in call.parents):
            stops.update({call.name: why} if why else {})
            inside.update([] if why else [call.name])
    if wanted is not None and (missing := [name for name in wanted if name not in inside]):
        first = next(name for name in missing if name in stops)
        raise SurgeryError(f"{first!r} lies before {listing(map(str, at or ()))}, and {stops[first]}.")
    found = Prefix(graph, frozenset(inside), _boundary(graph, inside), stops)
    if not found.params:
        reasons = "; ".join(f"{name} {why}" for name, why in list(stops.items())[:3])
        raise SurgeryError(f"no layer with weights is frozen from the inputs on: {reasons}.")
    return found


def why_not_steady(call: Call) -> str | None:
    """Returns why a call may compute something else in another epoch, or `None` when it cannot.

    `training=False` at the call is no reason to believe it: `fit` overrides it.
    """
    if call.op is None:
        return None
    if call.op.inner is not None:
        inner = ((address, why_not_steady(one)) for address, one in calls_at_every_depth(call.op.inner))
        return next((f"holds {address}, which {why}" for address, why in inner if why), None)
    if call.trainable:
        return "trains"
    kind, config = call.class_name, call.config
    if kind.endswith("BatchNormalization") and not kind.startswith("Fixed") and not call.frozen:
        return "has statistics that move"
    if has(kind, Trait.RANDOM) or any(isinstance(config.get(key), (int, float)) and config[key] > 0 for key in _RATES):
        return f"draws at random ({kind})"
    if kind == "SpectralNormalization" or "'stateful': True" in repr(config):  # of the layer, or of one that it wraps
        return f"keeps a state ({kind})"
    if config.get("activity_regularizer") is not None:
        return "adds to the loss"
    return _of_own_code(call)


def _of_own_code(call: Call) -> str | None:
    import inspect

    layer: Any = getattr(call.op, "layer", None)
    if layer is None or type(layer).__module__.partition(".")[0] in ("keras", "surgery"):
        return None
    if "training" in inspect.signature(layer.call).parameters:
        return f"is a {type(layer).__name__} that knows training from inference"
    return None


def _dissolved(graph: Graph) -> Graph:
    """Returns the graph with the nested models dissolved that are frozen in part."""
    mixed = tuple(call for call in graph if _inner(call) is not None and why_not_steady(call) and _has_frozen(call))
    return _dissolved(inline(graph, mixed)) if mixed else graph


def _inner(call: Call) -> Graph | None:
    return None if call.op is None else call.op.inner


def _has_frozen(call: Call) -> bool:
    inner = _inner(call)
    return inner is not None and any(one.frozen for _, one in calls_at_every_depth(inner))


def _boundary(graph: Graph, inside: set[str]) -> tuple[Ref, ...]:
    needed = {ref for call in graph if call.name not in inside for ref in call.parents} | set(leaves(graph.outputs))
    return tuple(ref for call in graph if call.name in inside for ref in call.refs if ref in needed)
