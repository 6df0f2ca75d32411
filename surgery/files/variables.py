"""The names of the variables of standard layers: Keras 3 writes numbers in their place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from surgery.files.mending import Stored
from surgery.files.placing import Source, natural, snake_case

_ORDER: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"SeparableConv[12]D", ("depthwise_kernel", "pointwise_kernel", "bias")),
    (r"(Dense|EinsumDense|Conv[123]D(Transpose)?)", ("kernel", "bias")),
    (r"DepthwiseConv[12]D", ("kernel", "bias")),
    (r"Embedding", ("embeddings",)),
    (r"(LSTM|GRU|SimpleRNN|ConvLSTM[123]D)(Cell)?", ("kernel", "recurrent_kernel", "bias")),
    (r"PReLU", ("alpha",)),
    (r"Normalization", ("mean", "variance", "count")),
)
_STATISTICS = ("moving_mean", "moving_variance")


def variable_names(layer: Stored, source: Source) -> list[tuple[str, bool]]:
    """Returns (name, whether training moves it) of each tensor of a source, in its order."""
    if source.row:
        still = layer.class_name == "Normalization"
        return [
            (own_name(tensor.name), not still and not re.search(r"moving_|running_", tensor.name))
            for tensor in source.row
        ]
    own = sum(place.startswith("vars/") for place in source.tree)
    names = _own_names(layer, own)
    found = []
    for place in sorted(source.tree, key=natural):
        head, _, number = place.rpartition("/")
        if head == "vars" and number.isdigit() and int(number) < len(names):
            found.append(names[int(number)])
        else:
            path = head.removesuffix("vars").strip("/")
            inner = _inner_names(layer, path)
            name = inner[int(number)] if number.isdigit() and int(number) < len(inner) else number
            found.append((f"{path}/{name}".strip("/"), "seed_generator" not in path))
    return found


def own_name(name: str) -> str:
    """Returns the name of a tensor below its layer: `kernel` of `block1_conv1/kernel:0`."""
    return name.split(":")[0].rpartition("/")[2]


def _own_names(layer: Stored, count: int) -> list[tuple[str, bool]]:
    kind, config = layer.class_name, layer.config
    if kind in ("BatchNormalization", "LayerNormalization", "GroupNormalization"):
        affine = [name for name, key in (("gamma", "scale"), ("beta", "center")) if config.get(key, True)]
        moving = _STATISTICS if kind == "BatchNormalization" else ()
        return [(name, True) for name in affine] + [(name, False) for name in moving]
    names = next((names for pattern, names in _ORDER if re.fullmatch(pattern, kind)), ())
    return [(name, kind != "Normalization") for name in names[:count]]


def _inner_names(layer: Stored, path: str) -> tuple[str, ...]:
    if path.split("/")[-1] == "cell" or re.search(r"(lstm|gru)_cell|simple_rnn_cell", path):
        return ("kernel", "recurrent_kernel", "bias")
    if path.endswith("_dense") or path == "layer":
        return ("kernel", "bias")
    return ()


def names_of_variables(layer: Any) -> dict[str, Any]:
    """Returns the weights of a layer by their names below it: `kernel`, `forward_lstm.lstm_cell.kernel`.

    Where two have one name, the second is `kernel~1`: no weight is lost.
    """
    found: dict[str, Any] = {}
    for variable in layer.weights:
        parts = variable.path.split("/")
        tail = parts[len(parts) - 1 - parts[::-1].index(layer.name) + 1 :] if layer.name in parts else parts[-1:]
        name, count = ".".join(tail) or variable.name, 0
        while (f"{name}~{count}" if count else name) in found:
            count += 1
        found[f"{name}~{count}" if count else name] = variable
    return found


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
