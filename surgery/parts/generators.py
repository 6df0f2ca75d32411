"""Generators of images: from noise, from images of another domain, from smaller images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from surgery.core.errors import SurgeryError
from surgery.parts.alignment import crop_or_pad_to
from surgery.parts.checks import warn_of_open, whole

layers: Any = keras.layers
ops: Any = keras.ops


def dcgan_generator(size: int = 16, channels: int = 3, filters: int = 64, start: int = 4) -> Callable[[Any], Any]:
    """Makes the generator of a DCGAN: a function of vectors `(batch, features)`.

    Radford, Metz & Chintala 2015, arXiv:1511.06434, section 3: the vector is projected to a small map, which transposed
    convolutions enlarge, normalized by the batch, with ReLU. The output is `(batch, size, size, channels)`, 0 to 1 (a
    sigmoid, for images of that range, in the place of the paper's tanh).

    Args:
        size: side of the images in pixels: `start` times a power of two.
        channels: of the images.
        filters: of the first map; halved with each enlargement, at least 16.
        start: side of the first map.

    Raises:
        SurgeryError: `size` is not `start` times a power of two.
    """
    size, start = whole(size, "size"), whole(start, "start")
    doublings = (size // start).bit_length() - 1
    if size < start or size != start << doublings:
        raise SurgeryError(f"size must be {start} times a power of two: {start}, {2 * start}, {4 * start}; not {size}.")

    def generator(x: Any) -> Any:
        x = layers.Dense(start * start * filters, use_bias=False, name="project")(x)
        x = layers.Reshape((start, start, filters), name="map")(x)
        x = layers.BatchNormalization(name="map_bn")(x)
        x = layers.Activation("relu", name="map_relu")(x)
        for number in range(1, doublings + 1):
            width = max(filters >> number, 16)
            x = layers.Conv2DTranspose(width, 4, 2, "same", use_bias=False, name=f"up{number}")(x)
            x = layers.BatchNormalization(name=f"up{number}_bn")(x)
            x = layers.Activation("relu", name=f"up{number}_relu")(x)
        return layers.Conv2D(channels, 3, padding="same", activation="sigmoid", name="picture")(x)

    return generator


def image_translation_generator(channels: int = 3, filters: int = 24, blocks: int = 3) -> Callable[[Any], Any]:
    """Makes a generator from images to images of the same size: down twice, residual blocks, up twice.

    Zhu et al. 2017, CycleGAN, arXiv:1703.10593, section 4 (after Johnson et al. 2016, arXiv:1603.08155); group
    normalization with one channel a group is its instance normalization. The output is 0 to 1.

    Args:
        channels: of the images it makes.
        filters: at full size; twice and four times as many below.
        blocks: residual blocks; 6 in the paper for images of 128 pixels.
    """

    def generator(picture: Any) -> Any:
        warn_of_open(picture, 4, "the generator")

        def normal(y: Any, name: str) -> Any:
            y = layers.GroupNormalization(-1, name=f"{name}_norm")(y)
            return layers.Activation("relu", name=f"{name}_relu")(y)

        x = normal(layers.Conv2D(filters, 5, padding="same", name="first")(picture), "first")
        for number in (1, 2):
            x = normal(layers.Conv2D(filters << number, 3, 2, "same", name=f"down{number}")(x), f"down{number}")
        for number in range(1, blocks + 1):
            y = normal(layers.Conv2D(filters << 2, 3, padding="same", name=f"block{number}a")(x), f"block{number}a")
            y = layers.Conv2D(filters << 2, 3, padding="same", name=f"block{number}b")(y)
            x = layers.Add(name=f"block{number}")([x, layers.GroupNormalization(-1, name=f"block{number}b_norm")(y)])
        for number in (1, 0):
            x = layers.Conv2DTranspose(filters << number, 4, 2, "same", name=f"up{number}")(x)
            x = normal(x, f"up{number}")
        x = crop_or_pad_to(x, picture, "picture")
        return layers.Conv2D(channels, 5, padding="same", activation="sigmoid", name="picture")(x)

    return generator


def super_resolution_generator(
    scale: int = 4, filters: int = 32, blocks: int = 4, channels: int = 3
) -> Callable[[Any], Any]:
    """Makes a generator that enlarges images: residual blocks, then pixels from channels.

    Ledig et al. 2017, SRGAN, arXiv:1609.04802, section 2.1.1. It learns what is to be added to the bilinear
    enlargement (Kim et al. 2016, arXiv:1511.04587, section 3), so that it starts from there.

    Args:
        scale: 2 or 4.
        filters: of the convolutions; 64 in the paper.
        blocks: residual blocks; 16 in the paper.
        channels: of the images.

    Raises:
        SurgeryError: `scale` is neither 2 nor 4.
    """
    if whole(scale, "scale") not in (2, 4):
        raise SurgeryError(f"scale is 2 or 4, not {scale!r}.")

    def generator(small: Any) -> Any:
        x = first = layers.Conv2D(filters, 5, padding="same", activation="relu", name="first")(small)
        for number in range(1, blocks + 1):
            y = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"block{number}a")(x)
            y = layers.Conv2D(filters, 3, padding="same", name=f"block{number}b")(y)
            x = layers.Add(name=f"block{number}")([x, y])
        x = layers.Add(name="blocks")([x, layers.Conv2D(filters, 3, padding="same", name="last")(x), first])
        for number in range(1, scale.bit_length()):
            x = layers.Conv2D(filters * 4, 3, padding="same", name=f"up{number}")(x)
            x = layers.Activation("relu", name=f"up{number}_relu")(_shuffled(x, filters))
        detail = layers.Conv2D(channels, 5, padding="same", kernel_initializer="zeros", name="detail")(x)
        plain = layers.UpSampling2D(scale, interpolation="bilinear", name="plain")(small)
        return ops.clip(layers.Add(name="picture")([plain, detail]), 0.0, 1.0)

    def _shuffled(x: Any, width: int) -> Any:
        """Returns pixels from channels, twice as many on each side (Shi et al. 2016, arXiv:1609.05158, section 2.2)."""
        height, across = x.shape[1:3]
        if None in (height, across):
            raise SurgeryError("super resolution needs images of a fixed size.")
        x = ops.reshape(x, (-1, height, across, 2, 2, width))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 2 * height, 2 * across, width))

    return generator
