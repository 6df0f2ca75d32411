"""Anchor-free detector on a feature pyramid. Tian et al. 2019, FCOS, arXiv:1904.01355, section 3.

Each place of two maps of the pyramid says which digit it sees, and how far the sides of its box are. `fit` teaches it
to find and read one to three digits on photographs, beside the same network from scratch.
"""

import keras
import numpy as np

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    classes: int = 10,
    weights: str | None = "pretrained",
    strides: tuple = (4, 8),
    filters: int = 32,
    size: int | None = 48,
    freeze: bool = False,
):
    """Wires a pyramid to one head at every place.

    Args:
        strides: output strides of the maps whose places may see something.
    """
    graph, levels = sg.parts.encoder(backbone, weights, max(strides), size, freeze)
    missing = [stride for stride in strides if stride not in levels]
    if missing:
        raise sg.SurgeryError(f"{backbone} has no feature map of stride {missing[0]}; it has {list(levels)}.")
    taps = [levels[stride] for stride in strides]
    return sg.graft(graph, sg.parts.anchor_free_head(classes, strides, filters), at=[str(graph.inputs), *taps])


def fit(model: keras.Model, epochs: int = 20, images: int = 400, strides: tuple = (4, 8), seed: int = 0):
    """Returns the average precision at an overlap of one half, on images that were held out."""
    size, classes = model.input_shape[1], model.output_shape[-1] - 4
    images_bhwc, boxes, labels = sg.samples.digit_detection(size, seed, images + 100)
    centres, steps = sg.parts.anchor_points((size, size), strides)
    targets = sg.parts.detection_targets(boxes, labels, classes, centres, steps)
    scores, drawn = {}, None
    networks = {"average precision": model, "from scratch": sg.tasks.reinitialized(model, seed)}
    for name, one in sg.progress(networks.items(), "training"):
        keras.utils.set_random_seed(seed)
        falling = keras.optimizers.schedules.CosineDecay(3e-3, epochs * -(-images // 8))
        one.compile(keras.optimizers.Adam(falling, clipnorm=5.0), sg.parts.detection_loss(classes))
        one.fit(
            images_bhwc[:images],
            targets[:images],
            batch_size=8,
            epochs=epochs,
            callbacks=[sg.tasks.EpochBar()],
            verbose=0,
        )
        found = sg.parts.decode_detections(
            one.predict(images_bhwc[images:], verbose=0), classes, centres, steps, least=0.05
        )
        scores[name] = sg.parts.average_precision(found, boxes[images:], labels[images:])
        drawn = framed(images_bhwc[images : images + 8], found) if drawn is None else drawn
    return {**scores, "images": f"{images} to learn from, 100 to test on", "image": drawn}


def framed(images_bhwc, found, least: float = 0.3):
    """Draws the boxes that were found."""
    images_bhwc = images_bhwc.copy()
    for image_hwc, (boxes, _, scores) in zip(images_bhwc, found, strict=False):
        for box in boxes[scores >= least]:
            left, top, right, bottom = np.clip(np.round(box).astype(int), 0, len(image_hwc) - 1)
            image_hwc[[top, bottom], left : right + 1] = image_hwc[top : bottom + 1, [left, right]] = (1.0, 0.2, 0.2)
    return sg.tasks.image_grid([images_bhwc])
