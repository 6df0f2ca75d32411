"""Several heads on one trunk. Caruana 1997, Multitask Learning, Machine Learning 28:41, section 2.

One head reads the digit, the other one says by how many quarters it was turned (the task of Gidaris et al. 2018,
arXiv:1803.07728); both train the pretrained trunk together. `fit` compares with the same network from scratch.
"""

import keras
import numpy as np

import surgery as sg


def recipe(backbone: str = "tinyvgg", weights: str | None = "pretrained", stride: int = 8, classes: int = 10):
    graph, _ = sg.parts.encoder(backbone, weights, stride)
    graph = sg.graft(graph, keras.layers.Flatten(name="flat"))

    def heads(x):
        return {
            "digit": keras.layers.Dense(classes, name="digit")(x),
            "turn": keras.layers.Dense(4, name="turn")(x),
        }

    return sg.graft(graph, heads)


def fit(model: keras.Model, epochs: int = 12, images: int = 300, seed: int = 0):
    random = np.random.default_rng(seed)
    images_bhwc, digits = sg.samples.digits(size=model.input_shape[1] or 32)
    order, turns = random.permutation(len(digits)), random.integers(0, 4, len(digits))
    images_bhwc = np.stack([np.rot90(images_bhwc[one], turn) for one, turn in zip(order, turns, strict=True)])
    wanted = {"digit": digits[order], "turn": turns}
    few, rest = slice(0, images), slice(images, None)
    found = {}
    networks = {"pretrained": model, "from scratch": sg.tasks.reinitialized(model, seed)}
    for name, one in sg.progress(networks.items(), "training"):
        keras.utils.set_random_seed(seed)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        one.compile(keras.optimizers.Adam(1e-3), {"digit": loss, "turn": loss})
        learned = {task: labels[few] for task, labels in wanted.items()}
        one.fit(images_bhwc[few], learned, batch_size=32, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0)
        scores = one.predict(images_bhwc[rest], batch_size=256, verbose=0)
        for task, labels in wanted.items():
            found[task, name] = float(np.mean(scores[task].argmax(axis=-1) == labels[rest]))
    return {f"{task}, {name}": found[task, name] for task in wanted for name in networks}
