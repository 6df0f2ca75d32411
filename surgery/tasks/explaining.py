"""Where a network looks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from surgery.errors import SurgeryError

ops: Any = keras.ops


def gradcam(front: Any, back: Any, images_bhwc: Any, classes: Any = None, batch_size: int = 32) -> Any:
    """Computes class activation maps: how much each place of a picture speaks for a class.

    Selvaraju et al. 2017, Grad-CAM, arXiv:1610.02391, equations 1 and 2: the maps at a tap, weighted by the mean
    gradient of the class's score, positive parts alone.

    Args:
        front: `keras.Model`, pictures -> maps `(batch, height, width, channels)`; the first half of `sg.split`.
        back: `keras.Model`, maps -> scores `(batch, classes)`, before any softmax; the second half.
        images_bhwc: pictures.
        classes: class of each picture; the one with the highest score by default.
        batch_size: pictures in a batch.

    Returns:
        float32 `(batch, height, width)`, of the size of the pictures, 0 to 1 in each; all 0 where nothing speaks for
        the class.

    Raises:
        SurgeryError: the halves do not make maps and scores, there is no such class, or Keras runs on another backend
            than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise SurgeryError(f"the gradients are computed with TensorFlow, not {keras.backend.backend()}.")
    images_bhwc = np.asarray(images_bhwc)
    chosen = None if classes is None else np.asarray(classes).astype("int64")
    if chosen is not None and chosen.shape != images_bhwc.shape[:1]:
        raise SurgeryError(f"classes= is one class for each of {len(images_bhwc)} pictures, not {chosen.shape}.")
    found = []
    for first in range(0, len(images_bhwc), batch_size):
        part = slice(first, first + batch_size)
        found.append(_heat(front, back, images_bhwc[part], None if chosen is None else chosen[part]))
    return np.concatenate(found)


def _heat(front: Any, back: Any, images_bhwc: Any, classes: Any) -> Any:
    import tensorflow as tf

    maps_bhwc = front(images_bhwc, training=False)
    if len(getattr(maps_bhwc, "shape", ())) != 4:
        raise SurgeryError("the first half should make one map (batch, height, width, channels): split elsewhere.")
    with tf.GradientTape() as tape:
        tape.watch(maps_bhwc)
        scores = back(maps_bhwc, training=False)
        if len(getattr(scores, "shape", ())) != 2:
            raise SurgeryError("the second half should make scores (batch, classes).")
        chosen = ops.argmax(scores, axis=-1) if classes is None else ops.convert_to_tensor(classes)
        if classes is not None and not 0 <= int(classes.min()) <= int(classes.max()) < scores.shape[1]:
            raise SurgeryError(f"classes= are numbers from 0 to {scores.shape[1] - 1}.")
        score = ops.take_along_axis(scores, chosen[:, None], axis=1)
    gradient: Any = tape.gradient(score, maps_bhwc)
    weights = ops.mean(gradient, axis=(1, 2), keepdims=True)
    heat_bhw1 = ops.relu(ops.sum(weights * maps_bhwc, axis=-1, keepdims=True))
    heat_bhw = np.asarray(ops.image.resize(heat_bhw1, images_bhwc.shape[1:3], interpolation="bilinear"))[..., 0]
    most = heat_bhw.max(axis=(1, 2), keepdims=True)
    return (heat_bhw / np.where(most > 0, most, 1)).astype("float32")
