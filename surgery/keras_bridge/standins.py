"""Live layers for ops: the layer itself where it can be shared, a copy with equal weights where it cannot.

A Keras layer has one name and one set of flags, so an op that is built under another name, or with other flags than
its layer has, gets a layer of its own; the donor keeps its own as it was. Copies are remembered by their op: building a
graph twice gives the same layers twice.

A build keeps account of what each variable that it made was given: a tensor of the file, or the value of the variable
that it is a copy of. One without is an error; only an op of a card, or of an architecture alone, has fresh weights.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras

from surgery.core.errors import SurgeryError, SurgeryWarning, listing, printable
from surgery.graph.calls import Call, Op, flags_below
from surgery.graph.graph import Graph
from surgery.graph.ops import Standin, StoredOp
from surgery.graph.traversal import calls_at_every_depth
from surgery.keras_bridge.copy import give_weights, owing, renewed
from surgery.keras_bridge.deserialize import deserialize, teach
from surgery.keras_bridge.fill import Filling
from surgery.keras_bridge.flags_at import agrees, apply_flags, stored_flags
from surgery.keras_bridge.lookups import is_lookup
from surgery.keras_bridge.trace import functional_class, is_graph, trace


class Copies:
    """The live layers of one build, used as a context: at its end, all of them have their weights.

    Args:
        fresh: whether every op with variables is copied, also where it could be shared.
        custom_objects: classes and functions that stored layers may name, besides those of Keras.
        nested: makes the model of a nested op of its layers, `nested(graph, name, copies)`.
    """

    def __init__(
        self,
        fresh: bool = False,
        custom_objects: Mapping[str, Any] | None = None,
        nested: Callable[[Graph, str, Copies], Any] | None = None,
    ):
        self.fresh = fresh
        self._custom_objects = dict(custom_objects or {})
        self._nested = nested
        self._made: dict[tuple[Op, str], Standin] = {}
        self._new: list[tuple[StoredOp, Standin]] = []
        self._pending: list[tuple[Any, Standin, Any]] = []
        self._shared: list[Any] = []
        self._given: set[int] = set()
        self._uses: collections.Counter[Any] = collections.Counter()
        self._filling = Filling()

    @contextlib.contextmanager
    def of(self, calls: Iterable[Call]) -> Iterator[Copies]:
        """Makes the layers of these calls inside the block; when it fails, none of them is remembered.

        Raises:
            SurgeryError: a layer is code that the user has not handed over.
        """
        calls = list(calls)
        _count_uses(calls, self._uses)
        stored = [op for op in map(_op, calls) if isinstance(op, StoredOp) and not op.standins]
        try:
            if any(op.source is not None or _has_source(op) for op in stored):
                self._filling = Filling(eager=any(map(keeps_states, stored)))
                with self._filling.scope():
                    yield self
                    self._fill()
            else:
                yield self
            self._finish()
            self._check_account()
        except BaseException:
            for op, standin in self._new:
                if standin in op.standins:
                    op.standins.remove(standin)
            raise

    def layer_for(self, call: Call) -> Any:
        """Returns the layer to apply for a call: one for all calls of an op under one name."""
        op: Any = call.op
        if (op, call.layer) not in self._made:
            self._made[op, call.layer] = self._standin(op, call.layer, dict(call.flags))
        return self._made[op, call.layer].layer

    def _standin(self, op: Any, name: str, flags: dict[str, bool | str]) -> Standin:
        if not op.standins:
            return self._first(op, name, flags)
        source = op.standins[0].layer
        if not self.fresh or not has_variables(source):
            for standin in reversed(op.standins):
                if standin.name == name and agrees(standin, flags, first=standin is op.standins[0]):
                    self._shared.append(standin.layer)
                    return standin
        whole = self._whole(op, name, flags) if self._is_composed(op, name) else renewed(source, name)
        composed = whole is None
        layer = self._composed(op, name, flags) if composed else whole
        self._filling.follow(layer)
        standin = Standin(layer, name, {})
        if isinstance(op, StoredOp) and op.standins[0].flags and not composed:  # its flags are those of another graph
            apply_flags(layer, stored_flags(op))
        standin.flags = apply_flags(layer, flags)
        self._pending.append((op, standin, None if composed else source))
        return standin

    def _first(self, op: StoredOp, name: str, flags: dict[str, bool | str]) -> Standin:
        """Returns a layer made of what is stored; later builds share it, unless copies are asked for."""
        composed = self._is_composed(op, op.name)
        layer = self._composed(op, name, flags) if composed else self._from_stored(op, name)
        standin = Standin(layer, name, flags)
        if op.source is None:
            apply_flags(layer, flags)  # else once it is filled: a file lists tensors in the order of its own flags
        self._new.append((op, standin))
        self._filling.follow(layer)
        if not self.fresh:
            op.standins.append(standin)
        return standin

    def _is_composed(self, op: Any, name: str) -> bool:
        """Whether a nested model is made of its layers, each shared or copied by itself: one that is used elsewhere too
        stays one layer. What gets another name is made whole, and so is what has fresh weights."""
        nested = op.inner is not None and self._nested is not None and name == op.name
        return nested and (not isinstance(op, StoredOp) or _has_source(op))

    def _whole(self, op: Any, name: str, flags: Mapping[str, bool | str]) -> Any:
        """Returns a copy of a nested model by its own class, such as that of a backbone with attributes and methods; or
        `None`, where it is composed of its layers: some stay shared, or its configuration makes another model."""
        source = op.standins[0].layer
        if isinstance(op, StoredOp) or type(source) is functional_class():
            return None
        alone = all(self._uses[call.op] == 1 for _, call in calls_at_every_depth(op.inner) if call.op is not None)
        if alone and (self.fresh or _all_flagged(op.inner, flags)):
            with contextlib.suppress(SurgeryError):
                new = renewed(source, name)
                if is_graph(new) and trace(new) == op.inner:
                    return new
        if not isinstance(source, keras.Sequential):
            warnings.warn(
                f"{name!r} is a plain keras.Model in what is built, not a {type(source).__name__}: some of its layers "
                "stay shared, or it cannot be made from its configuration. sg.freeze(sg.build(graph), where) keeps it.",
                category=SurgeryWarning,
                stacklevel=2,
            )
        return None

    def _composed(self, op: Any, name: str, flags: dict[str, bool | str]) -> Any:
        calls = tuple(dataclasses.replace(one, flags=flags_below(flags, one.layer)) for one in op.inner)
        return self._nested(dataclasses.replace(op.inner, calls=calls), name, self)  # pyright: ignore[reportOptionalCall]

    def _from_stored(self, op: StoredOp, name: str) -> Any:
        layer = deserialize(op, name, self._custom_objects)
        if is_lookup(layer) and op.source is not None and op.source.assets:
            teach(layer, op.source)
        return layer

    def _fill(self) -> None:
        """Gives the layers that were made from a file, and are built by now, the tensors of the file."""
        for op, standin in self._new:
            source = None if op.source is None or op.source.fresh else op.source
            if source is not None and has_variables(standin.layer) and not is_lookup(standin.layer):
                self._given.update(self._filling.fill(standin.layer, source, standin.name))
            apply_flags(standin.layer, standin.flags)

    def _finish(self) -> None:
        """Gives the copies, now built, the weights of their sources, and remembers them."""
        for op, standin, source in self._pending:
            if source is not None:  # else its layers were copied one by one
                give_weights(standin.layer, source)
                apply_flags(standin.layer, standin.flags)  # a mark goes before the flags of the source's variables
                self._given.update(map(id, getattr(standin.layer, "weights", ())))
            if not self.fresh:
                op.standins.append(standin)

    def _check_account(self) -> None:
        """Refuses a build in which a variable has another value than the one it should have.

        Raises:
            SurgeryError: a layer was made again, and nothing says where the values of its variables come from.
        """
        made = [(op, one) for op, one in self._new if not self._is_composed(op, op.name)]
        fresh = [one.layer for op, one in made if op.source is None or op.source.fresh]
        known = [*self._shared, *fresh, *(one.layer for _, one in self._new if is_lookup(one.layer))]
        given = self._given.union(id(one) for layer in known for one in getattr(layer, "weights", ()))
        for standin in self._made.values():
            weights = getattr(standin.layer, "weights", ())
            random = owing(standin.layer) or [one.path for one in weights if id(one) not in given]
            if random:
                raise SurgeryError(
                    f"{standin.name!r} was made again, and {listing(map(printable, random), 4)} did not get the values "
                    "of its source; nothing was built."
                )


def _op(call: Call) -> Any:
    return call.op


def _count_uses(calls: Iterable[Call], found: collections.Counter[Any]) -> None:
    """Counts in how many graphs, at any depth, each op is called."""
    for op in {call.op for call in calls if call.op is not None}:
        found[op] += 1
        if op.inner is not None and found[op] == 1:
            _count_uses(op.inner, found)


def _all_flagged(graph: Graph, flags: Mapping[str, bool | str]) -> bool:
    """Whether every layer with weights gets flags of its own, so that none is shared with the donor."""
    below = ((call, flags_below(flags, call.layer)) for call in graph if call.weights)
    return all(_all_flagged(call.inner, own) if call.inner is not None else bool(own) for call, own in below)


def _has_source(op: StoredOp) -> bool:
    """Whether a stored op, or one inside it, comes from a file."""
    if op.inner is None:
        return op.source is not None
    return any(isinstance(call.op, StoredOp) and _has_source(call.op) for call in op.inner)


def keeps_states(op: Any) -> bool:
    """Whether an op, or one inside it, is a recurrent layer whose states stay from batch to batch."""
    if op.inner is None:
        return '"stateful": true' in json.dumps(op.config, default=str)
    return any(call.op is not None and keeps_states(call.op) for call in op.inner)


def has_variables(layer: Any) -> bool:
    """Whether an operation holds state: weights, the seed of a dropout, or words that it learned."""
    parts = getattr(layer, "_flatten_layers", list)()
    return bool(getattr(layer, "variables", ())) or any(map(is_lookup, parts))
