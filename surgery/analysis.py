"""What can be told of each call without running the network: output strides, and where the network is narrow.

All on the `Graph`, for live and stored models alike, in one linear pass; nothing is computed by Keras.
"""

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
    spatial = _spatial(call.specs[0], call.config)
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
        return _resized(found[parents[0]], _spatial(graph.spec(parents[0]), call.config), spatial)
    same_size = [found[ref] for ref in parents if _spatial(graph.spec(ref), call.config) == spatial]
    return same_size[0] if same_size else None


def _spatial(spec: Spec, config: Mapping[str, Any]) -> tuple[int | None, ...] | None:
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


def pyramid(graph: Graph) -> dict[int, str]:
    """Returns the feature pyramid of a backbone: output stride -> address of the deepest tensor that has it.

    These are the taps of encoder-decoders, found on any network: at each stride, the last feature map on the way to the
    outputs before the next stride begins (Lin et al. 2017, Feature Pyramid Networks, arXiv:1612.03144, section 3).
    Padding and cropping make no features and are passed over; so is the input itself.
    """
    steps, levels = strides(graph), {}
    for call in graph:
        stride = steps[call.name]
        if not stride or len(set(stride)) > 1 or stride[0].denominator != 1 or call.op is None:
            continue
        if not re.search("Padding|Cropping", call.class_name):
            levels[int(stride[0])] = call.name
    return dict(sorted(levels.items()))


def narrow(graph: Graph) -> list[str]:
    """Returns the calls after which the network is one tensor wide: the natural places to cut it."""
    last_use: dict[Ref, int] = {}
    for position, call in enumerate(graph):
        last_use.update((ref, position) for ref in call.parents)
    last_use.update((ref, len(graph)) for ref in leaves(graph.outputs))
    alive = {ref for ref in leaves(graph.inputs) if ref in last_use}  # inputs are there from the start
    expiring: dict[int, list[Ref]] = {}
    for ref, end in last_use.items():
        expiring.setdefault(end, []).append(ref)
    found = []
    for position, call in enumerate(graph):
        alive.difference_update(expiring.get(position, ()))
        alive.update(ref for ref in call.refs if ref in last_use)
        if len(alive) == 1 and alive <= set(call.refs):
            found.append(call.name)
    return found
