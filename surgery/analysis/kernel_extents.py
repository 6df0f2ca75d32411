"""Which pixels of what it is given one pixel of what a layer makes depends on, axis by axis, for local layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from surgery.analysis.positions import Ruler, rounded, steps
from surgery.analysis.spatial_axes import is_pointwise, reduces_channels
from surgery.graph.calls import Call
from surgery.layers.classes import applied
from surgery.layers.facts import rows

Sides = Sequence[int | None]
Reach = tuple[Ruler, Ruler]  # on one axis, by the position of a pixel: the first and the last pixel that it depends on

HERE: Reach = (steps(1, 0), steps(1, 0))


def reach(call: Call, before: Sides, after: Sides) -> tuple[Reach, ...] | None:
    """Returns the reach on each axis of one pixel of what a call makes; `None` where it is not known.

    Args:
        call: a call that works on feature maps.
        before: the sizes of the map that it is given, without batch and channels.
        after: the sizes of the map that it makes, likewise.
    """
    kind, config = applied(call)
    if len(before) != len(after):
        return None
    if is_pointwise(call) or reduces_channels(call):
        return (HERE,) * len(after)
    rule = _RULES.get(kind)
    return rule and tuple(rule(kind, config, axis, before[axis], after[axis]) for axis in range(len(after)))


def _each(value: Any, axis: int) -> int:
    return int(value[axis]) if isinstance(value, (list, tuple)) else int(value)


def _padding_of_same(size: int, stride: int, side: int | None) -> int:
    """Returns how many zeros TensorFlow's `same` puts before a map of `side` pixels; an open side is a multiple."""
    side = stride if side is None else side
    return max((math.ceil(side / stride) - 1) * stride + size - side, 0) // 2


def _window(kind: str, config: Mapping[str, Any], axis: int, before: int | None, after: int | None) -> Reach:
    pool = config.get("pool_size")
    stride = _each(config.get("strides") or pool or 1, axis)
    size = _each(config["kernel_size"] if pool is None else pool, axis)
    size = (size - 1) * _each(config.get("dilation_rate") or 1, axis) + 1
    padding = config.get("padding", "valid")
    start = size - 1 if padding == "causal" else _padding_of_same(size, stride, before) if padding == "same" else 0
    return steps(stride, -start), steps(stride, size - 1 - start)


def _transposed(kind: str, config: Mapping[str, Any], axis: int, before: int | None, after: int | None) -> Reach:
    """A convolution backwards: pixel `o` takes from every `i` with `o = i * stride + tap - start`.

    Between the taps of a kernel smaller than the stride a pixel takes from none: its last is the one before its first,
    so that a window over it reaches from the next that takes from one to the last that does.
    """
    stride = _each(config.get("strides") or 1, axis)
    size = (_each(config["kernel_size"], axis) - 1) * _each(config.get("dilation_rate") or 1, axis) + 1
    start = _padding_of_same(size, stride, after) if config.get("padding") == "same" else 0
    slope = Fraction(1, stride)
    last = rounded(slope, Fraction(start, stride), math.floor)
    return rounded(slope, Fraction(start - size + 1, stride), math.ceil), last


def _upsampling(kind: str, config: Mapping[str, Any], axis: int, before: int | None, after: int | None) -> Reach:
    factor = _each(config["size"], axis)
    return _interpolated(Fraction(1, factor), config.get("interpolation", "nearest"))


def _resizing(kind: str, config: Mapping[str, Any], axis: int, before: int | None, after: int | None) -> Reach:
    odd = [key for key in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias") if config.get(key)]
    if odd or before is None or after is None:
        raise ValueError
    return _interpolated(Fraction(before, after), config.get("interpolation", "bilinear"))


def _interpolated(ratio: Fraction, way: str) -> Reach:
    """Pixel `o` lies at `(o + 1/2) * ratio - 1/2`, and is made of the pixels around."""
    middle = ratio / 2 - Fraction(1, 2)
    if way == "nearest":
        one = rounded(ratio, ratio / 2, math.floor)
        return one, one
    more = {"bilinear": 0, "bicubic": 1, "lanczos3": 2, "lanczos5": 4}[way]
    return rounded(ratio, middle - more, math.floor), rounded(ratio, middle + more, math.ceil)


def _padded(kind: str, config: Mapping[str, Any], axis: int, before: int | None, after: int | None) -> Reach:
    if kind == "Pad":
        amount = config["pad_width"][axis + 1]
        if config.get("mode", "constant") != "constant":
            raise ValueError
    else:
        amount = config["padding"] if kind.startswith("Zero") else config["cropping"]
    if isinstance(amount, (list, tuple)):
        pair = amount if kind == "Pad" or kind.endswith("1D") else amount[axis]
        amount = pair[0] if isinstance(pair, (list, tuple)) else pair
    moved = steps(1, amount if kind.startswith("Cropping") else -amount)
    return moved, moved


_RULES: dict[str, Callable[..., Reach]] = rows(
    {
        "Conv1D Conv2D Conv3D DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D": _window,
        "AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D MaxPooling3D": _window,
        "Conv1DTranspose Conv2DTranspose Conv3DTranspose": _transposed,
        "UpSampling1D UpSampling2D UpSampling3D": _upsampling,
        "Resizing": _resizing,
        "Cropping1D Cropping2D Cropping3D Pad ZeroPadding1D ZeroPadding2D ZeroPadding3D": _padded,
    }
)
