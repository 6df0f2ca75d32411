"""Feature pyramids. Lin et al. 2017, Feature Pyramid Networks for Object Detection, arXiv:1612.03144, section 3."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras

from surgery.parts.alignment import crop_or_pad_to, upsample_to
from surgery.parts.blocks import convolve
from surgery.parts.checks import as_many, positive, steps_between

layers: Any = keras.layers


def feature_pyramid(taps: list[Any], steps: Sequence[int], filters: int = 64) -> list[Any]:
    """Returns maps of the sizes of the taps, all with the same channels: each knows what the deeper ones found.

    A 1 x 1 convolution on each tap, the coarser map enlarged (nearest) and added, a 3 x 3 convolution on the sum.

    Args:
        taps: `(batch, height, width, channels)`, the finest first.
        steps: how many times coarser each is than the one before.
        filters: channels of the maps; `d = 256` in the paper.
    """
    x, found = None, []
    for number, tap in reversed(list(enumerate(taps, 1))):
        side = layers.Conv2D(filters, 1, name=f"lateral{number}")(tap)
        if x is not None:
            above = layers.UpSampling2D(steps[number - 1], name=f"topdown{number}_up")(x)
            side = layers.Add(name=f"topdown{number}")([side, crop_or_pad_to(above, tap, f"topdown{number}")])
        x = side
        found.append(layers.Conv2D(filters, 3, padding="same", name=f"pyramid{number}")(x))
    return found[::-1]


def fpn_decoder(classes: int, strides: Iterable[int], filters: int = 64) -> Callable[[list[Any]], Any]:
    """Makes the segmentation branch of a feature pyramid: a part for `graft` with `at=[image, tap, ..., tap]`.

    Kirillov et al. 2019, Panoptic Feature Pyramid Networks, arXiv:1901.02446, section 3: each map of the pyramid is
    convolved and enlarged, step by step, to the finest, all are summed, classified by a 1 x 1 convolution, and enlarged
    to the image: `(batch, height, width, classes)`, logits.

    Args:
        classes: channels of the output. Must be positive.
        strides: output stride of each tap, in pixels, ascending: keys of `sg.feature_levels`.
        filters: channels of the pyramid.

    Raises:
        SurgeryError: `classes` is not positive, there are fewer than two taps, or a stride does not divide the next.
    """
    positive(classes)
    strides, steps = steps_between(strides, 2, "a feature pyramid")

    def decoder(tensors: list[Any]) -> Any:
        picture, taps = as_many(tensors, strides, "a feature pyramid")
        merged = []
        for level, x in enumerate(feature_pyramid(taps, steps, filters)):
            x = convolve(x, filters // 2, 3, f"branch{level + 1}")
            for below in reversed(range(level)):
                x = upsample_to(x, steps[below], taps[below], f"branch{level + 1}_to{below + 1}")
                x = convolve(x, filters // 2, 3, f"branch{level + 1}_to{below + 1}") if below else x
            merged.append(x)
        x = layers.Add(name="merged")(merged)
        x = layers.Conv2D(classes, 1, name="segmentation")(x)
        return upsample_to(x, strides[0], picture, "segmentation")

    return decoder
