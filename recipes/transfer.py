"""Transfer learning: a new head on a frozen, pretrained trunk. Yosinski et al. 2014, arXiv:1411.1792, section 2.

The network is cut at a tap, everything up to it is frozen, and a new classifier is grafted on. `fit` trains it on the
digits 5-9, which tinyvgg has never seen, from a few labelled pictures a class, and compares it with the same network
trained from scratch on the same pictures: same head, same start of the head, same steps; only the trunk differs.
"""

import keras
import numpy as np

import surgery as sg

DIGITS = (5, 6, 7, 8, 9)


def recipe(backbone: str = "tinyvgg", at: str = "block3_pool", classes: int = 5, weights: str | None = "pretrained"):
    graph = sg.open(backbone, weights=weights)
    graph = sg.cut(graph, outputs=at)
    graph = sg.freeze(graph, f"..{at}")
    return sg.graft(graph, [keras.layers.Flatten(), keras.layers.Dense(classes, name="digits")])


def fit(model: keras.Model, shots: int = 5, seeds: int = 5, epochs: int = 200):
    """Returns accuracies on all pictures of the digits 5-9 that were not among the `shots` labelled ones of each
    class."""
    images_bhwc, labels = sg.digits(DIGITS, size=model.input_shape[1] or 32)
    labels = labels - DIGITS[0]
    transfer, scratch = [], []
    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        few = labelled(labels, shots, seed)
        fresh = keras.models.clone_model(model)  # same layers, fresh weights
        pupil = keras.models.clone_model(model)
        pupil.set_weights(fresh.get_weights())
        for layer in [layer for layer in model.layers if not layer.trainable]:
            pupil.get_layer(layer.name).set_weights(layer.get_weights())
        transfer.append(accuracy(pupil, images_bhwc, labels, few, epochs))
        scratch.append(accuracy(sg.thaw(fresh), images_bhwc, labels, few, epochs))
        if seed == 0:
            model.set_weights(pupil.get_weights())  # what is written is the first of the trained networks
    return {
        "accuracy": float(np.mean(transfer)),
        "accuracy spread": float(np.std(transfer)),
        "from scratch": float(np.mean(scratch)),
        "from scratch spread": float(np.std(scratch)),
        "pictures": f"{shots} a class to learn from, {len(labels) - shots * len(DIGITS)} to test on, {seeds} seeds",
    }


def labelled(labels, shots: int, seed: int):
    """Draws `shots` pictures of each class."""
    random = np.random.default_rng(seed)
    picks = [random.choice(np.flatnonzero(labels == one), shots, replace=False) for one in np.unique(labels)]
    return np.concatenate(picks)


def accuracy(model: keras.Model, images_bhwc, labels, few, epochs: int) -> float:
    """Trains on the few pictures, slightly rotated and shifted anew in each epoch, and tests on all the others."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    augment = keras.Sequential(
        [
            keras.layers.RandomRotation(0.04, fill_mode="constant", seed=0),
            keras.layers.RandomTranslation(0.1, 0.1, fill_mode="constant", seed=0),
        ]
    )
    many = np.concatenate([np.asarray(augment(images_bhwc[few], training=True)) for _ in range(epochs)])
    model.fit(many, np.tile(labels[few], epochs), batch_size=len(few), shuffle=False, verbose=0)
    rest = np.setdiff1d(np.arange(len(labels)), few)
    guesses = model.predict(images_bhwc[rest], batch_size=256, verbose=0).argmax(axis=-1)
    return float(np.mean(guesses == labels[rest]))
