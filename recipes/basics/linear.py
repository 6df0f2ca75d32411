"""A vector through Dense layers to classes. Rumelhart, Hinton & Williams 1986, Nature 323:533.

The smallest network that is one: 64 numbers in, two hidden layers, 4 classes out. `fit` reads the digits 0 to 3 from
their 64 original pixels, beside the nearest class mean.
"""

import keras
import numpy as np

import surgery as sg


def recipe(features: int = 64, hidden: tuple = (32, 16), classes: int = 4):
    """Wires one Dense layer after another.

    Args:
        hidden: width of each layer before the last.
    """
    if classes < 1:
        raise sg.SurgeryError(f"classes must be at least 1, not {classes}.")
    x = inputs = keras.Input((features,), name="features")
    for number, units in enumerate(hidden, 1):
        x = keras.layers.Dense(units, activation="relu", name=f"hidden{number}")(x)
    return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax", name="classes")(x), name="linear")


def fit(model: keras.Model, epochs: int = 30, seed: int = 0):
    keras.utils.set_random_seed(seed)
    images_bhwc, labels = sg.samples.digits(range(model.output_shape[-1]), size=8)
    vectors = images_bhwc[..., 0].reshape(len(labels), -1)
    test = np.random.default_rng(seed).random(len(labels)) < 0.3
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(vectors[~test], labels[~test], batch_size=32, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0)
    means = np.stack([vectors[~test & (labels == one)].mean(axis=0) for one in np.unique(labels)])
    distances = np.linalg.norm(vectors[test][:, None] - means, axis=-1)
    return {
        "accuracy": sg.tasks.accuracy(model, vectors[test], labels[test]),
        "nearest mean": float(np.mean(distances.argmin(axis=-1) == labels[test])),
    }
