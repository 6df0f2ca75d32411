"""The grid of a feature map: which axes it has, and which layers leave each pixel where it is.

Axes are those of channels last, unless a layer says otherwise. A raw operation does not say it; beside layers that keep
channels first, what depends on the order of axes is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surgery.core.specs import Spec
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.layers.classes import applied, kind_of
from surgery.layers.facts import Trait
from surgery.layers.table import has

Sides = tuple[int | None, ...]


def spatial_sides(spec: Spec, config: Mapping[str, Any]) -> Sides | None:
    """Returns the sizes of a feature map without batch and channels; `None` where there are no such axes."""
    if len(spec.sides) < 3:
        return None
    return spec.sides[2:] if config.get("data_format") == "channels_first" else spec.sides[1:-1]


def channels_first(graph: Graph) -> bool:
    """Whether a layer of the top level says that channels come first."""
    return "channels_first" in _formats(graph)


def channels_first_alone(graph: Graph) -> bool:
    """Whether all layers of the top level that say where channels are say that they come first."""
    return _formats(graph) == {"channels_first"}


def _formats(graph: Graph) -> set[Any]:
    said = (applied(call)[1].get("data_format") for call in graph.calls if call.op is not None)
    return {one if isinstance(one, str) else "?" for one in said if one is not None}


def joins_channels_first(call: Call, first: bool) -> bool:
    """Whether a call concatenates the channels of maps in a network that keeps them first."""
    rank, axis = len(call.specs[0].sides), call.config.get("axis", -1)
    return first and kind_of(call) == "Concatenate" and rank > 3 and isinstance(axis, int) and axis % rank == 1


def is_elementwise(call: Call) -> bool:
    """Whether a layer works on each number alone, whatever the order of axes."""
    kind, config = applied(call)
    return has(kind, Trait.ELEMENTWISE) and "softmax" not in str(config.get("activation"))


def is_pointwise(call: Call) -> bool:
    """Whether each pixel of what a layer makes depends on that pixel of what it is given alone."""
    kind = applied(call)[0]
    if has(kind, Trait.ALONG_AXIS):
        return on_channels(call)
    if kind == "Flip":  # RGB to BGR
        return call.config.get("axis") is not None and on_channels(call)
    return kind == "Dense" or has(kind, Trait.ELEMENTWISE) or _slices(call)


def keeps_grid(call: Call) -> bool:
    """Whether what a layer makes lies on the grid of what it is given, also where it mixes pixels."""
    kind = applied(call)[0]
    if has(kind, Trait.ALONG_AXIS) and kind != "Concatenate":
        return True
    return is_pointwise(call) or has(kind, Trait.ON_GRID)


def mixes(call: Call) -> bool | None:
    """Whether a layer may take every pixel into each of its own; `None` where it mixes along some axes alone."""
    kind, config = kind_of(call), call.config
    if has(kind, Trait.ATTENTION) and config.get("attention_axes") is not None:
        return None
    if has(kind, Trait.MIXING):
        return True
    if has(kind, Trait.ALONG_AXIS) and kind != "Concatenate" and not on_channels(call):
        return True if _covers_the_map(call, config.get("axis")) else None
    if has(kind, Trait.REDUCING) and not reduces_channels(call):
        axis = config.get("axis")
        return True if axis is None or _covers_the_map(call, axis) else None
    return False


def reduces_channels(call: Call) -> bool:
    """Whether a raw reduction takes the channels of each pixel together, and keeps their axis: `mean(x, -1, True)`."""
    config = call.config
    return bool(
        has(kind_of(call), Trait.REDUCING)
        and config.get("keepdims")
        and config.get("axis") is not None
        and on_channels(call)
    )


def _covers_the_map(call: Call, axis: Any) -> bool:
    """Whether axes include all spatial ones of what a call is given, which has those that a reduction takes away.

    `False` where the shape is not known, as of an output that a file does not describe.
    """
    if call.specs[0].shape is None:
        return False
    axes = axes_of(axis)
    rank = len(call.specs[0].sides) + (0 if call.config.get("keepdims", True) else len(axes))
    return {one % rank for one in axes} >= set(range(1, rank - 1))


def on_channels(call: Call) -> bool:
    """Whether the axis that a layer works on is that of the channels, the last."""
    rank = len(call.specs[0].sides)
    axes = axes_of(call.config.get("axis", -1))
    return rank > 0 and all(isinstance(one, int) and one % rank == rank - 1 for one in axes)


def axes_of(axis: Any) -> list[Any]:
    """Returns the axes that a configuration means by one number, by several, or by none."""
    return [axis] if isinstance(axis, int) else list(axis or [])


def _slices(call: Call) -> bool:
    """Whether an indexing takes part of the channels alone: `x[..., :3]`, `x[:, :, :, 0:2]`."""
    if kind_of(call) != "GetItem" or len(call.args) < 2:
        return False
    key = call.args[1]
    parts = list(key) if isinstance(key, (list, tuple)) else [key]
    rest = parts[:-1] if len(parts) == len(call.specs[0].sides) or Ellipsis in parts else parts
    return all(part is Ellipsis or part == slice(None) for part in rest) and isinstance(parts[-1], slice)
