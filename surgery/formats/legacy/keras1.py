"""What Keras 1 called things. These rules come before those of Keras 2, whose names they write."""

from __future__ import annotations

from surgery.core.errors import SurgeryError, printable
from surgery.formats.legacy.rules import Origin, Rule, drop, renamed
from surgery.layers.description import Stored
from surgery.layers.facts import Trait
from surgery.layers.table import has

_CLASSES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "TimeDistributedDense": "Dense",
}
_MERGES = {
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "concat": "Concatenate",
}
_KEYS = {
    "init": "kernel_initializer",
    "inner_init": "recurrent_initializer",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "U_constraint": "recurrent_constraint",
    "b_constraint": "bias_constraint",
    "inner_activation": "recurrent_activation",
    "bias": "use_bias",
    "border_mode": "padding",
    "subsample": "strides",
    "subsample_length": "strides",
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "pool_length": "pool_size",
    "stride": "strides",
    "atrous_rate": "dilation_rate",
    "p": "rate",
    "sigma": "stddev",
    "length": "size",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "gamma_init": "gamma_initializer",
    "beta_init": "beta_initializer",
}


def keras_1_class_names(layer: Stored, origin: Origin) -> bool:
    """`Convolution2D` is Conv2D, `TimeDistributedDense` is Dense, and so on."""
    if layer.class_name not in _CLASSES:
        return False
    layer.class_name = _CLASSES[layer.class_name]
    return True


def keras_1_merge(layer: Stored, origin: Origin) -> bool:
    """`Merge(mode="sum")` is Add, and so on; a mode that is a function is code, and is not run."""
    if layer.class_name != "Merge":
        return False
    mode = layer.config.get("mode")
    if mode not in _MERGES or layer.config.get("mode_type", "raw") != "raw":
        raise SurgeryError(
            f"{printable(layer.name)!r} merges with mode={printable(mode)}, which has no layer in Keras 3."
        )
    layer.class_name = _MERGES[mode]
    axis = {"axis": layer.config.get("concat_axis", -1)} if mode == "concat" else {}
    layer.config = {"name": layer.config.get("name", layer.name), **axis}
    return True


def keras_1_argument_names(layer: Stored, origin: Origin) -> bool:
    """`nb_filter` is filters, `border_mode` is padding, and so on."""
    config = layer.config
    fired = _sizes(layer)
    if layer.class_name == "Embedding":
        for old, new in (("init", "initializer"), ("W_regularizer", "regularizer"), ("W_constraint", "constraint")):
            fired |= renamed(config, old, f"embeddings_{new}")
        fired |= drop(layer, "dropout", 0.0, None)
    elif "output_dim" in config:
        fired |= renamed(config, "output_dim", "units")
    for old, new in _KEYS.items():
        fired |= renamed(config, old, new)
    if "dim_ordering" in config:
        order = config.pop("dim_ordering")
        config["data_format"] = {"th": "channels_first", "tf": "channels_last"}.get(order, order)
        fired = True
    return fired


def _sizes(layer: Stored) -> bool:
    config = layer.config
    for keys in (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3")):
        if all(key in config for key in keys):
            config["kernel_size"] = [config.pop(key) for key in keys]
            return True
    return False


def keras_1_recurrent_settings(layer: Stored, origin: Origin) -> bool:
    """`forget_bias_init` says whether the forget gate starts open; `consume_less` is how it is computed."""
    if not has(layer.class_name, Trait.GATED):
        return False
    fired = drop(layer, "consume_less", "cpu", "mem", "gpu")
    if "forget_bias_init" in layer.config:
        layer.config["unit_forget_bias"] = layer.config.pop("forget_bias_init") == "one"
        fired = True
    if layer.class_name.startswith("GRU"):
        layer.config.setdefault("reset_after", False)
    return fired


def keras_1_settings_dropped(layer: Stored, origin: Origin) -> bool:
    """Settings that have no successor, where they say what Keras 3 does anyway."""
    if layer.class_name == "BatchNormalization":
        return drop(layer, "mode", 0)
    if layer.class_name == "Dense" or "Conv" in layer.class_name:
        layer.config.pop("output_shape", None)
        return drop(layer, "weights", None)
    return False


RULES: tuple[Rule, ...] = (
    keras_1_class_names,
    keras_1_merge,
    keras_1_argument_names,
    keras_1_recurrent_settings,
    keras_1_settings_dropped,
)
