"""Rows of a layered drawing, after Sugiyama, Tagawa & Toda 1981: which row a vertex is in, and the order in each row.

An edge that spans several rows passes a bend in each row between its ends. Edges that leave one vertex share their
bends, so that what many layers take is drawn as one line with branches. All steps are linear, or nearly so, in the
number of vertices, edges and bends, and the bends are bounded.
"""

from __future__ import annotations

import bisect
import dataclasses
import heapq
import itertools
from collections.abc import Sequence

BENDS = 30_000  # of a drawing; edges that would need more pass no bends, and are drawn straight
SWEEPS = 24  # at most, over all rows, to remove crossings
PATIENCE = 4  # sweeps without a gain

Edge = tuple[int, int]


@dataclasses.dataclass
class Layers:
    """Vertices in rows. Numbers from `vertices` on are bends.

    Args:
        vertices: how many vertices are not bends.
        rows: the vertices and bends of each row, from left to right.
        row_of: vertex or bend -> its row.
        above: vertex or bend -> those of the row above that it is joined to.
        below: vertex or bend -> those of the row below that it is joined to.
        paths: for each edge the vertices and bends that it passes, from its upper end to its lower one.
    """

    vertices: int
    rows: list[list[int]]
    row_of: list[int]
    above: list[list[int]]
    below: list[list[int]]
    paths: list[list[int]]


def assign_rows(
    count: int, edges: Sequence[Edge], first: Sequence[int] = (), last: Sequence[int] = (), bends: int = BENDS
) -> Layers:
    """Returns the vertices of a graph in rows and in order.

    Args:
        count: how many vertices there are.
        edges: from vertex to vertex, each once. Those that would close a cycle go upward.
        first: vertices that lie alone in the first row; nothing leads to them.
        last: vertices that lie alone in the last row; nothing leaves them.
        bends: how many bends there may be.
    """
    place = _places(count, edges)
    downward = [(a, b) if place[a] < place[b] else (b, a) for a, b in edges]
    row_of = _rows(count, sorted(downward, key=lambda edge: place[edge[0]]), set(first), set(last))
    layers = _bent(count, downward, row_of, bends)
    _order(layers)
    return layers


def _places(count: int, edges: Sequence[Edge]) -> list[int]:
    """Returns the place of each vertex in an order in which edges go forward; of a cycle the first vertex leads."""
    waiting, after = [0] * count, [[] for _ in range(count)]
    for a, b in edges:
        waiting[b] += 1
        after[a].append(b)
    ready = [vertex for vertex in range(count) if not waiting[vertex]]
    place, rest = [-1] * count, iter(range(count))
    for number in range(count):
        vertex = heapq.heappop(ready) if ready else next(one for one in rest if place[one] < 0)
        place[vertex] = number
        for other in after[vertex]:
            waiting[other] -= 1
            if not waiting[other] and place[other] < 0:
                heapq.heappush(ready, other)
    return place


def _rows(count: int, edges: Sequence[Edge], first: set[int], last: set[int]) -> list[int]:
    """Returns the row of each vertex: the highest that it can have. What begins at an input of its own, and joins the
    rest later, lies as low as it can: beside what it joins.

    Args:
        count: how many vertices there are.
        edges: those of a vertex after those that lead to it.
        first: vertices that lie alone in the first row.
        last: vertices that lie alone in the last row.
    """
    row_of = [0 if vertex in first or not first else 1 for vertex in range(count)]
    leaves_it, tree = [0] * count, [vertex not in first for vertex in range(count)]
    for a, b in edges:
        row_of[b] = max(row_of[b], row_of[a] + 1)
        leaves_it[a] += 1
    for a, b in edges:
        tree[b] = tree[b] and tree[a] and leaves_it[a] == 1
    lowest = {}
    for a, b in reversed(edges):
        lowest[a] = min(lowest.get(a, row_of[b] - 1), row_of[b] - 1)
        if tree[a]:  # all that it leads to has its row already
            row_of[a] = lowest[a]
    end = max(row_of, default=0)
    end += bool(last) and any(row_of[vertex] == end for vertex in range(count) if vertex not in last)
    for vertex in last:
        row_of[vertex] = end
    return row_of


