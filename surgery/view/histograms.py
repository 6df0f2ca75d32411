"""Histograms of the values of weights, as an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from surgery.core.errors import SurgeryError, printable
from surgery.view.figures import blank, save_figure
from surgery.view.weights import Line

_MOST = 64  # histograms in an image


def draw(lines: list[Line], path: Path) -> int:
    """Writes an image of the histograms of the largest tensors, in the order of the network; returns how many.

    Raises:
        SurgeryError: no values, or matplotlib is not installed.
    """
    known = [line for line in lines if line.values is not None and line.values.histogram]
    if not known:
        raise SurgeryError("there are no values to draw: fresh weights have none, and --list reads none.")
    largest = sorted(known, key=lambda line: -line.weight.size)[:_MOST]
    shown = [line for line in known if line in largest]
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    figure = blank(3.2 * columns, 1.7 * rows)
    for axes, line in zip(figure.subplots(rows, columns, squeeze=False).flat, shown, strict=False):
        _histogram(axes, line)
    for axes in figure.axes[len(shown) :]:
        axes.set_axis_off()
    save_figure(figure, path)
    return len(shown)


def _histogram(axes: Any, line: Line) -> None:
    values = line.values
    assert values is not None
    width = (values.most - values.least) / len(values.histogram) or 1.0
    places = [values.least + width * (place + 0.5) for place in range(len(values.histogram))]
    axes.bar(places, values.histogram, width, color="#0072B2")
    axes.axvline(values.mean, color="#D55E00", linewidth=1)
    name = f"{printable(line.layer)}/{printable(line.tensor)}"
    name = name if len(name) <= 40 else f"…{name[-39:]}"
    axes.set_title(f"{name}  {line.weight.shape}", fontsize=7, parse_math=False)
    axes.tick_params(labelsize=6)
    axes.set_yticks([])
