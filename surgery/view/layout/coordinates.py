"""Where the vertices of a layered drawing lie from left to right, after Brandes & Köpf 2002: long edges are straight.

Vertices that are joined are aligned into blocks in four ways (from above and below, to the left and the right), the
blocks are packed, and each vertex takes the mean of its two middle places. Linear in vertices and edges.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from surgery.view.layout.ranks import Layers


def coordinates(layers: Layers, widths: Sequence[float], gap: float = 18, gap_of_bends: float = 12) -> list[float]:
    """Returns the middle of each vertex and bend, in pixels.

    Args:
        layers: the rows, in order.
        widths: of each vertex and bend, in pixels.
        gap: between two vertices of a row.
        gap_of_bends: between two bends.
    """
    if not layers.rows:
        return []
    crossed = _crossed(layers)
    found = []
    for down, left in itertools.product((True, False), (True, False)):
        rows = layers.rows if down else layers.rows[::-1]
        rows = rows if left else [row[::-1] for row in rows]
        root = _blocks(rows, layers.above if down else layers.below, crossed)

        def room(a: int, b: int) -> float:
            bends = (a >= layers.vertices) + (b >= layers.vertices)
            return (widths[a] + widths[b]) / 2 + (gap, (gap + gap_of_bends) / 2, gap_of_bends)[bends]

        places = _packed(rows, root, [room(a, b) for row in rows for a, b in itertools.pairwise(row)])
        found.append(places if left else [-place for place in places])
    _align(found, widths)
    return [(middle[1] + middle[2]) / 2 for middle in map(sorted, zip(*found, strict=True))]


def _crossed(layers: Layers) -> set[tuple[int, int]]:
    """Returns the segments that cross a segment between two bends, and so are not aligned: long edges stay straight."""
    crossed = set()
    for upper, lower in itertools.pairwise(layers.rows):
        place = {vertex: number for number, vertex in enumerate(upper)}
        left, scanned = 0, 0
        for number, vertex in enumerate(lower):
            bends = [one for one in layers.above[vertex] if min(one, vertex) >= layers.vertices]
            if not bends and number < len(lower) - 1:
                continue
            right = place[bends[0]] if bends else len(upper)
            for other in lower[scanned : number + 1]:
                for one in layers.above[other]:
                    if not left <= place[one] <= right and min(one, other) < layers.vertices:
                        crossed.add((one, other))
            left, scanned = right, number + 1
    return crossed


def _blocks(rows: list[list[int]], joined: list[list[int]], crossed: set[tuple[int, int]]) -> list[int]:
    """Returns for each vertex the first one of its block: what lies exactly above one another."""
    root, next_of = list(range(len(joined))), list(range(len(joined)))
    for fixed, row in itertools.pairwise(rows):
        place = {vertex: number for number, vertex in enumerate(fixed)}
        last = -1
        for vertex in row:
            ends = sorted(joined[vertex], key=place.__getitem__)
            middle = len(ends) - 1
            for end in ends[middle // 2 : (middle + 1) // 2 + 1]:
                free = next_of[vertex] == vertex and last < place[end]
                if free and (end, vertex) not in crossed and (vertex, end) not in crossed:
                    next_of[end] = vertex
                    root[vertex] = next_of[vertex] = root[end]
                    last = place[end]
    return root


def _packed(rows: list[list[int]], root: list[int], rooms: list[float]) -> list[float]:
    """Returns where the blocks lie: as far to the left as they can, then as near as they can to what is right of them.

    Args:
        rows: the vertices.
        root: vertex -> the first one of its block.
        rooms: between the middles of neighbors, row after row.
    """
    left: list[dict[int, float]] = [{} for _ in root]
    right: list[dict[int, float]] = [{} for _ in root]
    pairs = (pair for row in rows for pair in itertools.pairwise(row))
    for (a, b), room in zip(pairs, rooms, strict=True):
        one, other = root[a], root[b]
        left[other][one] = right[one][other] = max(room, right[one].get(other, 0.0))
    waiting = [len(each) for each in left]
    order = [vertex for vertex in range(len(root)) if root[vertex] == vertex and not waiting[vertex]]
    places = [0.0] * len(root)
    for block in order:  # grows
        places[block] = max((places[one] + room for one, room in left[block].items()), default=0.0)
        for other in right[block]:
            waiting[other] -= 1
            if not waiting[other]:
                order.append(other)
    for block in reversed(order):
        nearest = min((places[one] - room for one, room in right[block].items()), default=places[block])
        places[block] = max(places[block], nearest)
    return [places[block] for block in root]


def _align(found: list[list[float]], widths: Sequence[float]) -> None:
    """Moves each of the four drawings so that its left or right side is that of the narrowest."""
    sides = [
        (
            min(place - width / 2 for place, width in zip(places, widths, strict=True)),
            max(place + width / 2 for place, width in zip(places, widths, strict=True)),
        )
        for places in found
    ]
    narrowest = min(sides, key=lambda side: side[1] - side[0])
    for number, (places, side) in enumerate(zip(found, sides, strict=True)):
        end = number % 2  # those to the left have it at their left side
        found[number] = [place + narrowest[end] - side[end] for place in places]
