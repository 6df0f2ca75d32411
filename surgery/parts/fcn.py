"""The skip architecture of fully convolutional networks. Long, Shelhamer & Darrell 2015, arXiv:1411.4038, section 4."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras

from surgery.parts.alignment import upsample_to
from surgery.parts.checks import as_many, positive, steps_between

layers: Any = keras.layers


def fcn_decoder(classes: int, strides: Iterable[int]) -> Callable[[list[Any]], Any]:
    """Makes FCN-8s (of three taps), FCN-16s (two) or FCN-32s (one): a part for `graft` with `at=[image, tap, ...]`.

    Each tap is scored by a 1 x 1 convolution; the coarser score is enlarged bilinearly and added to the finer, and the
    sum is enlarged to the image: `(batch, height, width, classes)`, logits. The scores of the skips start at zero, as
    in the paper, so that training starts from the coarsest alone. (The paper learns the enlarging; here it is fixed.)

    Args:
        classes: channels of the output. Must be positive.
        strides: output stride of each tap, in pixels, ascending: 8, 16, 32 in the paper.

    Raises:
        SurgeryError: `classes` is not positive, or a stride does not divide the next.
    """
    positive(classes)
    strides, steps = steps_between(strides, 1, "FCN")

    def decoder(tensors: list[Any]) -> Any:
        picture, taps = as_many(tensors, strides, "FCN")
        deepest = taps.pop()
        x = layers.Conv2D(classes, 1, name=f"score{strides[-1]}")(deepest)
        skips = zip(reversed(taps), reversed(steps), reversed(strides[:-1]), strict=True)
        for tap, step, stride in skips:
            x = upsample_to(x, step, tap, f"score{stride}")
            score = layers.Conv2D(classes, 1, kernel_initializer="zeros", name=f"score{stride}")(tap)
            x = layers.Add(name=f"fused{stride}")([x, score])
        return upsample_to(x, strides[0], picture, "segmentation")

    return decoder
