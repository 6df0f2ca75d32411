"""What Keras 2 wrote otherwise than Keras 3, one rule for each, in the order in which they are applied."""

from __future__ import annotations

import re
from typing import Any

from surgery.core.errors import SurgeryError, printable
from surgery.formats.legacy.rules import Origin, Rule, drop, renamed
from surgery.layers.description import Stored
from surgery.layers.facts import Trait
from surgery.layers.table import has


def input_shape_moved_to_the_input(layer: Stored, origin: Origin) -> bool:
    """Keras 2 keeps the shape of the input in the first layer; Keras 3 has an InputLayer for it, and would apply the
    batch dimension twice, silently where the layer is a Dense."""
    keys = {"batch_input_shape", "input_shape", "input_dtype", "input_length", "batch_size"}
    if layer.class_name != "Embedding" and not layer.class_name.startswith("Random"):
        keys |= {"input_dim"}
    found = [key for key in sorted(keys) if key in layer.config]
    for key in found:
        del layer.config[key]
    return bool(found)


def hard_sigmoid_keeps_its_slope(layer: Stored, origin: Origin) -> bool:
    """`hard_sigmoid` is 0.2 x + 0.5 in Keras 1 and 2 (cut at 0 and 1), and x / 6 + 0.5 in Keras 3."""
    config, fired = layer.config, False
    if re.match(r"(LSTM|GRU|ConvLSTM[123]D)(Cell)?$", layer.class_name) and "recurrent_activation" not in config:
        config["recurrent_activation"] = "hard_sigmoid"  # the default until Keras 2.3
    for key in ("activation", "recurrent_activation"):
        if config.get(key) == "hard_sigmoid":
            config[key] = HARD_SIGMOID
            fired = True
    return fired


HARD_SIGMOID = {
    "module": "builtins",
    "class_name": "function",
    "config": "surgery>hard_sigmoid",
    "registered_name": "function",
}


def gru_without_reset_after(layer: Stored, origin: Origin) -> bool:
    """A GRU that does not say `reset_after` is older than the argument and means `False`; Keras 3 would take `True`."""
    if layer.class_name not in ("GRU", "GRUCell") or "reset_after" in layer.config:
        return False
    layer.config["reset_after"] = False
    return True


def cudnn_layer_becomes_a_plain_one(layer: Stored, origin: Origin) -> bool:
    """CuDNNLSTM and CuDNNGRU are LSTM and GRU with these settings; their weights are converted too."""
    if layer.class_name not in ("CuDNNLSTM", "CuDNNGRU"):
        return False
    layer.class_name = layer.class_name.removeprefix("CuDNN")
    layer.config.update({"activation": "tanh", "recurrent_activation": "sigmoid"})
    if layer.class_name == "GRU":
        layer.config["reset_after"] = True
    return True


def time_major_dropped(layer: Stored, origin: Origin) -> bool:
    """Keras 3 has no time-major sequences."""
    return has(layer.class_name, Trait.RECURRENT) and drop(layer, "time_major", False)


def groups_dropped(layer: Stored, origin: Origin) -> bool:
    """Depthwise, separable and transposed convolutions have no groups in Keras 3."""
    if not re.match(r"(Depthwise|Separable)Conv[12]D$|Conv[123]DTranspose$", layer.class_name):
        return False
    return drop(layer, "groups", 1)


def kernel_settings_dropped(layer: Stored, origin: Origin) -> bool:
    """Depthwise and separable convolutions of Keras 2 list settings of a kernel that they do not have."""
    if not re.match(r"(Depthwise|Separable)Conv[12]D$", layer.class_name):
        return False
    keys = ["kernel_initializer", "kernel_regularizer", "kernel_constraint"]
    if layer.class_name.startswith("Depthwise"):
        keys.append("filters")
    found = [key for key in keys if key in layer.config]
    for key in found:
        del layer.config[key]
    return bool(found)


def spatial_dropout_has_no_flags(layer: Stored, origin: Origin) -> bool:
    """SpatialDropout takes neither `trainable` nor `noise_shape` in Keras 3; it has no weights."""
    if not layer.class_name.startswith("SpatialDropout"):
        return False
    flag = drop(layer, "trainable", True, False)
    return drop(layer, "noise_shape", None) or flag


def embedding_of_integers(layer: Stored, origin: Origin) -> bool:
    """Keras 2 wrote the type of the indices; Keras 3 means the type of the vectors."""
    if layer.class_name != "Embedding" or not str(layer.config.get("dtype", "")).startswith(("int", "uint")):
        return False
    layer.config["dtype"] = "float32"
    return True


def leaky_relu_alpha(layer: Stored, origin: Origin) -> bool:
    """`alpha` of LeakyReLU is called `negative_slope`."""
    return layer.class_name == "LeakyReLU" and renamed(layer.config, "alpha", "negative_slope")


