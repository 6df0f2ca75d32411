"""U-Net on any backbone. Ronneberger, Fischer & Brox 2015, arXiv:1505.04597.

The encoder is any network with image input; its skips are found by output stride, never by a table of names. `fit`
teaches it to find the pixels of a digit on a noisy background, beside the best fixed threshold on brightness.
"""

import keras
import numpy as np

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    classes: int = 2,
    weights: str | None = "pretrained",
    depth: int = 32,
    filters: tuple = (128, 64, 32, 16, 16),
    freeze: bool = False,
):
    graph = sg.open(backbone, weights=weights)
    picture = str(graph.inputs)
    levels = {stride: tap for stride, tap in sg.pyramid(graph).items() if stride <= depth}
    graph = sg.freeze(graph, f"..{levels[max(levels)]}") if freeze else graph
    return sg.graft(graph, sg.unet_decoder(classes, list(levels), filters), at=[picture, *levels.values()])


def fit(model: keras.Model, epochs: int = 8, noise: float = 0.7, seed: int = 0):
    """Returns the intersection over union of the digit's pixels on pictures that were held out, and the threshold's."""
    keras.utils.set_random_seed(seed)
    images_bhwc, masks_bhw = digits_in_noise(model.input_shape[1] or 32, noise, seed)
    test = np.arange(len(images_bhwc)) % 4 == 0
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    for _ in sg.progress(range(epochs), "epochs"):
        model.fit(images_bhwc[~test], masks_bhw[~test], batch_size=32, verbose=0)
    found = model.predict(images_bhwc[test], batch_size=64, verbose=0).argmax(axis=-1) == 1
    levels = np.linspace(0, 2, 41)
    best = max(levels, key=lambda level: iou(images_bhwc[~test, ..., 0] > level, masks_bhw[~test] == 1))
    return {
        "intersection over union": iou(found, masks_bhw[test] == 1),
        "best threshold": iou(images_bhwc[test, ..., 0] > best, masks_bhw[test] == 1),
        "pictures": f"{(~test).sum()} to learn from, {test.sum()} to test on",
    }


def digits_in_noise(size: int, noise: float, seed: int, count: int = 800):
    """Draws digits on a background of smooth blobs and grain: `(images_bhwc, masks_bhw)`."""
    random = np.random.default_rng(seed)
    digits_bhwc, _ = sg.digits(size=size)
    digits_bhwc = digits_bhwc[random.choice(len(digits_bhwc), count, replace=False)]
    coarse_bhwc = random.uniform(0, noise, (count, max(size // 8, 1), max(size // 8, 1), 1)).astype("float32")
    blobs_bhwc = np.asarray(keras.ops.image.resize(coarse_bhwc, (size, size), interpolation="bilinear"))
    grain_bhwc = random.normal(0, noise / 4, (*digits_bhwc.shape[:3], 1)).astype("float32")
    return digits_bhwc * 0.6 + blobs_bhwc + grain_bhwc, (digits_bhwc[..., 0] > 0.5).astype("int64")


def iou(found, wanted) -> float:
    """Intersection over union of two masks."""
    return float((found & wanted).sum() / max((found | wanted).sum(), 1))
