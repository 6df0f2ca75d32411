"""Every call of a graph at every depth, under its full address, and what each depends on.

A call inside a nested model is addressed `vgg16/block3_pool`. What a nested model is given, its inner inputs depend on;
the nested call itself depends on its inner outputs; so `..vgg16/block3_pool` is what a reader expects.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from typing import Any

from surgery.core.nested import leaves
from surgery.core.reprs import Listed
from surgery.graph.calls import Call
from surgery.graph.graph import Graph


class Calls(Listed[Call]):
    """A list of calls, which a notebook shows as a table."""

    noun = "call"
    headers = ("call", "class", "output", "params", "trainable")

    def cells(self, item: Call) -> list[str]:
        trains = "yes" if item.trainable else "no" if item.frozen else "-"
        return [item.name, item.class_name, ", ".join(map(str, item.specs)), f"{item.params:,}", trains]


def calls_at_every_depth(graph: Graph, prefix: str = "") -> Iterator[tuple[str, Call]]:
    """Yields (address, call) in runnable order; the calls inside a nested model come before the nested call."""
    for call in graph.calls:
        if call.inner is not None:
            yield from calls_at_every_depth(call.inner, f"{prefix}{call.name}/")
        yield prefix + call.name, call


def undescribed(graph: Graph) -> dict[str, str]:
    """Returns the layers that cannot describe themselves, by address, and why."""
    found = ((address, getattr(call.op, "undescribed", "")) for address, call in calls_at_every_depth(graph))
    return {address: why for address, why in found if why}


def tree(graph: Graph) -> Iterator[tuple[str, Call]]:
    """Yields (address, call) at every depth, with the marks that calls carry for what is inside them, which comes after
    them: as a person reads it.
    """
    for call in graph.calls:
        yield from _branch(call, "")


def _branch(call: Call, prefix: str) -> Iterator[tuple[str, Call]]:
    yield prefix + call.name, call
    for one in call.below:
        yield from _branch(one, f"{prefix}{call.name}/")


@dataclasses.dataclass(frozen=True)
class Walk:
    """A graph seen at every depth."""

    graph: Graph

    @functools.cached_property
    def calls(self) -> dict[str, Call]:
        """Address -> call, in runnable order."""
        return dict(calls_at_every_depth(self.graph))

    @functools.cached_property
    def parents(self) -> dict[str, list[str]]:
        """Address -> the addresses it directly depends on."""
        found: dict[str, list[str]] = {}
        _wire(self.graph, "", found)
        return found

    @functools.cached_property
    def children(self) -> dict[str, list[str]]:
        """Address -> the addresses that directly depend on it."""
        found: dict[str, list[str]] = {address: [] for address in self.parents}
        for address, parents in self.parents.items():
            for parent in parents:
                found[parent].append(address)
        return found

    def before(self, addresses: Iterable[str]) -> set[str]:
        """Returns the addresses and all that they depend on."""
        return _reach(addresses, self.parents)

    def after(self, addresses: Iterable[str]) -> set[str]:
        """Returns the addresses and all that depends on them."""
        return _reach(addresses, self.children)


def _wire(graph: Graph, prefix: str, found: dict[str, list[str]]) -> None:
    for call in graph.calls:
        given = [prefix + ref.call for ref in call.parents]
        inner = call.inner
        if inner is not None:
            below = f"{prefix}{call.name}/"
            _wire(inner, below, found)
            for ref in leaves(inner.inputs):
                found[below + ref.call] = list(given)
            given = given + [below + ref.call for ref in leaves(inner.outputs)]
        found[prefix + call.name] = given


def _reach(addresses: Iterable[str], edges: dict[str, list[str]]) -> set[str]:
    waiting, seen = list(addresses), set()
    while waiting:
        address = waiting.pop()
        if address not in seen:
            seen.add(address)
            waiting.extend(edges[address])
    return seen


def one_call_per_op(calls: Iterable[Call]) -> list[Call]:
    """Returns the calls without the further calls of shared layers, and without inputs.

    A layer is an op under a name: an op that is called under two names (`unshare`) is two layers.
    """
    first: dict[Any, Call] = {}
    for call in calls:
        if call.op is not None:
            first.setdefault((call.op, call.layer), call)
    return list(first.values())
