"""Layers of their own for ops: a layer of the same class and configuration, with equal weights.

What is made anew from a layer with weights owes them: until each of its variables has been given its value, no build
uses it (`owing`).
"""

from __future__ import annotations

import inspect
import weakref
from typing import Any

import keras
import numpy as np

from surgery.core.errors import SurgeryError, first_line, listing
from surgery.keras_bridge.assign import reads_by_itself
from surgery.keras_bridge.effective_values import lora_of, own_variables, parts_of, quantized
from surgery.keras_bridge.fill import settle
from surgery.keras_bridge.give import give_state
from surgery.keras_bridge.lookups import copy_words
from surgery.keras_bridge.unsaved_state import lost_in

_OWING: weakref.WeakSet[Any] = weakref.WeakSet()


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
        new.name = name  # a layer may make a name of its own of the one that it is given
        copy_words(new, layer)
        _as_modified(new, layer)
    except Exception as error:
        raise SurgeryError(
            f"{layer.name!r} ({type(layer).__name__}) cannot be copied: {first_line(error)} "
            "A layer that is copied needs get_config() and from_config(); freezing a live model, "
            "sg.freeze(sg.build(graph), where), needs no copy."
        ) from error
    _refuse_loss(new, layer)
    if getattr(layer, "variables", ()):
        _OWING.add(new)
    return new


def _refuse_loss(new: Any, layer: Any) -> None:
    if isinstance(layer, keras.layers.Layer) and (lost := lost_in(new, layer)):
        raise SurgeryError(
            f"{layer.name!r} keeps {listing(lost)} apart from its weights and its configuration, and a copy would lose "
            "it. Put it into get_config(), or make it a weight: add_weight(trainable=False)."
        )


def owing(layer: Any) -> list[str]:
    """Returns the names of what was made anew in a layer, itself included, and has not been given its values yet."""
    parts = getattr(layer, "_flatten_layers", lambda: [layer])()
    return [part.name for part in parts if part in _OWING]


def given(layer: Any) -> Any:
    """Notes that a layer that was made anew has the value of each of its variables; returns it."""
    _OWING.discard(layer)
    return layer


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
    """Makes a layer that differs from another in its configuration alone: weights of equal values, and the same name if
    none is given."""
    new = renewed(layer, changed.pop("name", layer.name), **changed)
    if not new.built and layer.built:
        new.build_from_config(layer.get_build_config())
    return with_weights_of(new, layer)


def with_weights_of(new: Any, layer: Any) -> Any:
    """Gives a built layer all that another one computes with, its seeds and its flag; returns it.

    Raises:
        SurgeryError: something would stay fresh, or be lost.
    """
    give_state(new, layer)
    return given(new)


def copy_values(variable: Any, source: Any) -> None:
    """Gives a variable the values of another one, in memory of its own: a step of JAX gives away what it is passed."""
    variable.assign(keras.ops.copy(source))


def give_weights(layer: Any, source: Any) -> None:
    """Gives a built copy of a layer the values of its variables, and their flags.

    Raises:
        SurgeryError: it has other variables.
    """
    _as_modified(layer, source)
    pairs = _same_variables(layer, source)
    _refuse_loss(layer, source)  # again: one that was not built when it was made has made the rest since
    for part, like in zip(*(one._flatten_layers() for one in (layer, source)), strict=True) if pairs else ():
        if reads_by_itself(part):
            store: dict[str, Any] = {}
            like.save_own_variables(store)
            part.load_own_variables({key: np.array(keras.ops.convert_to_numpy(one)) for key, one in store.items()})
    for variable, value in pairs:
        copy_values(variable, value)
        if layer.trainable == source.trainable and variable.trainable != value.trainable:
            variable.trainable = value.trainable
    settle(layer)
    given(layer)


def _as_modified(new: Any, layer: Any) -> None:
    """Does to a built copy, part by part, what was done to a layer after it was made: quantization, LoRA.

    A configuration holds neither for what a layer makes in itself, nor the alpha of LoRA.
    """
    theirs = parts_of(layer)
    for path, part in parts_of(new).items():
        like = theirs.get(path)
        if like is None or not getattr(new, "built", False):
            continue
        if not part.built and like.built and (shapes := like.get_build_config()):
            part.build_from_config(shapes)  # what is in a layer without build() waits for a call, which may not come
        mode, lora = quantized(like), lora_of(like)
        if mode is not None and quantized(part) is None:
            part.quantize(mode, type_check=False, config=getattr(like, "quantization_config", None))
        if lora is not None and lora_of(part) is None:
            part.enable_lora(lora[0], lora_alpha=lora[1])
        elif lora is not None:
            part.lora_alpha = lora[1]


def _same_variables(layer: Any, source: Any) -> list[tuple[Any, Any]]:
    """Returns the variables of a layer, each with that of its source which has its place and name.

    Raises:
        SurgeryError: they have not the same.
    """
    mine, theirs = _variables_by_place(layer), _variables_by_place(source)
    if set(mine) != set(theirs) and len(mine) == len(theirs):  # named after what differs between sessions
        theirs = dict(zip(mine, theirs.values(), strict=True))
    what = [[(key, tuple(one.shape), str(one.dtype)) for key, one in side.items()] for side in (mine, theirs)]
    odd = sorted(set(what[0]) ^ set(what[1]), key=str)
    if odd:
        names = dict.fromkeys("/".join(filter(None, key)) for key, *_ in odd)
        raise SurgeryError(
            f"the copy of {source.name!r} has other variables than {source.name!r}: {listing(names, 3)}. Nothing was "
            "built. Freezing a live model, sg.freeze(sg.build(graph), where), needs no copy."
        )
    return [(one, theirs[key]) for key, one in mine.items()]


def _variables_by_place(layer: Any) -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {}
    for path, part in parts_of(layer).items():
        found.update(((path, name), one) for name, one in own_variables(part).items())
    known = {id(one) for one in found.values()}
    rest = [one for one in getattr(layer, "variables", ()) if id(one) not in known]  # seeds, metrics
    return found | {(f"variable {number}", one.name): one for number, one in enumerate(rest)}
