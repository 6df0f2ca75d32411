"""What an operation did, in a few aligned lines: kept, new, dropped and frozen calls, and whether they are equal."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from typing import Any

from tabulate import tabulate

from surgery.core.errors import listing, printable
from surgery.core.reprs import block, line, paragraphs, table
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.primitives import before
from surgery.graph.traversal import one_call_per_op

SCHEMA = 1
MOST = 12  # causes that are listed


@dataclasses.dataclass(frozen=True)
class Cause:
    """Why calls that are kept compute something else than the donor's.

    Args:
        call: the first call that does.
        kind: `rewired`, `configuration`, `weights`, `new` (it takes what new calls made), or `output` (of the same
            layer, which nothing here explains).
        text: what is different about it.
        reaches: how many kept calls compute something else for it, itself included.
    """

    call: str
    kind: str
    text: str
    reaches: int

    def __str__(self) -> str:
        after = f"; {self.reaches:,} kept call{'s compute' if self.reaches != 1 else ' computes'} something else"
        return f"{printable(self.call)} {printable(self.text)}{after if self.reaches else ''}"

    def __repr__(self) -> str:
        return line(self, str(self))


@dataclasses.dataclass(frozen=True)
class Verification:
    """What a network has in common with its donor.

    `print` it; `verification.exact` says yes or no; `verification.as_json()` is for programs.

    Args:
        donor: the graph that it was compared with.
        kept: calls of the donor that are there: the same layer, or one of the same name that is made alike but for what
            changes no output, as a regularizer or an initializer.
        new: calls that the donor does not have.
        dropped: calls of the donor that are gone.
        frozen: calls with weights none of which trains.
        changed: kept calls whose weights differ from the donor's, in any bit.
        shared: kept calls with weights whose layer is the donor's own: what trains one trains both.
        altered: call -> call of the donor, in the place of the donor's but made otherwise: another activation, another
            size of a pool. They are among `new` and `dropped`.
        causes: why kept calls compute something else, the first call for each.
        fed: tensor -> tensor of the donor that was given instead, where new layers, or another input, are in front of
            what is kept.
        differences: kept tensor -> largest absolute difference from the donor's on random inputs.
        uncompared: kept calls that could not be run on the donor's tensors.
        parameters: `kept`, `new`, `dropped`, `frozen` -> number of parameters. A layer counts once: the second call of
            a kept layer is a new call of no new parameter.
        pairs: address -> address in the donor, of kept calls.

    Where the donor, or a part of it, is called as a nested model, the calls inside are told by their addresses,
    `vgg16/block1_conv1`.
    """

    donor: Graph
    kept: list[Call]
    new: list[Call]
    dropped: list[Call]
    frozen: list[Call]
    changed: list[Call]
    shared: list[Call]
    altered: dict[str, str]
    causes: list[Cause]
    fed: dict[str, str]
    differences: dict[str, float]
    uncompared: list[str]
    parameters: dict[str, int]
    pairs: dict[str, str] = dataclasses.field(repr=False)

    @property
    def largest(self) -> float:
        """The largest difference of all kept tensors; 0 when they compute the same, NaN when one is not a number."""
        values = list(self.differences.values())
        return float("nan") if any(value != value for value in values) else max(values, default=0.0)

    @property
    def exact(self) -> bool:
        """Whether what is kept computes what the donor computes: something was compared, and nothing differs, in
        wiring, configuration, weights, or any tensor."""
        compared = bool(self.differences) or any(call.weights for call in self.kept)
        unknown = self.uncompared and (self.new or self.altered)
        return compared and not (self.changed or self.altered or self.causes or unknown) and self.largest == 0

    def as_dict(self) -> dict[str, Any]:
        """Returns the verification in what JSON has; docs/json.md describes it."""
        lists = ("kept", "new", "dropped", "frozen", "changed", "shared")
        return {
            "donor": self.donor.name,
            "exact": self.exact,
            **{key: [call.name for call in getattr(self, key)] for key in lists},
            "altered": self.altered,
            "causes": [dataclasses.asdict(cause) for cause in self.causes],
            "fed": self.fed,
            "uncompared": self.uncompared,
            "parameters": self.parameters,
            "compared": len(self.differences),
            "largest": self.largest if math.isfinite(self.largest) else None,
            "differences": {key: one if math.isfinite(one) else None for key, one in self.differences.items()},
        }

    def as_json(self) -> str:
        """Returns it as JSON, for programs."""
        return json.dumps({"schema": SCHEMA, **self.as_dict()}, indent=1, allow_nan=False)

    def __str__(self) -> str:
        rows = [_row(label, calls, self.parameters[label], note) for label, calls, note in self._parts()]
        aligned = ("left", "right", "right", "left")
        text = tabulate(rows, tablefmt="plain", colalign=aligned, disable_numparse=True)
        lines = [*(f" {one}".rstrip() for one in text.splitlines()), ""]
        return "\n".join([*lines, *self._told(), *self._in_front(), self._compared()])

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(calls):,} {label}" for label, calls, _ in self._parts())
        return line(self, f"{'exact' if self.exact else 'not exact'}: {counts}; {self._compared()}")

    def _repr_html_(self) -> str:
        rows = [(label, f"{len(calls):,}", f"{self.parameters[label]:,}", note) for label, calls, note in self._parts()]
        found = table(("", "calls", "parameters", "which"), rows, ("calls", "parameters"))
        below = [*self._told(), *self._in_front(), self._compared()]
        return block("exact" if self.exact else "not exact", found, paragraphs(one.strip() for one in below))

    def _parts(self) -> list[tuple[str, list[Call], str]]:
        name = printable(self.donor.name)
        kept = f"{name}: {self._kept_as_where()}; {self._weights()}" if self.kept else ""
        return [
            ("kept", self.kept, kept),
            ("new", self.new, ""),
            ("dropped", self.dropped, listing(_names(self.dropped), 4)),
            ("frozen", self.frozen, ""),
        ]

    def _told(self) -> list[str]:
        """Returns why kept calls compute something else; changed weights are in the table already."""
        told = [cause for cause in self.causes if cause.kind != "weights"]
        more = [f" ! and {len(told) - MOST:,} more"] if len(told) > MOST else []
        return [*(f" ! {cause}" for cause in told[:MOST]), *more]

    def _in_front(self) -> list[str]:
        """Returns what is in front of what is kept, as text."""
        pairs = [f"{printable(mine)} for {printable(other)}" for mine, other in self.fed.items() if mine != other]
        return [f" in front of what is kept, which was given the donor's tensors: {listing(pairs, 4)}"] * bool(pairs)

    def _weights(self) -> str:
        if self.changed:
            return f"weights of {listing(_names(self.changed), 4)} differ"
        with_weights = len([call for call in one_call_per_op(self.kept) if call.weights])
        if not with_weights:
            return "no weights"
        if len(self.shared) == with_weights:
            return "the donor's own layers"
        return "weights bit-identical" + (f", {len(self.shared):,} the donor's own layers" if self.shared else "")

    def _compared(self) -> str:
        name = printable(self.donor.name)
        left = f"; {len(self.uncompared):,} kept calls do not run on its tensors" if self.uncompared else ""
        if not self.differences:
            return f"no tensor compared with {name}: {'none of what is kept runs' if self.kept else 'nothing is kept'}"
        return (
            f"{len(self.differences):,} kept tensors compared with {name} on random input: "
            f"largest difference {self.largest:.3g}{left}"
        )

    def _kept_as_where(self) -> str:
        """Returns the kept calls as a selector of the donor where one says it, `..block5_pool`, else the first of them;
        and the nested model that they are in."""
        names = set(self.pairs.values())
        last = next((call.name for call in reversed(self.donor.calls) if call.name in names), None)
        needed = before(self.donor, [last] if last is not None else [])
        if names != {call.name for call in self.donor if call.name in needed and call.op is not None}:
            return listing(_names(self.kept), 4)
        models = dict.fromkeys(address.removesuffix(other).rstrip("/") for address, other in self.pairs.items())
        inside = listing(map(printable, filter(None, models)), 2)
        return f"..{printable(last)}{f' inside {inside}' if inside else ''}"


def _row(label: str, calls: list[Call], params: int, note: str) -> list[str]:
    return [label, f"{len(calls):,} call{'s' if len(calls) != 1 else ' '}", f"{params:,} parameters", note]


def _names(calls: Iterable[Call]) -> list[str]:
    return [printable(call.name) for call in calls]
