"""AlexNet. Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks".

Section 3.5, with the two halves of the paper's network as groups, the layer names of the Caffe release (`conv1` ...
`fc8`), and its images of 227 x 227: with 224, as the paper says, the sizes do not come out. 60,965,224 parameters.
"""

from __future__ import annotations

from typing import Any

import keras


def alexnet(
    include_top: bool = True,
    input_shape: tuple[int | None, ...] = (227, 227, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "alexnet",
) -> keras.Model:
    """Makes AlexNet with fresh weights.

    Args:
        include_top: whether the three Dense layers on top are included.
        input_shape: `(height, width, channels)`.
        classes: number of classes of the top.
        classifier_activation: activation of the last layer.
        name: name of the model.
    """
    layers = keras.layers
    picture = keras.Input(tuple(input_shape), name="input_layer")
    x = layers.Conv2D(96, 11, strides=4, activation="relu", name="conv1")(picture)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(response_normalized(x, "norm1"))
    x = layers.Conv2D(256, 5, padding="same", groups=2, activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool2")(response_normalized(x, "norm2"))
    x = layers.Conv2D(384, 3, padding="same", activation="relu", name="conv3")(x)
    x = layers.Conv2D(384, 3, padding="same", groups=2, activation="relu", name="conv4")(x)
    x = layers.Conv2D(256, 3, padding="same", groups=2, activation="relu", name="conv5")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool5")(x)
    if include_top:
        x = layers.Flatten(name="flatten")(x)
        for number in (6, 7):
            x = layers.Dense(4096, activation="relu", name=f"fc{number}")(x)
            x = layers.Dropout(0.5, name=f"drop{number}")(x)
        x = layers.Dense(classes, activation=classifier_activation, name="fc8")(x)
    return keras.Model(picture, x, name=name)


def response_normalized(x: Any, name: str, size: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75):
    """Divides each value by the energy of its neighbouring channels: local response normalization, section 3.3.

    Keras has no such layer; this is a nested model of its operations, so that stock Keras opens what is saved.

    Args:
        x: symbolic tensor `(batch, height, width, channels)`.
        name: of the nested model.
        size: channels that are summed over, n in the paper.
        k: constant added to the sum.
        alpha: weight of the sum. (Caffe's `alpha` is `size` times this one.)
        beta: power of the divisor.
    """
    ops: Any = keras.ops
    inner: Any = keras.Input(x.shape[1:], name=f"{name}_input")
    channels = x.shape[-1]
    energy = ops.pad(ops.square(inner), [(0, 0)] * 3 + [(size // 2, size // 2)])
    total = sum((energy[..., start : start + channels] for start in range(1, size)), energy[..., :channels])
    return keras.Model(inner, inner / ops.power(total * alpha + k, beta), name=name)(x)
