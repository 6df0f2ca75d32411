"""tinyvgg: a VGG with the layer names of VGG16 and 128,981 parameters, pretrained on handwritten digits 0-4.

So that every example runs offline, on truly pretrained weights, in seconds. Layout: Simonyan & Zisserman 2014,
arXiv:1409.1556, table 1, configuration D, with fewer filters. Images are (batch, 32, 32, 3) with values from 0 to 1.
`scripts/pretrain_tinyvgg.py` makes the weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from surgery.core.errors import SurgeryError

WEIGHTS = Path(__file__).with_name("tinyvgg.npz")  # plain arrays: a .keras file is not read by older Keras
_BLOCKS = ((16, 2), (24, 2), (40, 3), (40, 3), (32, 3))  # filters, convolutions


def tinyvgg(
    include_top: bool = True,
    input_shape: tuple[int | None, ...] = (32, 32, 3),
    classes: int = 5,
    classifier_activation: str | None = "softmax",
    name: str = "tinyvgg",
) -> keras.Model:
    """Makes tinyvgg with fresh weights.

    Args:
        include_top: whether the three Dense layers on top are included.
        input_shape: `(height, width, channels)`.
        classes: number of classes of the top.
        classifier_activation: activation of the last layer.
        name: name of the model.
    """
    layers = keras.layers
    picture = x = keras.Input(tuple(input_shape), name="input_layer")
    for block, (filters, count) in enumerate(_BLOCKS, 1):
        for number in range(1, count + 1):
            conv = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"block{block}_conv{number}")
            x = conv(x)
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
    if include_top:
        x = layers.Flatten(name="flatten")(x)
        x = layers.Dense(64, activation="relu", name="fc1")(x)
        x = layers.Dense(64, activation="relu", name="fc2")(x)
        x = layers.Dense(classes, activation=classifier_activation, name="predictions")(x)
    return keras.Model(picture, x, name=name)


def write_weights(model: keras.Model, path: Path) -> None:
    """Writes the weights of a tinyvgg as plain arrays, `layer/0`, `layer/1` ..."""
    arrays = {
        f"{layer.name}/{place}": value for layer in model.layers for place, value in enumerate(layer.get_weights())
    }
    np.savez(path, **arrays)


def pretrained(**options: Any) -> keras.Model:
    """Makes tinyvgg with its shipped weights.

    Raises:
        SurgeryError: the options change the shape of a layer that has weights.
    """
    model = tinyvgg(**options)
    with np.load(WEIGHTS, allow_pickle=False) as file:
        arrays = dict(file)
    for layer in model.layers:
        weights = [arrays[f"{layer.name}/{place}"] for place in range(len(layer.weights))]
        if [value.shape for value in weights] != [tuple(variable.shape) for variable in layer.weights]:
            raise SurgeryError(
                f"the pretrained weights of tinyvgg do not fit {layer.name!r} with these options: they are for "
                "images (32, 32, 3) and 5 classes. include_top=False takes other sizes; graft() makes a new head."
            )
        layer.set_weights(weights)
    return model
