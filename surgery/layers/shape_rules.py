"""The shapes that families of layers make: (class, configuration, shapes given) -> a shape, or a list of them.

A rule returns `None` for what it does not know, and may fail on a configuration that is not what Keras writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from surgery.layers.facts import Config, Shape


def same(name: str, config: Config, shapes: list[Shape]) -> Shape:
    return shapes[0]


def broadcast(name: str, config: Config, shapes: list[Shape]) -> Shape | None:
    return _broadcast_shape(shapes)


def average(name: str, config: Config, shapes: list[Shape]) -> Shape | None:
    """Of several tensors; the raw operation of that name takes an axis of one tensor together."""
    return _broadcast_shape(shapes) if len(shapes) > 1 else None


def _broadcast_shape(shapes: Sequence[Shape]) -> Shape | None:
    rank = max(map(len, shapes))
    if any(len(shape) == 0 for shape in shapes):
        shapes = [shape for shape in shapes if shape] or [()]
    joint: list[int | None] = []
    for sides in zip(*([1] * (rank - len(shape)) + list(shape) for shape in shapes), strict=True):
        known = {side for side in sides if side not in (1, None)}
        if len(known) > 1:
            return None
        joint.append(known.pop() if known else None if None in sides else 1)
    return tuple(joint)


def dense(name: str, config: Config, shapes: list[Shape]) -> Shape:
    return (*shapes[0][:-1], config["units"])


def flatten(name: str, config: Config, shapes: list[Shape]) -> Shape:
    return (shapes[0][0], _product(shapes[0][1:]))


def _product(sides: Sequence[int | None]) -> int | None:
    return None if None in sides else math.prod(side for side in sides if side is not None)


def reshape(name: str, config: Config, shapes: list[Shape]) -> Shape:
    target = [None if side is None else int(side) for side in config["target_shape"]]
    if -1 in target:
        whole = _product(shapes[0][1:])
        rest = math.prod(side for side in target if side not in (-1, None))
        target[target.index(-1)] = None if whole is None else whole // rest
    return (shapes[0][0], *target)


def permute(name: str, config: Config, shapes: list[Shape]) -> Shape:
    return (shapes[0][0], *(shapes[0][axis] for axis in config["dims"]))


def repeat_vector(name: str, config: Config, shapes: list[Shape]) -> Shape:
    return (shapes[0][0], config["n"], shapes[0][1])


def embedding(name: str, config: Config, shapes: list[Shape]) -> Shape:
    return (*shapes[0], config["output_dim"])


def _spatial(config: Config, shape: Shape, change: Callable[[int, int | None], int | None], channels: Any) -> Shape:
    """Returns a shape with each spatial side changed, and the channels unless `None`."""
    first = config.get("data_format") == "channels_first"
    sides = shape[2:] if first else shape[1:-1]
    depth = channels if channels is not None else shape[1] if first else shape[-1]
    new = tuple(change(axis, side) for axis, side in enumerate(sides))
    return (shape[0], depth, *new) if first else (shape[0], *new, depth)


def _axis(value: Any, axis: int) -> int:
    return int(value[axis]) if isinstance(value, (list, tuple)) else int(value)


def convolution(name: str, config: Config, shapes: list[Shape]) -> Shape:
    channels = config.get("filters")
    if name.startswith("Depthwise"):
        first = config.get("data_format") == "channels_first"
        depth = shapes[0][1] if first else shapes[0][-1]
        channels = None if depth is None else depth * config.get("depth_multiplier", 1)
    return _spatial(config, shapes[0], lambda axis, side: _slid(config, config["kernel_size"], axis, side), channels)


def _slid(config: Config, size: Any, axis: int, side: int | None) -> int | None:
    if side is None:
        return None
    stride = _axis(config.get("strides") or (size if "pool_size" in config else 1), axis)
    if config.get("padding", "valid") in ("same", "causal"):
        return -(-side // stride)
    reach = (_axis(size, axis) - 1) * _axis(config.get("dilation_rate", 1), axis) + 1
    return (side - reach) // stride + 1


def pooling(name: str, config: Config, shapes: list[Shape]) -> Shape:
    return _spatial(config, shapes[0], lambda axis, side: _slid(config, config["pool_size"], axis, side), None)


def global_pooling(name: str, config: Config, shapes: list[Shape]) -> Shape:
    shape = shapes[0]
    first = config.get("data_format") == "channels_first"
    depth = shape[1] if first else shape[-1]
    if not config.get("keepdims"):
        return (shape[0], depth)
    ones = (1,) * (len(shape) - 2)
    return (shape[0], depth, *ones) if first else (shape[0], *ones, depth)


def transposed(name: str, config: Config, shapes: list[Shape]) -> Shape:
    def grown(axis: int, side: int | None) -> int | None:
        if side is None:
            return None
        size, stride = _axis(config["kernel_size"], axis), _axis(config.get("strides", 1), axis)
        size = (size - 1) * _axis(config.get("dilation_rate", 1), axis) + 1
        extra = config.get("output_padding")
        if extra is not None:
            pad = size // 2 if config.get("padding") == "same" else 0
            return (side - 1) * stride + size - 2 * pad + _axis(extra, axis)
        return side * stride if config.get("padding") == "same" else side * stride + max(size - stride, 0)

    return _spatial(config, shapes[0], grown, config["filters"])


def padding(name: str, config: Config, shapes: list[Shape]) -> Shape:
    sign = -1 if name.startswith("Cropping") else 1
    amount = config["padding"] if sign == 1 else config["cropping"]

    def both(axis: int) -> int:
        if isinstance(amount, int):
            return 2 * amount
        one = amount[axis] if len(shapes[0]) > 3 else amount
        return 2 * one if isinstance(one, int) else sum(one)

    return _spatial(config, shapes[0], lambda axis, side: None if side is None else side + sign * both(axis), None)


def upsampling(name: str, config: Config, shapes: list[Shape]) -> Shape:
    size = config["size"]
    return _spatial(config, shapes[0], lambda axis, side: None if side is None else side * _axis(size, axis), None)


def resizing(name: str, config: Config, shapes: list[Shape]) -> Shape:
    return _spatial(config, shapes[0], lambda axis, side: config[("height", "width")[axis]], None)


def concatenate(name: str, config: Config, shapes: list[Shape]) -> Shape | None:
    axis = config.get("axis", -1)
    if len({len(shape) for shape in shapes}) > 1:
        return None
    axis %= len(shapes[0])
    sides = [shape[axis] for shape in shapes]
    total = None if None in sides else sum(side for side in sides if side is not None)
    rest = _broadcast_shape([(*shape[:axis], 1, *shape[axis + 1 :]) for shape in shapes])
    return None if rest is None else (*rest[:axis], total, *rest[axis + 1 :])


def dot(name: str, config: Config, shapes: list[Shape]) -> Shape:
    axes = config["axes"]
    a, b = (axes, axes) if isinstance(axes, int) else axes
    left = [side for axis, side in enumerate(shapes[0]) if axis != a % len(shapes[0])]
    right = [side for axis, side in enumerate(shapes[1]) if axis not in (0, b % len(shapes[1]))]
    return (*left, *right) if len(left) + len(right) > 1 else (*left, 1)


def einsum(name: str, config: Config, shapes: list[Shape]) -> Shape | None:
    """Sizes of the letters that are given, then those that the layer was told, from the last axis on."""
    terms, result = config["equation"].replace(" ", "").split("->")
    term, told = terms.split(",")[0], config["output_shape"]
    if "." in term + result or len(term) != len(shapes[0]):
        return None
    told = (told,) if isinstance(told, int) else tuple(told)
    sizes = dict(zip(reversed(result), reversed(told), strict=False))
    sizes |= dict(zip(term, shapes[0], strict=True))
    return tuple(sizes[letter] for letter in result)


def recurrent(name: str, config: Config, shapes: list[Shape]) -> Any:
    units = config["units"]
    batch, steps = shapes[0][:2]
    out = (batch, steps, units) if config.get("return_sequences") else (batch, units)
    states = 2 if name == "LSTM" else 1
    return [out, *[(batch, units)] * states] if config.get("return_state") else out


def bidirectional(name: str, config: Config, shapes: list[Shape]) -> Any:
    inner = config["layer"]
    made = recurrent(inner["class_name"], inner["config"], shapes)
    outputs = made if isinstance(made, list) else [made]
    merge = config.get("merge_mode", "concat")
    first = outputs[0]
    if merge == "concat":
        head = [(*first[:-1], 2 * first[-1])]
    elif merge is None:
        head = [first, first]
    else:
        head = [first]
    states = outputs[1:]
    return [*head, *states, *states] if len(head) > 1 or states else head[0]


def convolutional_lstm(name: str, config: Config, shapes: list[Shape]) -> Any:
    batch, steps, *rest = shapes[0]
    one = _spatial(
        config, (batch, *rest), lambda axis, side: _slid(config, config["kernel_size"], axis, side), config["filters"]
    )
    out = (batch, steps, *one[1:]) if config.get("return_sequences") else one
    return [out, one, one] if config.get("return_state") else out


def attention(name: str, config: Config, shapes: list[Shape]) -> Shape | None:
    return (*shapes[0][:-1], shapes[1][-1]) if len(shapes) > 1 else None


def multi_head(name: str, config: Config, shapes: list[Shape]) -> Shape:
    out = config.get("output_shape")
    tail = shapes[0][-1:] if out is None else (out,) if isinstance(out, int) else tuple(out)
    return (*shapes[0][:-1], *tail)
