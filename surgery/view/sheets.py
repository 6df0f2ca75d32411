"""A drawing with its title and its legend, before it is written as SVG, PNG or PDF."""

from __future__ import annotations

import dataclasses

from surgery.core.errors import printable
from surgery.view.layout.layout import Layout, laid_out
from surgery.view.layout.text_width import shorten, width_of
from surgery.view.palette import legend_of
from surgery.view.scene import Scene

INK = "#666666"  # of lines
FRAME = "#999999"
TEXT = "#111111"
TITLE = 12  # pixels, the size of its letters
SWATCH = 11  # pixels
_MARGIN = 16  # pixels, around all
_LONGEST = 160  # letters of the title
_GAP = 18  # pixels between entries of the legend
_NARROWEST = 260  # pixels, of a legend that is wrapped


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A drawing, its title and its legend.

    Args:
        width: in pixels.
        height: in pixels.
        title: one line, in the middle of the top.
        legend: for each entry where its swatch lies, its role and its text.
        x: where the drawing begins.
        y: where the drawing begins.
        layout: the drawing.
    """

    width: float
    height: float
    title: str
    legend: list[tuple[float, float, str, str]]
    x: float
    y: float
    layout: Layout


def sheet_of(scene: Scene) -> Sheet:
    """Returns the sheet of a scene."""
    layout = laid_out(scene)
    title = shorten(printable(scene.title), _LONGEST)
    inner = max(layout.width, width_of(title, TITLE), _NARROWEST)
    legend, x, y = [], 0.0, 2.0 * _MARGIN + TITLE
    for role, text in legend_of(scene).items():
        width = SWATCH + 6 + width_of(text, SWATCH)
        if x and x + width > inner:
            x, y = 0.0, y + SWATCH + 6
        legend.append((_MARGIN + x, y, role, text))
        x += width + _GAP
    y += (SWATCH if legend else 0) + _MARGIN
    width, height = inner + 2 * _MARGIN, y + layout.height + _MARGIN
    return Sheet(width, height, title, legend, (width - layout.width) / 2, y, layout)
