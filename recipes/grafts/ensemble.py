"""Two pretrained networks joined into one, both frozen. Hansen & Salamon 1990, IEEE TPAMI 12:993.

Both see the same image, the second at another size; their layers live in one graph, the second's under a prefix, and
one head reads the features of both. `fit` trains heads on both and on each alone, on a few images of the digits 5-9,
in one pass over the frozen networks.
"""

import keras
import numpy as np

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    other: str = "tinyvgg",
    weights: str | None = "pretrained",
    stride: int = 8,
    other_stride: int = 16,
    size: int = 48,
    classes: int = 5,
):
    """Joins two networks.

    Args:
        other: the second network.
        other_stride: as stride, of the second network.
    """
    first, _ = sg.parts.encoder(backbone, weights, stride)
    second, _ = sg.parts.encoder(other, weights, other_stride, size)
    first = sg.graft(first, keras.layers.Flatten(name="first"))
    first = sg.graft(first, keras.layers.Resizing(size, size, name="resized"), at=str(first.inputs), keep=True)
    second = sg.graft(second, keras.layers.Flatten(name="flat"))
    both = sg.join(first, second, connections={str(second.inputs): "resized"}, prefix="second_")
    both = sg.freeze(both, "**")
    seen = {"first": "first", "second": "second_flat"}

    def heads(tensors):
        joined = keras.layers.Concatenate(name="joined")(list(tensors))
        sources = {"both": joined, "first": tensors[0], "second": tensors[1]}
        return {name: keras.layers.Dense(classes, name=f"{name}_digits")(tensor) for name, tensor in sources.items()}

    return sg.graft(both, heads, at=list(seen.values()))


def fit(model: keras.Model, shots: int = 5, epochs: int = 150, repeats: int = 5, seed: int = 0):
    """Returns the mean accuracies over several choices of the images.

    Args:
        repeats: how many choices of the labelled images the accuracies are means of.
    """
    size = model.input_shape[1] or 32
    images_bhwc, labels = sg.samples.digits(range(5, 10), size=size)
    sg.tasks.check_classes(model, 5)
    labels, start = labels - 5, model.get_weights()
    found = {name: [] for name in ("both", "first", "second")}
    for repeat in sg.progress(range(repeats), "choices"):
        model.set_weights(start)
        few = sg.samples.few_shot_subset(labels, shots, 100 * seed + repeat)
        rest = np.setdiff1d(np.arange(len(labels)), few)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(2e-3), dict.fromkeys(found, loss))
        sg.fit_cached(
            model, images_bhwc[few], dict.fromkeys(found, labels[few]), epochs=epochs, batch_size=25, verbose=0
        )
        guesses = model.predict(images_bhwc[rest], batch_size=256, verbose=0)
        for name, scores in guesses.items():
            found[name].append(np.mean(scores.argmax(axis=-1) == labels[rest]))
    means = {name: float(np.mean(scores)) for name, scores in found.items()}
    return {
        "accuracy of both": means["both"],
        "the first alone": means["first"],
        "the second alone": means["second"],
        "images": f"{shots} a class to learn from, {repeats} choices",
    }