def _bent(count: int, edges: Sequence[Edge], row_of: list[int], most: int) -> Layers:
    """Returns the layers, in no order yet, with a bend of each vertex in each row that an edge of it passes."""
    longest = _longest(count, edges, row_of, most)
    found = Layers(count, [], row_of, [[] for _ in range(count)], [[] for _ in range(count)], [])
    chains: list[list[int]] = [[vertex] for vertex in range(count)]
    for a, b in edges:
        span = row_of[b] - row_of[a]
        if span > longest:
            found.paths.append([a, b])
            continue
        chain = chains[a]
        while len(chain) < span:
            bend = len(row_of)
            row_of.append(row_of[chain[-1]] + 1)
            found.above.append([chain[-1]])
            found.below.append([])
            found.below[chain[-1]].append(bend)
            chain.append(bend)
        found.below[chain[span - 1]].append(b)
        found.above[b].append(chain[span - 1])
        found.paths.append([*chain[:span], b])
    return found


def _longest(count: int, edges: Sequence[Edge], row_of: list[int], most: int) -> int:
    """Returns how many rows an edge may span so that there are not more bends than the most."""
    spans: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        spans[a].append(row_of[b] - row_of[a])
    for each in spans:
        each.sort()

    def bends(longest: int) -> int:
        return sum(each[place - 1] - 1 for each in spans if (place := bisect.bisect_right(each, longest)))

    spanned = max((each[-1] for each in spans if each), default=1)
    return max(1, bisect.bisect_right(range(spanned + 1), most, key=bends) - 1)


def _order(layers: Layers) -> None:
    """Puts the vertices of each row into an order with few crossings: sweeps by the mean place of the neighbors."""
    layers.rows = best = _first_order(layers)
    fewest, idle = _crossings(layers, best), 0
    for sweep in range(SWEEPS):
        if not fewest or idle == PATIENCE:
            break
        down = sweep % 2 == 0
        rows = [list(row) for row in layers.rows]
        numbers = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for number in numbers:
            fixed = rows[number - 1 if down else number + 1]
            _sort(rows[number], fixed, layers.above if down else layers.below, turned=sweep % 4 > 1)
        layers.rows = rows
        found = _crossings(layers, rows)
        idle = 0 if found < fewest else idle + 1
        if found < fewest:
            fewest, best = found, rows
    layers.rows = best


def _first_order(layers: Layers) -> list[list[int]]:
    """Returns rows in the order in which a walk along the edges meets the vertices."""
    rows: list[list[int]] = [[] for _ in range(max(layers.row_of, default=-1) + 1)]
    seen = [False] * len(layers.row_of)
    for start in sorted(range(layers.vertices), key=layers.row_of.__getitem__):
        waiting = [start]
        while waiting:
            vertex = waiting.pop()
            if not seen[vertex]:
                seen[vertex] = True
                rows[layers.row_of[vertex]].append(vertex)
                waiting += sorted(layers.below[vertex], reverse=True)  # bends, which have the large numbers, last
    return rows


def _sort(row: list[int], fixed: list[int], joined: list[list[int]], turned: bool) -> None:
    """Sorts a row by the mean place of what each vertex is joined to; what is joined to nothing keeps its place."""
    place = {vertex: number for number, vertex in enumerate(fixed)}
    means = {v: sum(place[one] for one in joined[v]) / len(joined[v]) for v in row if joined[v]}
    free = [vertex for vertex in row if vertex in means]
    if turned:  # what is equal changes places, which leads out of an order that no sweep changes
        free.reverse()
    free.sort(key=means.__getitem__)
    sorted_ = iter(free)
    row[:] = [next(sorted_) if vertex in means else vertex for vertex in row]


def _crossings(layers: Layers, rows: list[list[int]]) -> int:
    """Returns how many pairs of edges cross between adjacent rows (Barth, Juenger & Mutzel 2002)."""
    crossings = 0
    for upper, lower in itertools.pairwise(rows):
        place = {vertex: number for number, vertex in enumerate(lower)}
        seen: list[int] = []
        for vertex in upper:
            ends = sorted(place[one] for one in layers.below[vertex])
            crossings += sum(len(seen) - bisect.bisect_right(seen, end) for end in ends)
            for end in ends:
                bisect.insort(seen, end)
    return crossings
