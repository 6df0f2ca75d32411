"""Which call of one graph is which call of another: by the names that people gave, then by structure, then by place.

Names that Keras numbered (`conv2d_7`) shift when a layer comes or goes, so they only decide between calls that are
alike. Structure is what a call applies, and to what; or what becomes of it: calls before an insertion agree on the one,
calls after it on the other. Where one more of many like layers is there, the values of their weights say which it is.
Cost: linear, but for the few calls on which neither agrees. Values are read of like layers where one network has more
of them, and of what is left over at the end.
"""

from __future__ import annotations

import collections
import dataclasses
import difflib
from collections.abc import Callable, Hashable

from surgery.core.nested import leaves, rebuilt
from surgery.core.specs import Ref
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.layers.classes import is_auto_named, kind_of
from surgery.layers.sameness import digest, signature

_MANY = 3_000  # calls among which a longest common sequence is still looked for
_ALIKE = 250_000  # pairs of them that apply the same: the search goes through these again and again


@dataclasses.dataclass(frozen=True)
class Aligned:
    """Which calls are the same.

    Args:
        pairs: name in one graph -> name in the other.
        removed: names in the first graph alone.
        added: names in the second graph alone.
    """

    pairs: dict[str, str]
    removed: list[str]
    added: list[str]


def numbered(call: Call) -> bool:
    """Whether Keras gave the name of a layer, by its class and a number."""
    return is_auto_named(call.layer, call.class_name)


def aligned(a: Graph, b: Graph, content: Callable[[Call], Hashable] | None = None) -> Aligned:
    """Returns which calls of two graphs are the same call.

    Args:
        a: the one.
        b: the other.
        content: returns what the weights of a call hold, `None` for nothing that could be compared; without it, values
            decide nothing.
    """
    pairing = _Pairing(a, b)
    pairing.by_ends()
    pairing.by_given_name()
    if content is not None:
        pairing.by_values(content, lambda side, call: pairing.signatures[side][call.name], where_numbers_differ=True)
    pairing.by_structure()
    pairing.by_sequence()
    pairing.by_same_name()
    pairing.by_neighbours()
    if content is not None:
        pairing.by_values(content, lambda _, call: kind_of(call))
    return Aligned(
        dict(sorted(pairing.pairs.items(), key=lambda pair: pairing.place[pair[0]])),
        [call.name for call in a if call.name not in pairing.pairs],
        [call.name for call in b if call.name not in pairing.taken],
    )


