"""The configuration of a model, as any Keras wrote it, as a `Graph` of stored ops. No Keras import, no code is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from surgery.core.errors import SurgeryError, printable
from surgery.core.nested import leaves
from surgery.core.specs import Ref
from surgery.core.tensors import Source
from surgery.formats.budget import Budget
from surgery.formats.expected_variables import with_expected
from surgery.formats.layer_config import input_call, stored_weights
from surgery.formats.layer_entries import Entry, list_in, origin_of, read_entry, text_in, with_own_names
from surgery.formats.legacy import keras1, keras2
from surgery.formats.legacy.arrays import converted
from surgery.formats.legacy.connections import (
    Connections,
    first_calls,
    states_by_keyword,
    takes_states,
    temporary,
    told_apart,
)
from surgery.formats.legacy.rules import Origin, mended
from surgery.formats.model_shapes import first_spec, with_specs
from surgery.formats.registered import opened_as
from surgery.formats.weight_layout import NoPlaces, Places
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.masks import as_before
from surgery.graph.ops import StoredOp
from surgery.graph.primitives import check, named, ordered
from surgery.layers.classes import ALIASES
from surgery.layers.configurations import digest
from surgery.layers.description import Stored, is_layer
from surgery.layers.facts import Trait
from surgery.layers.table import has
from surgery.layers.wrappers import held_by, names_inside

MODELS = ("Functional", "Model", "Sequential")


class Reader:
    """Reads models that one Keras wrote.

    Args:
        origin: the version of Keras, and its backend.
        report: gets a line for each rule that fires.
        budget: of the file.
        alone: whether it is a file of an architecture alone: layers without tensors are fresh.
    """

    def __init__(self, origin: Origin, report: list[str], budget: Budget, alone: bool = False):
        self._budget = budget
        self._alone = alone
        self._inside: dict[Any, int] = {}  # the size of each nested model
        self._origin = origin
        self._old = origin.version[0] < 3
        self._report = report
        self._met: dict[tuple[str, str, str], list[StoredOp]] = {}
        self._held: set[tuple[str, str]] = set()  # by wrappers, whose layers may be shared too
        self._rules = (keras1.RULES if origin.version[0] < 2 else ()) + (keras2.RULES if self._old else ())

    def model(self, stored: Any, places: Places) -> Graph:
        """Returns the graph of a serialised model.

        Args:
            stored: `class_name`, `config`, and what else Keras wrote.
            places: the tensors of its layers.

        Raises:
            SurgeryError: it is a subclassed model, which is code, or not what Keras writes.
        """
        kind, config = text_in(stored, "class_name"), stored.get("config")
        if kind not in MODELS:
            kind = opened_as(stored, self._report)
        if kind == "Sequential" and isinstance(config, list):
            self._report.append("model: a Sequential kept as a list is a dict since Keras 2.2.3")
            config = {"layers": config}
        if not isinstance(config, dict):
            raise SurgeryError("the configuration of the model is not what Keras writes.")
        read = self._sequential if kind == "Sequential" else self._functional
        graph = check(named(read(config, places)))
        name = config.get("name")
        return dataclasses.replace(graph, name=printable(name) if isinstance(name, str) else kind.lower())

    def _functional(self, config: dict[str, Any], places: Places) -> Graph:
        entries = self._entries(config)
        if len({entry.name for entry in entries}) < len(entries):
            raise SurgeryError("two layers of the file have one name.")
        nodes = {entry.name: entry.nodes for entry in entries}
        nested = {entry.name for entry in entries if entry.class_name in MODELS}
        first = first_calls(nodes, nested if self._old else set(), config.get("output_layers"))
        wires = Connections(
            {name: len(calls) for name, calls in nodes.items()},
            first,
            first if self._old else {entry.name: int(entry.class_name == "Functional") for entry in entries},
        )
        ops = self._ops(entries, places)
        calls = [call for entry in entries for call in self._calls(entry, ops[entry.name], wires)]
        inputs, outputs = (self._ends(config, key, wires) for key in ("input_layers", "output_layers"))
        calls = calls if self._old else told_apart(calls, outputs, self._report)
        arity: dict[str, int] = {}
        self._budget.call(max(self._size(calls) - len(entries), 0))
        for used in [*(one for call in calls for one in call.parents), *leaves(outputs)]:
            arity[used.call] = max(arity.get(used.call, 0), used.index + 1)
        self._budget.take(100 * sum(arity.values()), "the outputs of its layers")
        graph = ordered(Graph("model", tuple(calls), inputs, outputs))
        if self._old:
            masked = as_before(graph, self._report)
            graph = graph if masked is graph else ordered(masked)
        return with_expected(with_specs(graph, wires.known, arity), self._alone)

    def _entries(self, config: dict[str, Any]) -> list[Entry]:
        layers = list_in(config, "layers")
        self._budget.call(len(layers))
        return [read_entry(one) for one in layers]

    def _size(self, calls: Iterable[Call]) -> int:
        """Returns the number of calls at every depth, as often as the models around them are called, and of their ends:
        each is looked at."""
        return sum(1 + self._inside.get(call.op, 0) for call in calls)

    def _calls(self, entry: Entry, op: StoredOp | None, wires: Connections) -> list[Call]:
        if op is None:
            return [input_call(entry)]
        calls = []
        for number, node in enumerate(entry.nodes):
            args, kwargs = wires.arguments(node, entry.name)
            if self._old and takes_states(entry.class_name, args):
                args, kwargs = states_by_keyword(args, kwargs, entry.name, entry.config)
                self._report.append(f"{entry.name}: initial states passed by keyword")
            calls.append(Call(temporary(entry.name, number), op, args, kwargs))
        return calls

    def _ends(self, config: dict[str, Any], key: str, wires: Connections) -> Any:
        ends = wires.ends(config.get(key))
        if self._old and isinstance(ends, list) and len(ends) == 1:
            self._report.append(f"model: single {key.split('_')[0]} taken out of its list")
            (ends,) = ends
        return ends

    def _sequential(self, config: dict[str, Any], places: Places) -> Graph:
        entries = with_own_names(self._entries(config), self._report)
        if not entries:
            raise SurgeryError("the Sequential in the file has no layers.")
        ops = self._ops(entries, places)
        if ops[entries[0].name] is None:
            stem, entries = input_call(entries[0]), entries[1:]
        else:
            stem = self._stem(entries, ops[entries[0].name], config)
        calls = [stem]
        for entry in entries:
            calls.append(Call(temporary(entry.name, 0), ops[entry.name], (Ref(calls[-1].name),)))
        self._budget.call(max(self._size(calls) - len(entries), 0))
        graph = ordered(Graph("model", tuple(calls), Ref(stem.name), Ref(calls[-1].name)))
        return with_expected(with_specs(graph, {}, {}), self._alone)

    def _stem(self, entries: list[Entry], op: StoredOp | None, config: dict[str, Any]) -> Call:
        """Returns the input of a Sequential that has none, named as Keras would."""
        first = entries[0]
        if op is not None and op.inner is not None:
            spec = op.inner.spec(leaves(op.inner.inputs)[0])
        else:
            build = first.whole.get("build_config")
            built = build.get("input_shape") if isinstance(build, dict) else None
            recurrent = has(first.class_name, Trait.RECURRENT)
            spec = first_spec(first.class_name, first.config, config.get("build_input_shape"), built, recurrent)
        if self._old:
            self._report.append(f"{first.name}: an InputLayer of shape {spec} put before it")
        taken = {entry.name for entry in entries}
        name = "input_layer"
        while name in taken:
            name += "_"
        return Call(name, None, (), {}, spec)

    # ---- layers ----

    def _ops(self, entries: Sequence[Entry], places: Places) -> dict[str, StoredOp | None]:
        ops: dict[str, StoredOp | None] = {}
        numbers: dict[str, int] = {}
        around = {one.name for one in entries}
        for entry in entries:
            number = numbers[entry.class_name] = numbers.get(entry.class_name, -1) + 1
            if entry.class_name == "InputLayer":
                if "batch_input_shape" in entry.config:
                    self._report.append(f"{entry.name}: batch_input_shape is called batch_shape")
                ops[entry.name] = None
            elif entry.class_name in MODELS:
                below = places.below(entry.name, entry.class_name, number)
                inner = self.model({**entry.whole, "config": entry.config}, below)
                stored = {"class_name": entry.class_name, "config": {**entry.config, "name": entry.name}}
                op = ops[entry.name] = StoredOp(stored, tuple(inner.weights), inner)
                self._inside[op] = self._size(inner) + len(leaves((inner.inputs, inner.outputs)))
            else:
                inside = [name for name in names_inside(entry.config) if name not in around]
                ops[entry.name] = self._leaf(entry, places.of(entry.name, entry.class_name, number, inside))
        return ops

    def _leaf(self, entry: Entry, source: Source) -> StoredOp:
        old = Stored(entry.name, entry.class_name, entry.config)
        new = mended(old, self._origin, self._rules, self._report)
        if self._old and source.row and not source.absent:
            source = Source(row=tuple(converted(old, new, list(source.row), self._origin, self._report)))
        module, registered = ("keras.layers", None) if self._old else origin_of(entry)
        stored = {
            "module": module,
            "class_name": ALIASES.get(new.class_name, new.class_name).rpartition(">")[2],
            "config": {**new.config, "name": entry.name},
            "registered_name": registered,
        }
        build = entry.whole.get("build_config")
        if isinstance(build, dict) and not self._old:
            stored["build_config"] = build
        op = StoredOp(stored, stored_weights(new, source), None, source, self._wrapped(new))
        self._held.update(held_by(entry.config))
        return self._tied(entry, op) or op

    def _tied(self, entry: Entry, op: StoredOp) -> StoredOp | None:
        """Returns the layer of another model that the file says this one is; its weights are written once, there."""
        if not op.weights and "shared_object_id" not in entry.whole:
            return None
        same = self._met.setdefault((op.class_name, op.name, digest(op.config)), [])
        if "shared_object_id" in entry.whole and len(same) == 1 and (op.class_name, op.name) not in self._held:
            self._report.append(
                f"{entry.name}: two models share it, and its weights, which Keras gives the first alone"
            )
            return same[0]
        same.extend([op] if op.weights else [])
        return None

    def _wrapped(self, layer: Stored) -> Graph | None:
        """Returns the graph of a model that is applied to each step of time; without its weights, it is looked at."""
        inner: Any = layer.config.get("layer")
        if self._old or layer.class_name != "TimeDistributed" or not is_layer(inner):
            return None
        try:
            return self.model(inner, NoPlaces()) if inner["class_name"] in MODELS else None
        except SurgeryError:
            return None


# ---- small readers ----
