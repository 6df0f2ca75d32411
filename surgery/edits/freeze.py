"""Freezing: by `trainable` on leaf layers only, never by `training=False`, which does not hold in `fit`.

A frozen BatchNormalization also stops moving its statistics (Keras runs it in inference mode). Containers stay
trainable, so that a later choice of layers is not wiped by, nor wipes, the flag of the model around them. Flags that
are changed after a `fit` take effect: see `retracing.py`.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, TypeVar

from surgery.core.errors import SurgeryError, doing
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.traversal import calls_at_every_depth
from surgery.keras_bridge.either import as_graph
from surgery.selectors.select import Where, selected

Net = TypeVar("Net")

Flag = bool | str  # "affine": trains, with fixed statistics

BN_POLICY: dict[str, Flag | None] = {"freeze": False, "stats": "affine", "train": None}


def freeze(x: Net, where: Where = "*", expect: int | None = None, bn: str = "freeze") -> Net:
    """Freezes the matched layers. On a `Graph`: returns a new graph. On a `keras.Model`: in place, as in Keras.

    Args:
        x: `Graph` or `keras.Model`.
        where: which calls; a nested model stands for all layers in it. All by default.
        expect: how many calls must match.
        bn: what becomes of the matched BatchNormalization layers: `"freeze"` keeps statistics, gamma and beta;
            `"stats"` keeps the statistics alone, gamma and beta train (the layer becomes a `FixedBatchNormalization`,
            which `sg.save` writes as a BatchNormalization with momentum 1: in stock Keras its statistics stay, but
            training normalizes by those of the batch);
            `"train"` leaves them as they are.

    Returns:
        The new graph (`build` sets the flags of its layers, those of the donor stay), or the same model. A model that
        was compiled and trained follows its new flags from the next step on; its optimizer keeps its slots.

    Raises:
        SurgeryError: nothing matches, nothing that matches has weights, or `bn` is none of the three.

    Example:

    >>> graph = sg.freeze(sg.open("tinyvgg"), "..block3_pool")
    >>> graph["block1_conv1"].trainable, graph["fc1"].trainable
    (False, True)
    """
    if bn not in BN_POLICY:
        raise SurgeryError(f"bn={bn!r}: it is one of {', '.join(map(repr, BN_POLICY))}.")
    return _flagged(x, where, expect, False, BN_POLICY[bn])


def unfreeze(x: Net, where: Where = "*", expect: int | None = None) -> Net:
    """Makes the matched layers trainable. On a `Graph`: returns a new graph. On a `keras.Model`: in place.

    Args:
        x: `Graph` or `keras.Model`.
        where: which calls; a nested model stands for all layers in it. All by default.
        expect: how many calls must match.

    Returns:
        The new graph (`build` sets the flags of its layers), or the same model, which follows them from the next
        step on.

    Raises:
        SurgeryError: nothing matches, or nothing that matches has weights.
    """
    return _flagged(x, where, expect, True, True)


@contextlib.contextmanager
def frozen(model: Any, where: Where = "*") -> Iterator[Any]:
    """Freezes the matched layers of a live model inside the block, and restores every flag after it.

    Name the layers through the model that is trained: a model around `model` that has been trained already keeps its
    train function, and does not see flags that are set here.

    Example:

    >>> with sg.frozen(combined, "discriminator"):
    ...     loss = combined.train_on_batch(noise, real)
    """
    if isinstance(model, Graph):
        raise SurgeryError("frozen() is for live models; freeze(graph, where) returns a new graph.")
    from surgery.keras_bridge.train_functions import flags_may_change
    from surgery.keras_bridge.trainable_flags import flag_of, set_flag

    as_graph(model)
    before = [
        (layer, flag_of(layer), [(one, one.trainable) for one in layer.variables]) for layer in model._flatten_layers()
    ]
    try:
        yield freeze(model, where)
    finally:
        with flags_may_change(model):
            for layer, flag, variables in before:  # from the outside in: the flag of a layer sets those below it
                set_flag(layer, flag)
                for variable, one in variables:
                    variable.trainable = one


def _flagged(x: Any, where: Where, expect: int | None, flag: bool, bn: Flag | None) -> Any:
    graph = as_graph(x)
    with doing(f"{'unfreezing' if flag else 'freezing'} {graph.name!r}"):
        flags = flags_for(graph, where, flag, bn, expect)
        if isinstance(x, Graph):
            return _marked(graph, flags)
        set_flags(x, graph, flags)
        return x


def flags_for(graph: Graph, where: Where, flag: bool, bn: Flag | None, expect: int | None = None) -> dict[str, Flag]:
    """Returns the flags of the leaf layers that a selector means, by address.

    Args:
        graph: the network.
        where: which calls; a nested model stands for all layers in it.
        flag: for layers.
        bn: for BatchNormalization layers; `None` leaves them out.
        expect: how many calls must match.

    Raises:
        SurgeryError: nothing matches, or nothing that matches has weights.
    """
    chosen = {
        address: call for address, call in _leaves_below(graph, selected(graph, where, expect)).items() if call.weights
    }
    if not chosen:
        raise SurgeryError(f"nothing that matches {where!r} has weights.")
    for address, call in chosen.items():
        _refuse_what_does_not_hold(address, call, flag, bn)
    flags = {
        address: bn if call.class_name.endswith("BatchNormalization") else flag for address, call in chosen.items()
    }
    return {address: one for address, one in flags.items() if one is not None}


def _refuse_what_does_not_hold(address: str, call: Call, flag: bool, bn: Flag | None) -> None:
    """Refuses flags that Keras would not follow.

    Raises:
        SurgeryError: the layer moves its weights whatever its flag, or keeps statistics where they cannot be reached.
    """
    kind = call.class_name
    if not flag and (kind == "SpectralNormalization" or _wraps(call, "SpectralNormalization")):
        raise SurgeryError(
            f"{address!r} ({'' if 'Spectral' in kind else f'{kind} of a '}SpectralNormalization) changes its kernel in "
            "training, whatever its flag: leave it out, "
            "or replace it by the layer in it."
        )
    if not flag and bn is not False:
        own = kind.endswith("BatchNormalization") and kind not in ("BatchNormalization", "FixedBatchNormalization")
        if (own and bn == "affine") or (not kind.endswith("BatchNormalization") and _wraps(call, "BatchNormalization")):
            raise SurgeryError(f"{address!r} ({kind}) keeps its statistics in its own way; bn='freeze' holds.")


def _wraps(call: Call, kind: str) -> bool:
    """Whether a layer holds one whose class, or one that it extends, is called so. A live one is asked itself: it may
    not be able to describe itself."""
    layer = getattr(call.op, "layer", None)
    if layer is not None and hasattr(layer, "_flatten_layers"):
        parts = layer._flatten_layers(include_self=False)
        return any(base.__name__.endswith(kind) for part in parts for base in type(part).__mro__)
    return f"{kind}'" in repr(call.config.get("layer"))


def set_flags(model: Any, graph: Graph, flags: dict[str, Flag]) -> None:
    """Sets the flags of leaf layers of a live model in place, by their addresses in its graph."""
    from surgery.keras_bridge.train_functions import flags_may_change
    from surgery.keras_bridge.trainable_flags import set_flag

    calls = dict(calls_at_every_depth(graph))
    with flags_may_change(model):
        _open_containers(model, graph)
        for address, flag in flags.items():
            set_flag(_op(calls[address]).layer, flag)


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


def _marked(graph: Graph, flags: dict[str, Flag]) -> Graph:
    """Returns the graph with flags on the chosen leaves, by address, the same on all calls of a layer."""
    calls = dict(calls_at_every_depth(graph))
    of_layer = {(calls[address].op, calls[address].layer): flag for address, flag in flags.items()}
    marks: dict[Any, dict[str, Flag]] = {}
    for call in graph:
        if call.op is not None:
            below = {"": call} if call.op.inner is None else dict(calls_at_every_depth(call.op.inner))
            for path, leaf in below.items():
                if (leaf.op, leaf.layer) in of_layer:
                    place = (call.op, call.layer)
                    marks.setdefault(place, {})[_layer_path(path)] = of_layer[leaf.op, leaf.layer]

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
    layers, and that of the whole model holds over them all."""
    held = not model.trainable
    containers = [container for container in [model, *_containers(graph)] if not container.trainable]
    if containers:
        flags = [(layer, layer.trainable and not held) for layer in _leaves_of(graph)]
        for container in containers:
            container.trainable = True
        for layer, flag in flags:
            layer.trainable = flag
