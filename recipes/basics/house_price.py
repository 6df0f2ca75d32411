"""Three inputs of different kinds, two named outputs. Cheng et al. 2016, Wide & Deep Learning, arXiv:1606.07792.

An image goes through a pretrained trunk, 16 numbers through a Dense layer, a text of any length through an Embedding
and a GRU; the price and one of three classes come out, by name. `fit` trains it from dictionaries keyed by input and
output. The houses are made up by this file, from handwritten house numbers and a fixed rule with noise that needs all
three inputs; what is compared is the error of a linear regression on the 16 numbers.
"""

import keras
import numpy as np

import surgery as sg

WORDS = ("", "house", "with", "a", "garden", "garage", "pool", "dark", "noisy", "street", "quiet", "small", "view")
WORTH = {
    "garden": 0.6,
    "garage": 0.3,
    "pool": 0.9,
    "dark": -0.5,
    "noisy": -0.8,
    "quiet": 0.4,
    "small": -0.4,
    "view": 0.7,
}


def recipe(
    backbone: str = "tinyvgg", weights: str | None = "pretrained", size: int = 64, numbers: int = 16, classes: int = 3
):
    """Wires three inputs to two named outputs.

    Args:
        numbers: how many numbers are known of a house, beside its image and its description.
    """
    graph, _ = sg.parts.encoder(backbone, weights, 8, size)
    trunk = sg.build(sg.graft(graph, keras.layers.GlobalAveragePooling2D(name="seen")))
    picture = keras.Input((size, size, 3), name="picture")
    figures = keras.Input((numbers,), name="figures")
    text = keras.Input((None,), dtype="int32", name="text")
    words = keras.layers.Embedding(len(WORDS), 8, mask_zero=True, name="words")(text)
    everything = keras.layers.Concatenate(name="everything")(
        [
            trunk(picture),
            keras.layers.Dense(16, activation="relu", name="figured")(figures),
            keras.layers.GRU(8, name="read")(words),
        ]
    )
    x = keras.layers.Dense(32, activation="relu", name="thought")(everything)
    outputs = {
        "price": keras.layers.Dense(1, name="price")(x),
        "class": keras.layers.Dense(classes, activation="softmax", name="class")(x),
    }
    return keras.Model({"picture": picture, "figures": figures, "text": text}, outputs, name="house_price")


def fit(model: keras.Model, epochs: int = 20, houses: int = 1000, seed: int = 0):
    """Trains from dictionaries.

    Args:
        houses: how many houses it learns from and is tested on.
    """
    keras.utils.set_random_seed(seed)
    inputs, prices, classes = made_up(houses, model.get_layer("picture").output.shape[1], seed)
    train, test = slice(0, houses * 4 // 5), slice(houses * 4 // 5, None)
    model.compile(
        keras.optimizers.Adam(2e-3),
        {"price": "mse", "class": "sparse_categorical_crossentropy"},
        metrics={"class": "accuracy"},
    )
    wanted = {"price": prices, "class": classes}
    model.fit(
        {name: array[train] for name, array in inputs.items()},
        {name: array[train] for name, array in wanted.items()},
        batch_size=32,
        epochs=epochs,
        callbacks=[sg.tasks.EpochBar()],
        verbose=0,
    )
    found = model.predict({name: array[test] for name, array in inputs.items()}, verbose=0)
    flat = np.concatenate([inputs["figures"], np.ones((houses, 1))], axis=1)
    line = np.linalg.lstsq(flat[train], prices[train], rcond=None)[0]
    guess = np.bincount(classes[train]).argmax()
    return {
        "mean error of the price": float(np.abs(found["price"][:, 0] - prices[test]).mean()),
        "linear regression on the figures": float(np.abs(flat[test] @ line - prices[test]).mean()),
        "accuracy of the class": float(np.mean(found["class"].argmax(axis=-1) == classes[test])),
        "most frequent class": float(np.mean(classes[test] == guess)),
    }


def made_up(houses: int, size: int, seed: int):
    """Makes up houses: `(inputs, prices, classes)`. A price is in units of its spread."""
    random = np.random.default_rng(seed)
    images_bhwc, digits = sg.samples.digits(range(5), size=size)
    plates = random.integers(0, len(digits), houses)
    figures = random.normal(size=(houses, 16)).astype("float32")
    text = random.integers(1, len(WORDS), (houses, 12)) * (np.arange(12) < random.integers(3, 13, (houses, 1)))
    said = np.array([0.0, *(WORTH.get(word, 0.0) for word in WORDS[1:])])[text].sum(axis=1)
    prices = 0.4 * figures[:, :4].sum(axis=1) + 0.4 * (digits[plates] - 2) + 0.5 * said
    prices = (prices + random.normal(0, 0.2, houses)).astype("float32")
    classes = np.digitize(prices, np.quantile(prices, [1 / 3, 2 / 3]))
    return {"picture": images_bhwc[plates], "figures": figures, "text": text.astype("int32")}, prices, classes
