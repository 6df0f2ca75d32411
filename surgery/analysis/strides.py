"""Output strides: how many input pixels lie between two neighbouring pixels of a feature map, along each axis."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from surgery.graph import Call, Graph
from surgery.specs import Ref, Spec
from surgery.structure import leaves

Stride = tuple[Fraction, ...] | None  # input pixels per output pixel on each spatial axis; None: no spatial axes

_DOWN = re.compile(r"(Depthwise|Separable)?Conv[123]?D?$|(Max|Average)Pool(ing[123]D)?$")
_UP = re.compile(r"Conv[123]DTranspose$|UpSampling[123]D$")


def strides(graph: Graph, entry: Iterable[Stride] | None = None) -> dict[str, Stride]:
    """Returns the output stride of every call at every depth: input pixels per output pixel, accumulated along the
    path.

    Input size / output size is not the stride: padding changes sizes, and a squeeze-and-excite branch is 1 x 1. A
    branch that lost its spatial axes (global pooling, Flatten) has stride `None` and takes no part where branches meet.

    Args:
        graph: the graph.
        entry: strides of its inputs; 1 on each spatial axis by default.
    """
    found: dict[Ref, Stride] = {}
    by_address: dict[str, Stride] = {}
    entries = [ref.call for ref in leaves(graph.inputs)]
    given = dict(zip(entries, entry, strict=False)) if entry is not None else {}
    for call in graph:
        if call.op is None:
            outputs = [given.get(call.name, _whole(call.specs[0]))]
        elif call.op.inner is not None:
            outputs = _through(call, call.op.inner, [found[ref] for ref in call.parents], by_address)
        else:
            outputs = [_stride(call, graph, found)] * len(call.specs)
        found.update(zip(call.refs, outputs, strict=False))
        by_address[call.name] = outputs[0] if outputs else None
    return by_address


def _whole(spec: Spec) -> Stride:
    return (Fraction(1),) * (len(spec.sides) - 2) if len(spec.sides) > 2 else None


def _through(call: Call, inner: Graph, given: list[Stride], by_address: dict[str, Stride]) -> list[Stride]:
    below = strides(inner, given)
    by_address.update((f"{call.name}/{address}", stride) for address, stride in below.items())
    return [below[ref.call] for ref in leaves(inner.outputs)]


def _stride(call: Call, graph: Graph, found: Mapping[Ref, Stride]) -> Stride:
    spatial = spatial_sides(call.specs[0], call.config)
    parents = [ref for ref in call.parents if found.get(ref) is not None and len(graph.spec(ref).sides) > 2]
    if spatial is None or not parents or call.class_name.startswith("Global"):
        return None
    factor = _factor(call, len(spatial))
    if factor is not None:
        before = found[parents[0]]
        return (
            tuple(a * b for a, b in zip(before, factor, strict=True)) if before and len(before) == len(factor) else None
        )
    if "Padding" in call.class_name or "Cropping" in call.class_name:
        return found[parents[0]]
    if call.class_name == "Resizing":
        return _resized(found[parents[0]], spatial_sides(graph.spec(parents[0]), call.config), spatial)
    same_size = [found[ref] for ref in parents if spatial_sides(graph.spec(ref), call.config) == spatial]
    return same_size[0] if same_size else None


def spatial_sides(spec: Spec, config: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    """Returns the sizes of a feature map without batch and channels; `None` where there are no such axes."""
    if len(spec.sides) < 3:
        return None
    return spec.sides[2:] if config.get("data_format") == "channels_first" else spec.sides[1:-1]


def _factor(call: Call, rank: int) -> tuple[Fraction, ...] | None:
    config = call.config
    if _UP.match(call.class_name):
        steps = per_axis(config.get("strides") or config.get("size") or 1, rank)
        return None if steps is None else tuple(Fraction(1, step) for step in steps)
    if _DOWN.match(call.class_name):
        steps = per_axis(config.get("strides") or config.get("pool_size") or 1, rank)
        return None if steps is None else tuple(map(Fraction, steps))
    return None


def per_axis(value: Any, rank: int) -> tuple[int, ...] | None:
    """Returns one step for each axis; `None` where a file has what is none."""
    steps = (value,) * rank if isinstance(value, int) else tuple(value) if isinstance(value, (list, tuple)) else ()
    return steps if steps and all(isinstance(step, int) and step > 0 for step in steps) else None


def _resized(before: Stride, was: tuple[int | None, ...] | None, now: tuple[int | None, ...]) -> Stride:
    if before is None or was is None or None in was or None in now or 0 in now:
        return None
    return tuple(step * Fraction(old, new) for step, old, new in zip(before, was, now, strict=True))  # type: ignore


def stride_text(stride: Stride) -> str:
    """Returns `16`, `16 x 8` where the axes differ, `1/2` after upsampling, `-` without spatial axes."""
    if not stride:
        return "-"
    return str(stride[0]) if len(set(stride)) == 1 else " x ".join(map(str, stride))
