"""`replace` layers, their weights moving over where shapes allow."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from surgery.core.errors import SurgeryError, doing, listing, printable
from surgery.core.nested import leaves, rebuilt
from surgery.core.specs import Ref, Spec
from surgery.edits.adapters import adapted
from surgery.edits.compatibility import fits
from surgery.edits.insert_remove import matched_calls
from surgery.edits.keep import Keep, Kept
from surgery.edits.parts import attach, part_graph, part_of_function
from surgery.edits.reshaped import Changes, followed, with_outputs_noted
from surgery.graph import primitives
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.primitives import ordered, rename, substitute
from surgery.keras_bridge.either import edit
from surgery.selectors.select import Where


@edit
def replace(
    graph: Graph, where: Where, part: Any, adapt: bool = False, keep: Keep | None = None, expect: int | None = None
) -> Graph:
    """Returns a new graph with another part in the place of each matched call.

    A layer in the place of a layer keeps its address, and the keyword arguments of the call that it knows. A new layer
    takes what the old one computes with, where name, role and shape are the same (a GroupNormalization gamma and beta
    of the BatchNormalization that it replaces): a kernel with its LoRA merged, or dequantized. `graph.notes` says what
    moved and what is fresh. A layer that has been built, a model, or a `Graph` brings its own.

    The part may return another shape, such as another number of classes, where no weights follow: then the shapes of
    all that follows are computed again, and `graph.notes` says what the output of the network is now.

    Args:
        graph: `Graph` or `keras.Model`.
        where: which calls.
        part: a layer (copied for each layer that it replaces), a list of layers, a model, a `Graph`, or a function of
            the `Call` that returns one of these, or `None` to leave the call.
        adapt: whether an adapter follows the part where it returns another shape.
        keep: for a new layer with another number of outputs (Dense, EinsumDense, Conv) or rows (Embedding): `True` if
            its first ones are the old ones, or a list that says for its first ones which of the old they are, `None`
            for a fresh one: `[0, 3, 5]`. What is kept has the old values, the others are drawn by the initializers.
        expect: how many calls must match.

    Raises:
        SurgeryError: the part does not take what the call takes; it returns another shape, and what follows has weights
            or does not take that; or it is quantized, and what it would be given is not; or more than the number of
            outputs differs, and keep= was given.

    Example:

    >>> sg.replace(sg.open("vgg16"), "predictions", keras.layers.Dense(8)).notes[-1]
    'predictions: the output of the network is (None, 8), and was (None, 1000)'
    >>> sg.replace(sg.open("tinyvgg"), "predictions", keras.layers.Dense(7), keep=True).notes[0]
    'predictions: Dense -> Dense, outputs 0-4 of 7 are the old ones, 5-6 fresh; activation: softmax -> linear'

    >>> graph = sg.replace(sg.open("resnet50"), ":Activation[activation=relu]", keras.layers.Activation("gelu"))
    """
    with doing(f"replacing {where!r} in {graph.name!r}"):
        graph, calls = matched_calls(graph, where, expect)
        layers: dict[Any, list[Call]] = {}
        for call in calls:
            if call.op is None:
                raise SurgeryError(f"{call.name!r} is an input; cut(inputs=...) makes other inputs.")
            layers.setdefault((call.op, call.layer), []).append(call)
        before, changes = graph, Changes(graph)
        for together in layers.values():
            new = _part_for(together[0], part, single=len(layers) == 1)
            if new is not None:
                names = [call.name for call in together]
                graph = followed(graph, changes, primitives.before(graph, names).difference(names))
                kept = None if keep is None or keep is False else Kept(keep)
                graph = _exchanged(graph, names, new, adapt, changes, kept)
        return ordered(with_outputs_noted(followed(graph, changes), before))


def _part_for(call: Call, part: Any, single: bool) -> Any:
    """Returns the part for one layer: what the function says, or the layer, of which the second place gets a copy."""
    import keras

    from surgery.keras_bridge.copy import renewed, variant

    if isinstance(part, (Graph, list, tuple, keras.Model)):
        return part
    if isinstance(part, keras.Operation):
        if single:
            return part
        return variant(part) if getattr(part, "variables", ()) else renewed(part, part.name)
    if callable(part) and not isinstance(part, type):
        return part_of_function(part, call)
    raise SurgeryError(f"expected a layer, a list of them, a model, a Graph or a function of the Call, not {part!r}.")


def _exchanged(graph: Graph, names: list[str], part: Any, adapt: bool, changes: Changes, keep: Kept | None) -> Graph:
    """Puts a part in the place of all matched calls of one layer."""
    import keras

    calls = [graph[name] for name in names]
    grown = dataclasses.replace(graph, calls=tuple(one for one in graph.calls if one.name not in names))
    name_is_free = all(one.layer != calls[0].layer for one in grown)
    empty = _has_no_weights_yet(part)
    if keep is not None and not (empty and isinstance(part, keras.Operation)):
        raise SurgeryError(
            f"keep= fills one new layer, which has no weights yet; for {calls[0].name!r} there is {part!r}."
        )
    new: dict[Ref, Ref] = {}
    kept = {one.name for one in grown}
    learned = _teach(graph, calls[0], part) if empty else []
    for call in calls:
        piece, parents = _piece_for(graph, call, part)
        if adapt and len(call.specs) == 1:
            piece = adapted(piece, call.specs[0], call.name, adapt, graph)
        made = _refuse_other_tensors(piece, call)
        applied = [one for one in piece if one.op is not None]
        if len(applied) == 1 and name_is_free:
            piece = rename(piece, lambda name, old=applied[0].name, now=call.layer: now if name == old else name)
        if (
            len(applied) == 1
            and call is calls[0]
            and empty
            and (note := _weights_moved(graph, call, applied[0], learned, keep))
        ):
            piece = dataclasses.replace(piece, notes=(*piece.notes, note))
        grown, output = attach(grown, piece, [new.get(ref, ref) for ref in parents])
        new.update(zip(call.refs, leaves(output), strict=True))
        for ref, spec, old in zip(leaves(output), made, call.specs, strict=True):
            if not fits(spec, old):
                changes.put(ref, old)
    put_in = {one.name for one in grown} - kept
    changes.made_for(grown, put_in)
    return substitute(grown, new, but=put_in)  # a part may have the name of what it replaces


def _refuse_other_tensors(piece: Graph, call: Call) -> list[Spec]:
    """Returns what a part makes.

    Raises:
        SurgeryError: it makes another number of tensors than what it replaces.
    """
    made = [piece.spec(ref) for ref in leaves(piece.outputs)]
    if len(made) != len(call.specs):
        count = f"{len(call.specs)} tensors" if len(call.specs) > 1 else "one tensor"
        raise SurgeryError(
            f"{call.name!r} makes {count}, {listing(map(str, call.specs))}, and the part "
            f"{len(made)}, {listing(map(str, made))}. A part that replaces it makes as many."
        )
    return made


def _piece_for(graph: Graph, call: Call, part: Any) -> tuple[Graph, list[Ref]]:
    """Returns the graph of a part for what a call is given, and the tensors that feed it.

    A layer is called as the old one was, with the keyword arguments (`training`, `mask`, `initial_state`) that it
    knows; any other part is called with the tensors.
    """
    import keras

    one_layer = isinstance(part, keras.Operation) and not isinstance(part, keras.Model)
    parents = list(dict.fromkeys(call.parents)) if one_layer else call.given
    specs = [graph.spec(ref) for ref in parents]
    given = specs[0] if len(specs) == 1 else specs
    if not one_layer:
        return part_graph(part, given), parents
    knows = inspect.signature(part.call).parameters
    unknown = [key for key, value in call.kwargs.items() if key not in knows and key != "mask" and _tensors_in(value)]
    if unknown:
        raise SurgeryError(f"{call.name!r} is given {listing(unknown)}, which {type(part).__name__} does not take.")
    kwargs = {key: value for key, value in call.kwargs.items() if key in knows}

    def like_the_old(tensors: Any) -> Any:
        by_ref = dict(zip(parents, leaves(tensors), strict=True))
        args, named = rebuilt(lambda one: by_ref[one] if isinstance(one, Ref) else one, (call.args, kwargs))
        return part(*args, **named)

    like_the_old.__name__ = part.name
    return part_graph(like_the_old, given), parents


def _tensors_in(value: Any) -> bool:
    return any(isinstance(one, Ref) for one in leaves(value))


def _has_no_weights_yet(part: Any) -> bool:
    """Whether a part is a new layer, or ends in one: a layer that has been built keeps its weights."""
    layers = part if isinstance(part, (list, tuple)) else [part]
    return all(hasattr(layer, "built") and not layer.built for layer in layers)


def _teach(graph: Graph, old: Call, part: Any) -> list[str]:
    """Gives a new layer what the old one learned by `adapt`, before it is called: it decides how wide the output is.

    Returns what it was, `["vocabulary"]`.
    """
    from surgery.keras_bridge.build import live_layer
    from surgery.keras_bridge.lookups import learns, lesson

    if learns(part) and (found := lesson(part, live_layer(graph, old))) is not None:
        found.load()
        return [found.name]
    return []


def _weights_moved(graph: Graph, old: Call, new: Call, learned: list[str], keep: Kept | None) -> str:
    """Gives a new layer what the old one computes with, where names and shapes allow; returns what to say of it, and of
    what it has learned before.
    """
    from surgery.keras_bridge.build import live_layer
    from surgery.keras_bridge.fill import give
    from surgery.keras_bridge.give import gift

    source, target = live_layer(graph, old), new.op.layer  # type: ignore
    found = gift(target, source) if keep is None else keep.gift(target, source)
    give(target, found.pairs)
    names = [*learned, *found.moved]
    if not names and not found.fresh and not found.left:
        return ""
    count = len(found.left) + len(names)
    fresh = f"; fresh: {listing(found.fresh)}" if found.fresh else ""
    moved = f"{listing(names) or 'nothing'} moved over of {count} weights" if keep is None else keep
    return f"{old.name}: {old.class_name} -> {new.class_name}, {moved}{fresh}{_other_activation(old, new)}"


def _other_activation(old: Call, new: Call) -> str:
    """Returns what to say where the new layer applies another activation, which is easily overlooked."""
    was, now = (call.config.get("activation", "") for call in (old, new))
    return f"; activation: {printable(was)} -> {printable(now)}" if was != now and "" not in (was, now) else ""
