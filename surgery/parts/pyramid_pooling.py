"""Pyramid pooling. Zhao et al. 2017, Pyramid Scene Parsing Network, arXiv:1612.01105, section 3.2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from surgery.core.errors import SurgeryError
from surgery.parts.alignment import upsample_to
from surgery.parts.blocks import convolve
from surgery.parts.checks import as_many, positive, whole

layers: Any = keras.layers


def pyramid_pooling_decoder(
    classes: int, stride: int, bins: Sequence[int] = (1, 2, 3, 6), filters: int = 64
) -> Callable[[list[Any]], Any]:
    """Makes the head: a part for `graft` with `at=[image, tap]`.

    The map is reduced to 1 x 1, 2 x 2, 3 x 3 and 6 x 6 pixels (by anti-aliased resizing: means that weigh what is near
    more, in the place of the paper's), each with a part of the channels, enlarged again, and all are classified
    together. The output is `(batch, height, width, classes)`, logits.

    Args:
        classes: channels of the output. Must be positive.
        stride: output stride of the tap, in pixels; 8 in the paper (`sg.dilate`).
        bins: parts on each side; those that are more than the map has pixels are left out.
        filters: channels before the classification.

    Raises:
        SurgeryError: `classes` or `stride` is not positive, or the map has no fixed size.
    """
    positive(classes)
    stride = whole(stride, "the stride of the tap, in pixels,")

    def decoder(tensors: list[Any]) -> Any:
        picture, (x,) = as_many(tensors, [stride], "pyramid pooling")
        height, width = x.shape[1:3]
        if None in (height, width):
            raise SurgeryError("pyramid pooling needs a map of fixed size; give the network one: sg.resize.")
        fitting = [side for side in bins if side <= min(height, width)]
        maps = [x]
        for side in fitting:
            y = layers.Resizing(side, side, antialias=True, name=f"psp{side}")(x)
            y = layers.Conv2D(max(x.shape[-1] // len(bins), 1), 1, activation="relu", name=f"psp{side}_conv")(y)
            maps.append(layers.Resizing(height, width, name=f"psp{side}_up")(y))
        x = layers.Concatenate(name="psp")(maps) if fitting else x
        x = convolve(x, filters, 3, "psp")
        x = layers.Dropout(0.1, name="psp_dropout")(x)
        x = layers.Conv2D(classes, 1, name="segmentation")(x)
        return upsample_to(x, stride, picture, "segmentation")

    return decoder
