"""The shapes of the variables that families of layers make: (class, configuration, shape given) -> name -> shape.

A rule may name more than a layer makes: the table says which of them there are. It fails on a configuration that is not
what Keras writes.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from surgery.layers.facts import Config

Sizes: TypeAlias = "dict[str, tuple[int, ...]]"
_GATES = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}


def _channels(config: Config, shape: tuple[Any, ...]) -> Any:
    return shape[1] if config.get("data_format") == "channels_first" else shape[-1]


def _window(config: Config, shape: tuple[Any, ...]) -> tuple[int, ...]:
    size = config["kernel_size"]
    return (size,) * (len(shape) - 2) if isinstance(size, int) else tuple(size)


def dense(kind: str, config: Config, shape: tuple[Any, ...]) -> Sizes:
    return {"kernel": (shape[-1], config["units"]), "bias": (config["units"],)}


def convolution(kind: str, config: Config, shape: tuple[Any, ...]) -> Sizes:
    channels = _channels(config, shape) // (config.get("groups") or 1)
    return {"kernel": (*_window(config, shape), channels, config["filters"]), "bias": (config["filters"],)}


def transposed(kind: str, config: Config, shape: tuple[Any, ...]) -> Sizes:
    kernel = (*_window(config, shape), config["filters"], _channels(config, shape))
    return {"kernel": kernel, "bias": (config["filters"],)}


def depthwise(kind: str, config: Config, shape: tuple[Any, ...]) -> Sizes:
    channels, times = _channels(config, shape), config.get("depth_multiplier", 1)
    return {"kernel": (*_window(config, shape), channels, times), "bias": (channels * times,)}


def separable(kind: str, config: Config, shape: tuple[Any, ...]) -> Sizes:
    window, channels, times = _window(config, shape), _channels(config, shape), config.get("depth_multiplier", 1)
    point = (*[1] * len(window), channels * times, config["filters"])
    return {"depthwise_kernel": (*window, channels, times), "pointwise_kernel": point, "bias": (config["filters"],)}


def normalization(kind: str, config: Config, shape: tuple[Any, ...]) -> Sizes:
    axes = config.get("axis", -1)
    sides = tuple(shape[axis] for axis in (axes if isinstance(axes, list) else [axes]))
    return dict.fromkeys(("gamma", "beta", "scale", "moving_mean", "moving_variance"), sides)


def embedding(kind: str, config: Config, shape: tuple[Any, ...]) -> Sizes:
    return {"embeddings": (config["input_dim"], config["output_dim"])}


def recurrent(kind: str, config: Config, shape: tuple[Any, ...]) -> Sizes:
    units = config["units"]
    wide = _GATES[kind] * units
    bias = (2, wide) if kind == "GRU" and config.get("reset_after", True) else (wide,)
    return {"kernel": (shape[-1], wide), "recurrent_kernel": (units, wide), "bias": bias}


def convolutional_lstm(kind: str, config: Config, shape: tuple[Any, ...]) -> Sizes:
    window, filters = _window(config, shape[1:]), config["filters"]
    channels = shape[2] if config.get("data_format") == "channels_first" else shape[-1]
    kernels = {"kernel": (*window, channels, 4 * filters), "recurrent_kernel": (*window, filters, 4 * filters)}
    return {**kernels, "bias": (4 * filters,)}


def slopes(kind: str, config: Config, shape: tuple[Any, ...]) -> Sizes:
    shared = config.get("shared_axes") or []
    return {"alpha": tuple(1 if axis in shared else side for axis, side in enumerate(shape) if axis)}


def heads(kind: str, config: Config, shape: tuple[Any, ...]) -> Sizes:
    """Query, key and value of one width, which is that of a Transformer."""
    count, key, value = config["num_heads"], config["key_dim"], config.get("value_dim") or config["key_dim"]
    if config.get("output_shape") is not None:
        raise ValueError
    found: Sizes = {}
    for name, size in (("query", key), ("key", key), ("value", value)):
        found[f"{name}/kernel"], found[f"{name}/bias"] = (shape[-1], count, size), (count, size)
    return {**found, "attention_output/kernel": (count, value, shape[-1]), "attention_output/bias": (shape[-1],)}


def grouped_heads(kind: str, config: Config, shape: tuple[Any, ...]) -> Sizes:
    """The same, with fewer heads for keys and values (Ainslie et al. 2023, arXiv:2305.13245, section 2.2)."""
    count, few, size = config["num_query_heads"], config["num_key_value_heads"], config["head_dim"]
    if config.get("use_gate"):
        raise ValueError
    found: Sizes = {}
    for name, several in (("query", count), ("key", few), ("value", few)):
        found[f"{name}/kernel"], found[f"{name}/bias"] = (shape[-1], several, size), (several, size)
    return {**found, "attention_output/kernel": (count, size, shape[-1]), "attention_output/bias": (shape[-1],)}
