"""The decoder of LinkNet on any encoder. Chaurasia & Culurciello 2017, arXiv:1707.03718, section III."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras

from surgery.parts.alignment import crop_or_pad_to
from surgery.parts.blocks import convolve
from surgery.parts.checks import as_many, positive, steps_between

layers: Any = keras.layers


def linknet_decoder(classes: int, strides: Iterable[int], filters: int = 32) -> Callable[[list[Any]], Any]:
    """Makes the decoder: a part for `graft` with `at=[image, shallowest tap, ..., deepest tap]`.

    Each block reduces the channels to a quarter, enlarges by a transposed convolution, and has as many channels as the
    encoder's map of that size, to which it is added. The output is `(batch, height, width, classes)`, logits.

    Args:
        classes: channels of the output. Must be positive.
        strides: output stride of each tap, in pixels, ascending: keys of `sg.feature_levels`.
        filters: channels of the last block, at the size of the image.

    Raises:
        SurgeryError: `classes` is not positive, there are fewer than two taps, or a stride does not divide the next.
    """
    positive(classes)
    strides, steps = steps_between(strides, 2, "LinkNet")

    def decoder(tensors: list[Any]) -> Any:
        picture, taps = as_many(tensors, strides, "LinkNet")
        x = taps.pop()
        for number, (skip, step) in enumerate(zip(reversed(taps), reversed(steps), strict=True), 1):
            x = _block(x, step, skip, skip.shape[-1], f"decoder{number}")
            x = layers.Add(name=f"decoder{number}_link")([x, skip])
        if strides[0] > 1:
            x = _block(x, strides[0], picture, filters, "decoder_top")
        x = convolve(x, filters, 3, "last")
        return layers.Conv2D(classes, 1, name="segmentation")(x)

    return decoder


def _block(x: Any, step: int, like: Any, channels: int, name: str) -> Any:
    narrow = max(x.shape[-1] // 4, 1)
    x = convolve(x, narrow, 1, f"{name}_reduce")
    x = layers.Conv2DTranspose(narrow, 3 if step < 3 else step, step, "same", use_bias=False, name=f"{name}_up")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_up_bn")(x)
    x = layers.Activation("relu", name=f"{name}_up_relu")(x)
    return convolve(crop_or_pad_to(x, like, name), channels, 1, f"{name}_expand")
