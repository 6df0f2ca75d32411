"""Boxes in images, and how well a detector found them."""

from __future__ import annotations

from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError


def framed_objects(boxes: list[Any], labels: list[Any], classes: int) -> list[tuple[Any, Any]]:
    """Returns the boxes and the labels of each image, `(objects, 4)` and `(objects,)`, as numbers that do not wrap.

    Raises:
        SurgeryError: there are not as many labels as boxes, a box has no area, or a label is not a class.
    """
    if len(boxes) != len(labels):
        raise SurgeryError(f"there are boxes of {len(boxes):,} images, and labels of {len(labels):,}.")
    found = []
    for picture, (frames, names) in enumerate(zip(boxes, labels, strict=True)):
        frames, names = np.asarray(frames), np.asarray(names).reshape(-1)
        frames = frames.astype("float64") if frames.dtype.kind in "iub" else frames
        frames = frames.reshape(0, 4) if not frames.size else frames
        if frames.shape != (len(names), 4) or frames.dtype.kind != "f":
            raise SurgeryError(
                f"image {picture} has boxes {frames.shape} of {frames.dtype} and {len(names)} labels; expected "
                "numbers (objects, 4)."
            )
        odd = frames[~(frames[:, 2:] > frames[:, :2]).all(-1) | ~np.isfinite(frames).all(-1)]
        if len(odd):
            raise SurgeryError(
                f"a box of image {picture} is {odd[0].tolist()}: expected left, top, right and bottom in pixels, "
                "right of left and below the top."
            )
        unknown = names[~np.isin(names, np.arange(classes))]
        if len(unknown):
            raise SurgeryError(f"a label of image {picture} is {unknown[0]}; the classes are 0 to {classes - 1}.")
        found.append((frames, names.astype("int64")))
    return found


def box_iou(one: Any, other: Any) -> Any:
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
        found: of `decode_detections`.
        boxes: the truth, for each image `(objects, 4)`.
        labels: the truth, for each image `(objects,)`.
    """
    ranked = [(score, at, box, name) for at, one in enumerate(found) for box, name, score in zip(*one, strict=True)]
    ranked.sort(key=lambda entry: -entry[0])
    taken: set[tuple[int, int]] = set()
    hits = []
    for _, picture, box, name in ranked:
        right = [
            (box_iou(box, truth), number)
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
