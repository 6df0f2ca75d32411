"""Discriminators: real or not, of whole images, of patches, of images with a label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from surgery.core.errors import SurgeryError
from surgery.parts.checks import positive

layers: Any = keras.layers
ops: Any = keras.ops


def dcgan_discriminator(filters: int = 32, steps: int = 2, normalize: bool = True) -> Callable[[Any], Any]:
    """Makes the discriminator of a DCGAN: a part of one image; it returns a score `(batch, 1)`.

    Radford, Metz & Chintala 2015, arXiv:1511.06434, section 3: convolutions with steps of two, LeakyReLU, no pooling.

    Args:
        filters: of the first convolution; doubled with each step.
        steps: how often the map is halved.
        normalize: by the batch, but for the first; not for a critic with a gradient penalty (arXiv:1704.00028,
            section 4).
    """

    def discriminator(x: Any) -> Any:
        for number in range(1, steps + 1):
            x = layers.Conv2D(filters << (number - 1), 4, 2, "same", name=f"down{number}")(x)
            if normalize and number > 1:
                x = layers.BatchNormalization(name=f"down{number}_bn")(x)
            x = layers.LeakyReLU(0.2, name=f"down{number}_lrelu")(x)
        return layers.Dense(1, name="score")(layers.Flatten(name="flat")(x))

    return discriminator


def patch_discriminator(filters: int = 32, steps: int = 2) -> Callable[[Any], Any]:
    """Makes a discriminator of patches: a part of one image, or of `[condition, image]`; it returns a map.

    Isola et al. 2017, pix2pix, arXiv:1611.07004, section 3.2.2: each score sees a patch, and the mean over the map is
    the score of the image. With a list the images are stacked: the discriminator is conditional (section 3.1).

    Args:
        filters: of the first convolution; doubled with each step.
        steps: how often the map is halved: two make scores of patches of 22 pixels.
    """

    def discriminator(tensors: Any) -> Any:
        x = layers.Concatenate(name="pair")(tensors) if isinstance(tensors, list) else tensors
        for number in range(1, steps + 1):
            x = layers.Conv2D(filters << (number - 1), 4, 2, "same", name=f"down{number}")(x)
            if number > 1:
                x = layers.GroupNormalization(-1, name=f"down{number}_norm")(x)
            x = layers.LeakyReLU(0.2, name=f"down{number}_lrelu")(x)
        return layers.Conv2D(1, 4, padding="same", name="scores")(x)

    return discriminator


def projection_score(classes: int, features: int) -> Callable[[list[Any]], Any]:
    """Makes a conditional score: a part of `[features (batch, features), label (batch,)]`; it returns `(batch, 1)`.

    Labels may come as `(batch, 1)`.

    Miyato & Koyama 2018, arXiv:1802.05637, equation 3: an unconditional score, plus the inner product of the features
    with an embedding of the label.

    Args:
        classes: how many labels there are.
        features: length of the vector of features.

    Raises:
        SurgeryError: `classes` is not positive, or the tensors are not of these shapes.
    """
    positive(classes)

    def score(tensors: list[Any]) -> Any:
        if not isinstance(tensors, list | tuple) or len(tensors) != 2:
            raise SurgeryError("the projection score takes two tensors, features and labels.")
        x, label = tensors
        if len(label.shape) == 2 and label.shape[1] == 1:
            label = ops.squeeze(label, -1)
        if len(label.shape) != 1 or len(x.shape) != 2 or x.shape[1] != features:
            raise SurgeryError(
                f"the projection score takes features (batch, {features}) and labels (batch,), not "
                f"{tuple(x.shape)} and {tuple(label.shape)}."
            )
        embedded = layers.Embedding(classes, features, name="label_features")(label)
        product = ops.sum(x * embedded, axis=-1, keepdims=True)
        return layers.Add(name="scored")([layers.Dense(1, name="score")(x), product])

    return score
