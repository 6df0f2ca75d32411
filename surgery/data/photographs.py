"""The two photographs that come inside scikit-learn: a temple in China, and a flower."""

from __future__ import annotations

from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError


def photograph(name: str = "china", height: int | None = None, width: int | None = None) -> Any:
    """Returns one of the two photographs.

    Args:
        name: `"china"` or `"flower"`.
        height: in pixels; 427 by default.
        width: in pixels; 640 by default.

    Returns:
        `image_hwc`: float32, `(height, width, 3)`, values from 0 to 1.

    Raises:
        SurgeryError: there is no such photograph, or scikit-learn (with Pillow) is not installed.
    """
    if name not in ("china", "flower"):
        raise SurgeryError(f"the photographs are 'china' and 'flower', not {name!r}.")
    try:
        from sklearn.datasets import load_sample_image

        image_hwc = load_sample_image(f"{name}.jpg").astype("float32") / 255
    except ImportError as error:
        raise SurgeryError("the photographs come with scikit-learn and Pillow: pip install 'surgery[demo]'.") from error
    if height is None and width is None:
        return image_hwc
    import keras

    size = (height or image_hwc.shape[0], width or image_hwc.shape[1])
    return np.asarray(keras.ops.image.resize(image_hwc, size, antialias=True)).clip(0, 1)


def crops(name: str, size: int, count: int, seed: int = 0, part: tuple[float, float] = (0.0, 1.0)) -> Any:
    """Cuts square pieces out of a photograph, at random places.

    Args:
        name: `"china"` or `"flower"`.
        size: side of a piece in pixels; the photograph is first shrunk to half its size.
        count: how many.
        seed: of the places.
        part: from where to where across the photograph, as shares of its width: pieces from `(0, 0.7)` to learn from
            and `(0.7, 1)` to test on have no pixel in common.

    Returns:
        `images_bhwc`: float32, `(count, size, size, 3)`, values from 0 to 1.
    """
    image_hwc = photograph(name, 213, 320)
    random = np.random.default_rng(seed)
    first, last = (int(share * image_hwc.shape[1]) for share in part)
    tops = random.integers(0, image_hwc.shape[0] - size + 1, count)
    lefts = random.integers(first, last - size + 1, count)
    return np.stack([image_hwc[y : y + size, x : x + size] for y, x in zip(tops, lefts, strict=True)])
