"""Into the middle of a pretrained network, and out again. Lenc & Vedaldi 2015, arXiv:1411.5908, section 3.2.

The network is entered at an inner tensor and left at another: what is between is kept, with its weights. A new stem
feeds it, a new head reads it. `fit` feeds the 8 x 8 originals of the digits, far too small for the whole network, into
its middle: the stem learns, without labels, to give the tensor that the network itself has there for the large
images; then the head learns the digits 5-9 from a few labels. The baseline is the same network from scratch.

    surgery graft middle --set backbone=vgg16 --set entry=block3_pool --set exit=block5_conv2 --set weights=none
    surgery graft middle --set backbone=alexnet --set entry=pool1 --set exit=conv4 --set weights=none
"""

import keras
import numpy as np

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    weights: str | None = "pretrained",
    entry: str = "block2_pool",
    exit: str = "block3_pool",
    classes: int = 5,
    freeze: bool = True,
):
    """Cuts a network at two places.

    Args:
        entry: the tensor that becomes the input.
        exit: the tensor that becomes a second output.
    """
    middle = sg.cut(sg.open(backbone, weights=weights), inputs=entry, outputs=exit)
    middle = sg.freeze(middle, "**") if freeze else middle
    _, height, width, channels = middle[str(middle.inputs)].specs[0].shape
    picture = keras.Input((height, width, 1), name="picture")
    x = picture
    for number, filters in enumerate((32, 32, channels), 1):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"stem{number}")(x)
    graph = sg.join(sg.open(keras.Model(picture, x, name="middle")), middle)
    return sg.graft(graph, [keras.layers.Flatten(name="flat"), keras.layers.Dense(classes, name="digits")])


def fit(
    model: keras.Model,
    backbone: str = "tinyvgg",
    weights: str | None = "pretrained",
    entry: str = "block2_pool",
    epochs: int = 60,
    shots: int = 5,
    seed: int = 0,
):
    keras.utils.set_random_seed(seed)
    front = sg.build(sg.cut(sg.preprocess(sg.open(backbone, weights=weights)), outputs=entry))
    large_bhwc, _ = sg.samples.digits(range(10), size=front.input_shape[1])
    small_bhwc, _ = sg.samples.digits(range(10), size=model.input_shape[1])
    stem = sg.build(sg.cut(sg.open(model), outputs="stem3"))
    stem.compile(keras.optimizers.Adam(2e-3), "mse")
    maps_bhwc = front.predict(large_bhwc, batch_size=128, verbose=0)
    stem.fit(
        small_bhwc[..., :1], maps_bhwc, batch_size=64, epochs=epochs // 2, callbacks=[sg.tasks.EpochBar()], verbose=0
    )

    images_bhwc, labels = sg.samples.digits(range(5, 10), size=model.input_shape[1])
    images_bhwc, labels = images_bhwc[..., :1], labels - 5
    sg.tasks.check_classes(model, 5)
    few = sg.samples.few_shot_subset(labels, shots, seed)
    rest = np.setdiff1d(np.arange(len(labels)), few)
    found = {}
    networks = {"accuracy": sg.freeze(model, "stem*"), "from scratch": sg.tasks.reinitialized(model, seed)}
    for name, one in networks.items():
        keras.utils.set_random_seed(seed)
        one.compile(keras.optimizers.Adam(2e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        one.fit(images_bhwc[few], labels[few], batch_size=25, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0)
        found[name] = sg.tasks.accuracy(one, images_bhwc[rest], labels[rest])
    return {**found, "images": f"{shots} a class to learn from, {len(rest)} to test on"}
