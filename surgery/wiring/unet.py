"""The expanding path of a U-Net on any encoder. Ronneberger, Fischer & Brox 2015, arXiv:1505.04597, section 2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from surgery.errors import SurgeryError


def unet_decoder(
    classes: int,
    strides: Sequence[int],
    filters: Sequence[int] = (256, 128, 64, 32, 16),
    activation: str | None = None,
) -> Callable[[list[Any]], Any]:
    """Makes a U-Net decoder: a part for `graft` with `at=[picture, shallowest tap, ..., deepest tap]`.

    Each step enlarges the map to the next shallower tap, aligns the two (the encoder's own padding may have cost a
    pixel), concatenates them and convolves twice, 3 x 3 with ReLU. Convolutions are padded, so the output has the size
    of the
    picture: `(batch, height, width, classes)`.

    Args:
        classes: channels of the output; the paper's last 1 x 1 convolution. Must be positive.
        strides: output stride of each tap, in pixels, ascending: the keys of `sg.pyramid`.
        filters: filters of the steps, from the deepest; the last is used for further steps.
        activation: of the output: `"softmax"` or `"sigmoid"`; logits by default.

    Raises:
        SurgeryError: `classes` is not positive, there are fewer than two taps, or a stride does not divide the next.
    """
    strides = list(strides)
    if classes < 1:
        raise SurgeryError(f"classes must be at least 1, not {classes}.")
    if len(strides) < 2:
        raise SurgeryError(f"a U-Net needs feature maps of at least two sizes; strides are {strides}.")
    steps = [big // small for small, big in pairwise(strides)]
    if any(small * step != big or step < 2 for (small, big), step in zip(pairwise(strides), steps, strict=True)):
        raise SurgeryError(f"strides must ascend, each a multiple of the one before; they are {strides}.")

    def decoder(tensors: list[Any]) -> Any:
        from keras import layers

        picture, *taps = tensors
        x = taps.pop()
        for number, (skip, step) in enumerate(zip(reversed(taps), reversed(steps), strict=True), 1):
            x = _enlarged(x, step, skip, f"decoder{number}")
            x = layers.Concatenate(name=f"decoder{number}_concat")([x, skip])
            x = _double_conv(x, filters[min(number, len(filters)) - 1], f"decoder{number}")
        if strides[0] > 1:
            x = _enlarged(x, strides[0], picture, "decoder_top")
            x = _double_conv(x, filters[min(len(strides), len(filters)) - 1], "decoder_top")
        return layers.Conv2D(classes, 1, activation=activation, name="segmentation")(x)

    return decoder


def _double_conv(x: Any, filters: int, name: str) -> Any:
    from keras import layers

    for number in (1, 2):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}_conv{number}")(x)
    return x


def _enlarged(x: Any, step: int, like: Any, name: str) -> Any:
    """Returns `x` enlarged by `step` and cropped or padded to the size of `like`, where sizes are known."""
    from keras import layers

    x = layers.UpSampling2D(step, interpolation="bilinear", name=f"{name}_up")(x)
    sides = zip(x.shape[1:3], like.shape[1:3], strict=True)
    over = [0 if None in pair else pair[0] - pair[1] for pair in sides]
    if any(pixels > 0 for pixels in over):
        x = layers.Cropping2D(tuple(_halves(max(pixels, 0)) for pixels in over), name=f"{name}_crop")(x)
    if any(pixels < 0 for pixels in over):
        x = layers.ZeroPadding2D(tuple(_halves(max(-pixels, 0)) for pixels in over), name=f"{name}_pad")(x)
    return x


def _halves(pixels: int) -> tuple[int, int]:
    return pixels // 2, pixels - pixels // 2
