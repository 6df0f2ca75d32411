"""A scorer of generated digits: a separate network that has learned what is a digit, which one, and what is none.

After the Inception score (Salimans et al. 2016, arXiv:1606.03498, section 4): good samples are recognised, and are not
all the same. That score trusts a classifier that has never seen an image without an object; this one has.
"""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np

from surgery.data.digits import digits
from surgery.view.charts import image_grid

layers: Any = keras.layers
NONE = 10


class DigitScorer:
    """Classifies images as one of the ten digits, or as none of them.

    Args:
        model: images `(batch, size, size, 1)` -> logits of ten digits and of "none".
    """

    def __init__(self, model: Any):
        self.model = model

    def labels(self, images_bhwc: Any) -> Any:
        """Returns the digit of each image, 0 to 9, or 10 where it shows none."""
        grey_bhw1 = np.asarray(images_bhwc).mean(axis=-1, keepdims=True)
        return self.model.predict(grey_bhw1, batch_size=256, verbose=0).argmax(axis=-1)

    def measured(self, images_bhwc: Any) -> tuple[float, int]:
        """Returns the share of images that show a digit, and how many of the ten classes are among them.

        A class counts when at least one image in a hundred shows it.
        """
        found = self.labels(images_bhwc)
        counts = np.bincount(found, minlength=NONE + 1)[:NONE]
        return float(np.mean(found < NONE)), int(np.sum(counts >= max(len(found) / 100, 1)))


@functools.lru_cache(maxsize=4)
def digit_scorer(size: int = 16, seed: int = 0) -> DigitScorer:
    """Trains a `DigitScorer`, in about ten seconds; the same arguments return the same one again.

    It learns the digits against images that are none: noise, blobs, digits with shuffled pixels, and halves of two
    different digits put together. It shares nothing with the networks that it scores.

    Args:
        size: side of the images in pixels.
        seed: of its weights and of what it learns from.
    """
    random = np.random.default_rng(seed)
    images_bhw1, labels = digits(size=size)
    images_bhw1 = images_bhw1[..., :1]
    none_bhw1 = _none(images_bhw1, random)
    images = np.concatenate([images_bhw1, none_bhw1])
    wanted = np.concatenate([labels, np.full(len(none_bhw1), NONE)])
    keras.utils.set_random_seed(seed)
    model: Any = keras.Sequential(
        [
            keras.Input((size, size, 1)),
            layers.GaussianNoise(0.05),
            layers.RandomTranslation(0.06, 0.06, fill_mode="constant", seed=seed),
            layers.Conv2D(24, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(48, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu"),
            layers.Dense(NONE + 1),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, wanted, batch_size=64, epochs=8, verbose=0)
    return DigitScorer(model)


def score_samples(generator: Any, images_bhwc: Any, samples: int, seed: int = 0) -> dict[str, Any]:
    """Draws digits with a generator and scores them with a `DigitScorer`, next to real digits and plain noise.

    Args:
        generator: `keras.Model`, noise `(batch, latent)` -> images `(batch, size, size, 3)`.
        images_bhwc: the real digits, of the same size.
        samples: how many images are drawn and scored.
        seed: of the noise.

    Returns:
        Measures by name, with some of the samples as `"image"`.
    """
    noise = np.random.default_rng(seed).normal(size=(samples, generator.input_shape[1])).astype("float32")
    drawn_bhwc = generator.predict(noise, verbose=0)
    random_bhwc = np.random.default_rng(seed).random(drawn_bhwc.shape).astype("float32")
    one = digit_scorer(drawn_bhwc.shape[1])
    recognised, classes = one.measured(drawn_bhwc)
    return {
        "samples that show a digit": recognised,
        "classes among them": float(classes),
        "real digits": one.measured(images_bhwc)[0],
        "noise": one.measured(random_bhwc)[0],
        "image": image_grid([drawn_bhwc[row : row + 12] for row in range(0, 48, 12)], zoom=3),
    }


def _none(images_bhw1: Any, random: Any) -> Any:
    count, size = len(images_bhw1) // 4, images_bhw1.shape[1]
    noise = random.random((count, size, size, 1)).astype("float32") * random.random((count, 1, 1, 1)).astype("float32")
    coarse = random.random((count, size // 4, size // 4, 1)).astype("float32") ** 2
    blobs = np.asarray(keras.ops.image.resize(coarse, (size, size), interpolation="bilinear"))
    flat = images_bhw1[random.permutation(len(images_bhw1))[:count]].reshape(count, -1)
    shuffled = random.permuted(flat, axis=1).reshape(count, size, size, 1)
    one, other = (images_bhw1[random.permutation(len(images_bhw1))[: 2 * count]] for _ in range(2))
    halves = np.concatenate([one[:, :, : size // 2], np.flip(other, 1)[:, :, size // 2 :]], axis=2)
    return np.concatenate([noise, blobs, shuffled, halves])
