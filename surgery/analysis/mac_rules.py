"""One rule for each family of layers that multiplies and adds: how many multiply-accumulates it makes of one sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from surgery.analysis.totals import total
from surgery.core.specs import Spec
from surgery.layers.facts import Trait, rows
from surgery.layers.shapes import inferred
from surgery.layers.table import has

Config = Mapping[str, Any]
Rule = Callable[[str, Config, list[Spec], list[Spec]], int | None]


class Open(Exception):
    """A size that a count depends on is not known."""


# raw operations whose factors may be constants
PRODUCTS = ("Matmul", "Dot", "Inner", "Einsum", "Tensordot", "Conv", "DepthwiseConv", "SeparableConv", "ConvTranspose")


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


def _sides(spec: Spec) -> tuple[int, ...]:
    """Returns the sizes of a tensor, with one sample in an open batch."""
    if spec.shape is None or None in spec.shape[1:]:
        raise Open
    return tuple(1 if side is None else side for side in spec.shape)


def _size(spec: Spec) -> int:
    return math.prod(_sides(spec))


def _channels(spec: Spec, config: Config) -> int:
    side = spec.sides[1] if config.get("data_format") == "channels_first" else spec.sides[-1]
    if side is None:
        raise Open
    return side


def _points(spec: Spec, config: Config) -> int:
    """Returns the number of pixels of a feature map, those of a whole batch."""
    return _size(spec) // _channels(spec, config)


def _window(config: Config, spec: Spec) -> int:
    size = config["kernel_size"]
    return math.prod(size) if isinstance(size, (list, tuple)) else size ** (len(spec.sides) - 2)


def _dense(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    return _size(made[0]) * _sides(given[0])[-1]


def _convolution(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    inward = _channels(given[0], config) // (config.get("groups") or 1)
    return _size(made[0]) * _window(config, given[0]) * inward


def _depthwise(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    return _size(made[0]) * _window(config, given[0])


def _separable(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    depth = _channels(given[0], config) * (config.get("depth_multiplier") or 1)
    return _points(made[0], config) * depth * (_window(config, given[0]) + config["filters"])


def _transposed(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    return _size(given[0]) * _window(config, given[0]) * config["filters"]


def _with_kernels(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """A raw convolution: its kernels are among what it is given, with the channels last that they make."""
    picture, *kernels = given
    sides = _sides(kernels[0])
    if kind == "Conv":
        return _size(made[0]) * math.prod(sides[:-1])
    if kind == "DepthwiseConv":
        return _size(made[0]) * math.prod(sides[:-2])
    if kind == "ConvTranspose":
        return _size(picture) * math.prod(sides[:-1])  # its channels are those made, then those given
    points = _size(made[0]) // _sides(kernels[1])[-1]
    return points * sum(math.prod(_sides(kernel)) for kernel in kernels)


def _einsum(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """Counts every combination of the letters of an equation once: that is what a sum of products goes through."""
    equation = config.get("equation") or config["subscripts"]
    terms, result = equation.replace(" ", "").split("->")
    operands = terms.split(",")
    if len(operands) != 2:
        raise Open
    letters: dict[str, int] = {}
    unsaid: set[str] = set()
    terms_and_specs = [*zip(operands, given, strict=False), (result, made[0])]
    for place, (term, spec) in enumerate(terms_and_specs):
        known = set(letters) if place == len(terms_and_specs) - 1 else set()  # of an ellipsis, Keras says another order
        for letter, side in _letters(term, (1, *spec.sides[1:]) if spec.sides[:1] == (None,) else spec.sides).items():
            if letter in known:
                continue
            if side is None:  # another term may say it
                unsaid.add(letter)
            else:
                letters[letter] = max(side, letters.get(letter, 1))  # a side of 1 is broadcast
    dots = {letter for letter in letters if letter.startswith(".")}
    wanted = set(terms) - set(",.") | dots
    if any(letters.get(letter, 1) == 1 for letter in wanted & unsaid) or not wanted <= letters.keys():
        raise Open
    return math.prod(letters[letter] for letter in wanted)


def _letters(term: str, sides: Sequence[int | None]) -> dict[str, int | None]:
    head, dots, tail = term.partition("...")
    if not dots:
        if len(term) != len(sides):
            raise Open
        return dict(zip(term, sides, strict=True))
    rest = sides[len(head) : len(sides) - len(tail)]
    return {
        **dict(zip(head, sides, strict=False)),
        **{f".{len(rest) - place}": side for place, side in enumerate(rest)},
        **dict(zip(tail, sides[len(sides) - len(tail) :], strict=True)),
    }


def _product(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """A matrix product: every output is a sum over the axis that is contracted."""
    if kind == "Dot" and "axes" in config:
        axes = config["axes"]
        return _size(made[0]) * _sides(given[0])[axes if isinstance(axes, int) else axes[0]]
    return _size(made[0]) * _sides(given[0])[-1]


def _tensor_product(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    axes = config["axes"]
    sides = _sides(given[0])
    if isinstance(axes, int):
        return _size(made[0]) * math.prod(sides[len(sides) - axes :])
    first = axes[0] if isinstance(axes[0], (list, tuple)) else [axes[0]]
    return _size(made[0]) * math.prod(sides[axis] for axis in first)


# ---- attention ----


def _attention(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """Scores of every query with every key, and the values weighted by them (Luong et al. 2015, Bahdanau et al. 2015).

    Additive scores are products only where a scale is learned; concatenated ones never are.
    """
    (batch, queries, depth), value = _sides(given[0]), _sides(given[1])
    learned = config.get("use_scale", True) if kind == "AdditiveAttention" else config.get("score_mode", "dot") == "dot"
    return batch * queries * value[1] * ((depth if learned else 0) + value[2])


def _multi_head(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """Projections, scores, weighted values, output projection (Vaswani et al. 2017, section 3.2)."""
    query, value = _sides(given[0]), _sides(given[1])
    key = _sides(given[2]) if len(given) > 2 else value
    heads, key_size = config["num_heads"], config["key_dim"]
    value_size = config.get("value_dim") or key_size
    axes = config.get("attention_axes")
    axes = [axes] if isinstance(axes, int) else axes or range(1, len(query) - 1)
    among = math.prod(value[axis] for axis in axes)
    tokens = [math.prod(sides[:-1]) for sides in (query, key, value)]
    projected = tokens[0] * query[-1] * key_size + tokens[1] * key[-1] * key_size + tokens[2] * value[-1] * value_size
    attended = tokens[0] * among * (key_size + value_size)
    return heads * (projected + attended + tokens[0] * value_size * (_size(made[0]) // tokens[0]))


def _grouped_queries(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """As above, with fewer heads for keys and values (Ainslie et al. 2023, arXiv:2305.13245, section 2.2)."""
    (batch, queries, depth), (_, values, width) = _sides(given[0]), _sides(given[1])
    key_width = _sides(given[2])[-1] if len(given) > 2 else width
    size, heads, few = config["head_dim"], config["num_query_heads"], config["num_key_value_heads"]
    gated = 2 if config.get("use_gate") else 1
    projected = gated * queries * depth * heads + values * (width + key_width) * few
    return batch * size * (projected + 2 * heads * queries * values + queries * heads * depth)


def _inner_product(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """`keras.ops.dot_product_attention`: (batch, tokens, heads, size) each."""
    (batch, queries, heads, size), value = _sides(given[0]), _sides(given[1])
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
    batch, steps, width = _sides(given[0])
    cell = config["cell"] if kind == "RNN" else {"class_name": kind, "config": config}
    return batch * steps * _cell(cell["class_name"], cell["config"], width)[0]


def _convolutional_lstm(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """Each step convolves its input, and its state at the size of the output (Shi et al. 2015, section 3.1)."""
    batch, steps, *rest = _sides(given[0])
    one = Spec((batch, *rest))
    after = inferred(kind.replace("LSTM", ""), {**config, "groups": 1}, [one])
    if after is None:
        raise Open
    window, filters = _window(config, one), config["filters"]
    return steps * _points(after[0], config) * window * 4 * filters * (_channels(one, config) + filters)


def _bidirectional(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int | None:
    forward = config["layer"]
    backward = config.get("backward_layer") or forward
    return total(count(one["class_name"], one["config"], given, made) for one in (forward, backward))


def _time_distributed(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int | None:
    batch, steps, *rest = _sides(given[0])
    below = config["layer"]
    one = Spec((batch, *rest), given[0].dtype)
    after = Spec((batch, *_sides(made[0])[2:]), made[0].dtype)
    each = count(below["class_name"], below["config"], [one], [after])
    return None if each is None else steps * each


def _wrapped(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int | None:
    return count(config["layer"]["class_name"], config["layer"]["config"], given, made)


def _reversible(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    return _size(made[0]) * _sides(given[0])[-1] if config.get("reverse") else 0


RULES: dict[str, Rule] = rows(
    {
        "Dense": _dense,
        "EinsumDense Einsum": _einsum,
        "Conv1D Conv2D Conv3D": _convolution,
        "DepthwiseConv1D DepthwiseConv2D": _depthwise,
        "SeparableConv1D SeparableConv2D": _separable,
        "Conv1DTranspose Conv2DTranspose Conv3DTranspose": _transposed,
        "Conv DepthwiseConv SeparableConv ConvTranspose": _with_kernels,
        "Matmul Dot Inner": _product,
        "Tensordot": _tensor_product,
        "Attention AdditiveAttention": _attention,
        "MultiHeadAttention": _multi_head,
        "GroupQueryAttention": _grouped_queries,
        "DotProductAttention": _inner_product,
        "SimpleRNN GRU LSTM RNN": _recurrent,
        "ConvLSTM1D ConvLSTM2D ConvLSTM3D": _convolutional_lstm,
        "Bidirectional": _bidirectional,
        "TimeDistributed": _time_distributed,
        "SpectralNormalization": _wrapped,
        "ReversibleEmbedding": _reversible,
    }
)
