"""Writes a model file so that the path always holds a whole file: the old one or the new one."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from surgery.errors import SurgeryError, first_line, listing, printable
from surgery.files import safetensors
from surgery.files.variables import layers_of, named_weights
from surgery.files.whole import written_whole


def save_model(model: Any, path: str | os.PathLike[str], prove: bool = True) -> Path:
    """Writes a Keras model to a `.keras` file, or its weights to a `.safetensors` file, atomically.

    Args:
        model: a live `keras.Model`.
        path: where to; an existing file is replaced only by a finished one.
        prove: whether the file is opened again and its weights are compared, to the bit, before it takes its place.

    Raises:
        SurgeryError: the path ends in neither or cannot be written, or the file does not hold the same model.
    """
    path = Path(path)
    writers = {".keras": (_write_model, _compare_model), ".safetensors": (_write_weights, _compare_weights)}
    if path.suffix not in writers:
        raise SurgeryError(f"{printable(path)!r} should end in .keras (or .safetensors, for the weights alone).")
    write, compare = writers[path.suffix]
    lost: list[str] = []
    with written_whole(path) as draft:
        write(model, draft)
        if prove:
            lost = compare(model, draft, path)
    if lost:
        warnings.warn(
            f"{printable(path.name)!r} cannot keep {listing(lost, 4)} frozen: Keras writes one flag for each layer, "
            "which does not hold for what a layer makes in itself, for single variables, nor for a whole Sequential. "
            "Freeze again after opening it.",
            stacklevel=3,
        )
    return path


def _write_model(model: Any, draft: Path) -> None:
    try:
        model.save(draft)
    except (TypeError, ValueError, NotImplementedError) as error:
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

    from surgery.files.pieces import pieces_of_file

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
    """Opens a file as Keras does, and compares its weights; returns the layers that it does not keep frozen."""
    import keras
    import numpy as np

    try:
        reopened: Any = keras.models.load_model(
            draft, compile=False, safe_mode=False
        )  # written just now by this process
    except Exception as error:
        raise SurgeryError(
            f"{printable(path)!r} was not written: Keras cannot open what it saved: {first_line(error)} "
            f"{_repair(model)}"
        ) from error
    if len(reopened.weights) != len(model.weights):
        raise SurgeryError(
            f"{printable(path)!r} was not written: it has {len(reopened.weights)} weights, not {len(model.weights)}."
        )
    for mine, theirs in zip(model.weights, reopened.weights, strict=True):
        if not np.array_equal(_numpy(mine), _numpy(theirs), equal_nan=mine.dtype not in ("string",)):
            raise SurgeryError(f"{printable(path)!r} was not written: {mine.path} differs after reopening.")
    return _thawed(model, reopened)


def _repair(model: Any) -> str:
    """Returns the nearest repair of a model that Keras cannot open again."""
    owners: dict[int, set[int]] = {}
    for one in model._flatten_layers():
        for layer in getattr(one, "layers", ()):
            if layer.weights and not getattr(layer, "layers", ()):
                owners.setdefault(id(layer), set()).add(id(one))
    if any(len(models) > 1 for models in owners.values()):
        return "Two nested models share a layer, whose weights Keras reads for one: save sg.inline(model)."
    return "Register custom classes with keras.saving.register_keras_serializable()."


def _thawed(model: Any, reopened: Any) -> list[str]:
    """Returns the layers that are frozen and train when Keras opens the file: what attention makes in itself, say."""
    still = {id(one) for one in model.weights if not (model.trainable and one.trainable)}
    pairs = zip(model.weights, reopened.weights, strict=True) if reopened.trainable else ()
    moves = {id(mine) for mine, one in pairs if one.trainable}
    return [
        f"{address} ({type(layer).__name__})"
        for address, _, layer in layers_of(model)
        if any(id(one) in still & moves for one in layer.weights)
    ]
