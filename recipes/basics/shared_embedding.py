"""One layer used by several inputs: an embedding that two texts share. Press & Wolf 2017, arXiv:1608.05859.

The left and the right half of a handwritten digit are written as texts of 32 levels of ink, a vocabulary of 17; both
go through the same Embedding, each through a GRU of its own. `fit` reads the digit, beside the same network with two
embeddings.
"""

import keras
import numpy as np

import surgery as sg

LEVELS = 17


def recipe(vocabulary: int = LEVELS, features: int = 8, units: int = 24, classes: int = 10, shared: bool = True):
    """Wires two texts to one answer.

    Args:
        vocabulary: how many words there are.
        shared: whether both texts go through one layer, or each through its own.
    """
    one = keras.layers.Embedding(vocabulary, features, name="ink")
    other = one if shared else keras.layers.Embedding(vocabulary, features, name="other_ink")
    left = keras.Input((None,), dtype="int32", name="left")
    right = keras.Input((None,), dtype="int32", name="right")
    read = [
        keras.layers.GRU(units, name="read_left")(one(left)),
        keras.layers.GRU(units, name="read_right")(other(right)),
    ]
    both = keras.layers.Concatenate(name="both")(read)
    scores = keras.layers.Dense(classes, activation="softmax", name="classes")(both)
    return keras.Model({"left": left, "right": right}, scores, name="shared_embedding")


def fit(model: keras.Model, epochs: int = 12, seed: int = 0):
    images_bhwc, labels = sg.samples.digits(range(10), size=8)
    ink_bhw = np.round(images_bhwc[..., 0] * (LEVELS - 1)).astype("int32")
    halves = {
        "left": ink_bhw[:, :, :4].reshape(len(labels), -1),
        "right": ink_bhw[:, :, 4:].reshape(len(labels), -1),
    }
    test = np.random.default_rng(seed).random(len(labels)) < 0.3
    networks = {"accuracy": model, "with two embeddings": recipe(shared=False)}
    found = {}
    for name, network in sg.progress(networks.items(), "training"):
        keras.utils.set_random_seed(seed)
        network.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
        learned = {side: half[~test] for side, half in halves.items()}
        network.fit(learned, labels[~test], batch_size=32, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0)
        found[name] = sg.tasks.accuracy(network, {side: half[test] for side, half in halves.items()}, labels[test])
    return {**found, "parameters": f"{model.count_params():,} and {networks['with two embeddings'].count_params():,}"}
