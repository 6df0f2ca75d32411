"""Writes a model file so that the path always holds a whole file: the old one or the new one."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surgery.core.errors import SurgeryError, SurgeryWarning, first_line, listing, printable
from surgery.core.recursion import room_for
from surgery.formats import safetensors
from surgery.formats.atomic import written_whole
from surgery.formats.own_members import add_members
from surgery.formats.stock_classes import add_fixed, as_ordinary, ours_in
from surgery.graph.about import About
from surgery.graph.preprocessing import Preprocessing
from surgery.keras_bridge.effective_values import Value, lora_of, own_variables, parts_of, quantized, values_of
from surgery.keras_bridge.variables import layers_of, named_weights

AGAIN = "Freeze again after opening it."


def save_model(
    model: Any,
    path: str | os.PathLike[str],
    verify: bool = True,
    expected: Mapping[str, Preprocessing] | None = None,
    about: About | None = None,
) -> Path:
    """Writes a Keras model to a `.keras` file, or its weights to a `.safetensors` file, atomically.

    Args:
        model: a live `keras.Model`.
        path: where to; an existing file is replaced only by a finished one.
        verify: whether the file is opened again and its weights are compared, bit for bit, before it takes its place.
        expected: what the inputs of these names expect of their images, which a `.keras` file says.
        about: what the model is for, which it says too.

    Raises:
        SurgeryError: the path ends in neither or cannot be written, or the file does not hold the same model.
    """
    path = Path(path)
    writers = {".keras": (_write_model, _compare_model), ".safetensors": (_write_weights, _compare_weights)}
    if path.suffix not in writers:
        raise SurgeryError(f"{printable(path)!r} should end in .keras (or .safetensors, for the weights alone).")
    write, compare = writers[path.suffix]
    with written_whole(path) as draft:
        with as_ordinary(model) if path.suffix == ".keras" else contextlib.nullcontext({}) as fixed:
            write(model, draft)
            if path.suffix == ".keras":
                add_members(draft, expected or {}, about)
                add_fixed(draft, fixed)
                _say_ours(path, ours_in(draft))
            lost = compare(model, draft, path) if verify else []
        if lost:  # before the file takes its place: a warning may be an error
            _say_thawed(path, lost)
    return path


def _say_ours(path: Path, ours: list[str]) -> None:
    if ours:
        warnings.warn(
            f"{printable(path.name)!r} names {listing(ours)} of surgery: keras.models.load_model opens it after "
            "`import surgery`.",
            category=SurgeryWarning,
            stacklevel=4,
        )


def _say_thawed(path: Path, lost: list[str]) -> None:
    warnings.warn(
        f"{printable(path.name)!r} cannot keep {listing(lost, 4)} frozen: Keras writes one flag for each layer, "
        "which does not hold for what a layer makes in itself, for single variables, nor for a whole Sequential. "
        f"{AGAIN}",
        category=SurgeryWarning,
        stacklevel=4,
    )


def _write_model(model: Any, draft: Path) -> None:
    try:
        model.save(draft)
    except OSError:
        raise
    except Exception as error:  # a layer's get_config() is code of its author
        raise SurgeryError(f"Keras cannot save {model.name!r}: {first_line(error)}") from error


def _write_weights(model: Any, draft: Path) -> None:
    paths = {address: place for address, place, _ in layers_of(model)}
    with draft.open("wb") as file:
        safetensors.write(file, ((name, _numpy(one)) for name, one in _all_weights(model).items()), paths)


def _all_weights(model: Any) -> dict[str, Any]:
    """Returns the weights of a model by address; a layer that is called twice, or under two models, has one address.

    Raises:
        SurgeryError: a weight would be lost.
    """
    found = named_weights(model)
    if {id(one) for one in model.weights} - {id(one) for one in found.values()}:
        raise SurgeryError(f"{model.name!r} has weights outside its layers, which have no address. Save it as .keras.")
    return found


def _compare_weights(model: Any, draft: Path, path: Path) -> list[str]:
    import numpy as np

    from surgery.formats.weights_file import pieces_of_file

    found = {tensor.name: tensor for piece in pieces_of_file(draft) for tensor in piece.tensors}
    expected = _all_weights(model)
    for name, variable in expected.items():
        if name not in found or found[name].load().tobytes() != np.ascontiguousarray(_numpy(variable)).tobytes():
            raise SurgeryError(f"{printable(path)!r} was not written: {name} differs after reopening.")
    return []


def _numpy(variable: Any) -> Any:
    import keras

    return keras.ops.convert_to_numpy(variable)


def _compare_model(model: Any, draft: Path, path: Path) -> list[str]:
    """Opens a file as Keras does, compares what layers compute with, and returns those that it does not keep frozen."""
    import keras

    try:
        with room_for(sum(1 for _ in model._flatten_layers())):  # the file was written just now, by this process
            reopened: Any = keras.models.load_model(draft, compile=False, safe_mode=False)
    except Exception as error:
        raise SurgeryError(
            f"{printable(path)!r} was not written: Keras cannot open what it saved: {first_line(error)} "
            f"{_repair(model)}"
        ) from error
    if differing := _differing(model, reopened):
        raise SurgeryError(f"{printable(path)!r} was not written: {differing} after reopening.")
    return _thawed(model, reopened)


def _differing(model: Any, reopened: Any) -> str:
    """Returns what differs between a model and what was read from its file, or `""`.

    Variables may: Keras merges LoRA into the kernel when it writes, for one. What layers compute with may not.
    """
    mine, theirs = parts_of(model), parts_of(reopened)
    if odd := sorted(mine.keys() ^ theirs.keys()):
        return f"the layers in it differ ({odd[0] or model.name})"
    for place, part in mine.items():
        one, other = own_variables(part), own_variables(theirs[place])
        if one.keys() == other.keys() and all(_equal(_numpy(one[name]), _numpy(other[name])) for name in one):
            continue
        values, read = values_of(part), values_of(theirs[place])
        for name in [name for name, value in values.items() if value.variable is not None]:
            if name not in read or not _as_written(part, values[name], read[name]):
                return f"{values[name].variable.path} differs"
    return ""


def _equal(one: Any, other: Any) -> bool:
    import numpy as np

    return np.array_equal(one, other, equal_nan=one.dtype.kind not in "OSU")


def _as_written(part: Any, value: Value, read: Value) -> bool:
    """Whether two tensors are bit-identical, but for new codes of the sum of a quantized kernel and its LoRA."""
    import numpy as np

    one, other = _numpy(value.read()), _numpy(read.read())
    if _equal(one, other) or not (quantized(part) and lora_of(part)):
        return _equal(one, other)
    step = np.abs(one).max(initial=0) / (7 if quantized(part) == "int4" else 127)
    if one.shape != other.shape or not np.abs(one - other).max(initial=0) <= step:
        return False
    warnings.warn(
        f"{part.name!r} computes a little otherwise when the file is opened: Keras rounds the sum of its "
        f"{quantized(part)} kernel and its LoRA to {quantized(part)} again.",
        category=SurgeryWarning,
        stacklevel=3,
    )
    return True


def _repair(model: Any) -> str:
    """Returns the nearest repair of a model that Keras cannot open again."""
    owners: dict[int, set[int]] = {}
    for one in model._flatten_layers():
        for layer in getattr(one, "layers", ()):
            if layer.weights and not getattr(layer, "layers", ()):
                owners.setdefault(id(layer), set()).add(id(one))
    if any(len(models) > 1 for models in owners.values()):
        return "Two nested models share a layer, whose weights Keras reads for one: save sg.inline(model)."
    inside = [layer.name for _, _, layer in layers_of(model) if any(map(quantized, layer._flatten_layers(False)))]
    if inside:
        return (
            f"{listing(inside, 3)}: layers inside are quantized, which Keras does not write. Save the weights alone "
            "(.safetensors), or the network from before it was quantized."
        )
    return "Register custom classes with keras.saving.register_keras_serializable()."


def _thawed(model: Any, reopened: Any) -> list[str]:
    """Returns the layers that are frozen and train when Keras opens the file: what attention makes in itself, say."""
    still = {id(one) for one in model.weights if not (model.trainable and one.trainable)}
    theirs = parts_of(reopened) if reopened.trainable else {}
    moves: set[int] = set()
    for place, part in parts_of(model).items():
        other = own_variables(theirs[place]) if place in theirs else {}
        moves.update(id(one) for name, one in own_variables(part).items() if name in other and other[name].trainable)
    return [
        f"{address} ({type(layer).__name__})"
        for address, _, layer in layers_of(model)
        if any(id(one) in still & moves for one in layer.weights)
    ]