class _Pairing:
    def __init__(self, a: Graph, b: Graph):
        self.a, self.b = a, b
        self.pairs: dict[str, str] = {}
        self.taken: dict[str, str] = {}
        self.place = {call.name: place for place, call in enumerate(a)}
        self.signatures = [{call.name: signature(call) for call in graph} for graph in (a, b)]

    def _pair(self, one: str, other: str) -> None:
        if one not in self.pairs and other not in self.taken:
            self.pairs[one] = other
            self.taken[other] = one

    def _left(self) -> tuple[list[Call], list[Call]]:
        return (
            [call for call in self.a if call.name not in self.pairs],
            [call for call in self.b if call.name not in self.taken],
        )

    def by_ends(self) -> None:
        """Inputs, by name where both have the same names, else by their order."""
        ours, theirs = ([ref.call for ref in leaves(graph.inputs)] for graph in (self.a, self.b))
        if set(ours) == set(theirs):
            theirs = ours
        if len(ours) == len(theirs):
            for one, other in zip(ours, theirs, strict=True):
                self._pair(one, other)

    def by_given_name(self) -> None:
        ours, theirs = self._left()
        given = {call.name: call for call in theirs if not numbered(call)}
        for call in ours:
            other = given.get(call.name)
            if other is not None and kind_of(other) == kind_of(call):
                self._pair(call.name, other.name)

    def by_values(
        self,
        content: Callable[[Call], Hashable],
        like: Callable[[int, Call], Hashable],
        where_numbers_differ: bool = False,
    ) -> None:
        """Calls of like layers with equal weights; values that several layers have, as fresh ones do, say nothing.

        Args:
            content: see `aligned`.
            like: returns what calls have in common that may be the same.
            where_numbers_differ: whether only such are looked at of which one side has more.
        """
        groups: dict[Hashable, tuple[list[Call], list[Call]]] = {}
        for side, calls in enumerate(self._left()):
            for call in calls:
                if call.weights and call.inner is None:
                    groups.setdefault(like(side, call), ([], []))[side].append(call)
        for sides in groups.values():
            if all(sides) and not (where_numbers_differ and len(sides[0]) == len(sides[1])):
                ours, theirs = (_told_apart(calls, content) for calls in sides)
                for key in ours.keys() & theirs.keys():
                    self._pair(ours[key], theirs[key])

    def by_structure(self) -> None:
        """Groups of calls that agree on what is before and after them, then on one of both; equal names first."""
        befores = [self._hashes(graph, number) for number, graph in enumerate((self.a, self.b))]
        afters = [self._hashes_after(graph, number) for number, graph in enumerate((self.a, self.b))]
        both = [
            {name: (before[name], after[name]) for name in before}
            for before, after in zip(befores, afters, strict=True)
        ]
        for keys in (both, befores, afters):
            self._in_groups(keys[0].__getitem__, keys[1].__getitem__)

    def _in_groups(self, mine: Callable[[str], Hashable], theirs: Callable[[str], Hashable]) -> None:
        groups: dict[Hashable, tuple[list[str], list[str]]] = {}
        for side, (calls, key) in enumerate(zip(self._left(), (mine, theirs), strict=True)):
            for call in calls:
                groups.setdefault(key(call.name), ([], []))[side].append(call.name)
        for ours, others in groups.values():
            names = set(others)
            for name in ours:
                if name in names:
                    self._pair(name, name)
            rest = [name for name in others if name not in self.taken]
            for one, other in zip([name for name in ours if name not in self.pairs], rest, strict=False):
                self._pair(one, other)

    def _anchor(self, side: int, name: str) -> str | None:
        """Returns a word that a pair of calls shares, once it is one."""
        if side == 0:
            return f"={name}" if name in self.pairs else None
        return f"={self.taken[name]}" if name in self.taken else None

    def _hashes(self, graph: Graph, side: int) -> dict[str, str]:
        """Returns for each call a digest of what it applies and of all that it is made from."""
        found: dict[str, str] = {}
        for call in graph:
            given = rebuilt(
                lambda leaf: f"{found[leaf.call]}#{leaf.index}" if isinstance(leaf, Ref) else repr(leaf),
                (call.args, dict(call.kwargs)),
            )
            found[call.name] = self._anchor(side, call.name) or digest(self.signatures[side][call.name], given)
        return found

    def _hashes_after(self, graph: Graph, side: int) -> dict[str, str]:
        """Returns for each call a digest of what it applies and of all that becomes of it."""
        found: dict[str, str] = {}
        uses: dict[str, list[str]] = {}
        for place, ref in enumerate(leaves(graph.outputs)):
            uses.setdefault(ref.call, []).append(f"end {place}#{ref.index}")
        for call in reversed(graph.calls):
            found[call.name] = self._anchor(side, call.name) or digest(
                self.signatures[side][call.name], sorted(uses.get(call.name, []))
            )
            for place, leaf in enumerate(leaves((call.args, dict(call.kwargs)))):
                if isinstance(leaf, Ref):
                    uses.setdefault(leaf.call, []).append(f"{found[call.name]} {place}#{leaf.index}")
        return found

    def by_sequence(self) -> None:
        """The longest common sequence of what is left, by what the calls apply."""
        ours, theirs = self._left()
        if not ours or not theirs or max(len(ours), len(theirs)) > _MANY:
            return
        words = [[self.signatures[side][call.name] for call in calls] for side, calls in enumerate((ours, theirs))]
        counts = [collections.Counter(side) for side in words]
        if sum(count * counts[1][word] for word, count in counts[0].items()) > _ALIKE:
            return
        matcher = difflib.SequenceMatcher(None, *words, autojunk=False)
        for block in matcher.get_matching_blocks():
            for step in range(block.size):
                self._pair(ours[block.a + step].name, theirs[block.b + step].name)

    def by_same_name(self) -> None:
        """Equal names: of one class whatever changed, of two classes where a person gave the name."""
        ours, theirs = self._left()
        others = {call.name: call for call in theirs}
        for call in ours:
            other = others.get(call.name)
            if other is not None and (other.class_name == call.class_name or not numbered(call)):
                self._pair(call.name, other.name)

    def by_neighbours(self) -> None:
        """Calls between the same calls: made from the same, or of one class and used by the same."""
        ours, theirs = self._left()
        for key in (self._made_from, self._used_by):
            same = {name: name for name in self.pairs}
            groups: dict[Hashable, list[str]] = {}
            for call in theirs:
                groups.setdefault(key(self.b, call, self.taken), []).append(call.name)
            for call in ours:
                found = groups.get(key(self.a, call, same), [])
                if len(found) == 1:
                    self._pair(call.name, found[0])
                    same.update({call.name: call.name} if call.name in self.pairs else {})

    @staticmethod
    def _made_from(graph: Graph, call: Call, names: dict[str, str]) -> Hashable:
        return call.class_name, tuple(names.get(ref.call, f"?{graph.name}") for ref in call.parents)

    @staticmethod
    def _used_by(graph: Graph, call: Call, names: dict[str, str]) -> Hashable:
        users = graph.consumers.get(Ref(call.name), [])
        return call.class_name, tuple(names.get(user, f"?{id(graph)}") for user in users) or f"?{id(graph)}"


def _told_apart(calls: list[Call], content: Callable[[Call], Hashable]) -> dict[Hashable, str]:
    """Returns content -> the call that alone has it."""
    found: dict[Hashable, list[str]] = {}
    for call in calls:
        found.setdefault(content(call), []).append(call.name)
    return {key: names[0] for key, names in found.items() if key is not None and len(names) == 1}
