"""A siamese network for one-shot recognition: one trunk on two inputs. Koch et al. 2015, ICML Deep Learning Workshop.

Both images go through the same pretrained trunk, frozen; a weighted sum of how far their features are apart
(equation in section 3.2 of the paper) says whether they show the same. `fit` trains the weights on pairs of the digits
0-4, and then has the network recognise the digits 5-9, which it has never seen, from one image of each, beside the
nearest neighbour in pixels.
"""

import keras
import numpy as np

import surgery as sg


def recipe(backbone: str = "tinyvgg", weights: str | None = "pretrained", at: str = "block3_pool", freeze: bool = True):
    """Shares one trunk.

    Args:
        at: the tensor at which two images are compared.
    """
    graph = sg.cut(sg.preprocess(sg.open(backbone, weights=weights)), outputs=at)
    graph = sg.freeze(graph, f"..{at}") if freeze else graph
    features = [keras.layers.Flatten(name="flat"), keras.layers.UnitNormalization(name="direction")]
    twins = sg.share(sg.graft(graph, features), ["left", "right"])

    def likeness(places):
        apart = keras.ops.abs(places[0] - places[1])
        nearer = keras.initializers.Constant(-1.0)
        return keras.layers.Dense(
            1, kernel_initializer=nearer, bias_initializer=keras.initializers.Constant(4.0), name="same"
        )(apart)

    return sg.graft(twins, likeness, at=["direction@0", "direction@1"])


def fit(model: keras.Model, epochs: int = 3, pairs: int = 3000, episodes: int = 100, seed: int = 0):
    """Trains, and measures beside the baseline.

    Args:
        pairs: how many pairs of images it learns from in an epoch.
        episodes: how many choices of one example of each class it is tested on.
    """
    keras.utils.set_random_seed(seed)
    size = model.get_layer("left").output.shape[1]
    known_bhwc, names = sg.samples.digits(range(5), size=size)
    left, right, same = paired(names, pairs, seed)
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.BinaryCrossentropy(from_logits=True))
    seen = {"left": known_bhwc[left], "right": known_bhwc[right]}
    model.fit(seen, same[:, None], batch_size=32, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0)

    images_bhwc, labels = sg.samples.digits(range(5, 10), size=size)
    trunk = sg.build(sg.cut(sg.open(model), outputs="direction@0"))
    weights = np.maximum(-model.get_layer("same").get_weights()[0][:, 0], 0)
    vectors = trunk.predict(images_bhwc, batch_size=256, verbose=0) * weights
    pixels = images_bhwc[..., 0].reshape(len(labels), -1)
    return {
        "one-shot accuracy": one_shot(vectors, labels, episodes, seed),
        "nearest neighbour in pixels": one_shot(pixels, labels, episodes, seed),
        "episodes": f"{episodes} choices of one image of each of the digits 5-9",
    }


def paired(labels, pairs: int, seed: int):
    """Draws pairs, half of them of one digit: `(left, right, same)`."""
    random = np.random.default_rng(seed)
    left = random.integers(0, len(labels), pairs)
    same = np.arange(pairs) % 2
    partners = [np.flatnonzero((labels == labels[one]) == (pair == 1)) for one, pair in zip(left, same, strict=True)]
    return left, np.array([random.choice(some) for some in partners]), same


def one_shot(vectors, labels, episodes: int, seed: int) -> float:
    """Recognises all images by the nearest, in L1, of one image a class; the mean accuracy over many choices."""
    found = []
    for episode in range(episodes):
        shown = sg.samples.few_shot_subset(labels, 1, 1000 * seed + episode)
        distances = np.stack([np.abs(vectors - vectors[one]).sum(axis=-1) for one in shown], axis=-1)
        rest = np.setdiff1d(np.arange(len(labels)), shown)
        found.append(np.mean(labels[shown][distances[rest].argmin(axis=-1)] == labels[rest]))
    return float(np.mean(found))
