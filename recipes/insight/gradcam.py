"""Where a classifier looks: class activation maps. Selvaraju et al. 2017, Grad-CAM, arXiv:1610.02391, section 3.

The network is split at a feature map; the gradient of a class's score with respect to it says which places speak for
the class. `fit` shows the network small digits in a corner of a photograph, tells it no more than which digit it is,
and counts how often the strongest place lies on the digit (the pointing game of Zhang et al. 2016, arXiv:1608.00507,
section 4.2).
"""

import keras
import numpy as np

import surgery as sg


def recipe(
    backbone: str = "tinyvgg", weights: str | None = "pretrained", where: str | None = None, size: int | None = 48
):
    """Splits a classifier at a feature map.

    Args:
        where: the feature map; by default the coarsest with four places or more on each side.
    """
    graph = sg.preprocess(sg.open(backbone, weights=weights))
    if size is not None:
        graph = sg.resize(graph, (size, size, 3))
    scores = str(graph.outputs)
    if graph[scores].op.config.get("activation", "linear") != "linear":
        graph = sg.cut(sg.unfuse(graph, scores), outputs=f"{scores}_logits")  # the scores before the softmax
    fine = [tap for tap in sg.feature_levels(graph).values() if (graph[tap].specs[0].sides[1] or 4) >= 4]
    front, back = sg.split(graph, where or fine[-1])
    return {"front": front, "back": back}


def fit(models: dict, epochs: int = 20, images: int = 800, seed: int = 0):
    keras.utils.set_random_seed(seed)
    front, back = models["front"], models["back"]
    size, classes = front.input_shape[1] or 48, min(back.output_shape[-1], 10)
    images_bhwc, labels, on_digit_bhw = scenes(size, classes, images + 200, seed)
    network = keras.Model(front.input, back(front.output))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(1e-3), loss)
    bar = sg.tasks.EpochBar()
    network.fit(images_bhwc[:images], labels[:images], batch_size=32, epochs=epochs, callbacks=[bar], verbose=0)
    unseen_bhwc, on_digit_bhw = images_bhwc[images:], on_digit_bhw[images:]
    heat_bhw = sg.tasks.gradcam(front, back, unseen_bhwc)
    strongest = heat_bhw.reshape(len(heat_bhw), -1).argmax(axis=-1)
    hits = on_digit_bhw.reshape(len(heat_bhw), -1)[np.arange(len(heat_bhw)), strongest]
    red = np.array([1.0, 0.1, 0.1], "float32")
    shown_bhwc = unseen_bhwc + 0.7 * heat_bhw[..., None] * (red - unseen_bhwc)
    return {
        "points at the digit": float(hits.mean()),
        "a random place": float(on_digit_bhw.mean()),
        "accuracy": float(np.mean(network.predict(unseen_bhwc, verbose=0).argmax(-1) == labels[images:])),
        "image": sg.tasks.image_grid([unseen_bhwc[:10], shown_bhwc[:10]]),
    }


def scenes(size: int, classes: int, count: int, seed: int):
    """Small digits, each in a corner of a piece of a photograph, with the places of their boxes."""
    random = np.random.default_rng(seed)
    side = size * 3 // 8
    inks_bhwc, labels = sg.samples.digits(range(classes), size=side)
    chosen = random.integers(0, len(inks_bhwc), count)
    images_bhwc = sg.samples.crops("flower", size, count, seed) * 0.6
    boxes_bhw = np.zeros(images_bhwc.shape[:3], bool)
    for number, ink_hwc in enumerate(inks_bhwc[chosen]):
        top, left = (int(random.choice([0, size - side]) + random.integers(-2, 3)) for _ in range(2))
        top, left = (min(max(place, 0), size - side) for place in (top, left))
        place = (number, slice(top, top + side), slice(left, left + side))
        images_bhwc[place] = np.maximum(images_bhwc[place], ink_hwc)
        boxes_bhw[place] = True
    return images_bhwc, labels[chosen], boxes_bhw
