"""The difference of two networks, as values, as text for people, and as JSON (docs/json.md)."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from surgery.core.errors import listing, printable
from surgery.core.reprs import block, line, table
from surgery.core.specs import megabytes
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.traversal import undescribed

SCHEMA = 1
_SHOWN = 40  # characters of a value in the text


@dataclasses.dataclass(frozen=True)
class Change:
    """One thing that is different about a call that both networks have.

    Args:
        a: its address in the first network.
        b: its address in the second.
        kind: `name`, `class`, `config`, `wiring`, `arguments`, `shape`, `trainable`, `vocabulary` (learned by `adapt`),
            or `sharing` (of a layer).
        key: for `config` which key, `kernel_size`; else `""`.
        before: the value in the first network, as plain values.
        after: the value in the second.
    """

    a: str
    b: str
    kind: str
    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        what = {"config": self.key, "wiring": "takes", "shape": "output", "sharing": "applies"}.get(
            self.kind, self.kind
        )
        before, after = _shown(self.before, self.after)
        return f"{what} {before} -> {after}"

    def __repr__(self) -> str:
        return line(self, f"{self.b}: {self}")


@dataclasses.dataclass(frozen=True)
class WeightChange:
    """One tensor that is different.

    Args:
        a: the address of its layer in the first network.
        b: the address of its layer in the second.
        tensor: its name.
        kind: `values`, `dtype`, `shape`, `moved` (equal to another tensor of the first network), or `count`.
        size: number of elements.
        count: how many of them differ.
        largest: the largest absolute difference.
        relative: that difference as a part of the larger value.
        source: for `moved` the tensor of the first network that has these values.
    """

    a: str
    b: str
    tensor: str
    kind: str
    size: int = 0
    count: int = 0
    largest: float = 0.0
    relative: float = 0.0
    source: str = ""

    def __str__(self) -> str:
        name = printable(self.tensor)
        if self.kind == "moved":
            return f"{name} is now what {printable(self.source)} was"
        if self.kind == "values":
            return f"{name}: {self.count:,} of {self.size:,} values differ, by at most {self.largest:.3g}"
        if self.kind == "dtype":
            by = f"{self.count:,} of {self.size:,} values differ, by at most {self.largest:.3g}"
            return f"{name}: another dtype ({printable(self.source)}), {by if self.count else 'equal values'}"
        return f"{name}: {printable(self.source)}"

    def __repr__(self) -> str:
        return line(self, f"{self.b}: {self}")


@dataclasses.dataclass(frozen=True)
class Difference:
    """What is different about two networks.

    `print` it; `difference.equal` says yes or no; `difference.as_json()` is for programs.

    Args:
        a: the first network.
        b: the second.
        removed: address -> call, in the first alone.
        added: address -> call, in the second alone.
        changed: what is different about calls that both have.
        weights: tensors that differ.
        ends: what is different about inputs and outputs, in words.
        compared: number of tensors that were compared.
        without: addresses of layers whose values were not compared: one side has none, or keeps them in another form.
        pairs: address in the first network -> address in the second, of the calls that are the same.
    """

    a: Graph
    b: Graph
    removed: dict[str, Call]
    added: dict[str, Call]
    changed: list[Change]
    weights: list[WeightChange]
    ends: list[str]
    compared: int
    without: list[str]
    pairs: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def equal(self) -> bool:
        """Whether nothing that was compared differs."""
        return not (self.removed or self.added or self.changed or self.weights or self.ends)

    def __str__(self) -> str:
        lines = [self._title(), ""]
        lines += [f" - {_named(address, call)}" for address, call in self.removed.items()]
        lines += [f" + {_named(address, call)}" for address, call in self.added.items()]
        for name, changes in self._by_call():
            lines += [f" ~ {name}: {changes[0]}", *(f"   {' ' * len(name)}  {change}" for change in changes[1:])]
        lines += [f" ~ {end}" for end in self.ends]
        return "\n".join([*lines, *([""] if len(lines) > 2 else []), self._summary()])

    def __repr__(self) -> str:
        return line(self, f"{self._title()}: {self._summary()}")

    def _repr_html_(self) -> str:
        rows = [("-", printable(address), _what(call)) for address, call in self.removed.items()]
        rows += [("+", printable(address), _what(call)) for address, call in self.added.items()]
        rows += [("~", name, str(change)) for name, changes in self._by_call() for change in changes]
        rows += [("~", "", end) for end in self.ends]
        return block(f"{self._title()}: {self._summary()}", *([table(("", "call", "what"), rows)] if rows else []))

    def _title(self) -> str:
        return f"{printable(self.a.name)} -> {printable(self.b.name)}"

    def _by_call(self) -> list[tuple[str, list[Change | WeightChange]]]:
        found: dict[tuple[str, str], list[Change | WeightChange]] = {}
        for change in [*self.changed, *self.weights]:
            found.setdefault((change.a, change.b), []).append(change)
        names = [printable(a) if a == b else f"{printable(a)} -> {printable(b)}" for a, b in found]
        return list(zip(names, found.values(), strict=True))

    def _summary(self) -> str:
        tensors = f"{self.compared - len(self.weights):,} of {self.compared:,} tensors bit-identical"
        if not self.compared:
            tensors = "no tensors compared"
        if self.without:
            tensors += f"; not compared: those of {listing(map(printable, self.without), 3)}"
        if unknown := [*dict.fromkeys([*undescribed(self.a), *undescribed(self.b)])]:
            tensors += f"; settings not known, hence not compared: those of {listing(map(printable, unknown), 3)}"
        if self.equal:
            return f"equal{' in structure' if self.without else ''}: {len(self.a):,} calls · {tensors}"
        changed = len(self._by_call())
        return f"{len(self.removed):,} removed · {len(self.added):,} added · {changed:,} changed · {tensors}"

    def as_json(self) -> str:
        """Returns the difference as JSON; docs/json.md describes it."""
        whole = {
            "schema": SCHEMA,
            "a": self.a.name,
            "b": self.b.name,
            "equal": self.equal,
            "removed": [_described(address, call) for address, call in self.removed.items()],
            "added": [_described(address, call) for address, call in self.added.items()],
            "changed": [dataclasses.asdict(change) for change in self.changed],
            "weights": [_finite(dataclasses.asdict(change)) for change in self.weights],
            "ends": self.ends,
            "compared": self.compared,
            "without": self.without,
        }
        return json.dumps(whole, indent=1, allow_nan=False)


def _finite(change: dict[str, Any]) -> dict[str, Any]:
    """Returns a change in JSON's numbers: an infinite difference is `null`."""
    return {key: None if value == float("inf") else value for key, value in change.items()}


