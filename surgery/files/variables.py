"""The names of the variables of standard layers: Keras 3 writes numbers in their place."""

from __future__ import annotations

import re
from typing import Any

from surgery.files.mending import Stored
from surgery.files.placing import Source, natural

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
        return [(_last(tensor.name), not re.search(r"moving_|running_", tensor.name)) for tensor in source.row]
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


def _last(name: str) -> str:
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
    """Returns the weights of a layer by their names below it: `kernel`, `forward_lstm.lstm_cell.kernel`."""
    found = {}
    for variable in layer.weights:
        parts = variable.path.split("/")
        tail = parts[len(parts) - 1 - parts[::-1].index(layer.name) + 1 :] if layer.name in parts else parts[-1:]
        found[".".join(tail) or variable.name] = variable
    return found


def named_weights(model: Any, prefix: str = "") -> dict[str, Any]:
    """Returns the weights of a live model by address: `block1_conv1/kernel`, `encoder/conv1/kernel`."""
    found = {}
    for layer in model.layers:
        if hasattr(layer, "layers"):
            found.update(named_weights(layer, f"{prefix}{layer.name}/"))
        else:
            found.update((f"{prefix}{layer.name}/{name}", one) for name, one in names_of_variables(layer).items())
    return found
