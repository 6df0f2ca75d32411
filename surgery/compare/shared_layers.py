"""Which calls share a layer with an earlier one, at any depth: in two nested models, or in one and around it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from surgery.compare.report import Change
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.traversal import calls_at_every_depth


@dataclasses.dataclass
class Ties:
    """The first call of every layer of two networks, at every depth.

    Args:
        pairs: address in the first network -> address in the second, of all calls that were found to be the same.
    """

    pairs: Mapping[str, str]
    first: tuple[dict[Any, str], dict[Any, str]] = dataclasses.field(default_factory=lambda: ({}, {}))

    def compare(
        self, a: Graph, b: Graph, names: Mapping[str, str], prefixes: tuple[str, str], owners: tuple[str, str]
    ) -> Iterator[Change]:
        """Yields the calls that share a layer with an earlier call in one network and not in the other.

        Args:
            a: a graph of the first network: itself, or one that is nested in it.
            b: the same of the second.
            names: name in `a` -> name in `b`, of the calls that are the same.
            prefixes: the addresses of the models around the two, with their slashes.
            owners: the renamed models around the two: what is in them are layers of their own.
        """
        for one, other in names.items():
            calls = (a[one], b[other])
            if any(call.op is None for call in calls):
                continue
            addresses = (prefixes[0] + one, prefixes[1] + other)
            owned = list(zip(owners, calls, strict=True))
            earlier = self._earlier([(owner, call.op, call.layer) for owner, call in owned], addresses)
            inside = self._earlier([_inside(owner, call) for owner, call in owned], addresses)
            if not self._agree(earlier) and not (inside[0] and self._agree(inside)):
                words = [f"the layer of {known}" if known else "a layer of its own" for known in earlier]
                yield Change(*addresses, "sharing", "", *words)

    def _earlier(self, keys: list[Any], addresses: tuple[str, str]) -> list[str | None]:
        """Returns the first call of each of the two layers, if there was one; else it is this."""
        earlier = [first.get(key) for first, key in zip(self.first, keys, strict=True)]
        for first, key, address in zip(self.first, keys, addresses, strict=True):
            if key is not None:
                first.setdefault(key, address)
        return earlier

    def _agree(self, earlier: list[str | None]) -> bool:
        one, other = earlier
        return one is other is None or (one is not None and other is not None and self.pairs.get(one) == other)


def _inside(owner: str, call: Call) -> Any:
    """Returns what two calls share that apply all layers of each other: a file that has one model in two others has
    that model twice, with the layers of one."""
    below = calls_at_every_depth(call.inner) if call.inner is not None else ()
    layers = [(one.op, one.layer) for _, one in below if one.inner is None and one.weights]
    return (owner, *layers) if layers else None
