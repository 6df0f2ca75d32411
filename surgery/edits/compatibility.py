"""Whether a tensor fits where another is expected, and what would make it fit."""

from __future__ import annotations

from typing import Any

from surgery.core.specs import Spec, shapes_agree
from surgery.graph.graph import Graph


def fits(given: Spec, wanted: Spec) -> bool:
    """Whether a tensor can be passed where another is wanted: same kind of number and rank, equal sizes where known.

    A shape that is not known at all is let pass; `build` finds what it is.
    """
    if given.dtype != wanted.dtype and not ("float" in given.dtype and "float" in wanted.dtype):
        return False
    return shapes_agree(given, wanted)


Steps = list[tuple[str, tuple[Any, ...]]]


def recipe_for(given: Spec, wanted: Spec, channels_first: bool = False) -> Steps | None:
    """Returns the Keras layers, `(class name, arguments)`, that turn one shape into the other, or `None` if none do.

    Images are pooled to vectors, or resized and given their channels by a 1 x 1 convolution; the last axis of
    anything else goes through a Dense layer.

    Args:
        given: what there is.
        wanted: what is wanted.
        channels_first: whether images are `(batch, channels, height, width)`.
    """
    if channels_first and max(len(given.sides), len(wanted.sides)) == 4:
        moved = [Spec(_last(spec.shape), spec.dtype) for spec in (given, wanted)]
        return recipe_for(moved[0], moved[1])
    steps: Steps = []
    if given.shape is None or wanted.shape is None or "float" not in given.dtype or "float" not in wanted.dtype:
        return None
    shape = list(given.shape)
    if len(shape) == 4 and len(wanted.shape) == 2:
        steps.append(("GlobalAveragePooling2D", ()))
        shape = [shape[0], shape[3]]
    if len(shape) != len(wanted.shape) or len(shape) < 2 or shape[-1] is None:
        return None
    sides = [(a, b) for a, b in zip(shape[1:-1], wanted.shape[1:-1], strict=True) if None not in (a, b) and a != b]
    if sides:
        if len(shape) != 4 or None in wanted.shape[1:3]:
            return None
        steps.append(("Resizing", tuple(wanted.shape[1:3])))
    if wanted.shape[-1] is not None and shape[-1] != wanted.shape[-1]:
        steps.append(("Conv2D", (wanted.shape[-1], 1)) if len(shape) == 4 else ("Dense", (wanted.shape[-1],)))
    return steps


def _last(shape: Any) -> Any:
    """Returns a shape of an image with its channels last."""
    return (shape[0], *shape[2:], shape[1]) if shape is not None and len(shape) == 4 else shape


def channels_come_first(graph: Graph) -> bool:
    """Whether a layer of the network takes images with their channels first."""
    return any(call.config.get("data_format") == "channels_first" for call in graph)


def advice(given: Spec, wanted: Spec, channels_first: bool = False) -> str:
    """Returns the sentence that says what would fit."""
    steps = recipe_for(given, wanted, channels_first)
    if not steps:
        return ""
    layers = ", ".join(f"{name}({', '.join(map(str, arguments))})" for name, arguments in steps)
    return f" {layers} between them would fit: adapt=True puts it in."
