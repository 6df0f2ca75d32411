"""Receptive fields: the pixels of the input that one pixel of a feature map can depend on.

The recurrences are those of Araujo, Norris & Sim 2019, Computing Receptive Fields of Convolutional Neural Networks
(Distill, doi:10.23915/distill.00021), sections 2 and 3, kept as rulers, so that they stay exact through transposed
convolutions and upsampling, where neighbours have fields of different sizes. A field may reach into the padding. Where
branches meet it is the smallest that holds theirs. Of several inputs it is the smallest that holds those on each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from surgery.analysis.kernel_extents import HERE, Reach, reach
from surgery.analysis.positions import Ruler, limited, span, steps, together
from surgery.analysis.sizes import inside
from surgery.analysis.spatial_axes import (
    Sides,
    channels_first,
    channels_first_alone,
    is_elementwise,
    is_pointwise,
    joins_channels_first,
    mixes,
    spatial_sides,
)
from surgery.analysis.strides import each_axis
from surgery.core.nested import leaves
from surgery.core.specs import Ref, Spec
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.layers.classes import applied


@dataclasses.dataclass(frozen=True)
class Field:
    """The receptive field of the pixels of one tensor.

    Args:
        spans: for each axis the first and the last pixel of the input, by way of local operations; none where the
            tensor has no such axes.
        everything: whether some operation on the way may mix all pixels: global pooling, attention, Flatten.
    """

    spans: tuple[Reach, ...] = ()
    everything: bool = False

    @property
    def size(self) -> tuple[int, ...]:
        """In pixels of the input on each axis, by way of local operations; of the pixel that sees most."""
        return tuple(_widest(*axis) for axis in self.spans)

    @property
    def offset(self) -> tuple[int, ...]:
        """The first pixel of the input on each axis that the first pixel sees; negative in the padding."""
        return tuple(first(0) for first, _ in self.spans)

    def at(self, position: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """Returns the first and the last input pixel on each axis for the pixel at a position.

        A pixel between the taps of a transposed convolution sees none: its last is the one before its first. Where the
        map was enlarged or shrunk before that, the two may be one or more pixels, which lie beside it all the same.
        """
        return tuple((first(place), last(place)) for (first, last), place in zip(self.spans, position, strict=True))


def _widest(first: Ruler, last: Ruler) -> int:
    return max(last(step) - first(step) + 1 for step in span(first, last))


def receptive_fields(graph: Graph) -> dict[str, Field | None]:
    """Returns the receptive field of every call at every depth, by address; `None` where it is not known.

    Where the size of the input is open, the strides are taken to divide it.
    """
    by_address: dict[str, Field | None] = {}
    with limited():
        _walk(graph, [], "", by_address)
    return by_address


def _walk(
    graph: Graph, entry: list[Field | None], prefix: str, by_address: dict[str, Field | None]
) -> list[Field | None]:
    """Fills `by_address`; returns the fields of the outputs. An input without entry is seen pixel by pixel."""
    found: dict[Ref, Field | None] = {}
    specs = graph.specs
    first, alone = channels_first(graph), channels_first_alone(graph)
    given = dict(zip(leaves(graph.inputs), entry, strict=False))
    for call in graph.calls:
        inner = inside(call, specs)
        if call.op is None:
            outputs = [given.get(Ref(call.name), _pixel(call.specs[0]))]
        elif inner is not None:
            outputs = _walk(inner, [found[ref] for ref in call.parents], f"{prefix}{call.name}/", by_address)
        else:
            joining = joins_channels_first(call, alone)
            outputs = [_field(call, specs, found, first, joining)] * len(call.specs)
        found.update(zip(call.refs, outputs, strict=False))
        by_address[prefix + call.name] = outputs[0] if outputs else None
    return [found[ref] for ref in leaves(graph.outputs)]


def _pixel(spec: Spec) -> Field:
    return Field(((steps(1, 0), steps(1, 0)),) * max(len(spec.sides) - 2, 0))


def _field(
    call: Call, specs: Mapping[Ref, Spec], found: Mapping[Ref, Field | None], first: bool, joining: bool
) -> Field | None:
    """Returns the field of what a call makes.

    Args:
        call: the call.
        specs: of all tensors.
        found: the fields of what is made already.
        first: whether channels come first somewhere, so that the axes of a call that does not say it are not known.
        joining: whether the call joins maps that keep channels first.
    """
    config = {**applied(call)[1], **({"data_format": "channels_first"} if joining else {})}
    fields = {ref: found[ref] for ref in call.operands}
    maps = {ref: field for ref, field in fields.items() if field is not None and field.spans}
    mixed = any(field is not None and field.everything for field in fields.values())
    sides = {ref: spatial_sides(specs[ref], config) for ref in maps}
    after = spatial_sides(call.specs[0], config)
    mixing = mixes(call)
    if mixing and (maps or mixed or None in fields.values()):
        spans = next((field.spans for ref, field in maps.items() if sides[ref] == after), ())
        return Field(spans if after else (), everything=True)
    if None in fields.values() or (maps and (mixing is None or after is None)):
        return None
    if not maps:
        return Field((), mixed)
    if first and "data_format" not in config and not is_elementwise(call):
        return None  # which axes it works on is not said
    try:
        given = [(field, sides[ref] or ()) for ref, field in maps.items()]
        return _joined(call, given, after or (), mixed, joining)
    except (TypeError, ValueError, IndexError, KeyError, ZeroDivisionError, AttributeError, OverflowError):
        return None  # an open size, or a configuration that is not what Keras writes


def _joined(call: Call, maps: list[tuple[Field, Sides]], after: Sides, mixed: bool, joining: bool) -> Field | None:
    """Returns the smallest field that holds those of all maps that a local call is given."""
    moved = []
    pointwise = joining or is_pointwise(call)
    for field, before in maps:
        if set(before) == {1} and set(after) != {1}:  # one pixel for all: squeeze and excite
            mixed = True
            continue
        here = (HERE,) * len(before) if joining else reach(call, before, after)
        if here is None or len(here) != len(field.spans):
            return None
        spread = [pointwise and one == 1 != other for one, other in zip(before, after, strict=True)]
        mixed = mixed or any(spread)  # one pixel for all on an axis
        pairs = zip(field.spans, here, spread, strict=True)
        moved.append([() if wide else ((a.after(first), b.after(last)),) for (a, b), (first, last), wide in pairs])
    axes = [[span for spans in axis for span in spans] for axis in zip(*moved, strict=True)]
    if not axes or not all(axes):
        return Field((), mixed)
    if any(len({ruler.slope for span in axis for ruler in span}) > 1 for axis in axes):
        return None  # maps of other strides, laid over one another
    spans = tuple((together([a for a, _ in axis], min), together([b for _, b in axis], max)) for axis in axes)
    for pair in spans:
        span(*pair)
    return Field(spans, mixed)


def field_text(field: Field | None) -> str:
    """Returns `43`, `43 x 11` where the axes differ, `all` where pixels of the whole input come in, `?`, or `-`."""
    if field is None:
        return "?"
    return "all" if field.everything else each_axis(field.size)
