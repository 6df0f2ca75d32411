"""A drawing as PNG or PDF, through Matplotlib."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from surgery.core.errors import printable
from surgery.view.figures import blank, written
from surgery.view.layout.layout import LETTERS, LINE, Box, Line
from surgery.view.palette import EDGES, FILLS
from surgery.view.sheets import FRAME, INK, SWATCH, TEXT, TITLE, Sheet

DOTS = 110  # of a PNG, per inch; fewer where it would be larger than the two that follow
SIDE = 30_000  # pixels of a PNG, on its longer side
AREA = 60_000_000  # pixels of a PNG in all
PAGE = 14_400  # points of a PDF, on its longer side; viewers show no longer ones
_SMALLER = 0.88  # of the size of the letters: those of Matplotlib's own font are wider than Helvetica's
_ROUND = 5  # pixels, the corners of a box
_TIP = (2.6, 6.0)  # pixels, half the width and the length of an arrowhead


def render_sheet(sheet: Sheet, format: str) -> bytes:
    """Returns a sheet as the bytes of a `png` or `pdf` file.

    Raises:
        SurgeryError: Matplotlib is not installed.
    """
    width, height = sheet.width, sheet.height
    scale = min(1.0, PAGE / max(width, height)) if format == "pdf" else 1.0
    dots = min(DOTS, 72 * SIDE / max(width, height), 72 * (AREA / (width * height)) ** 0.5)
    figure = blank(width * scale / 72, height * scale / 72, dots, layout="none")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    _draw(axes, sheet, scale)
    return written(figure, format)


def _draw(axes: Any, sheet: Sheet, scale: float) -> None:
    """Draws a sheet on axes whose unit is a pixel of it, `scale` points long."""
    layout, corner = sheet.layout, (sheet.x, sheet.y)

    def write(x: float, y: float, text: str, size: float = LETTERS, align: str = "center") -> None:
        size *= _SMALLER * scale
        axes.text(x, y, printable(text), size=size, ha=align, va="baseline", color=TEXT, parse_math=False)

    _rectangles(axes, ((*_sides(box, corner), "none", FRAME, False) for box in layout.frames), scale)
    for dropped in (False, True):
        _lines(axes, [line for line in layout.lines if line.dropped is dropped], corner, scale, dropped)
    _rectangles(axes, ((*_sides(box, corner), *_look(box.node.role)) for box in layout.boxes), scale)
    swatches = ((x, y, SWATCH, SWATCH, *_look(role)) for x, y, role, _ in sheet.legend)
    _rectangles(axes, swatches, scale)
    write(sheet.width / 2, 24, sheet.title, TITLE)
    for x, y, _, text in sheet.legend:
        write(x + SWATCH + 5, y + SWATCH - 2, text, align="left")
    for frame in layout.frames:
        write(sheet.x + frame.x + 8, sheet.y + frame.y + LINE + 2, frame.lines[0], align="left")
    for box in layout.boxes:
        for number, text in enumerate(box.lines):
            write(sheet.x + box.x + box.width / 2, sheet.y + box.y + 2 + LINE * (1 + number), text)


def _sides(box: Box, corner: tuple[float, float]) -> tuple[float, float, float, float]:
    return box.x + corner[0], box.y + corner[1], box.width, box.height


def _look(role: str) -> tuple[str, str, bool]:
    return FILLS[role], EDGES[role], role == "dropped"


def _rectangles(axes: Any, boxes: Iterable[tuple[float, float, float, float, str, str, bool]], scale: float) -> None:
    """Draws rectangles with round corners: x, y, width, height, the color inside and around, whether it is dashed."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path as Curve

    paths, fills, edges, styles = [], [], [], []
    for x, y, width, height, fill, edge, dashed in boxes:
        r, right, lower = min(_ROUND, width / 4), x + width, y + height
        corners = [(x, y), (right, y), (right, lower), (x, lower)]
        before = [(x, y + r), (right - r, y), (right, lower - r), (x + r, lower)]
        after = [(x + r, y), (right, y + r), (right - r, lower), (x, lower - r)]
        points = [point for three in zip(before, corners, after, strict=True) for point in three]
        codes = [Curve.MOVETO, *[Curve.CURVE3, Curve.CURVE3, Curve.LINETO] * 3, Curve.CURVE3, Curve.CURVE3]
        paths.append(Curve([*points, before[0]], [*codes, Curve.CLOSEPOLY]))
        fills.append(fill)
        edges.append(edge)
        styles.append("dashed" if dashed else "solid")
    looks = {"facecolors": fills, "edgecolors": edges, "linestyles": styles, "linewidths": scale}
    axes.add_collection(PathCollection(paths, **looks), autolim=False)


def _lines(axes: Any, lines: list[Line], corner: tuple[float, float], scale: float, dashed: bool) -> None:
    """Draws edges, curved where they go sideways, with their arrowheads."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path as Curve

    paths, tips = [], []
    for line in lines:
        points = [(x + corner[0], y + corner[1]) for x, y in line.points]
        whole = points[:1]
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            whole += [(x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), (x1, y1)]
        paths.append(Curve(whole, [Curve.MOVETO, *[Curve.CURVE4] * (len(whole) - 1)]))
        (x, y), back = points[-1], _TIP[1] if points[-1][1] > points[-2][1] else -_TIP[1]
        tips.append(Curve([(x - _TIP[0], y - back), (x, y), (x + _TIP[0], y - back)]))
    looks = {"facecolors": "none", "edgecolors": INK, "linewidths": scale}
    axes.add_collection(PathCollection(paths, linestyles="dashed" if dashed else "solid", **looks), autolim=False)
    axes.add_collection(PathCollection(tips, facecolors=INK, linewidths=0), autolim=False)
