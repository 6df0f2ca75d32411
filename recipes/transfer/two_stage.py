"""The head first, then deeper and deeper, each at its own rate. Howard & Ruder 2018, arXiv:1801.06146, section 3.

One `fit`: a new head on the frozen trunk, then the last blocks are unfrozen stage by stage, with smaller
learning rates the deeper they lie. `fit` compares this, on the digits 5-9, with the head alone and with all layers from
the start.
"""

import keras
import numpy as np

import surgery as sg


def recipe(backbone: str = "tinyvgg", weights: str | None = "pretrained", stride: int = 8, classes: int = 5):
    graph, _ = sg.parts.encoder(backbone, weights, stride)
    return sg.graft(graph, [keras.layers.Flatten(name="flat"), keras.layers.Dense(classes, name="digits")])


def fit(
    model: keras.Model,
    shots: int = 20,
    epochs: int = 60,
    stages: tuple = ((0, "digits"), (20, "block3_*"), (40, "block2_*")),
    decay: float = 0.5,
    seed: int = 0,
):
    """Trains, and measures beside the baseline.

    Args:
        stages: from which epoch on which layers train, beside those before.
        decay: how much slower each group of layers learns than the one above.
    """
    images_bhwc, labels = sg.samples.digits(range(5, 10), size=model.input_shape[1] or 32)
    sg.tasks.check_classes(model, 5)
    labels, start = labels - 5, model.get_weights()
    few = sg.samples.few_shot_subset(labels, shots, seed)
    rest = np.setdiff1d(np.arange(len(labels)), few)
    found = {}
    for how in sg.progress(("head alone", "all at once", "in stages"), "training"):
        keras.utils.set_random_seed(seed)
        model.set_weights(start)
        sg.unfreeze(model)
        adam = keras.optimizers.Adam(1e-3)
        unfreeze = [sg.StagedUnfreeze(dict(stages))] if how == "in stages" else []
        if how == "head alone":
            sg.freeze(model, "!digits")
        rates = sg.layerwise_learning_rates(adam, model, decay) if unfreeze else adam
        model.compile(rates, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(
            images_bhwc[few],
            labels[few],
            batch_size=20,
            epochs=epochs,
            callbacks=[*unfreeze, sg.tasks.EpochBar(how)],
            verbose=0,
        )
        found[how] = sg.tasks.accuracy(model, images_bhwc[rest], labels[rest])
    return {
        "accuracy in stages": found["in stages"],
        "head alone": found["head alone"],
        "all at once": found["all at once"],
        "images": f"{shots} a class to learn from, {len(rest)} to test on",
    }
