"""How many rows of the first axis one sample has: a window or a frame that is folded into the batch is one of several.

Layers leave the batch alone, as Keras' layers do. Raw operations need not: a reshape folds by as much as a row becomes
smaller; what else moves the first axis is not known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from surgery.analysis.spatial_axes import axes_of
from surgery.core.nested import leaves
from surgery.core.specs import Ref, Spec
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.layers.classes import kind_of

if TYPE_CHECKING:
    from fractions import Fraction

Rows: TypeAlias = "int | Fraction | None"  # None: not known
ONE = 1

_ALONG = (
    "Concatenate",
    "Stack",
    "Repeat",
    "Split",
    "Flip",
    "Roll",
    "Squeeze",
    "ExpandDims",
    "Cumsum",
    "Take",
    "Unstack",
)
_MOVING = ("Transpose", "Swapaxes", "Moveaxis", "Tile", "Einsum", "Tensordot", "BroadcastTo", "Rearrange")


def rows(graph: Graph, specs: Mapping[Ref, Spec], entry: Sequence[Rows] | None = None) -> dict[Ref, Rows]:
    """Returns the rows that one sample has of each tensor of the top level; 1 nearly everywhere.

    Args:
        graph: the graph.
        specs: the specs of its tensors.
        entry: those of its inputs.
    """
    given = dict(zip(leaves(graph.inputs), entry or (), strict=False))
    found: dict[Ref, Rows] = {}
    for call in graph.calls:
        made = given.get(Ref(call.name), ONE) if call.op is None else _of_call(call, specs, found)
        found.update((ref, made) for ref in call.refs)
    return found


def _of_call(call: Call, specs: Mapping[Ref, Spec], found: Mapping[Ref, Rows]) -> Rows:
    before = [found[ref] for ref in call.parents if specs[ref].sides[:1] == (None,)]
    if not before:
        return ONE
    one = before[0]
    if one is None or _differ(before):
        return None
    kind = kind_of(call)
    if kind == "Reshape" and "target_shape" not in call.config:
        return _reshaped(one, specs[call.parents[0]], call.specs[0])
    if kind in _ALONG and "dtype" not in call.config:
        return None if _first(call.config.get("axis"), specs[call.parents[0]]) else one
    if kind in _MOVING and "dtype" not in call.config:
        return one if _stays(kind, call.config) else None
    return one


def _differ(values: Sequence[Rows]) -> bool:
    return any(other is not values[0] and other != values[0] for other in values[1:])


def _reshaped(one: int | Fraction, before: Spec, after: Spec) -> Rows:
    if before.shape is None or after.shape is None or None in (*before.shape[1:], *after.shape[1:]):
        return one if before.shape and before.shape == after.shape else None
    if after.shape[:1] != (None,) or 0 in after.shape:
        return None
    from fractions import Fraction

    return one * Fraction(math.prod(_sides(before)), math.prod(_sides(after)))


def _sides(spec: Spec) -> list[int]:
    return [side for side in spec.sides[1:] if side is not None]


def _first(axis: Any, spec: Spec) -> bool:
    axes = axes_of(0 if axis is None else axis)
    return any(one % max(len(spec.sides), 1) == 0 for one in axes if isinstance(one, int))


def _stays(kind: str, config: Mapping[str, Any]) -> bool:
    if kind == "Transpose":
        axes = config.get("axes")
        return isinstance(axes, (list, tuple)) and axes[:1] in ((0,), [0])
    if kind in ("Swapaxes", "Moveaxis"):
        names = ("axis1", "axis2") if kind == "Swapaxes" else ("source", "destination")
        return not any(config.get(name) in (0, [0], (0,)) for name in names)
    if kind == "Einsum":
        terms, _, result = str(config.get("subscripts")).replace(" ", "").partition("->")
        return all(term[:1] == result[:1] or result.startswith("...") for term in terms.split(","))
    if kind == "Tile":
        repeats = config.get("repeats")
        return isinstance(repeats, (list, tuple)) and repeats[:1] in ((1,), [1])
    return False


def scaled(count: int | None, given: Iterable[Rows]) -> int | None:
    """Returns a count of one row, for one sample; `None` where either is not known."""
    factors = list(given) or [ONE]
    if count is None or factors[0] is None or _differ(factors):
        return 0 if count == 0 else None
    whole = count if factors[0] is ONE else count * factors[0]
    return int(whole) if whole.denominator == 1 else None
