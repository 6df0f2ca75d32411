"""The door from a live Keras model to a `Graph`. With `building.py`, the only file that knows how Keras keeps graphs.

On Keras' public names only: `clone_model` runs the model symbolically with a `Probe` in the place of every operation,
so that the operation itself records nothing and the donor stays as it is. No weight is read and none is copied.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import keras

from surgery.core.errors import SurgeryError, first_line
from surgery.core.nested import leaves, rebuilt
from surgery.core.recursion import MOST, room_for
from surgery.core.specs import Ref, Spec
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import LiveOp
from surgery.graph.preprocessing import Preprocessing
from surgery.graph.primitives import check, named, ordered


class Probe(keras.Operation):
    """Stands in for `op` during a symbolic run and logs each call of it."""

    op: Any
    log: list[tuple[Any, Any, Any, Any]]

    def __init__(self, name: str):
        super().__init__(name=name)

    @classmethod
    def of(cls, op: Any, log: list[tuple[Any, Any, Any, Any]]) -> Probe:
        probe = cls(op.name)  # the log is no constructor argument: Keras would walk through it, each time, as a config
        probe.op, probe.log = op, log
        return probe

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        output = super().__call__(*args, **kwargs)
        self.log.append((self.op, args, kwargs, output))
        return output

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = rebuilt(functools.partial(_cast, self.op), (args, kwargs))
        return self.op.compute_output_spec(*args, **kwargs)


def _cast(layer: Any, leaf: Any) -> Any:
    """Returns a symbolic tensor as a layer is given it: floats in the type that it computes in."""
    wants = isinstance(layer, keras.Layer) and layer.autocast and getattr(layer, "_convert_input_args", True)
    if not wants or not isinstance(leaf, keras.KerasTensor) or leaf.dtype == layer.input_dtype:
        return leaf
    if not all(map(keras.backend.is_float_dtype, (leaf.dtype, layer.input_dtype))):
        return leaf
    return keras.KerasTensor(leaf.shape, layer.input_dtype, sparse=leaf.sparse, name=leaf.name)


@functools.cache
def functional_class() -> type:
    """Returns the class of models that are graphs; Keras has no public name for it."""
    tensor = keras.Input((1,))
    return type(keras.Model(tensor, keras.layers.Identity()(tensor)))


def is_graph(layer: Any) -> bool:
    """Whether a layer is a model whose graph can be opened."""
    if isinstance(layer, keras.Sequential):
        return bool(layer.built and layer.layers and not _overrides_call(layer, keras.Sequential))
    return isinstance(layer, functional_class()) and not _overrides_call(layer, functional_class())


def _overrides_call(model: Any, base: type) -> bool:
    return type(model).call is not base.call  # pyright: ignore[reportAttributeAccessIssue]


def trace(model: Any) -> Graph:
    """Opens a live Sequential or Functional model as a new `Graph`; the model is unchanged.

    Args:
        model: a built `keras.Model` that was made by wiring tensors, or a built `keras.Sequential`.

    Raises:
        SurgeryError: the model is subclassed, or a Sequential that has not been built.
    """
    _refuse_what_has_no_graph(model)
    log: list[tuple[Any, Any, Any, Any]] = []
    with room_for(len(model.layers) if isinstance(model, keras.Sequential) else len(model.operations)):
        plain_model = _plain(model)
        with keys_as_they_are():
            ghost = keras.models.clone_model(plain_model, clone_function=lambda op: Probe.of(op, log))
    if isinstance(model, keras.Sequential):  # its build() says training=False to each layer; nobody gave that
        log = [
            (op, args, {key: one for key, one in kwargs.items() if key != "training"}, out)
            for op, args, kwargs, out in log
        ]
    return _graph(model.name, ghost.input, ghost.output, log, _inputs(plain_model))


def _plain(model: Any) -> Any:
    """Returns the same graph as a model that `clone_model` neither compiles nor makes by the user's own class."""
    if isinstance(model, keras.Sequential):
        outputs = model.outputs if len(model.outputs) > 1 else model.outputs[0]
        return model_of(model.inputs[0], outputs, model.name)
    if type(model) is functional_class() and not model.compiled:
        return model
    return model_of(model.input, model.output, model.name)


