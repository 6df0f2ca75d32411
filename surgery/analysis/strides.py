"""Output strides: how many input pixels lie between two neighbouring pixels of a feature map, along each axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from surgery.analysis.spatial_axes import Sides, channels_first_alone, joins_channels_first, keeps_grid, spatial_sides
from surgery.core.nested import leaves
from surgery.core.specs import Ref, Spec
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.layers.classes import applied, kind_of
from surgery.layers.facts import Trait
from surgery.layers.table import has

if TYPE_CHECKING:
    from fractions import Fraction

# input pixels per pixel on each spatial axis; (): no such axes; None: not known
Stride: TypeAlias = "tuple[int | Fraction, ...] | None"


def strides(graph: Graph) -> dict[str, Stride]:
    """Returns the output stride of every call at every depth: input pixels per output pixel, accumulated along the
    path.

    Input size / output size is not the stride: padding changes sizes, and a squeeze-and-excite branch is 1 x 1. A
    branch that lost its spatial axes (global pooling, Flatten) has stride `()` and takes no part where branches meet.
    What moves pixels in a way that is not known here, such as a custom layer, has stride `None`, and so has all that
    follows. Inputs have stride 1.
    """
    by_address: dict[str, Stride] = {}
    _walk(graph, [], "", by_address)
    return by_address


def _walk(graph: Graph, entry: list[Stride], prefix: str, by_address: dict[str, Stride]) -> list[Stride]:
    """Fills `by_address`; returns the strides of the outputs. An input without entry has stride 1."""
    found: dict[Ref, Stride] = {}
    given = dict(zip(leaves(graph.inputs), entry, strict=False))
    first = channels_first_alone(graph)
    for call in graph.calls:
        if call.op is None:
            outputs = [given.get(Ref(call.name), _whole(call.specs[0]))]
        elif call.inner is not None:
            outputs = _walk(call.inner, [found[ref] for ref in call.parents], f"{prefix}{call.name}/", by_address)
        else:
            outputs = [_stride(call, graph, found, first)] * len(call.specs)
        found.update(zip(call.refs, outputs, strict=False))
        by_address[prefix + call.name] = outputs[0] if outputs else ()
    return [found[ref] for ref in leaves(graph.outputs)]


def _whole(spec: Spec) -> Stride:
    return (1,) * max(len(spec.sides) - 2, 0)


def _stride(call: Call, graph: Graph, found: Mapping[Ref, Stride], first: bool) -> Stride:
    kind, config = applied(call)
    if joins_channels_first(call, first):
        config = {**config, "data_format": "channels_first"}
    sides = spatial_sides(call.specs[0], config)
    given = [ref for ref in call.operands if found.get(ref) != ()]
    if call.specs[0].shape is None:
        return None
    if sides is None or not given or kind.startswith("Global"):
        return ()
    if any(found[ref] is None for ref in given):
        return None
    before = found[given[0]] or ()
    factor = _factor(kind, config, len(sides))
    if factor is not None:
        return tuple(a * b for a, b in zip(before, factor, strict=True)) if len(before) == len(factor) else None
    if "Padding" in kind or "Cropping" in kind or kind == "Pad":
        return before
    if kind == "Resizing":
        odd = config.get("crop_to_aspect_ratio") or config.get("pad_to_aspect_ratio")
        return None if odd else _resized(before, spatial_sides(graph.spec(given[0]), config), sides)
    return _unchanged(call, {ref: spatial_sides(graph.spec(ref), config) for ref in given}, found, sides)


def _unchanged(call: Call, given: Mapping[Ref, Sides | None], found: Mapping[Ref, Stride], sides: Sides) -> Stride:
    """Returns the stride of the first map of the size of what is made, for layers that leave the grid as it is."""
    same = [ref for ref, before in given.items() if before == sides and len(found[ref] or ()) == len(sides)]
    if not same:
        return None if given else ()
    known = None not in sides and not has(kind_of(call), Trait.MOVING)
    return found[same[0]] if known or keeps_grid(call) else None


def _factor(kind: str, config: Mapping[str, Any], rank: int) -> tuple[int | Fraction, ...] | None:
    if kind in ("SpaceToDepth", "DepthToSpace"):
        size = config["block_size"]
        return ((size if kind == "SpaceToDepth" else _divided(1, size)),) * rank
    if has(kind, Trait.UPSAMPLING):
        steps = per_axis(config.get("strides") or config.get("size") or 1, rank)
        return None if steps is None else tuple(_divided(1, step) for step in steps)
    if has(kind, Trait.WINDOWED):
        steps = per_axis(config.get("strides") or config.get("pool_size") or 1, rank)
        return steps
    return None


def _divided(one: int, other: int) -> Fraction:
    from fractions import Fraction  # which only upsampling needs: it takes a tenth of the time of a look

    return Fraction(one, other)


def per_axis(value: Any, rank: int) -> tuple[int, ...] | None:
    """Returns one step for each axis; `None` where a file has what is none."""
    steps = (value,) * rank if isinstance(value, int) else tuple(value) if isinstance(value, (list, tuple)) else ()
    return steps if steps and all(isinstance(step, int) and step > 0 for step in steps) else None


def _resized(before: tuple[int | Fraction, ...], was: Sides | None, now: Sides) -> Stride:
    if was is None or None in was or None in now or 0 in now or len(was) != len(before):
        return None
    return tuple(step * _divided(old, new) for step, old, new in zip(before, was, now, strict=True))  # type: ignore


def stride_text(stride: Stride) -> str:
    """Returns `16`, `16 x 8` where the axes differ, `1/2` after upsampling, `-` without spatial axes, `?`."""
    return "?" if stride is None else each_axis(stride)


def each_axis(figures: Sequence[object]) -> str:
    """Returns `16` where all axes have it, `16 x 8` where they differ, `-` where there are none."""
    return " x ".join(map(str, figures if len(set(figures)) > 1 else figures[:1])) or "-"
