"""Maps of different sizes brought together: what every decoder does at every step."""

from __future__ import annotations

from typing import Any

import keras

layers: Any = keras.layers


def enlarged(x: Any, step: int, like: Any, name: str) -> Any:
    """Returns a map enlarged by `step`, bilinearly, and cropped or padded to the size of `like`.

    Args:
        x: `(batch, height, width, channels)`.
        step: how many times larger it becomes.
        like: the map, or picture, whose size is wanted; where a size is not known, nothing is cropped.
        name: begins the names of the layers.
    """
    if step > 1:
        x = layers.UpSampling2D(step, interpolation="bilinear", name=f"{name}_up")(x)
    return aligned(x, like, name)


def aligned(x: Any, like: Any, name: str) -> Any:
    """Returns a map cropped or padded, alike on both sides, to the size of another: padding may have cost a pixel."""
    sides = zip(x.shape[1:3], like.shape[1:3], strict=True)
    over = [0 if None in pair else pair[0] - pair[1] for pair in sides]
    if any(pixels > 0 for pixels in over):
        x = layers.Cropping2D(tuple(_halves(max(pixels, 0)) for pixels in over), name=f"{name}_crop")(x)
    if any(pixels < 0 for pixels in over):
        x = layers.ZeroPadding2D(tuple(_halves(max(-pixels, 0)) for pixels in over), name=f"{name}_pad")(x)
    return x


def _halves(pixels: int) -> tuple[int, int]:
    return pixels // 2, pixels - pixels // 2
