"""What each layer knows: a linear classifier on every tap. Alain & Bengio 2016, arXiv:1610.01644, section 3.

All taps where the network is one tensor wide are probed at once: one frozen network with a linear head at each, so
that one pass computes the features of all. `fit` prints the accuracy on digits that the network has never seen, by
depth; the image shows it. The first probe sees the pixels alone: the baseline.
"""

import keras
import numpy as np

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    weights: str | None = "pretrained",
    where: str = "[narrow]",
    side: int = 8,
    classes: int = 5,
):
    """Grafts a probe on every tap.

    Args:
        where: the taps.
        side: maps with more places than this on a side are pooled to it.
    """
    graph = sg.freeze(sg.preprocess(sg.open(backbone, weights=weights)), "**")
    taps = [call.name for call in sg.select(graph, where) if call.op is not None]
    names = ["pixels", *taps]

    def probes(tensors):
        found = {}
        for name, x in zip(names, tensors, strict=True):
            if len(x.shape) == 4 and x.shape[1] > side:
                x = keras.layers.AveragePooling2D(x.shape[1] // side, name=f"{name}_pooled")(x)
            flat = keras.layers.Flatten(name=f"{name}_flat")(x)
            found[name] = keras.layers.Dense(classes, name=f"{name}_probe")(flat)
        return found

    return sg.graft(graph, probes, at=[str(graph.inputs), *taps])


def fit(model: keras.Model, shots: int = 20, epochs: int = 150, seed: int = 0):
    sg.tasks.bar_chart({"pixels": 0.0})  # where it cannot be drawn, this is the place to say so, not after training
    keras.utils.set_random_seed(seed)
    images_bhwc, labels = sg.samples.digits(range(5, 10), size=model.input_shape[1] or 32)
    labels = labels - 5
    sg.tasks.check_classes(model, 5)
    few = sg.samples.few_shot_subset(labels, shots, seed)
    rest = np.setdiff1d(np.arange(len(labels)), few)
    names = list(model.output)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), dict.fromkeys(names, loss))
    wanted = dict.fromkeys(names, labels[few])
    sg.fit_cached(
        model, images_bhwc[few], wanted, batch_size=len(few), epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0
    )
    scores = model.predict(images_bhwc[rest], batch_size=256, verbose=0)
    found = {name: float(np.mean(scores[name].argmax(axis=-1) == labels[rest])) for name in names}
    best = max(found, key=lambda name: found[name])
    return {
        "best tap": found[best],
        "pixels": found["pixels"],
        **{f"  {name}": accuracy for name, accuracy in found.items() if name != "pixels"},
        "which": best,
        "image": sg.tasks.bar_chart(
            found, found["pixels"], "a linear probe on every tap", "accuracy on the digits 5-9"
        ),
    }
