"""Look-ups in the paths of a file that cost what they find, however many paths and layers there are."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence


class Below:
    """Finds the paths below a group.

    Args:
        paths: all paths of a file.
    """

    def __init__(self, paths: Iterable[str]):
        self._place = {path: place for place, path in enumerate(paths)}
        self._sorted = sorted(self._place)

    def of(self, group: str) -> list[str]:
        """Returns the paths below a group, which may end in a slash, in the order in which they were given."""
        start = group if group.endswith("/") else f"{group}/"
        first = bisect.bisect_left(self._sorted, start)
        last = bisect.bisect_left(self._sorted, start[:-1] + chr(ord("/") + 1), first)
        return sorted(self._sorted[first:last], key=self._place.__getitem__)


class Steps:
    """Finds the paths that have the name of a layer among their steps.

    Args:
        paths: paths such as `encoder/dense/kernel:0`.
    """

    def __init__(self, paths: Sequence[str]):
        self._steps = [path.split(":")[0].split("/") for path in paths]
        self._with: dict[str, dict[int, list[int]]] = {}
        for row, steps in enumerate(self._steps):
            for at, step in enumerate(steps):
                self._with.setdefault(step, {}).setdefault(row, []).append(at)

    def of(self, name: str) -> list[tuple[int, int]]:
        """Returns (number of the path, first step at which it has the name) where more steps follow, in order."""
        wanted = name.split("/")
        found = []
        for row, places in self._with.get(wanted[0], {}).items():
            steps = self._steps[row]
            last = len(steps) - len(wanted)
            at = next((at for at in places if at < last and steps[at : at + len(wanted)] == wanted), None)
            if at is not None:
                found.append((row, at))
        return found
