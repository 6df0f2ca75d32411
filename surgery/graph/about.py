"""What a model is for: names of classes, measures, where it comes from. A value that a file keeps, bounded in size.

It belongs to the output of a graph: it holds while the same layer makes the output, of the same width. So no edit can
leave wrong names on it, whichever way the edit is written.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from surgery.core.errors import SurgeryError, listing, printable
from surgery.core.nested import leaves
from surgery.core.reprs import block, line, table
from surgery.core.specs import Ref

CLASSES = 100_000
NAME = 300  # characters of the name of a class, of a measure
TEXT = 10_000  # characters of a command
ENTRIES = 1_000  # of measures, of data, of versions


@dataclasses.dataclass(frozen=True)
class About:
    """What a model is for: `sg.save(model, path, about=...)` writes it into the file, `sg.open(path).about` reads it.

    Args:
        classes: their names, in the order of the outputs; of one output with a sigmoid, those of 0 and of 1.
        task: such as `"classification"`.
        measures: name -> number, such as `{"accuracy": 0.97}`.
        data: what it was trained on: counts, and a hash of the list of files, by name. Never the images.
        donor: the network that it was made of.
        versions: package -> version; `sg.save` says its own where there are none.
        command: that made it.

    Raises:
        SurgeryError: a value is of another type, not finite, or too long.

    Example:

    >>> sg.About(classes=["cat", "dog"], task="classification").classes
    ('cat', 'dog')
    """

    classes: Sequence[str] = ()
    task: str = ""
    measures: Mapping[str, float] = dataclasses.field(default_factory=dict)
    data: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    donor: str = ""
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    command: str = ""

    def __repr__(self) -> str:
        return line(self, self._said())

    def _repr_html_(self) -> str:
        rows = [(str(number), printable(name)) for number, name in enumerate(self.classes)]
        return block(self._said(), table(("output", "class"), rows) if rows else "")

    def _said(self) -> str:
        names = [f"{len(self.classes):,} classes: {listing(self.classes)}"] if self.classes else []
        measures = [f"{name} {value:.4g}" for name, value in self.measures.items()][:3]
        return " · ".join([one[:80] for one in (self.task, *names, *measures, self.donor) if one]) or "nothing"

    def __post_init__(self) -> None:
        if isinstance(self.classes, (str, bytes)) or not isinstance(self.classes, Sequence):
            raise SurgeryError(f"classes is a list of names, not {printable(repr(self.classes))}.")
        if len(self.classes) > CLASSES:
            raise SurgeryError(f"classes has {len(self.classes):,} names; at most {CLASSES:,} are kept.")
        object.__setattr__(self, "classes", tuple(_text(one, "a class", NAME) for one in self.classes))
        for name, longest in (("task", NAME), ("donor", TEXT), ("command", TEXT)):
            _text(getattr(self, name), name, longest)
        for name, kinds in (("measures", (int, float)), ("data", (int, float, str)), ("versions", (str,))):
            object.__setattr__(self, name, _entries(getattr(self, name), name, kinds))

    def described(self) -> dict[str, Any]:
        """Returns it as plain values, which `read` takes; what is empty is left out."""
        values = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return {name: list(one) if name == "classes" else one for name, one in values.items() if one}


def read(described: Mapping[str, Any]) -> About:
    """Returns what `About.described` wrote; keys that are not known are left out.

    Raises:
        SurgeryError: a value cannot be one of it.
    """
    known = {one.name for one in dataclasses.fields(About)}
    return About(**{name: value for name, value in described.items() if name in known})


def _text(value: Any, what: str, longest: int) -> str:
    if not isinstance(value, str):
        raise SurgeryError(f"{what} is a text, not {printable(repr(value))}.")
    if len(value) > longest:
        raise SurgeryError(f"{what} has {len(value):,} characters; at most {longest:,} are kept.")
    return value


def _entries(values: Any, what: str, kinds: tuple[type, ...]) -> dict[str, Any]:
    if not isinstance(values, Mapping) or len(values) > ENTRIES:
        raise SurgeryError(f"{what} is a dict of at most {ENTRIES:,} entries, not {printable(repr(values))}.")
    return {
        _text(key, f"a name in {what}", NAME): _entry(one, f"{what}[{key!r}]", kinds) for key, one in values.items()
    }


def _entry(value: Any, what: str, kinds: tuple[type, ...]) -> Any:
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a number of NumPy
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise SurgeryError(f"{printable(what)} is a {' or a '.join(one.__name__ for one in kinds)}, not {value!r:.99}.")
    if isinstance(value, str):
        return _text(value, printable(what), NAME)
    if not abs(value) < 1e300 or not math.isfinite(value):
        raise SurgeryError(f"{printable(what)} is a finite number, not {printable(value)}.")
    return value


@dataclasses.dataclass(frozen=True, eq=False)
class _Bound:
    """What is said of a graph, with the graph of which it was said."""

    about: About
    graph: Any


def of_graph(graph: Any) -> About | None:
    """What the model is for, an `About`, or `None` where that is not known: from the file that it was opened from.

    It is known while the same layer makes the one output, with the same number of units: after `freeze`, `resize`, or
    a `cut` of the inputs. Its measures are known while nothing but flags was changed. Training is not seen:
    `sg.save(model, path, about=...)` says what holds after it.

    >>> sg.open("tinyvgg").about is None
    True
    """
    bound = graph._about
    if bound is None or bound.graph is graph:
        return None if bound is None else bound.about
    if (made_by(graph), width(graph)) != (made_by(bound.graph), width(bound.graph)):
        return None
    if bound.about.measures and not _computes_the_same(graph, bound.graph):
        return dataclasses.replace(bound.about, measures={})
    return bound.about


def with_about(graph: Any, about: About | None) -> Any:
    """Returns the graph of which that is said.

    Raises:
        SurgeryError: it has another number of classes than the graph.
    """
    if about is None:
        return dataclasses.replace(graph, _about=None)
    units = width(graph)
    if about.classes and (made_by(graph) is None or units is None):
        raise SurgeryError(
            f"{printable(graph.name)!r} has no single output of scores for {len(about.classes):,} classes."
        )
    if about.classes and len(about.classes) != (units if units != 1 else 2):
        raise SurgeryError(
            f"it names {len(about.classes):,} classes, and {printable(graph.name)!r} has {units:,} outputs."
        )
    return dataclasses.replace(graph, _about=_Bound(about, dataclasses.replace(graph, _about=None)))


def width(graph: Any) -> int | None:
    """Returns the units of the one output of a graph; `None` of several, or where that is open."""
    ends = leaves(graph.outputs)
    sides = graph.spec(ends[0]).sides if len(ends) == 1 else ()
    return sides[-1] if len(sides) > 1 else None


def made_by(graph: Any) -> tuple[Any, int] | None:
    """Returns the operation that makes the one output of a graph, before activations, and which of its outputs."""
    from surgery.layers.classes import kind_of
    from surgery.layers.facts import Trait
    from surgery.layers.table import has

    found = None
    for call, ref in last_calls(graph):
        found, kind = (call.op, ref.index), kind_of(call)
        if not (kind == "Activation" or has(kind, Trait.KEEPS_ORDER)):
            break
    return found


def last_calls(graph: Any) -> Iterator[tuple[Any, Ref]]:
    """Yields the calls that make the one output of a graph, the last first, inside nested models too, up to one that
    takes several tensors."""
    ends = leaves(graph.outputs)
    if len(ends) != 1:
        return
    ref, outside = ends[0], []
    while True:
        call = graph[ref]
        if call.inner is not None:
            outside.append((graph, call))
            graph, ref = call.inner, leaves(call.inner.outputs)[ref.index]
            continue
        if call.op is None and outside:  # the input of a nested model
            entries = leaves(graph.inputs)
            graph, call, entry = *outside.pop(), entries.index(ref)
            ref = list(call.parents)[entry]
            continue
        if call.op is None:
            return
        yield call, ref
        if len(call.parents) != 1:
            return
        ref = call.parents[0]


def _computes_the_same(one: Any, other: Any) -> bool:
    """Whether two graphs have the same calls: what is rebuilt in another wiring has other arguments."""
    if one.outputs != other.outputs or len(one.calls) != len(other.calls):
        return False
    calls = {call.name: call for call in other.calls}
    return all(
        (old := calls.get(call.name)) is not None
        and call.op == old.op
        and call.args is old.args
        and call.kwargs is old.kwargs
        and call.preprocessing == old.preprocessing
        for call in one.calls
    )
