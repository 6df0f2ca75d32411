"""A drawing as SVG, written directly: it needs nothing, and one network gives one text on every machine."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from xml.sax.saxutils import escape

from surgery.core.errors import printable
from surgery.view.layout.layout import LETTERS, LINE, Box, Line
from surgery.view.palette import EDGES, FILLS
from surgery.view.sheets import FRAME, INK, SWATCH, TEXT, TITLE, Sheet


def svg(sheet: Sheet) -> str:
    """Returns the text of an SVG file. Names are text in it, never markup, and it loads nothing."""
    return "\n".join([*_head(sheet), *_body(sheet), "</g>", "</svg>", ""])


def _head(sheet: Sheet) -> Iterator[str]:
    width, height = _number(sheet.width), _number(sheet.height)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="{LETTERS}" fill="{TEXT}">'
    )
    yield f"<title>{_escaped(sheet.title)}</title>"
    yield (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0,1L8,4L0,7z" fill="{INK}"/></marker></defs>'
    )
    yield f'<rect width="{width}" height="{height}" fill="#FFFFFF"/>'
    yield _text(sheet.width / 2, 24, sheet.title, f' text-anchor="middle" font-size="{TITLE}"')
    for x, y, role, text in sheet.legend:
        yield f'<rect x="{_number(x)}" y="{_number(y)}" width="{SWATCH}" height="{SWATCH}" rx="2" {_look(role)}/>'
        yield _text(x + SWATCH + 5, y + SWATCH - 2, text)
    yield f'<g transform="translate({_number(sheet.x)},{_number(sheet.y)})">'


def _body(sheet: Sheet) -> Iterator[str]:
    layout = sheet.layout
    for frame in layout.frames:
        yield f'<g class="model"><rect {_sides(frame)} rx="6" fill="none" stroke="{FRAME}"/>'
        yield f"{_text(frame.x + 8, frame.y + LINE + 2, frame.lines[0])}</g>"
    yield f'<g fill="none" stroke="{INK}" stroke-width="1" marker-end="url(#tip)">'
    for line in layout.lines:
        dashes = ' stroke-dasharray="4 3"' if line.dropped else ""
        yield f'<path class="edge" d="{_path(line)}"{dashes}/>'
    yield "</g>"
    for box in layout.boxes:
        yield f'<g class="call"><title>{_escaped(box.node.address)}</title>'
        yield f'<rect {_sides(box)} rx="5" {_look(box.node.role)}/>'
        x, y = box.x + box.width / 2, box.y + LINE + 2
        for number, line in enumerate(box.lines):
            yield _text(x, y + number * LINE, line, ' text-anchor="middle"')
        yield "</g>"


def _path(line: Line) -> str:
    """Returns a line; where it goes sideways it is curved, and leaves and arrives straight down."""
    (x, y), *_ = line.points
    parts = [f"M{_number(x)},{_number(y)}"]
    for (x0, y0), (x1, y1) in itertools.pairwise(line.points):
        middle = _number((y0 + y1) / 2)
        straight = f"V{_number(y1)}"
        curve = f"C{_number(x0)},{middle} {_number(x1)},{middle} {_number(x1)},{_number(y1)}"
        parts.append(straight if abs(x0 - x1) < 0.05 else curve)
    return "".join(parts)


def _text(x: float, y: float, text: str, options: str = "") -> str:
    return f'<text x="{_number(x)}" y="{_number(y)}"{options}>{_escaped(text)}</text>'


def _sides(box: Box) -> str:
    x, y, width, height = map(_number, (box.x, box.y, box.width, box.height))
    return f'x="{x}" y="{y}" width="{width}" height="{height}"'


def _look(role: str) -> str:
    dashes = ' stroke-dasharray="4 3"' if role == "dropped" else ""
    return f'fill="{FILLS[role]}" stroke="{EDGES[role]}"{dashes}'


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _escaped(text: str) -> str:
    return escape(printable(text))
