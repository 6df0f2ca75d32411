"""An inception module inside a pretrained network. Szegedy et al. 2015, arXiv:1409.4842, section 4, figure 2b.

The module (1 x 1, 3 x 3, 5 x 5 and pooling, with 1 x 1 reductions) is put behind a feature map, in parallel to the map
itself and through a projection that starts at zero: before training the network computes what it did, bit for bit.
`fit` trains the module alone on digits in noise, which the network has never seen.
"""

import keras

import surgery as sg


def recipe(backbone: str = "tinyvgg", weights: str | None = "pretrained", at: str = "block2_pool", freeze: bool = True):
    """Inserts the module.

    Args:
        at: the call after which it is inserted.
    """
    graph = sg.preprocess(sg.open(backbone, weights=weights))
    graph = sg.freeze(graph, "**") if freeze else graph
    module = sg.parts.inception_module(name="mixed")
    return sg.insert(graph, sg.parts.zero_init_residual(module, name="mixed"), after=at)


def fit(model: keras.Model, epochs: int = 15, seed: int = 0):
    return sg.tasks.adapt_to_noise(model, epochs, seed)
