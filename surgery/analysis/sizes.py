"""The sizes inside a nested model where it is called: it was made for open sizes, and is given known ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from surgery.analysis.spatial_axes import channels_first
from surgery.core.errors import SurgeryError, listing
from surgery.core.nested import leaves, packed
from surgery.core.specs import Ref, Spec
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.layers.classes import kind_of
from surgery.layers.shapes import inferred


def sized(graph: Graph, given: Sequence[Spec]) -> Graph:
    """Returns a graph with the sizes that follow where its inputs have those of `given`; what is not known stays open.

    Args:
        graph: the graph.
        given: the specs of its inputs, in order.
    """
    entries = leaves(graph.inputs)
    if [graph.spec(ref) for ref in entries] == list(given) or len(entries) != len(given):
        return graph
    found: dict[Ref, Spec] = dict(zip(entries, given, strict=True))
    calls = []
    for call in graph.calls:
        new = _closed(call, found) if call.op is not None else [found.get(Ref(call.name), call.specs[0])]
        found.update(zip(call.refs, new, strict=True))
        calls.append(dataclasses.replace(call, output=packed(call.output, new)))
    return dataclasses.replace(graph, calls=tuple(calls))


def at_size(graph: Graph, size: tuple[int, int]) -> Graph:
    """Returns a graph as it would be for images of a size, where it leaves it open.

    Raises:
        SurgeryError: no input is an image of open size, or a side that is known is another.
    """
    specs = [graph.spec(ref) for ref in leaves(graph.inputs)]
    first = channels_first(graph)
    new = [_with_size(spec, size, first) for spec in specs]
    if new == specs:
        raise SurgeryError(
            f"no input of {graph.name!r} is an image of open size: {listing(map(str, specs))}. sg.resize changes it."
        )
    return sized(graph, new)


def _with_size(spec: Spec, size: tuple[int, int], first: bool) -> Spec:
    """Returns the spec of an image with its open sides closed; of what is none, or is of a known size, as it is."""
    if len(spec.sides) != 4:
        return spec
    batch, *sides = spec.sides
    open_ends = (sides[0] is None, sides[2] is None)
    at = int(first) if open_ends[0] == open_ends[1] else int(open_ends[1])  # channels are known, first or last
    picture = sides[at : at + 2]
    if None not in picture:
        return spec
    if any(side not in (None, wanted) for side, wanted in zip(picture, size, strict=True)):
        raise SurgeryError(f"an input is {spec}: only its open side may be chosen, not {size[0]} x {size[1]}.")
    return Spec((batch, *sides[:at], *size, *sides[at + 2 :]), spec.dtype)


def inside(call: Call, specs: Mapping[Ref, Spec]) -> Graph | None:
    """Returns the graph inside a call of a nested model, with the sizes that it has there; `None` for other calls."""
    return None if call.inner is None else sized(call.inner, [specs[ref] for ref in call.parents])


def at_each_step(call: Call, given: Sequence[Spec]) -> Graph | None:
    """Returns the graph that a `TimeDistributed` applies to each step of what it is given, with the sizes that it has
    there; `None` for other calls, or where there are no steps.
    """
    wrapped = getattr(call.op, "wrapped", None)
    if wrapped is None or not given or len(given[0].sides) < 3:
        return None
    return sized(wrapped, [Spec((None, *given[0].sides[2:]), given[0].dtype)])


def made_of(call: Call, given: Sequence[Spec]) -> list[Spec] | None:
    """Returns what a layer makes of what it is given, `None` where that is not known."""
    below = at_each_step(call, given)
    if below is None:
        return inferred(kind_of(call), call.config, given)
    made = [below.spec(ref) for ref in leaves(below.outputs)]
    if any(one.shape is None for one in made):
        return None
    return [Spec((*given[0].sides[:2], *one.sides[1:]), one.dtype) for one in made]


def _closed(call: Call, found: Mapping[Ref, Spec]) -> list[Spec]:
    """Returns the outputs of a call, with what is known of them joined to what follows from what it is given."""
    below = inside(call, found)
    if below is not None:
        made = [below.spec(ref) for ref in leaves(below.outputs)]
    else:
        made = made_of(call, [found[ref] for ref in call.operands])
    if made is None or len(made) != len(call.specs):
        return call.specs
    return [_joined(old, new) for old, new in zip(call.specs, made, strict=True)]


def _joined(old: Spec, new: Spec) -> Spec:
    if old.shape is None or new.shape is None or len(old.shape) != len(new.shape):
        return new if old.shape is None else old
    sides = zip(old.shape, new.shape, strict=True)
    return Spec(tuple(known if known is not None else side for known, side in sides), old.dtype)
