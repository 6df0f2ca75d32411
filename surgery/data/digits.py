"""Handwritten digits that come inside scikit-learn, without download."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError


def digits(classes: Iterable[int] = range(10), size: int = 32) -> tuple[Any, Any]:
    """Returns the digits of the UCI optical recognition set (Alpaydin & Kaynak 1998), 1,797 in all.

    Args:
        classes: which digits, 0 to 9.
        size: side of the images in pixels; the 8 x 8 originals are enlarged bilinearly.

    Returns:
        `(images_bhwc, labels)`: float32 images `(batch, size, size, 3)` with values from 0 to 1, and int64 labels.

    Raises:
        SurgeryError: scikit-learn is not installed, or `classes` is not a collection of digits.
    """
    if not isinstance(classes, Iterable):
        raise SurgeryError(
            f"classes= is a collection of digits, such as range(5), not {classes!r}; size={size} is another argument."
        )
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise SurgeryError("the digits come with scikit-learn: pip install 'surgery[demo]'.") from error
    import keras

    data: Any = load_digits()
    chosen = np.isin(data.target, list(classes))
    small_bhwc = (data.images[chosen] / 16).astype("float32")[..., None]
    images_bhwc = np.asarray(keras.ops.image.resize(small_bhwc, (size, size), interpolation="bilinear"))
    return images_bhwc.repeat(3, axis=-1).clip(0, 1), data.target[chosen]


def few_shot_subset(labels: Any, shots: int, seed: int = 0) -> Any:
    """Draws some images of each class.

    Args:
        labels: of all images.
        shots: how many of each class.
        seed: of the choice.

    Returns:
        The indices of those drawn, class by class.

    Raises:
        SurgeryError: a class has fewer.
    """
    random = np.random.default_rng(seed)
    places = [np.flatnonzero(labels == one) for one in np.unique(labels)]
    if min(map(len, places)) < shots:
        raise SurgeryError(f"{shots} of each class are asked for; the rarest has {min(map(len, places))}.")
    return np.concatenate([random.choice(one, shots, replace=False) for one in places])
