"""Boxes in pictures, and how well a detector found them."""

from __future__ import annotations

from typing import Any

import numpy as np


def box_overlap(one: Any, other: Any) -> Any:
    """Returns the intersection over union of a box, `(4,)` left, top, right, bottom, with others: `(..., 4)`."""
    sides = np.minimum(one[2:], other[..., 2:]) - np.maximum(one[:2], other[..., :2])
    common = np.prod(np.maximum(sides, 0), axis=-1)
    areas = np.prod(one[2:] - one[:2]) + np.prod(other[..., 2:] - other[..., :2], axis=-1)
    return common / np.maximum(areas - common, 1e-9)


def average_precision(found: list[tuple[Any, Any, Any]], boxes: list[Any], labels: list[Any]) -> float:
    """Returns the average precision at an overlap of one half, over all classes together.

    Everingham et al. 2010, The Pascal Visual Object Classes Challenge, IJCV 88, section 4.2: the area under precision
    by recall, made to fall. A box counts when its class is right, it overlaps an object by more than half, and no surer
    box has taken that object.

    Args:
        found: of `decoded`.
        boxes: the truth, for each picture `(objects, 4)`.
        labels: the truth, for each picture `(objects,)`.
    """
    ranked = [(score, at, box, name) for at, one in enumerate(found) for box, name, score in zip(*one, strict=True)]
    ranked.sort(key=lambda entry: -entry[0])
    taken: set[tuple[int, int]] = set()
    hits = []
    for _, picture, box, name in ranked:
        right = [
            (box_overlap(box, truth), number)
            for number, (truth, label) in enumerate(zip(boxes[picture], labels[picture], strict=True))
            if label == name and (picture, number) not in taken
        ]
        overlap, number = max(right, default=(0.0, -1))
        hits.append(overlap > 0.5)
        if hits[-1]:
            taken.add((picture, number))
    total = sum(map(len, labels))
    if not hits or not total:
        return 0.0
    caught = np.cumsum(hits)
    precision = np.maximum.accumulate((caught / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float(np.sum(precision * np.array(hits)) / total)
