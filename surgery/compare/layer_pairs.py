"""Which layer of a network is which layer of its donor: by their names, in the nested models that fit best.

One layer is itself under any name. Else a name counts in the same place, or in a nested model that has most of the
donor's layers: a copy beside the donor is new, and so is another layer of the name of one of its.
"""

from __future__ import annotations

from typing import Any

from surgery.compare.flattened import Flat, Step
from surgery.core.specs import shapes_agree
from surgery.layers.sameness import Sameness, sameness, shapes_fit

MOST = 1_000  # pairs of nested models that are compared; beyond it those of one address


class LayerPairs:
    """The layers of two networks that may be the same; what was compared once is not compared again.

    Args:
        ours: the network.
        theirs: the donor.
    """

    def __init__(self, ours: Flat, theirs: Flat):
        self.ours, self.theirs = ours, theirs
        self.pairs: dict[Any, Any] = {}
        self.rooms: dict[str, str] = {}
        self._taken: set[Any] = set()
        self._odd: list[tuple[Step, Step]] = []
        self._known: dict[tuple[Any, Any], Sameness] = {}
        self._by_room()
        self._by_identity()
        self._by_longer_name()
        for one, other in self._odd:
            self._pair(one, other)
        self.rooms.setdefault("", "")

    def degree(self, one: Step, other: Step) -> Sameness:
        """Returns how much the layers of two steps are the same."""
        key = (one.call.op, other.call.op)
        if key not in self._known:
            self._known[key] = sameness(one.call, other.call)
        return self._known[key]

    def _by_room(self) -> None:
        rooms = [(one, other) for one in self.ours.rooms for other in self.theirs.rooms]
        rooms = [pair for pair in rooms if len(rooms) < MOST or pair[0] == pair[1]]
        candidates = [(pair, self._names(self.ours.rooms[pair[0]], self.theirs.rooms[pair[1]])) for pair in rooms]
        for (one, other), names in sorted(candidates, key=lambda found: self._worth(*found), reverse=True):
            mine, their = self.ours.rooms[one], self.theirs.rooms[other]
            left = [
                name for name in names if mine[name].layer not in self.pairs and their[name].layer not in self._taken
            ]
            if left and (one == other or self._is_the_donor(mine, their, left)):
                self.rooms.setdefault(one, other)
                for name in left:
                    both = mine[name], their[name]
                    if self.degree(*both):
                        self._pair(*both)
                    elif may_replace(*both):
                        self._odd.append(both)

    def _pair(self, one: Step, other: Step) -> None:
        if one.layer not in self.pairs and other.layer not in self._taken:
            self.pairs[one.layer] = other.layer
            self._taken.add(other.layer)

    def _names(self, mine: dict[str, Step], their: dict[str, Step]) -> list[str]:
        return [name for name in mine if name in their]

    def _worth(self, rooms: tuple[str, str], names: list[str]) -> tuple[int, int]:
        """Returns how many layers with weights two models share, and how many are alike."""
        mine, their = self.ours.rooms[rooms[0]], self.theirs.rooms[rooms[1]]
        degrees = [(self.degree(mine[name], their[name]), bool(mine[name].call.weights)) for name in names]
        same = sum(degree == Sameness.IDENTICAL and weighted for degree, weighted in degrees)
        return same, sum(degree >= Sameness.EQUIVALENT for degree, _ in degrees)

    def _is_the_donor(self, mine: dict[str, Step], their: dict[str, Step], names: list[str]) -> bool:
        """Whether a nested model is the donor or was made of it: it has its own layers, or most that could be the same.

        One that has a `dense` as the donor has a `dense` is another.
        """
        degrees = {name: self.degree(mine[name], their[name]) for name in names}
        weighted = [name for name in names if mine[name].call.weights and degrees[name]]
        if any(degrees[name] == Sameness.IDENTICAL for name in weighted):
            return True
        sizes = [len([step for step in room.values() if step.call.weights]) for room in (mine, their)]
        if not sizes[1]:
            return len([name for name in names if degrees[name]]) == len(their)
        return 2 * len(weighted) > min(sizes)

    def _left(self) -> tuple[list[Step], list[Step]]:
        return (
            [calls[0] for key, calls in self.ours.layers.items() if key not in self.pairs and calls[0].call.weights],
            [calls[0] for key, calls in self.theirs.layers.items() if key not in self._taken and calls[0].call.weights],
        )

    def _by_identity(self) -> None:
        """One layer under another name, as `join` with a prefix and `inline` name it."""
        ours, theirs = self._left()
        by_op = {step.call.op: step for step in theirs}
        for step in ours:
            if step.call.op in by_op:
                self._pair(step, by_op[step.call.op])

    def _by_longer_name(self) -> None:
        """Names that have one word before them, as `join` and `inline` put it there."""
        ours, theirs = self._left()
        known = {step.address.replace("/", "_"): step for step in theirs}
        words: dict[str, list[tuple[Step, Step]]] = {}
        for step in ours:
            name = step.call.layer
            starts = [0, *(place + 1 for place, letter in enumerate(name) if letter == "_")]
            for start in starts:
                if name[start:] in known:
                    words.setdefault(name[:start], []).append((step, known[name[start:]]))
        for word, pairs in sorted(words.items(), key=lambda found: len(found[1]), reverse=True):
            alike = [pair for pair in pairs if self.degree(*pair) >= Sameness.EQUIVALENT]
            named = [step for step in ours if step.call.layer.startswith(word)]
            if 2 * len(alike) > min(len(named), len(theirs)) and (len(alike) > 1 or len(theirs) == 1):
                for pair in [*alike, *self._without_weights(word)]:
                    self._pair(*pair)

    def _without_weights(self, word: str) -> list[tuple[Step, Step]]:
        """Returns the layers without weights that differ by a word before their names."""
        sides = [[calls[0] for calls in side.layers.values()] for side in (self.ours, self.theirs)]
        known = {f"{word}{step.address.replace('/', '_')}": step for step in sides[1] if not step.call.weights}
        return [(step, known[step.call.layer]) for step in sides[0] if step.call.layer in known]


def may_replace(step: Step, other: Step) -> bool:
    """Whether a layer of another class could be in the place of the donor's: weights and outputs have its shapes."""
    specs = zip(step.call.specs, other.call.specs, strict=False)
    return shapes_fit(step.call, other.call) and all(shapes_agree(*pair) for pair in specs)
