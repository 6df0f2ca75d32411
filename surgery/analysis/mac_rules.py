"""One rule for each family of layers that multiplies and adds: how many multiply-accumulates it makes of one sample."""

from __future__ import annotations

import math

from surgery.analysis.mac_rules_products import (
    Config,
    Open,
    Rule,
    channels_of,
    convolution,
    dense,
    depthwise,
    einsum,
    points_of,
    product,
    reversible,
    separable,
    sides_of,
    size_of,
    tensor_product,
    transposed,
    window_of,
    with_kernels,
)
from surgery.analysis.totals import total
from surgery.core.specs import Spec
from surgery.layers.facts import Trait, rows
from surgery.layers.shapes import inferred
from surgery.layers.table import has


def count(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int | None:
    """Returns the multiply-accumulates of one layer, or `None` where its class is not known here.

    Args:
        kind: its class.
        config: its configuration, as Keras 3 has it.
        given: the specs of the tensors that it takes, in order.
        made: the specs of the tensors that it makes.

    Raises:
        Open: they depend on a size that is not known.
    """
    rule = RULES.get(kind)
    if rule is None:
        return 0 if has(kind, Trait.NO_PRODUCTS) else None
    return rule(kind, config, given, made)


# ---- attention ----


def _attention(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """Scores of every query with every key, and the values weighted by them (Luong et al. 2015, Bahdanau et al. 2015).

    Additive scores are products only where a scale is learned; concatenated ones never are.
    """
    (batch, queries, depth), value = sides_of(given[0]), sides_of(given[1])
    learned = config.get("use_scale", True) if kind == "AdditiveAttention" else config.get("score_mode", "dot") == "dot"
    return batch * queries * value[1] * ((depth if learned else 0) + value[2])


def _multi_head(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """Projections, scores, weighted values, output projection (Vaswani et al. 2017, section 3.2)."""
    query, value = sides_of(given[0]), sides_of(given[1])
    key = sides_of(given[2]) if len(given) > 2 else value
    heads, key_size = config["num_heads"], config["key_dim"]
    value_size = config.get("value_dim") or key_size
    axes = config.get("attention_axes")
    axes = [axes] if isinstance(axes, int) else axes or range(1, len(query) - 1)
    among = math.prod(value[axis] for axis in axes)
    tokens = [math.prod(sides[:-1]) for sides in (query, key, value)]
    projected = tokens[0] * query[-1] * key_size + tokens[1] * key[-1] * key_size + tokens[2] * value[-1] * value_size
    attended = tokens[0] * among * (key_size + value_size)
    return heads * (projected + attended + tokens[0] * value_size * (size_of(made[0]) // tokens[0]))


def _grouped_queries(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """As above, with fewer heads for keys and values (Ainslie et al. 2023, arXiv:2305.13245, section 2.2)."""
    (batch, queries, depth), (_, values, width) = sides_of(given[0]), sides_of(given[1])
    key_width = sides_of(given[2])[-1] if len(given) > 2 else width
    size, heads, few = config["head_dim"], config["num_query_heads"], config["num_key_value_heads"]
    gated = 2 if config.get("use_gate") else 1
    projected = gated * queries * depth * heads + values * (width + key_width) * few
    return batch * size * (projected + 2 * heads * queries * values + queries * heads * depth)


def _inner_product(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """`keras.ops.dot_product_attention`: (batch, tokens, heads, size) each."""
    (batch, queries, heads, size), value = sides_of(given[0]), sides_of(given[1])
    return 2 * batch * queries * value[1] * heads * size


# ---- recurrent layers, and layers around a layer ----

_GATES = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4, "SimpleRNNCell": 1, "GRUCell": 3, "LSTMCell": 4}


def _cell(kind: str, config: Config, width: int) -> tuple[int, int]:
    """Returns what a cell multiplies in one step, given `width` numbers, and how many numbers it makes."""
    if kind == "StackedRNNCells":
        whole = 0
        for cell in config["cells"]:
            more, width = _cell(cell["class_name"], cell["config"], width)
            whole += more
        return whole, width
    units = config["units"]
    return _GATES[kind] * units * (width + units), units


def _recurrent(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    batch, steps, width = sides_of(given[0])
    cell = config["cell"] if kind == "RNN" else {"class_name": kind, "config": config}
    return batch * steps * _cell(cell["class_name"], cell["config"], width)[0]


def _convolutional_lstm(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """Each step convolves its input, and its state at the size of the output (Shi et al. 2015, section 3.1)."""
    batch, steps, *rest = sides_of(given[0])
    one = Spec((batch, *rest))
    after = inferred(kind.replace("LSTM", ""), {**config, "groups": 1}, [one])
    if after is None:
        raise Open
    window, filters = window_of(config, one), config["filters"]
    return steps * points_of(after[0], config) * window * 4 * filters * (channels_of(one, config) + filters)


def _bidirectional(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int | None:
    forward = config["layer"]
    backward = config.get("backward_layer") or forward
    return total(count(one["class_name"], one["config"], given, made) for one in (forward, backward))


def _time_distributed(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int | None:
    batch, steps, *rest = sides_of(given[0])
    below = config["layer"]
    one = Spec((batch, *rest), given[0].dtype)
    after = Spec((batch, *sides_of(made[0])[2:]), made[0].dtype)
    each = count(below["class_name"], below["config"], [one], [after])
    return None if each is None else steps * each


def _wrapped(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int | None:
    return count(config["layer"]["class_name"], config["layer"]["config"], given, made)


RULES: dict[str, Rule] = rows(
    {
        "Dense": dense,
        "EinsumDense Einsum": einsum,
        "Conv1D Conv2D Conv3D": convolution,
        "DepthwiseConv1D DepthwiseConv2D": depthwise,
        "SeparableConv1D SeparableConv2D": separable,
        "Conv1DTranspose Conv2DTranspose Conv3DTranspose": transposed,
        "Conv DepthwiseConv SeparableConv ConvTranspose": with_kernels,
        "Matmul Dot Inner": product,
        "Tensordot": tensor_product,
        "Attention AdditiveAttention": _attention,
        "MultiHeadAttention": _multi_head,
        "GroupQueryAttention": _grouped_queries,
        "DotProductAttention": _inner_product,
        "SimpleRNN GRU LSTM RNN": _recurrent,
        "ConvLSTM1D ConvLSTM2D ConvLSTM3D": _convolutional_lstm,
        "Bidirectional": _bidirectional,
        "TimeDistributed": _time_distributed,
        "SpectralNormalization": _wrapped,
        "ReversibleEmbedding": reversible,
    }
)
