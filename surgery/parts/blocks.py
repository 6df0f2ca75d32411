"""The convolution that decoders are built of."""

from __future__ import annotations

from typing import Any

import keras

layers: Any = keras.layers


def convolve(x: Any, filters: int, kernel: int, name: str, dilation: int = 1) -> Any:
    """Returns a convolution that keeps the size, normalized by the batch (Ioffe & Szegedy 2015), with ReLU."""
    x = layers.Conv2D(filters, kernel, padding="same", dilation_rate=dilation, use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)
