"""Images of what a network sees: the channels of feature maps that vary most, tap by tap."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError, printable
from surgery.view.charts import image_grid
from surgery.view.figures import blank, save_figure

RANKS = (1, 2, 3)  # of features of one image: vectors, sequences, maps
SUFFIXES = (".png", ".svg", ".pdf")
_ROW = 8  # tiles
_TALLEST = 12.0  # inches of a tap; maps that are much higher than wide are pressed together
_TILE = 64  # pixels on the longer side of a tile, about


def feature_maps(features: Mapping[str, Any], path: str | os.PathLike[str], channels: int = 16) -> Path:
    """Draws the features of one image, a row for each tap; returns the path.

    Maps show their channels as tiles, those first that vary most, each from black (its least value) to white; vectors
    are bars, sequences one image of steps by features.

    Args:
        features: tap -> features of one image, `(height, width, channels)`, `(steps, features)` or `(features,)`: a
            row of what `extract_features` returns.
        path: ends in `.png`, `.svg` or `.pdf`; replaced when the new one is whole.
        channels: tiles of each tap.

    Raises:
        SurgeryError: there is nothing to draw, another suffix, no right to write, or Matplotlib is not installed.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise SurgeryError(f"{printable(path)!r} should end in {', '.join(SUFFIXES)}.")
    shapes = {name: np.shape(values) for name, values in features.items()}
    odd = {name: shape for name, shape in shapes.items() if len(shape) not in RANKS or 0 in shape}
    if odd or not features or channels < 1:
        raise SurgeryError(f"no image can be drawn of {odd or 'no tap at all'}.")
    heights = [_height(values, channels) for values in features.values()]
    figure = blank(8, sum(heights))
    rows = figure.subplots(len(features), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (name, values) in zip(rows, features.items(), strict=True):
        _draw(axes, name, np.asarray(values, "float32"), channels)
    save_figure(figure, path)
    return path


def _height(values: Any, channels: int) -> float:
    """Returns the inches that a tap takes."""
    shape = np.shape(values)
    if len(shape) < 3:
        return 1.4
    rows = -(-min(channels, shape[2]) // _ROW)
    return 0.4 + min(rows * shape[0] / shape[1], _TALLEST)


def _draw(axes: Any, name: str, values: Any, channels: int) -> None:
    title = f"{printable(name)}  {values.shape}"
    if values.ndim == 1:
        axes.bar(np.arange(len(values)), values, width=1.0, color="#0072B2")
        axes.margins(x=0)
    elif values.ndim == 2:
        axes.imshow(_stretched(values), cmap="gray", aspect="auto", interpolation="nearest")
        axes.set_axis_off()
    else:
        picked = np.argsort(-values.std(axis=(0, 1)), kind="stable")[:channels]
        title += f", channels {', '.join(map(str, picked))}"
        axes.imshow(_grid(values[..., picked]), interpolation="nearest", aspect="auto")
        axes.set_axis_off()
    axes.set_title(title if len(title) < 110 else f"{title[:109]}…", fontsize=7, loc="left", parse_math=False)
    axes.tick_params(labelsize=6)


def _grid(maps_hwc: Any) -> Any:
    """Returns the channels side by side, in rows."""
    height, width, count = maps_hwc.shape
    each = [_stretched(maps_hwc[..., channel]) for channel in range(count)]
    columns = min(_ROW, count)
    rows = -(-count // columns)
    each += [np.ones((height, width), "float32")] * (rows * columns - count)
    step = max(1, max(height, width) // 1024)  # no image is larger than anybody can look at
    each = [one[::step, ::step] for one in each]
    zoom = max(1, _TILE // max(height, width))
    return image_grid([np.stack(each[row * columns : (row + 1) * columns]) for row in range(rows)], zoom)


def _stretched(values: Any) -> Any:
    """Returns values from 0 to 1; a channel that does not vary is black."""
    least, most = float(np.min(values)), float(np.max(values))
    return (values - least) / (most - least) if most > least else np.zeros_like(values)
