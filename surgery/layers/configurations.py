"""Configurations as they can be compared: without what says nothing of the layer, whoever wrote them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from surgery.core.nested import plain
from surgery.layers.classes import is_of_keras, kind_of_stored

_WRITER = ("build_config", "compile_config", "shared_object_id", "batch_input_shape")

# What a layer of Keras has where its file does not say it: Keras 1 and 2 had no such key, or wrote it only if it was
# given. A class for which another value is the default (`groups` of GroupNormalization) was always written with it.
DEFAULTS: Mapping[str, Any] = {
    "bias_initializer": "Zeros",
    "data_format": "channels_last",
    "dilation_rate": 1,
    "dtype": "float32",
    "go_backwards": False,
    "groups": 1,
    "keepdims": False,
    "kernel_initializer": "GlorotUniform",
    "recurrent_initializer": "Orthogonal",
    "mask_zero": False,
    "merge_mode": "concat",
    "renorm": False,
    "renorm_momentum": 0.99,
    "return_sequences": False,
    "return_state": False,
    "stateful": False,
    "synchronized": False,
    "unroll": False,
    "use_bias": True,
    "use_cudnn": "auto",
    "zero_output_for_mask": False,
    "dropout": 0,
    "recurrent_dropout": 0,
}
# How a layer is trained, or how the same is computed; in inference the output is the same.
_TRAINING = r"(\w+_)?(initializer|regularizer|constraint)|seed"
_TRAINING_IN_KERAS = (
    r"rate|stddev|noise_shape|dropout|recurrent_dropout|momentum|renorm|renorm_\w+|synchronized|lora_rank|lora_alpha|"
    r"implementation|unroll|unit_forget_bias|use_cudnn|flash_attention"
)
# What Keras no longer keeps, or makes anew: without a say in what is computed.
_HOW = ("implementation", "time_major")


def bare(config: Any) -> Any:
    """Returns a configuration without names, flags, and the marks of its writer; dtype policies as their names."""
    return {key: _bare(value) for key, value in plain(config).items() if key not in (*_WRITER, "name", "trainable")}


def alike(one: Any, other: Any) -> bool:
    """Whether two configurations say the same, nested models with their wiring; whoever wrote them."""
    return _without_marks(plain(one)) == _without_marks(plain(other))


def digest(config: Any) -> str:
    """Returns a text that two configurations share when they are `alike`."""
    import hashlib

    text = json.dumps(_without_marks(plain(config)), sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def comparable(config: Any, kind: str, training: bool = True) -> dict[str, Any]:
    """Returns a configuration in one form, whoever wrote it, without what is as it is by default.

    Args:
        config: of a layer.
        kind: its class, as `kinds.kind_of` has it.
        training: whether keys count that change no output in inference.
    """
    found = {}
    for key, value in plain(config).items():
        if key in (*_WRITER, "name", "trainable") or (not training and _is_of_training(key, kind)):
            continue
        said = _comparable(value, training)
        said = _initializer(said) if key.endswith("initializer") else said
        if said is not None and not (is_of_keras(kind) and is_default(key, said)):
            found[key] = said
    return _of_both_directions(found) if kind == "Bidirectional" else found


def is_default(key: str, value: Any) -> bool:
    """Whether a layer of Keras whose configuration lacks a key has this value."""
    if key in _HOW:
        return True
    default = DEFAULTS.get(key)
    every = value if isinstance(value, list) and value else [value]
    return default is not None and all(type(one) is type(default) and one == default for one in every)


def _is_of_training(key: str, kind: str) -> bool:
    return bool(re.fullmatch(_TRAINING, key) or (is_of_keras(kind) and re.fullmatch(_TRAINING_IN_KERAS, key)))


def _comparable(value: Any, training: bool) -> Any:
    if isinstance(value, dict) and isinstance(value.get("class_name"), str):
        inner, rest = value.get("config"), {}
        if str(value["class_name"]).endswith("Policy"):
            return _bare(value)
        if value["class_name"] == "function":
            return value.get("registered_name") or inner
        kind = kind_of_stored(value)
        said = comparable(inner, kind, training) if isinstance(inner, dict) else inner
        if isinstance(inner, dict) and "layers" in inner:
            rest = {key: item for key, item in value.items() if key == "inbound_nodes"}
        return {"class_name": kind.rpartition(".")[2], "config": said, **_comparable(rest, training)}
    if isinstance(value, dict):
        said = {key: _comparable(item, training) for key, item in value.items() if key not in (*_WRITER, "module")}
        return {key: item for key, item in said.items() if item is not None}
    if isinstance(value, list):
        return [_comparable(item, training) for item in value]
    if isinstance(value, float):
        return str(value) if not math.isfinite(value) else int(value) if value.is_integer() else value
    return value


def _initializer(value: Any) -> Any:
    """Returns an initializer in one form: one that is made without arguments by its name, `GlorotUniform`."""
    if isinstance(value, str):
        return "".join(part[:1].upper() + part[1:] for part in value.split("_"))
    if isinstance(value, dict) and value.get("config") in ({}, {"gain": 1}):
        return value.get("class_name")
    return value


def _of_both_directions(config: dict[str, Any]) -> dict[str, Any]:
    """Returns the configuration of a Bidirectional without what Keras makes of the layer that goes forward."""
    forward, backward = (config.get(key) for key in ("layer", "backward_layer"))
    if not isinstance(forward, dict) or not isinstance(forward.get("config"), dict):
        return config
    sides = [
        {key: item for key, item in side["config"].items() if key not in ("go_backwards", "zero_output_for_mask")}
        for side in (forward, backward)
        if isinstance(side, dict) and isinstance(side.get("config"), dict)
    ]
    if len(sides) == 2 and sides[0] != sides[1]:
        return config
    kept = {key: item for key, item in config.items() if key != "backward_layer"}
    turned = bool(forward["config"].get("go_backwards"))
    return {**kept, "layer": {**forward, "config": {**sides[0], "go_backwards": turned}}}


def told_still(config: Any) -> bool:
    """Whether a configuration, or that of a layer inside it, says that its layer does not train."""
    if isinstance(config, dict):
        return config.get("trainable") is False or any(map(told_still, config.values()))
    return isinstance(config, list) and any(map(told_still, config))


def _without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        if str(value.get("class_name")).endswith("Policy"):
            return _bare(value)
        marks = (*_WRITER, "name", "trainable")
        said = {key: item for key, item in value.items() if key not in marks and item is not None}
        if said.get("module") == "keras.layers":  # which HDF5 leaves out
            said.pop("module")
        return {key: _without_marks(item) for key, item in said.items()}
    return [_without_marks(item) for item in value] if isinstance(value, list) else value


def _bare(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("config"), dict) and "class_name" in value:
        inner = value["config"]
        if str(value["class_name"]).endswith("Policy"):
            return inner.get("name") or {key: _bare(item) for key, item in inner.items()}
        return {"class_name": value["class_name"], "config": bare(inner)}
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # NaN is equal to itself here, and JSON has no word for it
    return [_bare(item) for item in value] if isinstance(value, list) else value
