"""The one idea: a model is a `Graph`, an immutable tuple of calls that can be run in order.

A call is ONE application of an operation, so a shared layer is two calls of one op, and `x + y` is a call like any
other. Every edit is Graph -> Graph, and is made of the few primitives in `primitives.py`. Nothing here imports Keras,
and nothing here holds a weight.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any

from surgery.core.errors import SurgeryError, nearest, printable
from surgery.core.nested import plain
from surgery.core.reprs import ends, line
from surgery.core.specs import Ref, Spec, Weight, megabytes
from surgery.graph.about import _Bound
from surgery.graph.about import of_graph as about_of
from surgery.graph.calls import Call, Op, flags_below
from surgery.graph.input_preprocessing import of_graph
from surgery.layers.sameness import same_structure

__all__ = ["MEASURES", "Call", "Graph", "Op", "flags_below", "leaf_layers", "owner_below", "placed"]

MEASURES: dict[str, Callable[[Any], Any]] = {}  # of a graph, by name; `analysis`, which knows graphs, fills it


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """An immutable model: calls in an order in which they can be run, and nested structures of `Ref` at both ends.

    It reads like a value: `len(graph)`, `graph["block1_conv1"]`, iteration over calls, `print(graph)` for one line,
    `==` for the same structure (names, classes, configurations, wiring, flags: a network is equal to its own file;
    weights are not compared). `notes` are what edits had to say: weights that moved, adapters that were put in.
    """

    name: str
    calls: tuple[Call, ...]
    inputs: Any
    outputs: Any
    notes: tuple[str, ...] = ()
    _about: _Bound | None = None

    about = property(about_of)
    preprocessing = property(of_graph)

    def __post_init__(self) -> None:
        if any(type(call) is not Call for call in self.calls):  # taken from another graph, which they would keep
            _set(self, "calls", tuple(_alone(call) if type(call) is not Call else call for call in self.calls))

    @functools.cached_property
    def _position(self) -> dict[str, int]:
        return {call.name: position for position, call in enumerate(self.calls)}

    @functools.cached_property
    def specs(self) -> dict[Ref, Spec]:
        """The spec of every tensor of the top level."""
        return {ref: spec for call in self.calls for ref, spec in zip(call.refs, call.specs, strict=True)}

    @functools.cached_property
    def consumers(self) -> dict[Ref, list[str]]:
        """The calls that take each tensor, in order."""
        users: dict[Ref, list[str]] = {}
        for call in self.calls:
            for ref in dict.fromkeys(call.parents):
                users.setdefault(ref, []).append(call.name)
        return users

    def __getitem__(self, address: str | Ref) -> Call:
        return placed(self._at(address), self)

    def _at(self, address: str | Ref) -> Call:
        name = address.call if isinstance(address, Ref) else address
        if not isinstance(name, str):
            raise SurgeryError(f"a call of {self.name!r} is asked for by its address, a text, not by {name!r}.")
        if name not in self._position:
            raise SurgeryError(f"no call {name!r} in {self.name!r}.{nearest(name, self._position)}")
        return self.calls[self._position[name]]

    def __contains__(self, address: object) -> bool:
        return isinstance(address, str) and address in self._position

    def __iter__(self) -> Iterator[Call]:
        return (placed(call, self) for call in self.calls)

    def __len__(self) -> int:
        return len(self.calls)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Graph)
            and same_structure(self, other)
            and plain([self.inputs, self.outputs]) == plain([other.inputs, other.outputs])
        )

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    @functools.cached_property
    def _figures(self) -> dict[str, Any]:
        return {}

    def figure(self, name: str) -> Any:
        """Returns one of `MEASURES` of the graph, computed once."""
        if not MEASURES:
            importlib.import_module("surgery.analysis")  # which fills it
        if name not in self._figures:
            self._figures[name] = MEASURES[name](self)
        return self._figures[name]

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates of one sample, the sum over its calls; `None` where one is not known."""
        return self.figure("all macs")

    @property
    def memory(self) -> int | None:
        """Bytes of what all its calls make of one sample; `None` where a size is open."""
        return self.figure("all memory")

    @property
    def params(self) -> int:
        """Number of parameters; a layer that is called twice counts once."""
        return sum(weight.size for weight in self.weights)

    @property
    def weights(self) -> list[Weight]:
        """The variables of all layers at every depth; those of a shared layer once."""
        found: dict[Any, Call] = {}
        for layer, call in leaf_layers(self):
            found.setdefault(layer, call)
        return [weight for call in found.values() for weight in call.weights]

    def spec(self, ref: Ref) -> Spec:
        """Returns shape and dtype of one tensor."""
        specs = self._at(ref).specs
        if 0 <= ref.index < len(specs):
            return specs[ref.index]
        raise SurgeryError(f"{ref.call!r} in {self.name!r} has {len(specs)} outputs; there is no {ref}.")

    def address(self, ref: Ref) -> str:
        """Returns the selector that means one tensor alone: `x@0` for the first call of several, `x#0` of outputs."""
        name = f"{ref.call}@0" if f"{ref.call}@1" in self else ref.call
        return f"{name}#{ref.index}" if len(self._at(ref).specs) > 1 else name

    def __str__(self) -> str:
        weights = self.weights
        size, dtypes = sum(weight.bytes for weight in weights), sorted({weight.dtype for weight in weights})
        parts = [printable(self.name), *ends(self), f"{len(self):,} calls", f"{self.params:,} parameters"]
        return " · ".join([*parts, *([f"{megabytes(size)} as {', '.join(dtypes)}"] if size else [])])

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a Graph has no {name!r}{_HINT if name in _OF_MODELS else ''}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"a Graph is not called{_HINT}")

    def __repr__(self) -> str:
        return line(self, str(self))


