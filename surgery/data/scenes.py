"""Scenes made of the digits: in noise, on photographs, several in one image; with the truth that each task needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from surgery.data.digits import digits
from surgery.data.photographs import crops


def digits_in_noise(size: int = 32, noise: float = 0.7, seed: int = 0, count: int = 800) -> tuple[Any, Any, Any]:
    """Draws digits on a background of smooth blobs and grain.

    Args:
        size: side of the images in pixels.
        noise: brightness of the blobs; the digits have 0.6.
        seed: of the choice and the noise.
        count: how many images, at most 1,797.

    Returns:
        `(images_bhwc, masks_bhw, labels)`: float32 images, int64 masks (1 where the digit is), int64 labels.
    """
    import keras

    random = np.random.default_rng(seed)
    digits_bhwc, labels = digits(size=size)
    chosen = random.choice(len(digits_bhwc), count, replace=False)
    digits_bhwc = digits_bhwc[chosen]
    coarse_bhwc = random.uniform(0, noise, (count, max(size // 8, 1), max(size // 8, 1), 1)).astype("float32")
    blobs_bhwc = np.asarray(keras.ops.image.resize(coarse_bhwc, (size, size), interpolation="bilinear"))
    grain_bhwc = random.normal(0, noise / 4, (*digits_bhwc.shape[:3], 1)).astype("float32")
    images_bhwc = digits_bhwc * 0.6 + blobs_bhwc + grain_bhwc
    return images_bhwc, (digits_bhwc[..., 0] > 0.5).astype("int64"), labels[chosen]


def digit_segmentation(size: int = 32, seed: int = 0, count: int = 800) -> tuple[Any, Any, Any]:
    """Writes digits, in a random bright color, on pieces of a photograph.

    Args:
        size: side of the images in pixels.
        seed: of the choice, the places and the colors.
        count: how many images, at most 1,797.

    Returns:
        `(images_bhwc, masks_bhw, labels)` as `digits_in_noise`; half of the images, those of odd index, are on the
        flower, the others on the temple.
    """
    random = np.random.default_rng(seed)
    digits_bhwc, labels = digits(size=size)
    chosen = random.choice(len(digits_bhwc), count, replace=False)
    inks_bhwc = digits_bhwc[chosen][..., :1]
    colours_b11c = random.uniform(0.5, 1.0, (count, 1, 1, 3)).astype("float32")
    grounds_bhwc = np.empty((count, size, size, 3), "float32")
    grounds_bhwc[::2] = crops("china", size, len(grounds_bhwc[::2]), seed)
    grounds_bhwc[1::2] = crops("flower", size, len(grounds_bhwc[1::2]), seed)
    images_bhwc = grounds_bhwc * 0.8 * (1 - inks_bhwc) + colours_b11c * inks_bhwc
    return images_bhwc, (inks_bhwc[..., 0] > 0.5).astype("int64"), labels[chosen]


def digit_detection(size: int = 64, seed: int = 0, count: int = 400, most: int = 3) -> tuple[Any, list[Any], list[Any]]:
    """Writes one to `most` digits of different sizes on pieces of photographs, none on another.

    Args:
        size: side of the images in pixels, at least 40.
        seed: of everything that is drawn.
        count: how many images.
        most: digits in an image.

    Returns:
        `(images_bhwc, boxes, labels)`: for each image, boxes `(digits, 4)` of left, top, right, bottom in pixels,
        and labels `(digits,)`.
    """
    random = np.random.default_rng(seed)
    sources = {side: digits(size=side) for side in (16, 20, 24)}
    half = -(-count // 2)
    images_bhwc = np.concatenate([crops("china", size, half, seed), crops("flower", size, half, seed)])
    images_bhwc = images_bhwc[random.permutation(2 * half)[:count]] * 0.7
    boxes, labels = [], []
    for image_hwc in images_bhwc:
        found, names = [], []
        for _ in range(random.integers(1, most + 1) * 4):
            side = int(random.choice(list(sources)))
            left, top = random.integers(0, size - side + 1, 2)
            if len(found) < most and all(_apart((left, top, left + side, top + side), other) for other in found):
                pictures_bhwc, classes = sources[side]
                number = random.integers(len(pictures_bhwc))
                ink_hw1 = pictures_bhwc[number][..., :1]
                place = image_hwc[top : top + side, left : left + side]
                place[:] = place * (1 - ink_hw1) + ink_hw1 * random.uniform(0.7, 1.0, 3).astype("float32")
                found.append((left, top, left + side, top + side))
                names.append(classes[number])
        boxes.append(np.array(found, "float32").reshape(-1, 4))
        labels.append(np.array(names, "int64"))
    return images_bhwc, boxes, labels


def _apart(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
