"""Atrous spatial pyramid pooling and the decoder of DeepLabv3+.

Chen et al. 2017, arXiv:1706.05587, section 3.3; Chen et al. 2018, arXiv:1802.02611, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras

from surgery.parts.alignment import crop_or_pad_to, upsample_to
from surgery.parts.blocks import convolve
from surgery.parts.checks import as_many, positive, steps_between

layers: Any = keras.layers
ops: Any = keras.ops


def aspp(x: Any, rates: Sequence[int] = (6, 12, 18), filters: int = 256) -> Any:
    """Returns a map that has looked at several distances: 1 x 1, 3 x 3 at each rate, and the mean of the image.

    Args:
        x: `(batch, height, width, channels)`.
        rates: dilation of the 3 x 3 convolutions; those of the papers, for output stride 16. Rates at which a kernel
            would reach beyond the map on every side are left out: such a kernel is a 1 x 1 convolution.
        filters: channels of each branch and of the output.
    """
    sides = [side for side in x.shape[1:3] if side is not None]
    fitting = [rate for rate in rates if not sides or rate < max(sides)]
    branches = [convolve(x, filters, 1, "aspp1")]
    branches += [convolve(x, filters, 3, f"aspp{number}", rate) for number, rate in enumerate(fitting, 2)]
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="aspp_mean")(x)
    mean = layers.Conv2D(filters, 1, activation="relu", name="aspp_mean_conv")(mean)
    branches.append(mean + ops.zeros_like(branches[0]))
    return convolve(layers.Concatenate(name="aspp")(branches), filters, 1, "aspp")


def deeplab_decoder(
    classes: int, strides: Iterable[int], rates: Sequence[int] = (6, 12, 18), filters: int = 256, low: int = 48
) -> Callable[[list[Any]], Any]:
    """Makes the decoder of DeepLabv3+: a part for `graft` with `at=[image, fine tap, deep tap]`.

    The deep map goes through `aspp`, is enlarged to the fine tap, concatenated with it (reduced to few channels) and
    convolved twice. The output is `(batch, height, width, classes)`, logits.

    Args:
        classes: channels of the output. Must be positive.
        strides: output strides of the two taps, in pixels: 4 and 16 (or 8, with doubled `rates`) in the paper.
        rates: see `aspp`.
        filters: channels of `aspp` and of the decoder.
        low: channels to which the fine tap is reduced.

    Raises:
        SurgeryError: `classes` is not positive, there are not two taps, or a stride does not divide the next.
    """
    positive(classes)
    strides, (step,) = steps_between(strides, 2, "the decoder of DeepLab", most=2)

    def decoder(tensors: list[Any]) -> Any:
        picture, (fine, deep) = as_many(tensors, strides, "the decoder of DeepLab")
        x = upsample_to(aspp(deep, rates, filters), step, fine, "decoder")
        x = layers.Concatenate(name="decoder_concat")([x, crop_or_pad_to(convolve(fine, low, 1, "fine"), x, "fine")])
        for number in (1, 2):
            x = convolve(x, filters, 3, f"decoder{number}")
        x = layers.Conv2D(classes, 1, name="segmentation")(x)
        return upsample_to(x, strides[0], picture, "segmentation")

    return decoder