def batch_normalization_axis(layer: Stored, origin: Origin) -> bool:
    """The axis is stored as a list of one, or as a number with a point."""
    axis = layer.config.get("axis")
    if "BatchNormalization" not in layer.class_name or isinstance(axis, int):
        return False
    if isinstance(axis, list) and len(axis) == 1:
        (axis,) = axis
    if not isinstance(axis, (int, float)) or int(axis) != axis:
        if axis is None:
            return False
        raise SurgeryError(f"{printable(layer.name)!r} normalizes over axis={printable(axis)}; Keras 3 takes one axis.")
    layer.config["axis"] = int(axis)
    return True


def batch_normalization_without_renorm(layer: Stored, origin: Origin) -> bool:
    """`fused` is how it is computed, the others are features that Keras 3 has not."""
    if "BatchNormalization" not in layer.class_name:
        return False
    fused = drop(layer, "fused", None, True, False)
    rest = [
        drop(layer, "renorm", False),
        drop(layer, "renorm_clipping", None, {}),
        drop(layer, "renorm_momentum", 0.99, layer.config.get("renorm_momentum")),
        drop(layer, "virtual_batch_size", None),
        drop(layer, "adjustment", None),
    ]
    if layer.class_name == "SyncBatchNormalization":
        layer.class_name, layer.config["synchronized"] = "BatchNormalization", True
    return fused or any(rest)


def layer_normalization_axis(layer: Stored, origin: Origin) -> bool:
    """The axes are stored as a list of one."""
    axis = layer.config.get("axis")
    if layer.class_name != "LayerNormalization" or not (isinstance(axis, list) and len(axis) == 1):
        return False
    (layer.config["axis"],) = axis
    return True


def attention_arguments(layer: Stored, origin: Origin) -> bool:
    """`causal` moved from the layer to its call; `dropout` and `score_mode` stayed."""
    return layer.class_name in ("Attention", "AdditiveAttention") and drop(layer, "causal", False)


def ragged_and_sparse_dropped(layer: Stored, origin: Origin) -> bool:
    """Ragged tensors left Keras with version 3."""
    return layer.class_name != "InputLayer" and drop(layer, "ragged", False)


def autocast_dropped(layer: Stored, origin: Origin) -> bool:
    """`autocast` is no part of a configuration any more; `experimental_autocast` was its name in between."""
    return drop(layer, "autocast", True) | drop(layer, "experimental_autocast", True)


def dtype_policy_by_name(layer: Stored, origin: Origin) -> bool:
    """A policy of Keras 2 (`mixed_float16`) is one of Keras 3 of the same name."""
    policy = layer.config.get("dtype")
    if not isinstance(policy, dict) or policy.get("class_name") not in ("Policy", "PolicyV1"):
        return False
    layer.config["dtype"] = (policy.get("config") or {}).get("name")
    return True


def random_layer_settings(layer: Stored, origin: Origin) -> bool:
    """`force_generator` and the generator's type are no settings of dropout any more."""
    return drop(layer, "force_generator", False, True) | drop(
        layer, "rng_type", None, "", "stateless", "legacy_stateful"
    )


def initializers_and_regularizers(layer: Stored, origin: Origin) -> bool:
    """Initial values of weights that are in the file do not matter, but Keras must know the names; a `dtype` in them is
    gone, and regularizers were called WeightRegularizer or had further keys."""
    fired = False
    for key, value in layer.config.items():
        if key.endswith("_initializer") and (new := _initializer(value)) != value:
            layer.config[key], fired = new, True
        if key.endswith("_regularizer") and (new := _regularizer(value, layer)) != value:
            layer.config[key], fired = new, True
    return fired


_INITIALIZERS = {
    "uniform": "random_uniform",
    "normal": "random_normal",
    "zero": "zeros",
    "one": "ones",
    "gaussian": "random_normal",
}


def _initializer(value: Any) -> Any:
    if isinstance(value, str):
        return _INITIALIZERS.get(value, value)
    if isinstance(value, dict) and isinstance(value.get("config"), dict) and "dtype" in value["config"]:
        config = {key: item for key, item in value["config"].items() if key != "dtype"}
        return {**value, "config": config}
    return value


def _regularizer(value: Any, layer: Stored) -> Any:
    if not isinstance(value, dict):
        return value
    config = value.get("config", value)
    kind = value.get("class_name", value.get("name"))
    if not isinstance(config, dict) or kind not in ("WeightRegularizer", "L1L2", "L1L2Regularizer", "L1", "L2"):
        return value
    amounts = {key: config[key] for key in ("l1", "l2") if key in config}
    return {"class_name": "L1L2" if kind not in ("L1", "L2") else kind, "config": amounts}


RULES: tuple[Rule, ...] = (
    input_shape_moved_to_the_input,
    cudnn_layer_becomes_a_plain_one,
    hard_sigmoid_keeps_its_slope,
    gru_without_reset_after,
    time_major_dropped,
    groups_dropped,
    kernel_settings_dropped,
    spatial_dropout_has_no_flags,
    embedding_of_integers,
    leaky_relu_alpha,
    batch_normalization_axis,
    batch_normalization_without_renorm,
    layer_normalization_axis,
    attention_arguments,
    ragged_and_sparse_dropped,
    autocast_dropped,
    dtype_policy_by_name,
    random_layer_settings,
    initializers_and_regularizers,
)
