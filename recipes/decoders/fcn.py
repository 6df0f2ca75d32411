"""FCN-8s on any backbone. Long, Shelhamer & Darrell 2015, arXiv:1411.4038, sections 3.1 and 4.

Where the backbone ends in Flatten and Dense, as VGG and AlexNet do, these become convolutions with the same weights;
the classifier is replaced by a score for each class, and fused with the scores of two finer maps. `fit` teaches it to
find the pixels of a digit on a photograph, beside the same network from scratch.
"""

import keras

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    classes: int = 2,
    weights: str | None = "pretrained",
    taps: int = 4,
    freeze: bool = False,
):
    """Wires scores of several depths.

    Args:
        taps: how many feature maps are scored, from the coarsest on.
    """
    graph = sg.open(backbone, weights=weights)
    # three in the paper; small images have room for one more
    levels = dict(list(sg.feature_levels(graph).items())[-taps:])
    if any(call.class_name == "Flatten" for call in graph):
        graph = sg.fully_convolutional(graph, padding="same")
        classifier = graph[str(graph.outputs)]
        levels[max(levels)] = str(classifier.parents[0])
    graph = sg.freeze(graph, f"..{levels[max(levels)]}") if freeze else graph
    graph = sg.preprocess(graph)
    decoder = sg.parts.fcn_decoder(classes, list(levels))
    return sg.graft(graph, decoder, at=[str(graph.inputs), *levels.values()])


def fit(model: keras.Model, epochs: int = 12, images: int = 50, seed: int = 0):
    return sg.tasks.segment(model, epochs, images, seed)
