"""Which calls share a layer with an earlier one, at any depth: in two nested models, or in one and around it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from surgery.comparing.difference import Change
from surgery.graph import Graph


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
            keys = [(owner, call.op, call.layer) for owner, call in zip(owners, calls, strict=True)]
            earlier = [first.get(key) for first, key in zip(self.first, keys, strict=True)]
            if (earlier[0] is None) != (earlier[1] is None) or (
                earlier[0] and self.pairs.get(earlier[0]) != earlier[1]
            ):
                words = [f"the layer of {known}" if known else "a layer of its own" for known in earlier]
                yield Change(*addresses, "sharing", "", *words)
            for first, key, address in zip(self.first, keys, addresses, strict=True):
                first.setdefault(key, address)
