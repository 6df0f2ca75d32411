"""SqueezeNet. Iandola et al. 2016, arXiv:1602.07360, table 1 (version 1.0), and the authors' later version 1.1.

Layers are named as in the release, `fire2/squeeze1x1`, with `_` for `/`, which Keras 3 refuses in a name; weight files
with either are taken. 1,248,424 parameters, version 1.1 has 1,235,496.
"""

from __future__ import annotations

from typing import Any

import keras

from surgery.core.errors import SurgeryError

_STEM = {"1.0": (96, 7), "1.1": (64, 3)}  # filters, kernel size
_POOLS = {"1.0": (1, 4, 8), "1.1": (1, 3, 5)}  # after conv1, or after which fire module
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))  # squeeze, expand


def squeezenet(
    include_top: bool = True,
    input_shape: tuple[int | None, ...] = (227, 227, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    version: str = "1.0",
    name: str = "squeezenet",
) -> keras.Model:
    """Makes SqueezeNet with fresh weights.

    Args:
        include_top: whether the convolution to classes, and what follows it, are included.
        input_shape: `(height, width, channels)`.
        classes: number of classes of the top.
        classifier_activation: activation after the last pooling.
        version: `"1.0"`, the paper's, or `"1.1"`, with 2.4 times less to compute.
        name: name of the model.
    """
    if version not in _STEM:
        raise SurgeryError(f"squeezenet has the versions {' and '.join(_STEM)}, not {version!r}.")
    layers = keras.layers
    picture = keras.Input(tuple(input_shape), name="input_layer")
    filters, size = _STEM[version]
    x = layers.Conv2D(filters, size, strides=2, activation="relu", name="conv1")(picture)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    for number, (squeezed, expanded) in enumerate(_FIRES, 2):
        x = fire(x, squeezed, expanded, f"fire{number}")
        if number in _POOLS[version]:
            x = layers.MaxPooling2D(3, strides=2, name=f"pool{number}")(x)
    if include_top:
        x = layers.Dropout(0.5, name="drop9")(x)
        x = layers.Conv2D(classes, 1, activation="relu", name="conv10")(x)
        x = layers.GlobalAveragePooling2D(name="pool10")(x)
        x = layers.Activation(classifier_activation or "linear", name="predictions")(x)
    return keras.Model(picture, x, name=name)


def fire(x: Any, squeezed: int, expanded: int, name: str) -> Any:
    """A fire module (figure 2): a 1 x 1 convolution to few channels, then 1 x 1 and 3 x 3 side by side.

    Args:
        x: symbolic tensor `(batch, height, width, channels)`.
        squeezed: filters of the first convolution.
        expanded: filters of each of the two; the result has twice as many channels.
        name: goes before the names of the layers.
    """
    layers = keras.layers
    x = layers.Conv2D(squeezed, 1, activation="relu", name=f"{name}_squeeze1x1")(x)
    one = layers.Conv2D(expanded, 1, activation="relu", name=f"{name}_expand1x1")(x)
    three = layers.Conv2D(expanded, 3, padding="same", activation="relu", name=f"{name}_expand3x3")(x)
    return layers.Concatenate(name=f"{name}_concat")([one, three])
