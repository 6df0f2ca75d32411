"""U-Net on any backbone. Ronneberger, Fischer & Brox 2015, arXiv:1505.04597, section 2.

The encoder is any network with image input; its skips are found by output stride, never by a table of names. `fit`
teaches it to find the pixels of a digit on a photograph, beside the same network from scratch.
"""

import keras

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    classes: int = 2,
    weights: str | None = "pretrained",
    stride: int = 32,
    filters: tuple = (128, 64, 32, 16, 16),
    size: int | None = None,
    freeze: bool = False,
):
    graph, levels = sg.parts.encoder(backbone, weights, stride, size, freeze)
    decoder = sg.parts.unet_decoder(classes, list(levels), filters)
    return sg.graft(graph, decoder, at=[str(graph.inputs), *levels.values()])


def fit(model: keras.Model, epochs: int = 12, images: int = 50, seed: int = 0):
    return sg.tasks.segment(model, epochs, images, seed)
