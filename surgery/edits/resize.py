"""`resize`: the same network, with its weights, for inputs of another size."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from surgery.core.errors import SurgeryError, doing, first_line, listing
from surgery.core.nested import leaves, rebuilt
from surgery.core.specs import Ref, Spec
from surgery.edits.compatibility import channels_come_first, fits
from surgery.edits.inline import dissolve
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.primitives import ordered
from surgery.keras_bridge.either import edit
from surgery.zoo.catalogue import NETWORKS

Shape = Sequence[int | None]


@edit
def resize(graph: Graph, shape: Shape | Mapping[str, Shape]) -> Graph:
    """Returns a new graph that takes inputs of another shape, with the weights it has; all shapes follow.

    Stock Keras refuses another shape, or draws fresh weights (`clone_model`). Nested models whose inputs have a fixed
    size are dissolved, as Keras would refuse them too.

    Args:
        graph: `Graph` or `keras.Model`.
        shape: without the batch axis, as `keras.Input` takes it; `None` for a size that varies. `{input: shape}` for a
            network with several inputs.

    Raises:
        SurgeryError: the weights of a layer do not fit the new shape, as those of a Dense after Flatten. The message
            names the layer; cut the network before it. For another number of channels: `sg.transfer(adapt=True)`.

    Example:

    >>> graph = sg.resize(sg.cut(sg.open("tinyvgg"), outputs="block4_pool"), (64, 48, 3))
    >>> graph["block4_pool"].output
    Spec(shape=(None, 4, 3, 40), dtype='float32')
    """
    with doing(f"resizing {graph.name!r}"):
        for one in shape.values() if isinstance(shape, Mapping) else [shape]:
            _refuse_no_shape(one)
        entries = [ref.call for ref in leaves(graph.inputs)]
        shapes = dict(shape) if isinstance(shape, Mapping) else {entries[0]: shape}
        odd = [name for name in shapes if name not in entries]
        if odd or (len(entries) > 1 and not isinstance(shape, Mapping)):
            raise SurgeryError(f"say {{input: shape}}; the inputs are {listing(entries)}.")
        new = {name: _entry(graph[name].specs[0], shape) for name, shape in shapes.items()}
        notes = []
        with _advising_transfer(graph, new):
            while (misfit := _misfit(graph, specs := _inferred(graph, new))) is not None:
                graph, _ = dissolve(graph, misfit)
                notes.append(f"{misfit} was dissolved: its inputs have a fixed size")
        return ordered(_with_specs(dataclasses.replace(graph, notes=(*graph.notes, *notes)), specs))


def reshaped(graph: Graph) -> Graph:
    """Returns a graph with the specs that its layers make of its inputs: to be used where layers have changed.

    Raises:
        SurgeryError: a layer does not take what it is given now.
    """
    return _with_specs(graph, _inferred(graph, {}))


def _with_specs(graph: Graph, specs: Mapping[Ref, Spec]) -> Graph:
    return dataclasses.replace(
        graph, calls=tuple(dataclasses.replace(call, output=_output(call, specs)) for call in graph)
    )


def _refuse_no_shape(shape: Any) -> None:
    sides = shape if isinstance(shape, (list, tuple)) else ["none"]
    if not all(side is None or (isinstance(side, int) and side > 0) for side in sides):
        raise SurgeryError(f"{shape!r} is not a shape: sizes in pixels, or None, without the batch axis.")


@contextlib.contextmanager
def _advising_transfer(graph: Graph, new: Mapping[str, Spec]) -> Iterator[None]:
    """Says, where a layer does not take another number of channels, which verb adapts its weights."""
    at = 1 if channels_come_first(graph) else -1
    sides = {
        name: (graph[name].specs[0].sides[at], spec.sides[at]) for name, spec in new.items() if len(spec.sides) > 2
    }
    other = [name for name, (old, now) in sides.items() if None not in (old, now) and old != now]
    try:
        yield
    except SurgeryError as error:
        if not other:
            raise
        (old, now), shape = sides[other[0]], new[other[0]].sides[1:]
        same = f", sg.open({graph.name!r}, input_shape={shape})," if graph.name in NETWORKS else ""
        raise SurgeryError(
            f"{first_line(error).partition('. Cut the network')[0]}. resize keeps all weights, and they are for {old} "
            f"channels, not {now}. Make the same network{same} for inputs of {shape}, and have its weights adapted: "
            "sg.transfer(graph, new, adapt=True)."
        ) from error


def _entry(old: Spec, shape: Shape) -> Spec:
    new = (*old.sides[:1], *shape)
    if len(new) != len(old.sides):
        raise SurgeryError(f"the input is {old}; {tuple(shape)} has {len(shape)} axes besides the batch, not as many.")
    return Spec(new, old.dtype)


def _output(call: Call, specs: Mapping[Ref, Spec]) -> Any:
    found = iter(call.refs)
    return rebuilt(lambda _: specs[next(found)], call.output)


def _misfit(graph: Graph, specs: Mapping[Ref, Spec]) -> str | None:
    """Returns the first nested call that is given what its model does not take, if specs end there."""
    for call in graph:
        if not all(ref in specs for ref in call.refs):
            return call.name
    return None


def _inferred(graph: Graph, new: Mapping[str, Spec]) -> dict[Ref, Spec]:
    """Returns the spec of every tensor, up to a nested model that does not take what it is given.

    Keras computes them on symbolic tensors, call by call; no layer records that it was called.
    """
    specs: dict[Ref, Spec] = {}
    for call in graph:
        if call.op is None:
            specs[Ref(call.name)] = new.get(call.name, call.specs[0])
            continue
        if not takes(call, specs):
            break
        specs.update(zip(call.refs, specs_made(graph, call, specs), strict=True))
    return specs


def takes(call: Call, specs: Mapping[Ref, Spec]) -> bool:
    """Whether a call takes what it is given, if it is one of a nested model; what is true of others, Keras says."""
    inner = call.inner
    return inner is None or all(
        fits(specs[given], inner.spec(ref)) for given, ref in zip(call.parents, leaves(inner.inputs), strict=False)
    )


def specs_made(graph: Graph, call: Call, specs: Mapping[Ref, Spec]) -> list[Spec]:
    """Returns what a call makes of tensors of these specs, as Keras computes it.

    Raises:
        SurgeryError: it does not take them.
    """
    from surgery.keras_bridge.build import live_layer
    from surgery.keras_bridge.trace import spec_of

    args, kwargs = _symbolic(call, specs)
    layer = live_layer(graph, call)
    try:
        _refuse_other_axes(layer, leaves(args))
        output = layer.compute_output_spec(*args, **kwargs)
        if _has_code_of_others(layer) and any(specs[ref] != graph.spec(ref) for ref in call.parents):
            _refuse_untrue_shapes(layer, _symbolic(call, graph.specs), (args, kwargs), leaves(output))
    except (ValueError, TypeError) as error:
        given = listing(str(specs[ref]) for ref in call.parents)
        raise SurgeryError(
            f"{call.name!r} ({call.class_name}) does not take {given}: {first_line(error)} "
            "Cut the network before it (cut(outputs=...)), or replace it by a layer for that shape."
        ) from error
    return [spec_of(one) for one in leaves(output)]


def _symbolic(call: Call, specs: Mapping[Ref, Spec]) -> Any:
    """Returns arguments and keyword arguments of a call, with a symbolic tensor in the place of each tensor."""
    import keras

    def symbolic(leaf: Any) -> Any:
        return keras.KerasTensor(specs[leaf].shape, specs[leaf].dtype) if isinstance(leaf, Ref) else leaf

    return rebuilt(symbolic, (call.args, dict(call.kwargs)))


def _has_code_of_others(layer: Any) -> bool:
    """Whether a layer, or one in it, has code that is not part of Keras: the shape that it says is a claim."""
    import keras

    parts = layer._flatten_layers() if hasattr(layer, "_flatten_layers") else ()
    return any(
        type(part).__module__.partition(".")[0] != "keras" or isinstance(part, keras.layers.Lambda) for part in parts
    )


def _refuse_untrue_shapes(layer: Any, before: Any, now: Any, said: list[Any]) -> None:
    """Asks the code of a layer for the shapes that it makes of two samples.

    Args:
        layer: the layer.
        before: what it was given in the network as it was: where its code does not run on that, the layer is believed.
        now: what it is given, arguments and keyword arguments.
        said: what it says that it returns.

    Raises:
        ValueError: its code does not run on what it is given now, or makes other shapes than it says.
    """
    for batch in (2, None):  # an axis of unknown size fits any, also where it could never be right
        try:
            _run(layer, before, batch)
        except Exception:  # of any kind: its author's
            continue
        try:
            made = _run(layer, now, batch)
        except Exception as error:
            raise ValueError(f"its own code fails on it: {first_line(error.__context__ or error)}") from error
        shapes = [(batch if at == 0 and side is None else side for at, side in enumerate(one.shape)) for one in said]
        for one, other in zip(map(tuple, shapes), made, strict=False):
            if len(one) != len(other) or any(a != b for a, b in zip(one, other, strict=True) if None not in (a, b)):
                raise ValueError(f"it says that it returns {one}, and its own code returns {other}.")
        return


def _run(layer: Any, given: Any, batch: int | None) -> list[Any]:
    """Returns the shapes of what the code of a layer makes of symbolic tensors, with so many samples."""
    import keras

    def counted(one: Any) -> Any:
        if not isinstance(one, keras.KerasTensor) or one.shape[:1] != (None,):
            return one
        return keras.KerasTensor((batch, *one.shape[1:]), one.dtype)

    args, kwargs = rebuilt(counted, given)
    return [one.shape for one in leaves(keras.Operation.compute_output_spec(layer, *args, **kwargs))]


def _refuse_other_axes(layer: Any, tensors: list[Any]) -> None:
    """Raises a ValueError where a tensor has not the sizes that the weights of a layer were made for."""
    wanted = leaves(getattr(layer, "input_spec", None))
    for spec, tensor in zip(wanted, tensors, strict=False):
        for axis, size in (getattr(spec, "axes", None) or {}).items():
            if tensor.shape[axis] not in (None, size):
                raise ValueError(f"its weights are for {size} on axis {axis}.")
    axes, gamma = getattr(layer, "axis", None), getattr(layer, "gamma", None)
    if tensors and gamma is not None and isinstance(axes, (list, tuple)):  # LayerNormalization over several axes
        sides = [tensors[0].shape[axis] for axis in axes]
        if sides != list(gamma.shape):
            raise ValueError(f"its weights are for {tuple(gamma.shape)} on axes {tuple(axes)}.")
