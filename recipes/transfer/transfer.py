"""Transfer learning: a new head on a frozen, pretrained trunk. Yosinski et al. 2014, arXiv:1411.1792, section 2.

The network is cut at a tap, everything up to it is frozen, and a new classifier is grafted on. `fit` trains it on the
digits 5-9, which tinyvgg has never seen, from a few labelled images a class, and compares it with the same network
trained from scratch on the same images: same head, same start of the head, same steps; only the trunk differs.
"""

import time

import keras
import numpy as np

import surgery as sg

DIGITS = (5, 6, 7, 8, 9)


def recipe(backbone: str = "tinyvgg", at: str = "block3_pool", classes: int = 5, weights: str | None = "pretrained"):
    """Cuts, freezes and grafts.

    Args:
        at: the tensor that the new head takes.
    """
    graph = sg.preprocess(sg.open(backbone, weights=weights))
    graph = sg.cut(graph, outputs=at)
    graph = sg.freeze(graph, f"..{at}")
    return sg.graft(graph, [keras.layers.Flatten(), keras.layers.Dense(classes, name="digits")])


def fit(model: keras.Model, shots: int = 5, seeds: int = 5, epochs: int = 200, augment: bool = False):
    """Returns accuracies on all images of the digits 5-9 that were not among the `shots` labelled ones of each class.

    The frozen trunk is computed once for each image (`sg.fit_cached`), unless with `augment` both see the few
    images slightly rotated and shifted anew in each epoch.

    Args:
        seeds: how many choices of the labelled images the accuracies are means of.
        augment: shift and turn the images while training; then nothing can be computed once.
    """
    images_bhwc, labels = sg.samples.digits(DIGITS, size=model.input_shape[1] or 32)
    labels = labels - DIGITS[0]
    sg.tasks.check_classes(model, len(DIGITS))
    transfer, scratch, seconds = [], [], {}
    for seed in sg.progress(range(seeds), "seeds"):
        few = sg.samples.few_shot_subset(labels, shots, seed)
        pupil, fresh = pupils(model, seed)
        transfer.append(
            accuracy(pupil, images_bhwc, labels, few, epochs, augment, "at once" if augment else "cached", seconds)
        )
        scratch.append(accuracy(sg.unfreeze(fresh), images_bhwc, labels, few, epochs, augment))
        if seed == 0:
            model.set_weights(pupil.get_weights())  # what is written is the first of the trained networks
            again, _ = pupils(model, seed)
            plain = accuracy(again, images_bhwc, labels, few, epochs, augment, "plain", seconds)
    found = {
        "accuracy": f"{np.mean(transfer):.3f} ± {np.std(transfer):.3f}",
        "from scratch": f"{np.mean(scratch):.3f} ± {np.std(scratch):.3f}",
        "won": f"{sum(ours > theirs for ours, theirs in zip(transfer, scratch, strict=True))} of {seeds} seeds",
        "images": f"{shots} a class to learn from, {len(labels) - shots * len(DIGITS)} to test on",
    }
    if not augment:
        found["time"] = (
            f"{seconds['cached']:.1f} s through the cache, {seconds['plain']:.1f} s without: accuracy "
            f"{transfer[0]:.3f} and {plain:.3f}"
        )
    return found


def pupils(model: keras.Model, seed: int):
    """Returns the network with its trunk, and with fresh weights; the head starts the same in both."""
    keras.utils.set_random_seed(seed)
    fresh = keras.models.clone_model(model)  # same layers, fresh weights
    pupil = keras.models.clone_model(model)
    pupil.set_weights(fresh.get_weights())
    for layer in [layer for layer in model.layers if not layer.trainable]:
        pupil.get_layer(layer.name).set_weights(layer.get_weights())
    return pupil, fresh


def accuracy(
    model: keras.Model, images_bhwc, labels, few, epochs: int, augment: bool, how: str = "at once", seconds=None
) -> float:
    """Trains on the few images and tests on all the others; notes how long the training took.

    `how`: through the cache, with plain `fit`, or with the epochs one after the other as one: the same steps.
    """
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    options = {"batch_size": len(few), "shuffle": False, "verbose": 0}
    start = time.perf_counter()
    if how == "cached":
        sg.fit_cached(model, images_bhwc[few], labels[few], epochs=epochs, **options)
    elif how == "plain":
        model.fit(images_bhwc[few], labels[few], epochs=epochs, **options)
    else:
        few_bhwc = [images_bhwc[few]] * epochs
        if augment:
            rotate = keras.layers.RandomRotation(0.04, fill_mode="constant", seed=0)
            shift = keras.layers.RandomTranslation(0.1, 0.1, fill_mode="constant", seed=0)
            few_bhwc = [np.asarray(shift(rotate(bhwc, training=True), training=True)) for bhwc in few_bhwc]
        model.fit(np.concatenate(few_bhwc), np.tile(labels[few], epochs), **options)
    if seconds is not None:
        seconds.setdefault(how, time.perf_counter() - start)
    rest = np.setdiff1d(np.arange(len(labels)), few)
    return sg.tasks.accuracy(model, images_bhwc[rest], labels[rest])
