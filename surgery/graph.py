"""The one idea: a model is a `Graph`, an immutable tuple of calls that can be run in order.

A call is ONE application of an operation, so a shared layer is two calls of one op, and `x + y` is a call like any
other. Every edit is Graph -> Graph, and is made of the few primitives in `primitives.py`. Nothing here imports Keras,
and nothing here holds a weight.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from surgery.errors import SurgeryError, nearest, printable
from surgery.preprocessing import Preprocessing, of_graph
from surgery.reprs import ends, line
from surgery.sameness import same_structure
from surgery.specs import Ref, Spec, Weight, megabytes
from surgery.structure import leaves, plain


class Op(Protocol):
    """What a call applies. Live or stored, an op answers these questions; two ops are equal when they are one layer."""

    @property
    def class_name(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def config(self) -> dict[str, Any]: ...
    @property
    def weights(self) -> tuple[Weight, ...]: ...
    @property
    def trainable(self) -> bool:
        """Whether training moves a weight."""
        ...

    @property
    def frozen(self) -> bool:
        """Whether the layer's own flag keeps its weights from training."""
        ...

    @property
    def inner(self) -> Graph | None:
        """The graph inside, when the op is itself a model."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """One application of `op`.

    Args:
        name: the address, unique in its graph: the layer's name, and from its second call on `name@1`, `name@2`.
        op: the operation, or `None` for an input of the graph.
        args: positional arguments, with a `Ref` in the place of every tensor.
        kwargs: keyword arguments, likewise. For an input: further arguments of `keras.Input` (`sparse`, `optional`).
        output: nested structure of `Spec`.
        flags: marks of `freeze` and `thaw` that `build` applies: the path of a leaf layer below this call (`""` for the
            layer itself) -> trainable; `"affine"` for a BatchNormalization that trains with fixed statistics.
        preprocessing: for an input: what its images should be, where that is known.
    """

    name: str
    op: Op | None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    output: Any = None
    flags: Mapping[str, bool | str] = dataclasses.field(default_factory=dict)
    preprocessing: Preprocessing | None = None

    @property
    def layer(self) -> str:
        """The name of the layer that is called: the address without `@1`."""
        if "@" not in self.name:
            return self.name
        own = "" if self.op is None else self.op.name  # which may itself end so
        return own if re.fullmatch(rf"{re.escape(own)}(@\d+)?", self.name) else re.sub(r"@\d+$", "", self.name)

    @property
    def class_name(self) -> str:
        return "InputLayer" if self.op is None else self.op.class_name

    @property
    def config(self) -> dict[str, Any]:
        return {} if self.op is None else self.op.config

    @property
    def weights(self) -> tuple[Weight, ...]:
        return () if self.op is None else self.op.weights

    @property
    def inner(self) -> Graph | None:
        """The graph inside, when the op is itself a model."""
        return None if self.op is None else self.op.inner

    @property
    def below(self) -> list[Call]:
        """The calls inside, when the op is itself a model, with the marks that this call carries for them."""
        if not self.flags:
            return list(self.inner or ())
        return [dataclasses.replace(call, flags=flags_below(self.flags, call.layer)) for call in self.inner or ()]

    @property
    def params(self) -> int:
        """Number of parameters of the op that is called."""
        return sum(weight.size for weight in self.weights)

    @functools.cached_property
    def _refs(self) -> tuple[Ref, ...]:
        return tuple(Ref(self.name, index) for index in range(len(self.specs)))

    @functools.cached_property
    def _parents(self) -> tuple[Ref, ...]:
        values = (self.args, dict(self.kwargs)) if self.kwargs else self.args
        return tuple(leaf for leaf in leaves(values) if isinstance(leaf, Ref))

    @property
    def specs(self) -> list[Spec]:
        """The specs of the outputs, flat."""
        return leaves(self.output)

    @property
    def refs(self) -> list[Ref]:
        """The addresses of the outputs, flat."""
        return list(self._refs)

    @property
    def parents(self) -> list[Ref]:
        """The tensors that the call takes, in order."""
        return list(self._parents)

    @property
    def given(self) -> list[Ref]:
        """The tensors that the call works on, each once: its parents without a mask."""
        values = (self.args, {key: value for key, value in self.kwargs.items() if key != "mask"})
        return list(dict.fromkeys(leaf for leaf in leaves(values) if isinstance(leaf, Ref)))

    @property
    def operands(self) -> list[Ref]:
        """The tensors in the order in which the layer names them, which for attention is not that of `parents`."""
        if not self.class_name.endswith("Attention") or (self.args and not isinstance(self.args[0], Ref)):
            masks = leaves(self.kwargs["mask"]) if "mask" in self.kwargs else ()
            return [ref for ref in self.parents if ref not in masks]
        named = dict(zip(("query", "value", "key"), self.args, strict=False)) | dict(self.kwargs)
        return [named[name] for name in ("query", "value", "key") if isinstance(named.get(name), Ref)]

    @property
    def trainable(self) -> bool:
        """Whether training moves something here, marks of `freeze` and `thaw` included."""
        if self.op is None:
            return False
        if self.op.inner is None:
            return bool(self.flags.get("", self.op.trainable))
        return any(call.trainable for call in self.below)

    @property
    def frozen(self) -> bool:
        """Whether it has weights, all of which are kept from training by a flag, marks included."""
        if self.op is None or not self.op.weights:
            return False
        if self.op.inner is None:
            return not self.flags[""] if "" in self.flags else self.op.frozen
        return all(call.frozen for call in self.below if call.weights)

    def __str__(self) -> str:
        shapes = ", ".join(map(str, self.specs))
        return f"{printable(self.name)} {self.class_name} {shapes}"

    def __repr__(self) -> str:
        return f"<Call {self}>"


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

    preprocessing = property(of_graph)

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
        name = address.call if isinstance(address, Ref) else address
        if not isinstance(name, str):
            raise SurgeryError(f"a call of {self.name!r} is asked for by its address, a text, not by {name!r}.")
        if name not in self._position:
            raise SurgeryError(f"no call {name!r} in {self.name!r}.{nearest(name, self._position)}")
        return self.calls[self._position[name]]

    def __contains__(self, address: object) -> bool:
        return isinstance(address, str) and address in self._position

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)

    def __len__(self) -> int:
        return len(self.calls)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Graph)
            and same_structure(self, other)
            and plain([self.inputs, self.outputs]) == plain([other.inputs, other.outputs])
        )

    __hash__ = None  # pyright: ignore[reportAssignmentType]

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
        specs = self[ref].specs
        if 0 <= ref.index < len(specs):
            return specs[ref.index]
        raise SurgeryError(f"{ref.call!r} in {self.name!r} has {len(specs)} outputs; there is no {ref}.")

    def address(self, ref: Ref) -> str:
        """Returns the selector that means one tensor alone: `x@0` for the first call of several, `x#0` of outputs."""
        name = f"{ref.call}@0" if f"{ref.call}@1" in self else ref.call
        return f"{name}#{ref.index}" if len(self[ref].specs) > 1 else name

    def __str__(self) -> str:
        weights = self.weights
        size, dtypes = sum(weight.bytes for weight in weights), sorted({weight.dtype for weight in weights})
        parts = [printable(self.name), *ends(self), f"{len(self):,} calls", f"{self.params:,} parameters"]
        return " · ".join([*parts, *([f"{megabytes(size)} as {', '.join(dtypes)}"] if size else [])])

    def __getattr__(self, name: str) -> Any:
        hint = "; sg.build(graph) makes a keras.Model, sg.show(graph) prints the table" if name in _OF_MODELS else ""
        raise AttributeError(f"a Graph has no {name!r}{hint}")

    def __repr__(self) -> str:
        return line(self, str(self))


_OF_MODELS = ("compile", "evaluate", "fit", "get_layer", "layers", "predict", "save", "summary", "get_weights")


def flags_below(flags: Mapping[str, bool | str], layer: str) -> dict[str, bool | str]:
    """Returns the marks of a nested call that concern one layer inside, by their paths below it."""
    return {
        path[len(layer) + 1 :]: flag for path, flag in flags.items() if path == layer or path.startswith(f"{layer}/")
    }


def leaf_layers(graph: Graph, owner: str = "") -> Iterator[tuple[Any, Call]]:
    """Yields (what a layer is told by, its call) at every depth, in order; calls of one layer have one key."""
    for call in graph:
        if call.inner is not None:
            yield from leaf_layers(call.inner, owner_below(owner, call))
        elif call.op is not None:
            yield (owner, call.op, call.layer), call


def owner_below(owner: str, call: Call) -> str:
    """Returns the renamed models around what is inside a nested call: one under another name has layers of its own."""
    return owner if call.op is None or call.layer == call.op.name else f"{owner}/{call.layer}"
