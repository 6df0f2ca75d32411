"""`dilate`: a network of finer output stride with the weights it has, by dilated convolutions ("à trous").

Chen et al. 2018, DeepLab, arXiv:1606.00915, section 3.1; Yu & Koltun 2016, arXiv:1511.07122, section 2.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from surgery.analysis.strides import per_axis
from surgery.core.errors import SurgeryError, doing
from surgery.core.nested import leaves, rebuilt
from surgery.core.specs import Ref
from surgery.edits.inline import inline
from surgery.edits.resize import reshaped
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import LiveOp
from surgery.graph.primitives import ordered, prune
from surgery.keras_bridge.either import edit
from surgery.layers.classes import kind_of
from surgery.layers.facts import Trait
from surgery.layers.table import has


@edit
def dilate(graph: Graph, stride: int) -> Graph:
    """Returns a new graph whose feature maps are no coarser than `stride`; convolutions behind are dilated instead.

    Every convolution or pooling that would exceed the stride takes steps of one pixel, and each convolution behind it
    reaches as many times further as it would have been coarser. Weights are those of the donor, copied for the layers
    that change. Without pooling or global branches behind the stride, every second (fourth ...) pixel of the new map is
    the donor's, to floating-point tolerance. Pooling keeps its size, as in the paper.

    Args:
        graph: `Graph` or `keras.Model`, with image input, channels last; nested models are dissolved.
        stride: the largest output stride, in pixels: 8 or 16 as a rule.

    Raises:
        SurgeryError: nothing is coarser than `stride`, or a layer takes other steps down than across.

    Example:

    >>> graph = sg.dilate(sg.cut(sg.open("tinyvgg"), outputs="block5_conv3"), stride=8)
    >>> graph["block5_conv3"].output
    Spec(shape=(None, 4, 4, 32), dtype='float32')
    """
    with doing(f"dilating {graph.name!r} to stride {stride}"):
        if not isinstance(stride, int) or stride < 1:
            raise SurgeryError(f"stride= is a number of pixels, at least 1, not {stride!r}.")
        if any(call.op is not None and call.op.inner is not None for call in graph):
            graph = inline(graph)
        changes = _changes(graph, stride)
        if not changes:
            raise SurgeryError("nothing in it is coarser than that, or its maps have no size.")
        made: dict[Any, LiveOp] = {}
        calls: list[Call] = []
        for call in graph:
            change = changes.get(call.name)
            calls += [call] if change is None else _changed(graph, call, change, made)
        return prune(reshaped(ordered(dataclasses.replace(graph, calls=tuple(calls)))))


@dataclasses.dataclass(frozen=True)
class _Change:
    """What becomes of a call: its steps, its dilation, and the padding (before, after) on each axis, if it is new."""

    step: int
    rate: int
    padding: tuple[tuple[int, int], tuple[int, int]] | None
    source: Ref


def _changes(graph: Graph, limit: int) -> dict[str, _Change]:
    """Returns what changes, call by call; strides and rates are followed along the paths."""
    found: dict[str, _Change] = {}
    states: dict[Ref, tuple[int, int]] = dict.fromkeys(leaves(graph.inputs), (1, 1))
    for call in graph:
        if call.op is None:
            continue
        parents = [ref for ref in call.parents if ref in states]
        if not parents or not all(len(spec.sides) == 4 for spec in call.specs) or call.class_name.startswith("Global"):
            continue
        stride, rate = max(states[ref] for ref in parents)
        step = _step(call)
        exceeds = stride * step > limit
        if (exceeds and step > 1) or (rate > 1 and _convolves(call) and _kernel(call) != (1, 1)):
            found[call.name] = _change(graph, call, rate, 1 if exceeds else step)
        after = (stride, rate * step) if exceeds else (stride * step, rate)
        states.update((ref, after) for ref in call.refs)
    return found


def _convolves(call: Call) -> bool:
    kind = kind_of(call)
    return has(kind, Trait.CONVOLUTION) and has(kind, Trait.WINDOWED) and kind.endswith("2D")


def _pools(call: Call) -> bool:
    return has(kind_of(call), Trait.POOLING)


def _step(call: Call) -> int:
    if not (_convolves(call) or _pools(call)):
        return 1
    sides = set(_sides(call, "strides", "pool_size"))
    if call.config.get("data_format") == "channels_first":
        raise SurgeryError(f"{call.name!r} takes images with their channels first.")
    if len(sides) > 1:
        raise SurgeryError(f"{call.name!r} takes other steps down than across: {sorted(sides)}.")
    return sides.pop()


def _sides(call: Call, *names: str) -> tuple[int, ...]:
    """Returns a setting of a layer, down and across: the first of these that it has, else 1."""
    value = next((call.config[name] for name in names if call.config.get(name)), 1)
    return per_axis(value, 2) or (1, 1)


def _kernel(call: Call) -> tuple[int, ...]:
    return _sides(call, "kernel_size", "pool_size")


def _change(graph: Graph, call: Call, rate: int, step: int) -> _Change:
    """Returns the change that keeps the size of the map, and the pixels that the kernel was laid on."""
    own = max(_sides(call, "dilation_rate"))
    source = call.parents[0]
    pad = graph[source.call]
    padded = pad.class_name == "ZeroPadding2D" and call.config.get("padding") == "valid"
    if call.config.get("padding") == "valid" and not padded and _step(call) == 1:
        return _Change(step, rate * own, None, source)  # it shrinks the map, as it did
    before = _before(graph, call, pad if padded else None)
    reach = [(side - 1) * rate * own for side in _kernel(call)]
    tops = [min(top * rate, one) for top, one in zip(before, reach, strict=True)]
    padding = tuple((top, one - top) for top, one in zip(tops, reach, strict=True))
    even = all(top == (one // 2) for (top, _), one in zip(padding, reach, strict=True))
    pools = _pools(call)
    return _Change(step, rate * own, None if even or pools else padding, pad.parents[0] if padded else source)  # type: ignore


def _before(graph: Graph, call: Call, pad: Call | None) -> list[int]:
    """Returns how many pixels are padded before the first, on each axis."""
    if pad is not None:
        return [sides[0] for sides in pad.config["padding"]]
    if call.config.get("padding") == "valid":
        return [0, 0]
    step, found = _step(call), []
    for size, kernel in zip(graph.spec(call.parents[0]).sides[1:3], _kernel(call), strict=True):
        rest = (size or step) % step
        found.append(max(kernel - (rest or step), 0) // 2)
    return found


def _changed(graph: Graph, call: Call, change: _Change, made: dict[Any, LiveOp]) -> list[Call]:
    """Returns the calls that stand for one: a padding, if its pixels would be others, and the layer."""
    import keras

    from surgery.keras_bridge.build import live_layer
    from surgery.keras_bridge.copy import variant

    key = (call.op, call.layer, change.step, change.rate, change.padding is None)
    if key not in made:
        layer = live_layer(graph, call)
        padding = layer.padding if change.padding is None else "valid"
        same = change.padding is None and (change.source != call.parents[0] or change.step != _step(call))
        arguments: dict[str, Any] = {"strides": change.step, "padding": "same" if same else padding}
        if _convolves(call):
            arguments["dilation_rate"] = change.rate
        made[key] = LiveOp(variant(layer, **arguments))
    source, calls = change.source, []
    if change.padding is not None:
        pad = keras.layers.ZeroPadding2D(change.padding, name=f"{call.name.replace('@', '_')}_reach")
        padded = Call(pad.name, LiveOp(pad), (source,), {}, graph.spec(source))
        source, calls = Ref(padded.name), [padded]
    old = call.parents[0]
    args, kwargs = rebuilt(lambda leaf: source if leaf == old else leaf, (call.args, dict(call.kwargs)))
    return [*calls, dataclasses.replace(call, op=made[key], args=args, kwargs=kwargs)]
