"""Live layers for ops: the layer itself where it can be shared, a copy with equal weights where it cannot.

A Keras layer has one name and one set of flags, so an op that is built under another name, or with other flags than
its layer has, gets a layer of its own; the donor keeps its own as it was. Copies are remembered by their op: building a
graph twice gives the same layers twice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from surgery.errors import SurgeryError, first_line, listing
from surgery.files import Source
from surgery.filling import Filling, settle
from surgery.graph import Call, Graph, Op, flags_below
from surgery.lookups import RARITY, WORDS, Learned, copy_words, give, is_lookup
from surgery.normalization import obeys, set_flag
from surgery.ops import Standin, StoredOp
from surgery.pairing import reads_by_itself
from surgery.trusting import admitted
from surgery.unsaved import lost_in


class Copies:
    """The live layers of one build, used as a context: at its end, all of them have their weights.

    Args:
        fresh: whether every op with variables is copied, also where it could be shared.
        custom_objects: classes and functions that stored layers may name, beside those of Keras.
        nested: makes the model of a nested op from a file, `nested(graph, name, copies)`.
    """

    def __init__(
        self,
        fresh: bool = False,
        custom_objects: Mapping[str, Any] | None = None,
        nested: Callable[[Graph, str, Copies], Any] | None = None,
    ):
        self._fresh = fresh
        self._custom_objects = dict(custom_objects or {})
        self._nested = nested
        self._made: dict[tuple[Op, str], Standin] = {}
        self._new: list[tuple[StoredOp, Standin]] = []
        self._pending: list[tuple[Any, Standin, Any]] = []
        self._filling = Filling()

    @contextlib.contextmanager
    def of(self, calls: Iterable[Call]) -> Iterator[Copies]:
        """Makes the layers of these calls inside the block; when it fails, none of them is remembered.

        Raises:
            SurgeryError: a layer is code that the user has not handed over.
        """
        stored = [op for op in map(_op, calls) if isinstance(op, StoredOp) and not op.standins]
        try:
            if any(op.source is not None or _has_source(op) for op in stored):
                self._filling = Filling(eager=any(map(keeps_states, stored)))
                with self._filling.scope():
                    yield self
                    self._fill()
            else:
                yield self
            self._finish()
        except BaseException:
            for op, standin in self._new:
                op.standins.remove(standin)
            raise

    def layer_for(self, call: Call) -> Any:
        """Returns the layer to apply for a call: one for all calls of an op under one name."""
        op: Any = call.op
        if (op, call.layer) not in self._made:
            self._made[op, call.layer] = self._standin(op, call.layer, dict(call.flags))
        return self._made[op, call.layer].layer

    def _standin(self, op: Any, name: str, flags: dict[str, bool | str]) -> Standin:
        if not op.standins:
            standin = Standin(self._from_stored(op, name), name, {})
            standin.flags = _apply(standin.layer, flags)
            op.standins.append(standin)
            self._new.append((op, standin))
            self._filling.follow(standin.layer)
        if not self._fresh or not has_variables(op.standins[0].layer):
            for standin in reversed(op.standins):
                if standin.name == name and _agrees(standin, flags, first=standin is op.standins[0]):
                    return standin
        source = op.standins[0].layer
        layer = self._copied(op, source, name, flags)
        self._filling.follow(layer)
        standin = Standin(layer, name, {})
        if isinstance(op, StoredOp) and op.standins[0].flags:  # its flags are those of another graph
            _apply(layer, _stored_flags(op))
        standin.flags = _apply(layer, flags)
        self._pending.append((op, standin, source))
        return standin

    def _copied(self, op: Any, source: Any, name: str, flags: dict[str, bool | str]) -> Any:
        """Returns a layer like `source`. A nested model that keeps its name is made anew of its layers: those that need
        no copy are shared, and one that is used elsewhere too stays one layer."""
        if op.inner is None or self._nested is None or name != op.name or isinstance(op, StoredOp):
            return renewed(source, name)
        calls = tuple(dataclasses.replace(one, flags=flags_below(flags, one.layer)) for one in op.inner)
        return self._nested(dataclasses.replace(op.inner, calls=calls), name, self)

    def _from_stored(self, op: StoredOp, name: str) -> Any:
        if op.inner is not None and self._nested is not None and _has_source(op):
            return self._nested(op.inner, name, self)
        layer = _deserialized(op, name, self._custom_objects)
        if is_lookup(layer) and op.source is not None and op.source.assets:
            _teach(layer, op.source)
        return layer

    def _fill(self) -> None:
        """Gives the layers that were made from a file, and are built by now, the tensors of the file."""
        for op, standin in self._new:
            if op.source is not None and has_variables(standin.layer) and not is_lookup(standin.layer):
                self._filling.fill(standin.layer, op.source, standin.name)

    def _finish(self) -> None:
        """Gives the copies, now built, the weights of their sources, and remembers them."""
        for op, standin, source in self._pending:
            if op.inner is None or self._nested is None or standin.name != op.name:
                _give_weights(standin.layer, source)  # the others have layers that were copied one by one
                _apply(standin.layer, standin.flags)  # a mark goes before the flags of the source's variables
            if not self._fresh:
                op.standins.append(standin)


def _op(call: Call) -> Any:
    return call.op


def _has_source(op: StoredOp) -> bool:
    """Whether a stored op, or one inside it, comes from a file."""
    if op.inner is None:
        return op.source is not None
    return any(isinstance(call.op, StoredOp) and _has_source(call.op) for call in op.inner)


def keeps_states(op: Any) -> bool:
    """Whether an op, or one inside it, is a recurrent layer whose states stay from batch to batch."""
    if op.inner is None:
        return '"stateful": true' in json.dumps(op.config, default=str)
    return any(call.op is not None and keeps_states(call.op) for call in op.inner)


def has_variables(layer: Any) -> bool:
    """Whether an operation holds state: weights, the seed of a dropout, or words that it learned."""
    parts = getattr(layer, "_flatten_layers", list)()
    return bool(getattr(layer, "variables", ())) or any(map(is_lookup, parts))


def leaf_at(layer: Any, path: str) -> Any:
    """Returns the layer at a path inside a model: `""` is the layer itself, `encoder/conv1` lies two models deep."""
    for name in filter(None, path.split("/")):
        layer = layer.get_layer(name)
    return layer


def _agrees(standin: Standin, flags: Mapping[str, bool | str], first: bool) -> bool:
    """Whether a layer that is there can stand for a call with marks: one made for the same, or the first as it is."""
    if set(standin.flags) != set(flags) and not (first and not standin.flags):
        return False
    return all(obeys(leaf_at(standin.layer, path), flag) for path, flag in flags.items())


def _apply(layer: Any, flags: Mapping[str, bool | str]) -> dict[str, bool | str]:
    for path, flag in flags.items():
        set_flag(leaf_at(layer, path), flag)
    return dict(flags)


def _stored_flags(op: StoredOp) -> dict[str, bool | str]:
    if op.inner is None:
        return {"": bool(op.config.get("trainable", True))}
    below = ((call.layer, _stored_flags(call.op)) for call in op.inner if isinstance(call.op, StoredOp))
    return {f"{name}/{path}".rstrip("/"): flag for name, flags in below for path, flag in flags.items()}


def _teach(layer: Any, source: Source) -> None:
    """Gives a lookup layer the words of a file, before it is called: they decide how wide its output is.

    Raises:
        SurgeryError: they are none for such a layer.
    """
    rare = [tensor for place, tensor in source.tree.items() if place.endswith(RARITY)]
    try:
        give(layer, Learned.of_text(source.assets[WORDS](), rare[0].load() if rare else ()))
    except Exception as error:  # TensorFlow's and Keras' own, of any kind
        raise SurgeryError(f"the words of {layer.name!r} are broken: {first_line(error)}") from error


def _deserialized(op: StoredOp, name: str, custom_objects: Mapping[str, Any]) -> Any:
    """Makes the layer that a stored op describes, with fresh weights. Only classes that Keras knows; no code is run."""
    try:
        stored = admitted({**op.stored, "config": {**op.config, "name": name}}, custom_objects)
        return keras.saving.deserialize_keras_object(stored, custom_objects=dict(custom_objects), safe_mode=True)
    except Exception as error:
        raise SurgeryError(f"{name!r} ({op.class_name}) cannot be made: {first_line(error)}") from error


def renewed(layer: Any, name: str, **changed: Any) -> Any:
    """Makes a new layer of the same class and configuration, but for its name and what else is given.

    The object was live, so its own code is trusted.

    Raises:
        SurgeryError: it cannot be made from its configuration.
    """
    if type(layer) is keras.layers.Lambda:  # its code may use names that only it can see
        shape, mask = layer._output_shape, layer.mask
        return keras.layers.Lambda(layer.function, shape, mask, layer.arguments, name=name, dtype=layer.dtype_policy)
    try:
        stored: Any = keras.saving.serialize_keras_object(layer)
        stored["config"] = {**stored["config"], "name": name, **changed}
        if "dilation_rate" in changed:  # its kernel may reach beyond the map that it was built for
            *sides, channels = stored["build_config"]["input_shape"]
            stored["build_config"] = {"input_shape": [*(None for _ in sides), channels]}
        with keras.saving.custom_object_scope(_own_code(layer)):
            new = keras.saving.deserialize_keras_object(stored, safe_mode=False)
        copy_words(new, layer)
    except Exception as error:
        raise SurgeryError(
            f"{layer.name!r} ({type(layer).__name__}) cannot be copied: {first_line(error)} "
            "A layer that is copied needs get_config() and from_config()."
        ) from error
    if isinstance(layer, keras.layers.Layer) and (lost := lost_in(new, layer)):
        raise SurgeryError(
            f"{layer.name!r} keeps {listing(lost)} beside its weights and its configuration, and a copy would lose it. "
            "Put it into get_config(), or make it a weight: add_weight(trainable=False)."
        )
    return new


def _own_code(layer: Any) -> dict[str, Any]:
    """Returns the classes and functions beside those of Keras that a layer, and the layers in it, are made of."""
    found: dict[str, Any] = {}
    for part in [layer, *getattr(layer, "_flatten_layers", list)()]:
        for value in [part, *vars(part).values()]:
            code = value if inspect.isfunction(value) else type(value)
            if code.__module__.partition(".")[0] not in ("keras", "builtins"):
                found[code.__name__] = code
    return found


def variant(layer: Any, **changed: Any) -> Any:
    """Makes a layer that differs from another in its configuration alone: same name, weights of equal values."""
    new = renewed(layer, layer.name, **changed)
    if not new.built and layer.built:
        new.build_from_config(layer.get_build_config())
    return with_weights_of(new, layer)


def with_weights_of(new: Any, layer: Any) -> Any:
    """Gives a built layer the values of another one's variables, and its flag; returns it."""
    for mine, other in zip(new.variables, layer.variables, strict=True):
        copy_values(mine, other)
    new.trainable = layer.trainable
    return new


def copy_values(variable: Any, source: Any) -> None:
    """Gives a variable the values of another one, in memory of its own: a step of JAX gives away what it is passed."""
    variable.assign(keras.ops.copy(source))


def _give_weights(layer: Any, source: Any) -> None:
    mine, theirs = getattr(layer, "variables", []), getattr(source, "variables", [])
    if [tuple(variable.shape) for variable in mine] != [tuple(variable.shape) for variable in theirs]:
        raise SurgeryError(f"the copy of {source.name!r} has other variables than {source.name!r}; it was not used.")
    for part, like in zip(*(one._flatten_layers() for one in (layer, source)), strict=True) if mine else ():
        if reads_by_itself(part):
            store: dict[str, Any] = {}
            like.save_own_variables(store)
            part.load_own_variables({key: np.array(keras.ops.convert_to_numpy(one)) for key, one in store.items()})
    for variable, value in zip(mine, theirs, strict=True):
        copy_values(variable, value)
        if layer.trainable == source.trainable and variable.trainable != value.trainable:
            variable.trainable = value.trainable
    settle(layer)