def model_of(inputs: Any, outputs: Any, name: str) -> Any:
    """Returns the Keras model between symbolic tensors.

    Raises:
        SurgeryError: Keras refuses, or there are too many calls in a row.
    """
    try:
        with room_for(MOST), keys_as_they_are():
            return keras.Model(inputs, outputs, name=name)
    except ValueError as error:
        hint = " Give each layer a name of its own." if "should be unique" in str(error) else ""
        raise SurgeryError(f"Keras {keras.__version__} cannot make {name!r}: {first_line(error)}{hint}") from error


@contextlib.contextmanager
def keys_as_they_are() -> Iterator[None]:
    """Keeps Keras from warning of dict keys that are not the names of the inputs: they are as in the donor."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="When providing `inputs` as a dict")
        yield


def _refuse_what_has_no_graph(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise SurgeryError(f"a keras.Model, a path or a name was expected, not {type(model).__name__}.")
    if isinstance(model, keras.Sequential) and not model.built:
        raise SurgeryError(
            f"the Sequential {model.name!r} has not been built, so its tensors have no shapes. "
            "Start it with keras.Input(shape), or call model.build((None, ...)) first."
        )
    if not is_graph(model):
        raise SurgeryError(
            f"{model.name!r} is a {type(model).__name__} with its own call(): Python code, not a graph of layers. "
            "Wire it once to open it: x = keras.Input(shape); keras.Model(x, model.call(x))."
        )


def _inputs(model: Any) -> list[Call]:
    """Returns the inputs, with what `clone_model` drops of them: whether they are optional, sparse or ragged."""
    layers = {id(layer.output): layer for layer in model.layers if isinstance(layer, keras.layers.InputLayer)}
    calls = []
    for tensor in model.inputs:
        layer = layers[id(tensor)]
        config = layer.get_config()
        further = {key: True for key in ("optional", "sparse", "ragged") if config.get(key)}
        calls.append(Call(config["name"], None, (), further, preprocessing=expected_of(layer)))
    return calls


_EXPECTED: weakref.WeakKeyDictionary[Any, Preprocessing] = weakref.WeakKeyDictionary()  # InputLayer -> of its images


def expecting(tensor: Any, preprocessing: Preprocessing | None) -> Any:
    """Returns a symbolic input, of which it is remembered what its images should be; nothing is changed in the layer,
    so that whatever Keras writes of it is as ever."""
    if preprocessing is not None:
        _EXPECTED[keras.Function(tensor, tensor).operations[0]] = preprocessing
    return tensor


def expected_of(layer: Any) -> Preprocessing | None:
    """Returns what the images should be of which an InputLayer is the entry, where that is known."""
    return _EXPECTED.get(layer)


def expects_images(model: Any) -> bool:
    """Whether of an input of a model, or of one inside it, it is known what its images should be."""
    return is_graph(model) and any(layer in _EXPECTED for layer in model._flatten_layers())


def spec_of(tensor: Any) -> Spec:
    """Returns shape and dtype of a symbolic tensor."""
    return Spec(tuple(tensor.shape), str(tensor.dtype))


def _graph(
    name: str,
    inputs: Any,
    outputs: Any,
    log: list[tuple[Any, Any, Any, Any]],
    entries: list[Call],
) -> Graph:
    """Wires the log of a symbolic run, in which tensors are known by identity."""
    places: dict[int, Ref] = {}
    calls: list[Call] = []
    ops: dict[int, LiveOp] = {}

    def look(leaf: Any) -> Any:
        return places[id(leaf)] if isinstance(leaf, keras.KerasTensor) else leaf

    def add(call: Call, output: Any) -> None:
        places.update((id(tensor), Ref(call.name, index)) for index, tensor in enumerate(leaves(output)))
        calls.append(call)

    for tensor, entry in zip(leaves(inputs), entries, strict=True):
        add(dataclasses.replace(entry, output=spec_of(tensor)), tensor)
    for number, (op, args, kwargs, output) in enumerate(log):
        op = ops.setdefault(id(op), _live(op))
        output_specs = rebuilt(lambda leaf: spec_of(leaf) if isinstance(leaf, keras.KerasTensor) else leaf, output)
        call = Call(f"call {number}", op, rebuilt(look, args), rebuilt(look, kwargs), output_specs)
        add(call, output)
    graph = Graph(name, tuple(calls), rebuilt(look, inputs), rebuilt(look, outputs))
    return check(named(ordered(graph)))


def _live(op: Any) -> LiveOp:
    wrapped = op.layer if type(op) is keras.layers.TimeDistributed and is_graph(op.layer) else None
    return LiveOp(
        op,
        functools.partial(trace, op) if is_graph(op) else None,
        None if wrapped is None else functools.partial(trace, wrapped),
    )
