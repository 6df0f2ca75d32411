"""PSPNet on any backbone. Zhao et al. 2017, arXiv:1612.01105, section 3.

The backbone is dilated, so that its last map is no coarser than `stride`, and the head looks at the whole image in
1, 4, 9 and 36 parts. `fit` teaches it to find the pixels of a digit on a photograph, beside the same from scratch.
"""

import keras

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    classes: int = 2,
    weights: str | None = "pretrained",
    stride: int = 4,
    bins: tuple = (1, 2, 3, 6),
    filters: int = 64,
    size: int | None = None,
    freeze: bool = False,
):
    """Wires a dilated encoder to pooled maps.

    Args:
        stride: output stride of the dilated encoder.
        bins: sides of the pooled maps.
    """
    graph, levels = sg.parts.encoder(backbone, weights, stride, size, freeze, dilate=True)
    deep = max(levels)
    decoder = sg.parts.pyramid_pooling_decoder(classes, deep, bins, filters)
    return sg.graft(graph, decoder, at=[str(graph.inputs), levels[deep]])


def fit(model: keras.Model, epochs: int = 12, images: int = 50, seed: int = 0):
    return sg.tasks.segment(model, epochs, images, seed)
