"""LinkNet on any backbone. Chaurasia & Culurciello 2017, arXiv:1707.03718, section III.

A light decoder: each block works on a quarter of the channels, and the encoder's map is added, not concatenated.
`fit` teaches it to find the pixels of a digit on a photograph, beside the same network from scratch.
"""

import keras

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    classes: int = 2,
    weights: str | None = "pretrained",
    stride: int = 32,
    filters: int = 32,
    size: int | None = None,
    freeze: bool = False,
):
    graph, levels = sg.parts.encoder(backbone, weights, stride, size, freeze)
    decoder = sg.parts.linknet_decoder(classes, list(levels), filters)
    return sg.graft(graph, decoder, at=[str(graph.inputs), *levels.values()])


def fit(model: keras.Model, epochs: int = 16, images: int = 50, seed: int = 0):
    return sg.tasks.segment(model, epochs, images, seed)