def _described(address: str, call: Call) -> dict[str, Any]:
    shapes = [None if spec.shape is None else list(spec.shape) for spec in call.specs]
    return {"call": address, "class": call.class_name, "output": shapes, "params": call.params}


def _named(address: str, call: Call) -> str:
    return f"{printable(address)}: {_what(call)}"


def _what(call: Call) -> str:
    size = sum(weight.bytes for weight in call.weights)
    weights = f", {call.params:,} parameters, {megabytes(size)}" if size else ""
    return f"{printable(call.class_name)} {', '.join(map(str, call.specs))}{weights}"


def _shown(before: Any, after: Any) -> tuple[str, str]:
    """Returns two values in words; of long ones the part in which they first differ."""
    texts = [_in_words(value) for value in (before, after)]
    apart = next((at for at, pair in enumerate(zip(*texts, strict=False)) if pair[0] != pair[1]), min(map(len, texts)))
    start = max(0, apart - _SHOWN // 4) if apart > _SHOWN // 2 and max(map(len, texts)) > _SHOWN else 0
    one, other = (_cut(text, start) for text in texts)
    return one, other


def _cut(text: str, start: int) -> str:
    shown = f"…{text[start + 1 :]}" if start else text
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"


def _in_words(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return listing(map(printable, value), 4)
    return printable(value if value is not None else "nothing")
