"""Tensors of another shape than a layer wants that can still serve it: done when asked for, and always reported.

A kernel for other input channels, as `in_chans` of timm does it, mean and variance of a Normalization for the same
channels, and a Dense kernel as a convolution's, or the reverse
(Long, Shelhamer & Darrell 2015, arXiv:1411.4038, section 3.1). The values are only read, and turned, when asked for.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from surgery.core.tensors import Tensor


def refitted(tensor: Tensor, shape: tuple[int, ...], of_channels: bool = False) -> tuple[Tensor, str] | None:
    """Returns a tensor of another shape made of this one, and what was done; `None` where there is no sound way.

    Args:
        tensor: of a file, or of another network.
        shape: what the layer wants: `(height, width, in, out)` of a convolution, `(in, out)` of a Dense layer.
        of_channels: whether it holds one number for each input channel, as the mean of a Normalization does.
    """
    old = tensor.shape
    if {len(old), len(shape)} == {2, 4} and old[-1] == shape[-1] and math.prod(old) == math.prod(shape):
        return _made(tensor, shape, lambda values: values.reshape(shape)), f"reshaped from {old}"
    if len(old) == len(shape) == 4 and old[:2] == shape[:2] and old[3] == shape[3] and old[2] != shape[2]:
        return _made(
            tensor, shape, lambda values: _channels(values, shape[2])
        ), f"{old[2]} -> {shape[2]} input channels"
    if of_channels and len(old) == len(shape) == 1:
        return _made(tensor, shape, lambda values: _statistics(values, shape[0])), f"{old[0]} -> {shape[0]} channels"
    return None


def _made(tensor: Tensor, shape: tuple[int, ...], turn: Callable[[Any], Any]) -> Tensor:
    return dataclasses.replace(tensor, shape=shape, load=lambda: turn(tensor.load()))


def _channels(kernel: Any, wanted: int) -> Any:
    """Returns a kernel for another number of input channels that answers as much to a grey image as before."""
    import numpy as np

    old = kernel.shape[2]
    if wanted == 1:
        return kernel.sum(axis=2, keepdims=True)
    turns = np.resize(np.arange(old), wanted)
    return (kernel[:, :, turns] * (old / wanted)).astype(kernel.dtype)


def _statistics(values: Any, wanted: int) -> Any:
    """Returns mean or variance of other channels: those that `_channels` repeats, for one channel the mean of all."""
    import numpy as np

    if wanted == 1:
        return values.mean(keepdims=True).astype(values.dtype)
    return values[np.resize(np.arange(len(values)), wanted)]
