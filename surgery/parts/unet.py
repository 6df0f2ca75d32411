"""The expanding path of a U-Net on any encoder. Ronneberger, Fischer & Brox 2015, arXiv:1505.04597, section 2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras

from surgery.parts.alignment import upsample_to
from surgery.parts.checks import as_many, positive, steps_between

layers: Any = keras.layers


def unet_decoder(
    classes: int,
    strides: Iterable[int],
    filters: Sequence[int] = (256, 128, 64, 32, 16),
    activation: str | None = None,
) -> Callable[[list[Any]], Any]:
    """Makes a U-Net decoder: a part for `graft` with `at=[image, shallowest tap, ..., deepest tap]`.

    Each step enlarges the map to the next shallower tap, aligns the two (the encoder's own padding may have cost a
    pixel), concatenates them and convolves twice, 3 x 3 with ReLU. Convolutions are padded, so the output has the size
    of the image: `(batch, height, width, classes)`.

    Args:
        classes: channels of the output; the paper's last 1 x 1 convolution. Must be positive.
        strides: output stride of each tap, in pixels, ascending: the keys of `sg.feature_levels`.
        filters: filters of the steps, from the deepest; the last is used for further steps.
        activation: of the output: `"softmax"`, `"sigmoid"`, `"tanh"`; logits by default.

    Raises:
        SurgeryError: `classes` is not positive, there are fewer than two taps, or a stride does not divide the next.
    """
    positive(classes)
    strides, steps = steps_between(strides, 2, "a U-Net")

    def decoder(tensors: list[Any]) -> Any:
        picture, taps = as_many(tensors, strides, "a U-Net")
        x = taps.pop()
        for number, (skip, step) in enumerate(zip(reversed(taps), reversed(steps), strict=True), 1):
            x = upsample_to(x, step, skip, f"decoder{number}")
            x = layers.Concatenate(name=f"decoder{number}_concat")([x, skip])
            x = _double_conv(x, filters[min(number, len(filters)) - 1], f"decoder{number}")
        if strides[0] > 1:
            x = upsample_to(x, strides[0], picture, "decoder_top")
            x = _double_conv(x, filters[min(len(strides), len(filters)) - 1], "decoder_top")
        return layers.Conv2D(classes, 1, activation=activation, name="segmentation")(x)

    return decoder


def _double_conv(x: Any, filters: int, name: str) -> Any:
    for number in (1, 2):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}_conv{number}")(x)
    return x
