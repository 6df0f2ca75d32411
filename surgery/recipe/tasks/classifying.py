"""Digits told apart: accuracy, and the adaptation of a network that has only seen clean ones to noise."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from surgery.core.errors import SurgeryError
from surgery.data.preprocessing import samples_for
from surgery.data.scenes import digits_in_noise
from surgery.training.epoch_bar import EpochBar


def accuracy(model: Any, images_bhwc: Any, labels: Any) -> float:
    """Returns the share of images whose largest output is that of their label.

    Args:
        model: images -> `(batch, classes)`, or `(batch, 1)`, the probability of the second of two classes.
        images_bhwc: the images.
        labels: `(n,)` or `(n, 1)`, or one-hot: `(n, classes)`.

    Raises:
        SurgeryError: the labels are not numbers of classes, or the model has other outputs.
    """
    outputs, labels = model.predict(images_bhwc, batch_size=256, verbose=0), np.asarray(labels)
    if not isinstance(outputs, np.ndarray) or outputs.size != len(labels) * outputs.shape[-1]:
        raise SurgeryError(f"expected one output (batch, classes) for {len(labels)} labels, not {model.output_shape}.")
    width = outputs.shape[-1]
    if width > 1 and labels.shape == (len(labels), width):
        labels = labels.argmax(axis=-1)
    if labels.size != len(labels) or labels.dtype.kind not in "iubf":
        raise SurgeryError(f"labels are numbers of classes, (n,), not {labels.shape} of {labels.dtype}.")
    outputs = outputs.reshape(-1, width)
    guesses = outputs.argmax(axis=-1) if width > 1 else outputs[:, 0] > 0.5
    return float(np.mean(guesses == labels.reshape(-1)))


def check_classes(model: Any, count: int) -> None:
    """Refuses to train a network on samples that have another number of classes than it distinguishes.

    Raises:
        SurgeryError: one of its outputs is not `count` wide.
    """
    for output in keras.tree.flatten(model.output):
        if output.shape[-1] != count:
            raise SurgeryError(
                f"the samples of this fit() have {count} classes, and the network has {output.shape[-1]}: "
                f"classes={count} trains on them; this model is for your own samples."
            )


def adapt_to_noise(model: Any, epochs: int, seed: int, noise: float = 0.9) -> dict[str, Any]:
    """Trains what is trainable of a classifier of the digits 0-4 on digits in noise, and measures before and after.

    Args:
        model: `keras.Model`: images -> probabilities of five classes. It is trained in place.
        epochs: passes over the images.
        seed: of the images and their order.
        noise: brightness of the noise; see `sg.samples.digits_in_noise`.

    Returns:
        The accuracy on other images, that before training, and how many images there were.

    Raises:
        SurgeryError: the model does not distinguish five classes, or nothing in it trains.
    """
    if model.output_shape != (None, 5):
        raise SurgeryError(f"expected probabilities of the digits 0-4, (None, 5), not {model.output_shape}.")
    if not model.trainable_variables:
        raise SurgeryError("nothing in the model trains.")
    keras.utils.set_random_seed(seed)
    images_bhwc, _, labels = digits_in_noise(model.input_shape[1] or 32, noise, seed, count=1600)
    images_bhwc, labels = samples_for(model, images_bhwc[labels < 5]), labels[labels < 5]
    few, rest = slice(0, 300), slice(300, None)
    before = accuracy(model, images_bhwc[rest], labels[rest])
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    model.fit(images_bhwc[few], labels[few], batch_size=32, epochs=epochs, callbacks=[EpochBar()], verbose=0)
    return {
        "accuracy in noise": accuracy(model, images_bhwc[rest], labels[rest]),
        "before training": before,
        "images": f"300 to learn from, {len(labels) - 300} to test on",
    }
