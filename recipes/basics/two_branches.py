"""One input, two branches, one output. Szegedy et al. 2015, arXiv:1409.4842: different views of the same, concatenated.

The left branch has ReLU units, the right one sigmoid units; the classifier sees both. `fit` reads the ten digits from
their 64 original pixels, beside a network of one branch with as many units.
"""

import keras
import numpy as np

import surgery as sg


def recipe(features: int = 64, units: int = 24, classes: int = 10):
    inputs = keras.Input((features,), name="features")
    left = keras.layers.Dense(units, activation="relu", name="left")(inputs)
    right = keras.layers.Dense(units, activation="sigmoid", name="right")(inputs)
    both = keras.layers.Concatenate(name="both")([left, right])
    classes_b = keras.layers.Dense(classes, activation="softmax", name="classes")(both)
    return keras.Model(inputs, classes_b, name="two_branches")


def fit(model: keras.Model, epochs: int = 30, seed: int = 0):
    images_bhwc, labels = sg.samples.digits(range(model.output_shape[-1]), size=8)
    vectors = images_bhwc[..., 0].reshape(len(labels), -1)
    test = np.random.default_rng(seed).random(len(labels)) < 0.3
    units = 2 * model.get_layer("left").units
    one = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(model.output_shape[-1], activation="softmax"),
        ]
    )
    found = {}
    for name, network in {"accuracy": model, "one branch": one}.items():
        keras.utils.set_random_seed(seed)
        network.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
        network.fit(
            vectors[~test], labels[~test], batch_size=32, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0
        )
        found[name] = sg.tasks.accuracy(network, vectors[test], labels[test])
    return found
