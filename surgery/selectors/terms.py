"""What a selector is made of: tests of single calls, ranges and set signs, each answering with a set of addresses."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from surgery import analysis
from surgery.core.errors import SurgeryError, listing, nearest, printable
from surgery.graph.traversal import Walk


class Scope(Walk):
    """A graph as a selector sees it: its calls at every depth, and their attributes."""

    @functools.cached_property
    def strides(self) -> dict[str, Any]:
        return analysis.strides(self.graph)

    @functools.cached_property
    def narrow(self) -> frozenset[str]:
        return frozenset(analysis.narrow(self.graph))

    @functools.cached_property
    def macs(self) -> dict[str, int | None]:
        return analysis.macs(self.graph)

    @functools.cached_property
    def memory(self) -> dict[str, int | None]:
        return analysis.activations(self.graph)

    @functools.cached_property
    def fields(self) -> dict[str, analysis.Field | None]:
        return analysis.receptive_fields(self.graph)

    def attribute(self, address: str, name: str) -> Any:
        """Returns an attribute of a call: a measure of it, or a key of its layer's configuration."""
        call = self.calls[address]
        if name == "stride":
            stride = self.strides[address]
            return float(stride[0]) if stride and len(set(stride)) == 1 else None
        if name == "narrow":
            return address in self.narrow
        if name in ("macs", "memory"):
            return getattr(self, name)[address]
        if name in ("field", "receptive_field"):
            field = self.fields[address]
            return max(field.size) if field is not None and field.size and not field.everything else None
        if name in ("params", "trainable"):
            return getattr(call, name)
        if name not in self.known:
            near = nearest(name, self.known)
            raise SurgeryError(f"no call of {self.graph.name!r} has an attribute {name!r}.{near}")
        return call.config.get(name)

    @functools.cached_property
    def known(self) -> frozenset[str]:
        """The attributes that a call of the network can be asked for."""
        keys = {key for call in self.calls.values() for key in call.config}
        return frozenset(
            keys | {"stride", "narrow", "params", "trainable", "macs", "memory", "field", "receptive_field"}
        )


class Selector:
    """A parsed selector. `repr` gives its text."""

    def addresses(self, scope: Scope) -> set[str]:
        raise NotImplementedError

    @property
    def parts(self) -> tuple[Selector, ...]:
        return ()


@dataclasses.dataclass(frozen=True)
class Atom(Selector):
    """One test of single calls; it must match something."""

    text: str
    test: Callable[[str, Scope], bool]
    index: int | None = None

    def __repr__(self) -> str:
        return self.text

    def addresses(self, scope: Scope) -> set[str]:
        found = {address for address in scope.calls if self.test(address, scope)}
        if not found:
            raise SurgeryError(_no_match(self.text, scope))
        return found


@dataclasses.dataclass(frozen=True)
class Range(Selector):
    """`a..b`, `..b`, `a..`."""

    start: Selector | None
    end: Selector | None

    def __repr__(self) -> str:
        return f"{self.start or ''}..{self.end or ''}"

    @property
    def parts(self) -> tuple[Selector, ...]:
        return tuple(part for part in (self.start, self.end) if part is not None)

    def addresses(self, scope: Scope) -> set[str]:
        after = scope.after(self.start.addresses(scope)) if self.start else set(scope.calls)
        before = scope.before(self.end.addresses(scope)) if self.end else set(scope.calls)
        if not after & before:
            raise SurgeryError(f"no path leads from {self.start} to {self.end} in {scope.graph.name!r}.")
        return after & before


@dataclasses.dataclass(frozen=True)
class Combined(Selector):
    """`,` and `&` over the sets of several parts."""

    sign: str
    members: tuple[Selector, ...]

    def __repr__(self) -> str:
        return f"{', ' if self.sign == ',' else ' & '}".join(map(repr, self.members))

    @property
    def parts(self) -> tuple[Selector, ...]:
        return self.members

    def addresses(self, scope: Scope) -> set[str]:
        join = set.union if self.sign == "," else set.intersection
        return functools.reduce(join, [part.addresses(scope) for part in self.members])


@dataclasses.dataclass(frozen=True)
class Not(Selector):
    """`!a`."""

    part: Selector

    def __repr__(self) -> str:
        return f"!{self.part!r}"

    @property
    def parts(self) -> tuple[Selector, ...]:
        return (self.part,)

    def addresses(self, scope: Scope) -> set[str]:
        return set(scope.calls) - self.part.addresses(scope)


def _no_match(text: str, scope: Scope) -> str:
    name = scope.graph.name
    if text.startswith((":", "[")):
        classes = dict.fromkeys(call.class_name for call in scope.calls.values())
        near = nearest(text[1:].partition("[")[0], classes) if text.startswith(":") else ""
        return (
            f"no call matches {text!r} in {name!r}.{near or f' Its classes: {listing(map(printable, classes), 12)}.'}"
        )
    near = nearest(text, scope.calls) or f" Its addresses: {listing(map(printable, scope.calls), 6)}."
    return f"no call matches {text!r} in {name!r}.{near} `surgery inspect --nested` lists all."
