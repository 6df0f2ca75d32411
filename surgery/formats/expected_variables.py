"""The variables that standard layers make, from their configuration and what they are given: for an architecture
without weights.

Of other layers they are not known; nothing is guessed. A test compares them with Keras, over networks and layers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from surgery.analysis.mac_rules import PRODUCTS
from surgery.core.specs import Spec, Weight, is_possible
from surgery.graph.graph import Graph
from surgery.graph.ops import StoredOp
from surgery.layers.classes import kind_of_stored
from surgery.layers.costless import COSTLESS

Config = Mapping[str, Any]
Shapes = list[tuple[str, tuple[int, ...]]]
Rule = Callable[[str, Config, tuple[Any, ...]], Shapes]

_GATES = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}
_NOTHING = re.compile(rf"({COSTLESS}|{'|'.join(PRODUCTS)}|Gaussian\w+|\w*Dropout\w*|Random\w+)$")
_STILL = re.compile(r"(.*/)?(moving_mean|moving_variance|mean|variance|count)$")


def with_expected(graph: Graph, everywhere: bool) -> Graph:
    """Returns the graph, whose stored layers without tensors now have the weights that they will make.

    Args:
        graph: with the specs of its tensors.
        everywhere: whether that is said of every layer without tensors, or only of those whose tensors the file lists
            and does not hold.
    """
    for call in graph.calls:
        op = call.op
        if not isinstance(op, StoredOp) or op.inner is not None or op.weights or op.source is None:
            continue  # what a rule put in, to compute a mask, has no source, and no weights
        if everywhere or op.source.absent:
            op.weights = expected(op.name, op.kind, op.config, [graph.spec(ref) for ref in call.operands]) or ()
    return graph


def unknown(op: StoredOp) -> bool:
    """Whether a layer without weights may make some all the same: which, is not known."""
    if op.weights or op.inner is not None:
        return False
    bare = _NOTHING.match(op.kind) and op.kind != "Normalization" and op.wrapped is None
    affine = op.config.get("scale", True) or op.config.get("center", True)
    return not bare if _rule(op.kind) is None else bool(affine)


def expected(name: str, kind: str, config: Config, given: Sequence[Spec]) -> tuple[Weight, ...] | None:
    """Returns the variables of a layer in the order of `layer.weights`, or `None` where they are not known.

    Args:
        name: its name.
        kind: its class.
        config: its configuration, as Keras 3 has it.
        given: the specs of the tensors that it takes, in order.
    """
    rule = _rule(kind)
    widths = {spec.sides[-1:] for spec in given}
    if rule is None or not given or given[0].shape is None or (kind == "MultiHeadAttention" and len(widths) > 1):
        return None
    try:
        shapes = rule(kind, config, given[0].shape)
        if not all(is_possible(shape) and None not in shape for _, shape in shapes):
            return None
        return tuple(
            Weight(f"{name}/{own}", shape, _dtype(config), _trains(own, kind, config)) for own, shape in shapes
        )
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None  # a configuration that is not what Keras writes


def _rule(kind: str) -> Rule | None:
    return next((rule for pattern, rule in _RULES if re.fullmatch(pattern, kind)), None)


def _dtype(config: Config) -> str:
    policy = config.get("dtype")
    if isinstance(policy, Mapping):
        policy = policy["config"]["name"]
    if config.get("lora_rank") or not re.fullmatch(r"(mixed_)?b?float\d+", policy or "float32"):
        raise ValueError  # quantized, or with LoRA: other variables
    return "float32" if policy is None or policy.startswith("mixed_") else policy


def _trains(name: str, kind: str, config: Config) -> bool:
    still = kind.endswith("Normalization") and _STILL.match(name)
    return config.get("trainable", True) is not False and not still


def _bias(config: Config, size: Any) -> Shapes:
    return [("bias", (size,))] if config.get("use_bias", True) else []


def _channels(config: Config, shape: tuple[Any, ...]) -> Any:
    return shape[1] if config.get("data_format") == "channels_first" else shape[-1]


def _window(config: Config, shape: tuple[Any, ...]) -> tuple[int, ...]:
    size = config["kernel_size"]
    return (size,) * (len(shape) - 2) if isinstance(size, int) else tuple(size)


def _dense(kind: str, config: Config, shape: tuple[Any, ...]) -> Shapes:
    return [("kernel", (shape[-1], config["units"])), *_bias(config, config["units"])]


def _convolution(kind: str, config: Config, shape: tuple[Any, ...]) -> Shapes:
    channels = _channels(config, shape) // (config.get("groups") or 1)
    kernel = (*_window(config, shape), channels, config["filters"])
    return [("kernel", kernel), *_bias(config, config["filters"])]


def _transposed(kind: str, config: Config, shape: tuple[Any, ...]) -> Shapes:
    kernel = (*_window(config, shape), config["filters"], _channels(config, shape))
    return [("kernel", kernel), *_bias(config, config["filters"])]


def _depthwise(kind: str, config: Config, shape: tuple[Any, ...]) -> Shapes:
    channels, times = _channels(config, shape), config.get("depth_multiplier", 1)
    return [("kernel", (*_window(config, shape), channels, times)), *_bias(config, channels * times)]


def _separable(kind: str, config: Config, shape: tuple[Any, ...]) -> Shapes:
    window, channels, times = _window(config, shape), _channels(config, shape), config.get("depth_multiplier", 1)
    point = (*[1] * len(window), channels * times, config["filters"])
    return [
        ("depthwise_kernel", (*window, channels, times)),
        ("pointwise_kernel", point),
        *_bias(config, config["filters"]),
    ]


def _normalization(kind: str, config: Config, shape: tuple[Any, ...]) -> Shapes:
    axes = config.get("axis", -1)
    sides = tuple(shape[axis] for axis in (axes if isinstance(axes, list) else [axes]))
    if kind == "RMSNormalization":
        return [("scale", sides)]
    affine = [name for name, key in (("gamma", "scale"), ("beta", "center")) if config.get(key, True)]
    still = ("moving_mean", "moving_variance") if kind.endswith("BatchNormalization") else ()
    return [(name, sides) for name in (*affine, *still)]


def _embedding(kind: str, config: Config, shape: tuple[Any, ...]) -> Shapes:
    return [("embeddings", (config["input_dim"], config["output_dim"]))]


def _recurrent(kind: str, config: Config, shape: tuple[Any, ...]) -> Shapes:
    units = config["units"]
    wide = _GATES[kind] * units
    found: Shapes = [("kernel", (shape[-1], wide)), ("recurrent_kernel", (units, wide))]
    if config.get("use_bias", True):
        found.append(("bias", (2, wide) if kind == "GRU" and config.get("reset_after", True) else (wide,)))
    return found


def _convolutional_lstm(kind: str, config: Config, shape: tuple[Any, ...]) -> Shapes:
    window, filters = _window(config, shape[1:]), config["filters"]
    channels = shape[2] if config.get("data_format") == "channels_first" else shape[-1]
    kernels: Shapes = [
        ("kernel", (*window, channels, 4 * filters)),
        ("recurrent_kernel", (*window, filters, 4 * filters)),
    ]
    return [*kernels, *_bias(config, 4 * filters)]


def _slopes(kind: str, config: Config, shape: tuple[Any, ...]) -> Shapes:
    shared = config.get("shared_axes") or []
    return [("alpha", tuple(1 if axis in shared else side for axis, side in enumerate(shape) if axis))]


def _heads(kind: str, config: Config, shape: tuple[Any, ...]) -> Shapes:
    """Query, key and value of one width, which is that of a Transformer."""
    heads, key, value = config["num_heads"], config["key_dim"], config.get("value_dim") or config["key_dim"]
    if config.get("output_shape") is not None:
        raise ValueError
    found: Shapes = []
    for name, size in (("query", key), ("key", key), ("value", value)):
        bias = [(f"{name}/bias", (heads, size))] if config.get("use_bias", True) else []
        found += [(f"{name}/kernel", (shape[-1], heads, size)), *bias]
    bias = [("attention_output/bias", (shape[-1],))] if config.get("use_bias", True) else []
    return [*found, ("attention_output/kernel", (heads, value, shape[-1])), *bias]


def _both_ways(kind: str, config: Config, shape: tuple[Any, ...]) -> Shapes:
    forward = config["layer"]
    ways = (("forward", forward), ("backward", config.get("backward_layer") or forward))
    return [(f"{way}/{name}", own) for way, one in ways for name, own in _inside(one, shape)]


def _each_step(kind: str, config: Config, shape: tuple[Any, ...]) -> Shapes:
    return _inside(config["layer"], (shape[0], *shape[2:]))


def _inside(layer: Mapping[str, Any], shape: tuple[Any, ...]) -> Shapes:
    kind = kind_of_stored(layer)
    rule = _rule(kind)
    if rule is not None:
        return rule(kind, layer["config"], shape)
    if kind != "Normalization" and _NOTHING.match(kind):
        return []
    raise ValueError  # not known


_RULES: tuple[tuple[str, Rule], ...] = (
    (r"Dense", _dense),
    (r"Conv[123]D", _convolution),
    (r"Conv[123]DTranspose", _transposed),
    (r"DepthwiseConv[12]D", _depthwise),
    (r"SeparableConv[12]D", _separable),
    (r"((Fixed)?Batch|Group|Layer|RMS)Normalization", _normalization),
    (r"Embedding", _embedding),
    (r"SimpleRNN|GRU|LSTM", _recurrent),
    (r"ConvLSTM[123]D", _convolutional_lstm),
    (r"PReLU", _slopes),
    (r"MultiHeadAttention", _heads),
    (r"Bidirectional", _both_ways),
    (r"TimeDistributed", _each_step),
)