class _Placed(Call):
    """A call that was taken from a graph: it knows the graph, and shares all else with the call."""

    __slots__ = ("_address", "_graph")

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return Call(*args, **kwargs)  # what `dataclasses.replace` makes of it is in no graph yet

    def _figure(self, name: str) -> Any:
        return self._graph.figure(name)[getattr(self, "_address", self.name)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _alone(self).__reduce_ex__(protocol)


_Placed.__name__ = _Placed.__qualname__ = "Call"  # which it is, to its users


def placed(call: Call, graph: Graph, address: str | None = None) -> Call:
    """Returns a call as one of a graph, for its figures there.

    Args:
        call: a call of the graph, or of a nested one.
        graph: the graph.
        address: its address in the graph; its name by default.
    """
    new = _new(_Placed)
    _set(new, "__dict__", call.__dict__)
    _set(new, "_graph", graph)
    if address is not None:
        _set(new, "_address", address)
    return new


def _alone(call: Call) -> Call:
    """Returns a call as one of no graph."""
    new = _new(Call)
    _set(new, "__dict__", call.__dict__)
    return new


_new, _set = object.__new__, object.__setattr__

_HINT = "; sg.build(graph) makes a keras.Model, sg.show(graph) prints the table"
_OF_MODELS = ("compile", "evaluate", "fit", "get_layer", "layers", "predict", "save", "summary", "get_weights")


def leaf_layers(graph: Graph, owner: str = "") -> Iterator[tuple[Any, Call]]:
    """Yields (what a layer is told by, its call) at every depth, in order; calls of one layer have one key."""
    for call in graph.calls:
        if call.inner is not None:
            yield from leaf_layers(call.inner, owner_below(owner, call))
        elif call.op is not None:
            yield (owner, call.op, call.layer), call


def owner_below(owner: str, call: Call) -> str:
    """Returns the renamed models around what is inside a nested call: one under another name has layers of its own."""
    return owner if call.op is None or call.layer == call.op.name else f"{owner}/{call.layer}"
