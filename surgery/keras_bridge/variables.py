"""The variables of live layers and models, by name, and where Keras writes them in a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from surgery.core.names import snake_case


def names_of_variables(layer: Any) -> dict[str, Any]:
    """Returns the weights of a layer by their names below it: `kernel`, `forward_lstm.lstm_cell.kernel`.

    A raw operation has none. Where two have one name, the second is `kernel~1`: no weight is lost. A part that was
    built before the layer was, as in a layer that is made from a configuration, does not have the layer's name in its
    path.
    """
    found: dict[str, Any] = {}
    parts_of = getattr(layer, "_flatten_layers", None)
    inside = () if parts_of is None else parts_of(include_self=False)
    of_parts = {id(one) for part in inside for one in part.weights}
    for variable in getattr(layer, "weights", ()):
        parts = variable.path.split("/")
        if layer.name in parts:
            tail = parts[len(parts) - 1 - parts[::-1].index(layer.name) + 1 :]
        else:
            tail = parts if id(variable) in of_parts else parts[-1:]
        name, count = ".".join(tail) or variable.name, 0
        while (f"{name}~{count}" if count else name) in found:
            count += 1
        found[f"{name}~{count}" if count else name] = variable
    return found


def shapes_written(layer: Any) -> list[tuple[int, ...]]:
    """Returns the shapes of the tensors that Keras writes for a live layer and its parts, in order of size: not those
    of its weights where a part writes a kernel that is merged, packed, or a second time.
    """
    shapes = []
    for part in layer._flatten_layers() if hasattr(layer, "_flatten_layers") else ():
        store: dict[str, Any] = {}
        part.save_own_variables(store)
        shapes += [tuple(getattr(one, "shape", ())) for one in store.values()]
    return sorted(shapes)


def layers_of(model: Any, prefix: str = "", root: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yields (address, place, layer) for every leaf layer of a live model, in the order of `model.layers`.

    The place is where Keras 3 writes the layer in a weights file: the classes in a model are counted.
    """
    counts: dict[str, int] = {}
    for layer in model.layers:
        stem = snake_case(type(layer).__name__)
        count = counts[stem] = counts.get(stem, -1) + 1
        place = f"{root}layers/{stem}_{count}" if count else f"{root}layers/{stem}"
        if is_model(layer):
            yield from layers_of(layer, f"{prefix}{layer.name}/", f"{place}/")
        else:
            yield f"{prefix}{layer.name}", place, layer


def is_model(layer: Any) -> bool:
    """Whether a layer is a model made of layers, and not one with code of its own."""
    import keras

    if not isinstance(layer, keras.Model):
        return False
    bases = [base for base in type(layer).__mro__ if base.__module__.partition(".")[0] == "keras"]
    return bases[0].__name__ in ("Sequential", "Functional") and type(layer).call is bases[0].call


def named_weights(model: Any) -> dict[str, Any]:
    """Returns the weights of a live model by address: `block1_conv1/kernel`, `encoder/conv1/kernel`."""
    return {
        f"{address}/{name}": variable
        for address, _, layer in layers_of(model)
        for name, variable in names_of_variables(layer).items()
    }
