"""Where everything in a drawing lies: boxes of calls in rows from top to bottom, frames of nested models around theirs.

Each nested model is laid out by itself and is one large box in what is around it, so that frames never overlap. A line
passes a frame at a port, in the first or last row of what is inside.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

from surgery.core.errors import printable
from surgery.view.layout.levels import Level, Point, Port, Size
from surgery.view.layout.ranks import BENDS
from surgery.view.layout.text_width import shorten, width_of
from surgery.view.scene import Node, Scene

LETTERS = 10  # pixels, their size
LINE = 12  # pixels, from one line of text to the next
LONGEST = 90  # letters in a line
MARGIN = 7  # pixels, around the text in a box


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle with text: a call, or the frame of a nested model with its name.

    Args:
        node: what it shows.
        x: of its left side, in pixels.
        y: of its upper side.
        width: in pixels.
        height: in pixels.
        lines: its text.
    """

    node: Node
    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Line:
    """An edge.

    Args:
        source: the address where it begins.
        target: the address where it ends.
        points: what it passes; between two points that do not lie one above the other it is curved.
        dropped: whether it is one of the donor alone.
    """

    source: str
    target: str
    points: tuple[Point, ...]
    dropped: bool


@dataclasses.dataclass(frozen=True)
class Layout:
    """A drawing before it is written in a format.

    Args:
        width: in pixels.
        height: in pixels.
        boxes: of the calls.
        frames: of the nested models that are open, outer ones first.
        lines: the edges.
    """

    width: float
    height: float
    boxes: list[Box]
    frames: list[Box]
    lines: list[Line]


Leg = tuple[str, "str | Port", "str | Port"]  # of a line: the level, and what it joins there


def laid_out(scene: Scene, bends: int = BENDS) -> Layout:
    """Returns where the calls, nested models and edges of a scene lie.

    Args:
        scene: the scene; its open models are frames.
        bends: how many bends the lines of a level may have; those that would need more are straight.
    """
    around = _models_around(scene)
    texts = {node.address: _lines(node, node.address in scene.open_models) for node in scene.nodes}
    sizes = {address: _size(lines) for address, lines in texts.items()}
    levels = {"": Level()}
    for node in scene.nodes:
        if node.address in scene.open_models:
            levels[node.address] = Level((width_of(texts[node.address][0], LETTERS), LINE))
    for node in scene.nodes:
        levels[(around[node.address] or ("",))[-1]].add(node.address)
    routes = [list(_route(a, b, around)) for a, b in scene.drawn_edges]
    for model, a, b in itertools.chain.from_iterable(routes):
        levels[model].join(a, b)
    for model in sorted(levels, key=lambda one: -len(around[one]) if one else 1):  # what is inside first
        levels[model].lay(sizes, bends)
        sizes[model] = levels[model].size
    corners: dict[str, Point] = {"": (0.0, 0.0)}
    for node in sorted(scene.nodes, key=lambda node: len(around[node.address])):  # what is around first
        model = (around[node.address] or ("",))[-1]
        inside, outside = levels[model].corner(node.address), corners[model]
        corners[node.address] = (round(inside[0] + outside[0], 2), round(inside[1] + outside[1], 2))
    boxes = [Box(node, *corners[node.address], *sizes[node.address], texts[node.address]) for node in scene.nodes]
    lines = [
        Line(a, b, _points(route, levels, corners), scene.is_dropped((a, b)))
        for (a, b), route in zip(scene.drawn_edges, routes, strict=True)
    ]
    frames = sorted((box for box in boxes if box.node.address in levels), key=lambda box: len(around[box.node.address]))
    return Layout(*levels[""].size, [box for box in boxes if box.node.address not in levels], frames, lines)


def _models_around(scene: Scene) -> dict[str, tuple[str, ...]]:
    """Returns for each node the open models around it, the outer ones first."""
    around: dict[str, tuple[str, ...]] = {}
    for node in scene.nodes:  # a model comes before what is in it
        model = node.model if node.model in around else ""
        around[node.address] = (*around[model], model) if model else ()
    return around


def _route(a: str, b: str, around: dict[str, tuple[str, ...]]) -> Iterator[Leg]:
    """Yields the legs of a line: out of the models around its source, on, into those around its target.

    Lines that leave one source pass a frame at the same port.
    """
    out, into = around[a], around[b]
    common = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(out, into, strict=False)))
    here = a
    for model in reversed(out[common:]):
        yield model, here, (a, False)
        here = model
    inside = [*into[common:], b]
    yield (out[common - 1] if common else ""), here, inside[0]
    for model, one in itertools.pairwise(inside):
        yield model, (a, True), one


def _points(route: list[Leg], levels: dict[str, Level], corners: dict[str, Point]) -> tuple[Point, ...]:
    """Returns what a line passes. Where it meets a nested model, it does so at the port of that model's frame."""
    found: list[Point] = []
    for place, (model, a, b) in enumerate(route):
        x, y = corners[model]
        begin = end = None
        if isinstance(a, str) and a in levels:
            begin = corners[a][0] - x + levels[a].port(_port(route[place - 1][2]))
        if isinstance(b, str) and b in levels:
            end = corners[b][0] - x + levels[b].port(_port(route[place + 1][1]))
        found += [(round(x + one, 2), round(y + other, 2)) for one, other in levels[model].points(a, b, begin, end)]
    return tuple(point for point, last in zip(found, [None, *found], strict=False) if point != last)


def _port(key: str | Port) -> Port:
    assert isinstance(key, tuple)
    return key


def _lines(node: Node, is_open: bool) -> tuple[str, ...]:
    """Returns what is written on a node."""
    texts = [node.name] if is_open else [node.name, f"{node.kind} {node.texts['output']}", node.note[:60]]
    return tuple(shorten(printable(text), LONGEST) for text in texts if text)


def _size(lines: tuple[str, ...]) -> Size:
    return max(50.0, *(width_of(line, LETTERS) for line in lines)) + 2 * MARGIN, LINE * len(lines) + MARGIN + 3.0
