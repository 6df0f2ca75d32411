"""New skip connections across a pretrained network. He et al. 2015, arXiv:1512.03385, section 3.2.

Each new edge brings an earlier map to a later one through a 1 x 1 projection that starts at zero (Bachlechner et al.
2020, ReZero, arXiv:2003.04887): before training its outputs are bit-identical. `fit` trains the edges
alone on digits in noise, which the network has never seen.
"""

import keras

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    weights: str | None = "pretrained",
    edges: tuple = (("block1_pool", "block3_conv1"), ("block2_pool", "block3_conv3"), ("block3_pool", "block4_conv3")),
    freeze: bool = True,
):
    """Adds the connections.

    Args:
        edges: from which call to which.
    """
    graph = sg.preprocess(sg.open(backbone, weights=weights))
    graph = sg.freeze(graph, "**") if freeze else graph
    for number, (source, into) in enumerate(edges, 1):
        graph = sg.rewire(graph, source, into=into, merge=sg.parts.zero_init_skip(f"skip{number}"))
    return graph


def fit(model: keras.Model, epochs: int = 15, seed: int = 0):
    return sg.tasks.adapt_to_noise(model, epochs, seed)
