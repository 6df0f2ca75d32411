"""The inception module. Szegedy et al. 2015, Going Deeper with Convolutions, arXiv:1409.4842, section 4, figure 2b."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

layers: Any = keras.layers


def inception_module(
    one: int = 16, three: tuple[int, int] = (16, 24), five: tuple[int, int] = (4, 8), pool: int = 8, name: str = "mixed"
) -> Callable[[Any], Any]:
    """Makes an inception module: a part of one map, `(batch, height, width, channels)`, that keeps its size.

    Args:
        one: filters of the 1 x 1 convolution.
        three: filters of the 1 x 1 reduction and of the 3 x 3 convolution behind it.
        five: filters of the 1 x 1 reduction and of the 5 x 5 convolution behind it.
        pool: filters of the 1 x 1 convolution behind the 3 x 3 max pooling.
        name: begins the names of the layers.
    """

    def module(x: Any) -> Any:
        def conv(tensor: Any, filters: int, kernel: int, what: str) -> Any:
            return layers.Conv2D(filters, kernel, padding="same", activation="relu", name=f"{name}_{what}")(tensor)

        branches = [
            conv(x, one, 1, "1x1"),
            conv(conv(x, three[0], 1, "3x3_reduce"), three[1], 3, "3x3"),
            conv(conv(x, five[0], 1, "5x5_reduce"), five[1], 5, "5x5"),
            conv(layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x), pool, 1, "pool_proj"),
        ]
        return layers.Concatenate(name=f"{name}_concat")(branches)

    return module
