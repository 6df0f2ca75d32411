"""DeepLabv3+ on any backbone. Chen et al. 2018, arXiv:1802.02611, section 3.1; Chen et al. 2017, arXiv:1706.05587.

The backbone is dilated to an output stride of 8 or 16, its last map is looked at over several distances, and the
result is refined by a finer map. `fit` teaches it to find the pixels of a digit on a photograph, beside the same
network from scratch.
"""

import keras

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    classes: int = 2,
    weights: str | None = "pretrained",
    stride: int = 8,
    fine: int = 2,
    rates: tuple | None = None,
    filters: int = 48,
    size: int | None = None,
    freeze: bool = False,
):
    """Wires a dilated encoder to a decoder.

    Args:
        stride: output stride of the dilated encoder: 8 or 16.
        fine: output stride of the map that brings the edges.
        rates: dilations of the parallel convolutions.
    """
    graph, levels = sg.parts.encoder(backbone, weights, stride, size, freeze, dilate=True)
    deep = max(levels)
    finer = [level for level in levels if fine <= level < deep]
    if not finer:
        raise sg.SurgeryError(f"no map finer than {deep} and no finer than fine={fine}: there are {list(levels)}.")
    fine = min(finer)
    if rates is None:  # the papers' 6, 12 and 18 are for maps of 33 pixels
        side = graph[levels[deep]].specs[0].shape[1] or 33
        rates = sorted({max(1, round(side * rate / 33)) for rate in (6, 12, 18)})
    decoder = sg.parts.deeplab_decoder(classes, [fine, deep], rates, filters, low=filters // 4)
    return sg.graft(graph, decoder, at=[str(graph.inputs), levels[fine], levels[deep]])


def fit(model: keras.Model, epochs: int = 12, images: int = 50, seed: int = 0):
    return sg.tasks.segment(model, epochs, images, seed)
