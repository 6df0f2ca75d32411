"""Images of results: a grid of tiles, and a bar chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from surgery.view.figures import blank


def image_grid(rows: Sequence[Any], zoom: int = 2, gap: int = 2) -> Any:
    """Returns one image of many: a row of tiles for each batch of images.

    Args:
        rows: batches `(batch, height, width)` or `(batch, height, width, 1 or 3)`, values from 0 to 1 (others are
            clipped), all of the same size and number.
        zoom: how many pixels a pixel becomes, on each side.
        gap: pixels between tiles.

    Returns:
        `image_hwc`: float32, three channels, values from 0 to 1.
    """
    drawn = []
    for row in rows:
        row_bhwc = np.asarray(row, "float32")
        row_bhwc = row_bhwc[..., None] if row_bhwc.ndim == 3 else row_bhwc
        row_bhwc = np.broadcast_to(row_bhwc, (*row_bhwc.shape[:3], 3)).clip(0, 1)
        row_bhwc = row_bhwc.repeat(zoom, 1).repeat(zoom, 2)
        edged = np.pad(row_bhwc, ((0, 0), (0, gap), (0, gap), (0, 0)), constant_values=1.0)
        drawn.append(np.concatenate(list(edged), axis=1))
    picture_hwc = np.concatenate(drawn, axis=0)
    return np.pad(picture_hwc, ((gap, 0), (gap, 0), (0, 0)), constant_values=1.0)


def bar_chart(bars: Mapping[str, float], baseline: float | None = None, title: str = "", axis: str = "accuracy") -> Any:
    """Returns an image of horizontal bars, with a line where the baseline is.

    Args:
        bars: name -> length, drawn from top to bottom.
        baseline: where the line is.
        title: above it.
        axis: what the lengths are.

    Returns:
        `image_hwc`: float32, three channels, values from 0 to 1.

    Raises:
        SurgeryError: Matplotlib is not installed.
    """
    figure = blank(7, 0.6 + 0.24 * len(bars))
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.barh(list(bars), list(bars.values()), color="#3b6ea5")
    axes.invert_yaxis()
    if baseline is not None:
        axes.axvline(baseline, color="#c8553d", linestyle="--")
    axes.set(title=title, xlabel=axis)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype("float32") / 255
