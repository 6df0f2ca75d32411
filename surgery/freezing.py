"""Freezing: by `trainable` on leaf layers only, never by `training=False`, which does not hold in `fit`.

A frozen BatchNormalization also stops moving its statistics (Keras runs it in inference mode). Containers stay
trainable, so that a later choice of layers is not wiped by, nor wipes, the flag of the model around them.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, TypeVar

from surgery.doors import as_graph
from surgery.errors import SurgeryError, doing
from surgery.graph import Call, Graph
from surgery.walking import calls_at_every_depth
from surgery.where import Where, selected

Net = TypeVar("Net")


def freeze(x: Net, where: Where = "*", expect: int | None = None) -> Net:
    """Freezes the matched layers. On a `Graph`: returns a new graph, marked. On a `keras.Model`: in place, as in Keras.

    Args:
        x: `Graph` or `keras.Model`.
        where: which calls; a nested model stands for all layers in it. All by default.
        expect: how many calls must match.

    Returns:
        The marked graph (`build` gives its layers flags of their own, the donor keeps its own), or the same model.

    Raises:
        SurgeryError: nothing matches, or nothing that matches has weights.

    Example:

    >>> graph = sg.freeze(sg.open("tinyvgg"), "..block3_pool")
    >>> graph["block1_conv1"].trainable, graph["fc1"].trainable
    (False, True)
    """
    return _flagged(x, where, expect, flag=False)


def thaw(x: Net, where: Where = "*", expect: int | None = None) -> Net:
    """Makes the matched layers trainable. On a `Graph`: returns a new graph, marked. On a `keras.Model`: in place.

    Args: see `freeze`.
    """
    return _flagged(x, where, expect, flag=True)


@contextlib.contextmanager
def frozen(model: Any, where: Where = "*") -> Iterator[Any]:
    """Freezes the matched layers of a live model inside the block, and restores every flag after it.

    Example:

    >>> with sg.frozen(discriminator):
    ...     loss = combined.train_on_batch(noise, real)
    """
    if isinstance(model, Graph):
        raise SurgeryError("frozen() is for live models; freeze(graph, where) returns a marked graph.")
    layers = _leaves_of(as_graph(model))
    before = [(layer, layer.trainable, [variable.trainable for variable in layer.variables]) for layer in layers]
    containers = [(model, model.trainable), *((layer, layer.trainable) for layer in _containers(as_graph(model)))]
    try:
        yield freeze(model, where)
    finally:
        for container, flag in reversed(containers):
            container.trainable = flag
        for layer, flag, flags in before:
            layer.trainable = flag
            for variable, one in zip(layer.variables, flags, strict=True):
                variable.trainable = one
        _forget_traces(model)


def _flagged(x: Any, where: Where, expect: int | None, flag: bool) -> Any:
    graph = as_graph(x)
    with doing(f"{'thawing' if flag else 'freezing'} {graph.name!r}"):
        chosen = _leaves_below(graph, selected(graph, where, expect))
        if not any(call.weights for call in chosen.values()):
            raise SurgeryError(f"none of the {len(chosen)} calls that match {where!r} has weights.")
        if isinstance(x, Graph):
            return _marked(graph, set(chosen), flag)
        _open_containers(x, graph)
        for layer in (op.layer for op in map(_op, chosen.values()) if op.weights):
            layer.trainable = flag
        _forget_traces(x)
        return x


def _leaves_below(graph: Graph, chosen: dict[str, Call]) -> dict[str, Call]:
    """Replaces nested models by the leaf layers in them."""
    containers = {address for address, call in chosen.items() if call.op is not None and call.op.inner is not None}
    return {
        address: call
        for address, call in calls_at_every_depth(graph)
        if call.op is not None
        and call.op.inner is None
        and (address in chosen or any(address.startswith(f"{container}/") for container in containers))
    }


def _marked(graph: Graph, addresses: set[str], flag: bool) -> Graph:
    """Returns the graph with marks on the chosen leaves, the same on all calls of a layer."""
    marks: dict[Any, dict[str, bool]] = {}
    for call in graph:
        if call.op is not None:
            below = {"": call} if call.op.inner is None else dict(calls_at_every_depth(call.op.inner))
            for path, leaf in below.items():
                if leaf.weights and f"{call.name}/{path}".rstrip("/") in addresses:
                    marks.setdefault((call.op, call.layer), {})[_layer_path(path)] = flag

    def marked(call: Call) -> Call:
        new = marks.get((call.op, call.layer))
        return dataclasses.replace(call, flags={**call.flags, **new}) if new else call

    return dataclasses.replace(graph, calls=tuple(map(marked, graph.calls)))


def _layer_path(path: str) -> str:
    return "/".join(Call(name, None).layer for name in path.split("/"))


def _op(call: Call) -> Any:
    return call.op


def _leaves_of(graph: Graph) -> list[Any]:
    ops = (_op(call) for _, call in calls_at_every_depth(graph))
    return [op.layer for op in ops if op is not None and op.weights and op.inner is None]


def _containers(graph: Graph) -> list[Any]:
    ops = (_op(call) for _, call in calls_at_every_depth(graph))
    return [op.layer for op in ops if op is not None and op.inner is not None]


def _open_containers(model: Any, graph: Graph) -> None:
    """Makes every container trainable and keeps the flags of the leaves: in Keras a container's flag overrides its
    layers."""
    containers = [container for container in [model, *_containers(graph)] if not container.trainable]
    if containers:
        flags = [(layer, layer.trainable) for layer in _leaves_of(graph)]
        for container in containers:
            container.trainable = True
        for layer, flag in flags:
            layer.trainable = flag


def _forget_traces(model: Any) -> None:
    """Drops a compiled train function: Keras reads the flags once, when it is first traced (the trap of the classic
    GAN)."""
    if getattr(model, "train_function", None) is not None:
        model.train_function = None
