"""Maps of different sizes brought together: what every decoder does at every step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import keras

from surgery.errors import SurgeryError

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


def convolved(x: Any, filters: int, kernel: int, name: str, dilation: int = 1) -> Any:
    """Returns a convolution that keeps the size, normalized by the batch (Ioffe & Szegedy 2015), with ReLU."""
    x = layers.Conv2D(filters, kernel, padding="same", dilation_rate=dilation, use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def steps_between(strides: Sequence[int], least: int, what: str) -> list[int]:
    """Returns how many times coarser each feature map is than the one before.

    Raises:
        SurgeryError: there are fewer than `least` maps, or a stride does not divide the next.
    """
    strides = list(strides)
    if len(strides) < least:
        raise SurgeryError(
            f"{what} needs feature maps of at least {_NUMBERS.get(least, least)} sizes; strides are {strides}. "
            "A deeper backbone, or a larger depth=, has more."
        )
    steps = [big // small for small, big in pairwise(strides)]
    if any(small * step != big or step < 2 for (small, big), step in zip(pairwise(strides), steps, strict=True)):
        raise SurgeryError(f"strides must ascend, each a multiple of the one before; they are {strides}.")
    return steps


_NUMBERS = {2: "two", 3: "three"}


def positive(classes: int) -> int:
    """Returns the number of classes.

    Raises:
        SurgeryError: it is not positive.
    """
    if not isinstance(classes, int) or classes < 1:
        raise SurgeryError(f"classes must be at least 1, not {classes!r}.")
    return classes


def as_many(tensors: list[Any], strides: Sequence[int], what: str) -> tuple[Any, list[Any]]:
    """Returns the picture and the feature maps that a decoder is grafted at.

    Raises:
        SurgeryError: they are not as many as the strides, or one is no map.
    """
    tensors = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    flat = [tensor for tensor in tensors if len(tensor.shape) != 4]
    if flat:
        raise SurgeryError(
            f"{what} takes maps (batch, height, width, channels); {flat[0].name!r} is {tuple(flat[0].shape)}."
        )
    if len(tensors) != len(strides) + 1:
        raise SurgeryError(
            f"{what} of strides {list(strides)} is grafted at {len(strides) + 1} tensors, the picture first; at= names "
            f"{len(tensors)}."
        )
    return tensors[0], tensors[1:]
