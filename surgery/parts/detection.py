"""An anchor-free detector: head, targets, loss and decoding. Tian et al. 2019, FCOS, arXiv:1904.01355, section 3."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from surgery.core.errors import SurgeryError
from surgery.parts.alignment import crop_or_pad_to_size
from surgery.parts.checks import as_many, positive, steps_between, whole
from surgery.parts.fpn import feature_pyramid
from surgery.training.boxes import box_iou, framed_objects

initializers: Any = keras.initializers
layers: Any = keras.layers
losses: Any = keras.losses
ops: Any = keras.ops


def anchor_free_head(classes: int, strides: Iterable[int], filters: int = 48) -> Callable[[list[Any]], Any]:
    """Makes a feature pyramid with one head on all its maps: a part for `graft` with `at=[image, tap, ..., tap]`.

    The output is `(batch, places, classes + 4)`: at each place of each map, the finest map first, row by row, a logit
    for each class, and the distances to the left, top, right and bottom of the box, in strides, as logarithms.

    Args:
        classes: how many. Must be positive.
        strides: output stride of each tap, in pixels, ascending.
        filters: channels of the pyramid and the head.

    Raises:
        SurgeryError: `classes` is not positive, or a stride does not divide the next.
    """
    positive(classes)
    strides, steps = steps_between(strides, 1, "the detector")

    def head(tensors: list[Any]) -> Any:
        picture, taps = as_many(tensors, strides, "the detector")
        shared = {
            "class": _tower("class", filters, classes, initializers.Constant(-4.0)),  # an object is rare
            "box": _tower("box", filters, 4, "zeros"),
        }
        found: dict[str, list[Any]] = {"class": [], "box": []}
        for stride, x in zip(strides, feature_pyramid(taps, steps, filters), strict=True):
            sides = _sides(picture.shape[1:3], stride)  # unpadded convolutions cost places
            x = crop_or_pad_to_size(x, sides, f"places{stride}")
            for what, steps_of in shared.items():
                y = x
                for layer in steps_of:
                    y = layer(y)
                found[what].append(y)
        several = {
            what: layers.Concatenate(1, name=f"{what}_all")(maps) if len(maps) > 1 else maps[0]
            for what, maps in found.items()
        }
        return layers.Concatenate(name="detections")([several["class"], several["box"]])

    return head


def _sides(size: Sequence[Any], stride: int) -> list[Any]:
    """Returns how many places a map has down and across an image; the last may reach beyond it."""
    return [None if side is None else -(-side // stride) for side in size]


def _tower(what: str, filters: int, channels: int, bias: Any) -> list[Any]:
    """Returns the layers that all maps share; the bias of rare classes is that of arXiv:1708.02002, section 3.3."""
    found: list[Any] = []
    for number in (1, 2):
        found.append(layers.Conv2D(filters, 3, padding="same", name=f"{what}{number}"))
        found.append(layers.GroupNormalization(8 if filters % 8 == 0 else 1, name=f"{what}{number}_norm"))
        found.append(layers.Activation("relu", name=f"{what}{number}_relu"))
    found.append(layers.Conv2D(channels, 3, padding="same", bias_initializer=bias, name=what))
    return [*found, layers.Reshape((-1, channels), name=f"{what}_places")]


def anchor_points(size: tuple[int, int], strides: Sequence[int]) -> tuple[Any, Any]:
    """Returns where the places of the maps are in the image.

    Args:
        size: `(height, width)` of the image in pixels.
        strides: of the maps, in the order of the head.

    Returns:
        `(centres, steps)`: `(places, 2)` x and y of each place in pixels, and `(places,)` its stride.

    Raises:
        SurgeryError: a side or a stride is not a number of pixels.
    """
    size = whole(size[0], "the height"), whole(size[1], "the width")
    centres, steps = [], []
    for stride in steps_between(strides, 1, "the detector")[0]:
        height, width = _sides(size, stride)
        y, x = np.mgrid[:height, :width]
        centres.append(np.stack([x, y], -1).reshape(-1, 2) * stride + stride / 2)
        steps.append(np.full(height * width, stride))
    return np.concatenate(centres).astype("float32"), np.concatenate(steps).astype("float32")


def detection_targets(boxes: list[Any], labels: list[Any], classes: int, centres: Any, steps: Any) -> Any:
    """Returns what the head should say of images: `(images, places, classes + 4)`, laid out as its output.

    A place belongs to a box when it lies in it (section 3.1 of the paper), near its centre (centre sampling), and the
    box has the size of its map, the one whose stride is nearest to a quarter of the box; the smallest box wins. A box
    in which no place lies has the nearest.

    Args:
        boxes: for each image `(objects, 4)`: left, top, right, bottom in pixels.
        labels: for each image `(objects,)`.
        classes: how many there are.
        centres: see `anchor_points`.
        steps: see `anchor_points`.

    Raises:
        SurgeryError: there are not as many labels as boxes, a box has no area, or a label is not a class.
    """
    found = np.zeros((len(boxes), len(centres), classes + 4), "float32")
    strides = np.unique(steps)
    for picture, (frames, names) in enumerate(framed_objects(boxes, labels, classes)):
        for number in np.argsort(-np.prod(frames[:, 2:] - frames[:, :2], axis=-1), kind="stable"):
            frame = frames[number]
            side = max(frame[2] - frame[0], frame[3] - frame[1])
            best = strides[np.argmin(np.abs(np.log2(4 * strides / side)))]
            middle = (frame[:2] + frame[2:]) / 2
            reach = np.concatenate([centres - frame[:2], frame[2:] - centres], -1)
            away = np.where(steps == best, np.abs(centres - middle).max(-1), np.inf)
            near = (away <= 0.75 * steps) & (reach.min(-1) >= 0)
            near = near if near.any() else np.arange(len(centres)) == away.argmin()
            found[picture, near] = 0
            found[picture, near, names[number]] = 1
            found[picture, near, classes:] = np.log(np.maximum(reach[near], 1) / steps[near][:, None])
    return found


def detection_loss(classes: int) -> Callable[[Any, Any], Any]:
    """Makes the loss of a detector: focal loss of the classes, and L1 of the distances where there is an object.

    Lin et al. 2017, arXiv:1708.02002, equation 5, with alpha 0.25 and gamma 2; both are divided by the number of places
    with an object.

    Args:
        classes: how many there are.
    """

    def loss(wanted: Any, found: Any) -> Any:
        truth, boxes = wanted[..., :classes], wanted[..., classes:]
        positive_places = ops.max(truth, axis=-1)
        count = ops.maximum(ops.sum(positive_places), 1.0)
        focal: Any = losses.binary_focal_crossentropy(
            truth, found[..., :classes], apply_class_balancing=True, from_logits=True
        )
        distance = ops.sum(ops.abs(boxes - found[..., classes:]), axis=-1)
        return (ops.sum(focal) * classes + ops.sum(distance * positive_places)) / count

    return loss


def decode_detections(
    output: Any, classes: int, centres: Any, steps: Any, least: float = 0.3
) -> list[tuple[Any, Any, Any]]:
    """Returns the boxes that a detector found in each image: `(boxes, labels, scores)`, the surest first.

    Of boxes that overlap by more than half, the surest stays.

    Args:
        output: of the head, `(images, places, classes + 4)`.
        classes: how many there are.
        centres: see `anchor_points`.
        steps: see `anchor_points`.
        least: the least score.

    Raises:
        SurgeryError: the output is of other places or classes.
    """
    if np.shape(output)[1:] != (len(centres), classes + 4):
        raise SurgeryError(
            f"the output of {classes} classes at {len(centres):,} places is (images, {len(centres)}, {classes + 4}), "
            f"not {np.shape(output)}."
        )
    found = []
    for one in output:
        scores = 1 / (1 + np.exp(-one[:, :classes]))
        best, names = scores.max(-1), scores.argmax(-1)
        reach = np.exp(np.clip(one[:, classes:], -10, 10)) * steps[:, None]
        frames = np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], -1)
        kept: list[int] = []
        waiting = [int(place) for place in np.argsort(-best) if best[place] >= least]
        while waiting:
            kept.append(waiting.pop(0))
            clear = box_iou(frames[kept[-1]], frames[waiting]) <= 0.5
            waiting = [place for place, stays in zip(waiting, clear, strict=True) if stays]
        found.append((frames[kept], names[kept], best[kept]))
    return found
