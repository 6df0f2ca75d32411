"""One level of a drawing: what lies directly in one nested model, or at the top, laid out by itself."""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Mapping

from surgery.view.layout.coordinates import coordinates
from surgery.view.layout.ranks import assign_rows

Point = tuple[float, float]
Size = tuple[float, float]
Port = tuple[str, bool]  # the address where a line begins; whether it comes in

MARGIN = 10  # pixels, between a frame and what is in it
ROWS = 26  # pixels between rows, at least
PORTS = 6  # pixels between a row of ports and the next
STEEP = 0.05  # pixels more between rows for each pixel that a line between them goes sideways
STEEPEST = 80
PORT = 4  # pixels, the width of a line that passes a row or a frame


class Level:
    """What lies in one nested model: its calls, the nested models in it, and the ports of its frame.

    Args:
        name: the width and height of the text that names the frame; none at the top.
    """

    def __init__(self, name: Size | None = None):
        self._name = name
        self._numbers: dict[str | Port, int] = {}
        self._edges: dict[tuple[str | Port, str | Port], int] = {}
        self.size: Size = (0.0, 0.0)

    def add(self, key: str | Port) -> None:
        """Adds a call, a nested model or a port."""
        self._numbers.setdefault(key, len(self._numbers))

    def join(self, a: str | Port, b: str | Port) -> None:
        """Adds an edge; one that is there already stays one."""
        self.add(a)
        self.add(b)
        self._edges.setdefault((a, b), len(self._edges))

    def lay(self, sizes: Mapping[str, Size], bends: int) -> None:
        """Lays it out.

        Args:
            sizes: of the calls and nested models in it, in pixels.
            bends: how many bends its lines may have.
        """
        ports = {number: key[1] for key, number in self._numbers.items() if isinstance(key, tuple)}
        edges = [(self._numbers[a], self._numbers[b]) for a, b in self._edges]
        entries, exits = ([one for one, enters in ports.items() if enters is way] for way in (True, False))
        layers = assign_rows(len(self._numbers), edges, entries, exits, bends)
        known = [sizes[key] if isinstance(key, str) else (PORT, 0.0) for key in self._numbers]
        known += [(PORT, 0.0)] * (len(layers.row_of) - len(known))
        middles = coordinates(layers, [width for width, _ in known])
        left = min((x - width / 2 for x, (width, _) in zip(middles, known, strict=True)), default=0.0)
        if self._name is not None:  # no line that comes in passes the name
            first = min((middles[one] - PORT for one in entries), default=left + self._name[0])
            left -= max(MARGIN, self._name[0] + 2 * MARGIN - (first - left)) if entries else MARGIN
        self._layers, self._sizes = layers, known
        self._middles = [x - left for x in middles]
        right = max((x + width / 2 for x, (width, _) in zip(self._middles, known, strict=True)), default=0.0)
        bottom = self._place_rows(ports)
        if self._name is not None:
            right, bottom = max(right, self._name[0] + MARGIN) + MARGIN, bottom + MARGIN
        self.size = (right, bottom)

    def _place_rows(self, ports: Container[int]) -> float:
        """Gives each row its place; returns where the last one ends."""
        layers, y = self._layers, 0.0 if self._name is None else self._name[1] + MARGIN
        self._tops: list[float] = []
        self._bottoms: list[float] = []
        for number, row in enumerate(layers.rows):
            self._tops.append(y)
            self._bottoms.append(y + max(self._sizes[one][1] for one in row))
            aside = max((abs(self._middles[a] - self._middles[b]) for a in row for b in layers.below[a]), default=0)
            last = number + 1 < len(layers.rows) and all(one in ports for one in layers.rows[number + 1])
            gap = PORTS if last or row[0] in ports else ROWS
            y = self._bottoms[-1] + gap + math.ceil(min(STEEP * aside, STEEPEST))
        return self._bottoms[-1] if self._bottoms else y

    def corner(self, address: str) -> Point:
        """Returns where the upper left corner of a call or a nested model lies, from that of the level."""
        number = self._numbers[address]
        row, (width, height) = self._layers.row_of[number], self._sizes[number]
        return self._middles[number] - width / 2, (self._tops[row] + self._bottoms[row] - height) / 2

    def port(self, port: Port) -> float:
        """Returns how far from the left side a line passes the frame."""
        return self._middles[self._numbers[port]]

    def points(self, a: str | Port, b: str | Port, begin: float | None, end: float | None) -> list[Point]:
        """Returns what an edge passes, from the border of its source to that of its target.

        Args:
            a: the source.
            b: the target.
            begin: how far from the left side it leaves the source; in its middle by default.
            end: how far from the left side it reaches the target; in its middle by default.
        """
        path = self._layers.paths[self._edges[a, b]]
        turned = path[0] != self._numbers[a]  # one of a cycle, which goes upward
        xs = [self._middles[one] for one in path]
        upper, lower = (end, begin) if turned else (begin, end)
        xs[0], xs[-1] = xs[0] if upper is None else upper, xs[-1] if lower is None else lower
        rows = [self._layers.row_of[one] for one in path]
        points = [(xs[0], self._side(path[0], 1.0))]
        for one, other in itertools.pairwise(range(len(path))):
            points += [(xs[one], self._bottoms[rows[one]]), (xs[other], self._tops[rows[other]])]
        points.append((xs[-1], self._side(path[-1], 0.0)))
        return points[::-1] if turned else points

    def _side(self, number: int, share: float) -> float:
        """Returns the upper (0) or lower (1) side of a vertex; a port lies on the frame."""
        row, height = self._layers.row_of[number], self._sizes[number][1]
        if height:
            return (self._tops[row] + self._bottoms[row] - height) / 2 + share * height
        return self.size[1] if row else 0.0
