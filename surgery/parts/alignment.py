"""Maps of different sizes brought together: what every decoder does at every step."""

from __future__ import annotations

from typing import Any

import keras

layers: Any = keras.layers
ops: Any = keras.ops


def upsample_to(x: Any, step: int, like: Any, name: str) -> Any:
    """Returns a map enlarged by `step`, bilinearly, and cropped or padded to the size of `like`.

    Args:
        x: `(batch, height, width, channels)`.
        step: how many times larger it becomes.
        like: the map, or image, whose size is wanted; where a size is not known, nothing is cropped.
        name: begins the names of the layers.
    """
    if step > 1:
        x = layers.UpSampling2D(step, interpolation="bilinear", name=f"{name}_up")(x)
    return crop_or_pad_to(x, like, name)


def crop_or_pad_to(x: Any, like: Any, name: str) -> Any:
    """Returns a map cropped or padded, alike on both sides, to the size of another: padding may have cost a pixel.

    What is padded mirrors what is there, so that no pixel at the border is a constant.
    """
    return crop_or_pad_to_size(x, like.shape[1:3], name)


def crop_or_pad_to_size(x: Any, sides: Any, name: str) -> Any:
    """Returns a map cropped or padded, alike on both sides, to `(height, width)`; where one is not known, as it is."""
    over = [0 if None in pair else pair[0] - pair[1] for pair in zip(x.shape[1:3], sides, strict=True)]
    if any(pixels > 0 for pixels in over):
        x = layers.Cropping2D(tuple(_halves(max(pixels, 0)) for pixels in over), name=f"{name}_crop")(x)
    if any(pixels < 0 for pixels in over):
        x = _mirrored(x, [max(-pixels, 0) for pixels in over], name)
    return x


def _mirrored(x: Any, missing: list[int], name: str) -> Any:
    """Pads by mirroring; a map that is too small to mirror that much is enlarged first."""
    height, width = x.shape[1:3]
    if any(pixels > 2 * side for pixels, side in zip(missing, (height, width), strict=True) if pixels):
        return layers.Resizing(height + missing[0], width + missing[1], name=f"{name}_pad")(x)
    return ops.pad(x, ((0, 0), *(_halves(pixels) for pixels in missing), (0, 0)), mode="symmetric")


def _halves(pixels: int) -> tuple[int, int]:
    return pixels // 2, pixels - pixels // 2
