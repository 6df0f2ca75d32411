"""What style and content of an image are, by the taps of a network. Gatys, Ecker & Bethge 2015, arXiv:1508.06576."""

from __future__ import annotations

from typing import Any

import keras

ops: Any = keras.ops


def gram_matrix(x: Any) -> Any:
    """Returns the correlations of the channels of maps, over all places, divided by their number.

    Equation 3 of the paper.

    Args:
        x: `(batch, height, width, channels)`.

    Returns:
        `(batch, channels, channels)`.
    """
    flat: Any = ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))
    return ops.matmul(ops.transpose(flat, (0, 2, 1)), flat) / ops.cast(ops.shape(flat)[1], x.dtype)


def style_loss(ours: Any, theirs: Any) -> Any:
    """Returns how far the style of maps is from that of others: the mean squared difference of their Gram matrices.

    Equations 4 and 5, relative to the size of theirs, so that layers of any scale weigh alike.

    Args:
        ours: maps of the image, `(batch, height, width, channels)`.
        theirs: maps of the style; height and width may be others.
    """
    ours, theirs = gram_matrix(ours), gram_matrix(theirs)
    return ops.mean(ops.square(ours - theirs)) / (ops.mean(ops.square(theirs)) + 1e-12)


def content_loss(ours: Any, theirs: Any) -> Any:
    """Returns how far the content of maps is from that of others: equation 1, relative to the size of theirs.

    Args:
        ours: maps of the image, `(batch, height, width, channels)`.
        theirs: maps of the content, of the same shape.
    """
    return ops.mean(ops.square(ours - theirs)) / (ops.mean(ops.square(theirs)) + 1e-12)


def total_variation(images_bhwc: Any) -> Any:
    """Returns the total variation of images, per pixel: the mean step to the next pixel, down and across.

    Mahendran & Vedaldi 2015, arXiv:1412.0035, section 3.1.
    """
    down = images_bhwc[:, 1:] - images_bhwc[:, :-1]
    across = images_bhwc[:, :, 1:] - images_bhwc[:, :, :-1]
    return ops.mean(ops.abs(down)) + ops.mean(ops.abs(across))
