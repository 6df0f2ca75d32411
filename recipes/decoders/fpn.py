"""Feature pyramid for segmentation. Lin et al. 2017, arXiv:1612.03144; Kirillov et al. 2019, arXiv:1901.02446.

Every map of the pyramid has the same channels and knows what the coarser ones found; all are enlarged, added and
classified. `fit` teaches it to find the pixels of a digit on a photograph, beside the same network from scratch.
"""

import keras

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    classes: int = 2,
    weights: str | None = "pretrained",
    stride: int = 32,
    finest: int = 2,
    filters: int = 48,
    size: int | None = None,
    freeze: bool = False,
):
    """Wires a feature pyramid.

    Args:
        finest: output stride of the finest map of the pyramid.
    """
    graph, levels = sg.parts.encoder(backbone, weights, stride, size, freeze)
    levels = {step: tap for step, tap in levels.items() if step >= finest}
    decoder = sg.parts.fpn_decoder(classes, list(levels), filters)
    return sg.graft(graph, decoder, at=[str(graph.inputs), *levels.values()])


def fit(model: keras.Model, epochs: int = 12, images: int = 50, seed: int = 0):
    return sg.tasks.segment(model, epochs, images, seed)
