"""Finding the pixels of a digit that is written on a photograph: what the encoder-decoders are measured by."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from surgery.core.errors import SurgeryError
from surgery.core.progress import progress
from surgery.core.renames import renamed_arguments
from surgery.data.preprocessing import samples_for
from surgery.data.scenes import digit_segmentation
from surgery.training.baselines import reinitialized
from surgery.training.epoch_bar import EpochBar
from surgery.training.metrics import mask_iou
from surgery.view.charts import image_grid


@renamed_arguments(pictures="images")
def segment(model: Any, epochs: int, images: int, seed: int, test: int = 200, rate: float = 2e-3) -> dict[str, Any]:
    """Trains a segmentation network, and the same network from fresh weights for as many epochs, and measures both.

    Args:
        model: `keras.Model`: images `(batch, side, side, 3)` -> logits `(batch, side, side, 2)`, background
            and digit. It is trained in place.
        epochs: passes over the images.
        images: how many to learn from.
        seed: of the images, the order and the fresh weights.
        test: how many other images to measure with.
        rate: learning rate of Adam.

    Returns:
        The intersection over union of the digits' pixels on the other images, that of the network from scratch and
        that of the best threshold on brightness; and an image: what was given, what was expected, what was found.

    Raises:
        SurgeryError: the model makes something else.
    """
    shape, made = model.input_shape, model.output_shape
    if len(made) != 4 or made[1:3] != shape[1:3] or shape[1] != shape[2] or made[3] != 2:
        raise SurgeryError(
            f"the images of this fit() are square and have two classes, background and digit: {shape} -> {made} is "
            "for your own images."
        )
    images_bhwc, masks_bhw, _ = digit_segmentation(shape[1], seed, images + test)
    given_bhwc = samples_for(model, images_bhwc)
    few, rest = slice(0, images), slice(images, None)
    other = reinitialized(model, seed)
    found, scores = {}, {}
    for name, one in progress([("pretrained", model), ("from scratch", other)], "training"):
        keras.utils.set_random_seed(seed)
        one.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        one.fit(given_bhwc[few], masks_bhw[few], batch_size=16, epochs=epochs, callbacks=[EpochBar()], verbose=0)
        found[name] = one.predict(given_bhwc[rest], batch_size=64, verbose=0).argmax(axis=-1) == 1
        scores[name] = mask_iou(found[name], masks_bhw[rest] == 1)
    grey_bhw = images_bhwc.mean(axis=-1)
    levels = np.linspace(0, 1, 41)
    best = max(levels, key=lambda level: mask_iou(grey_bhw[few] > level, masks_bhw[few] == 1))
    return {
        "intersection over union": scores["pretrained"],
        "from scratch": scores["from scratch"],
        "best threshold": mask_iou(grey_bhw[rest] > best, masks_bhw[rest] == 1),
        "images": f"{images} to learn from, {test} to test on",
        "image": image_grid([images_bhwc[rest][:10], masks_bhw[rest][:10], found["pretrained"][:10]]),
    }
