"""Image to image, without pairs. Zhu, Park, Isola & Efros 2017, CycleGAN, arXiv:1703.10593, section 3.

Two generators translate between two kinds of images, and back to where they started; two discriminators, on
pretrained trunks, score patches of each kind. `fit` learns to turn white digits on black into broad orange chalk on a
green board, from two sets that have no digit in common, and is measured on digits whose true translation is known.
"""

import keras
import numpy as np

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    weights: str | None = "pretrained",
    stride: int = 2,
    size: int = 16,
    filters: int = 16,
    blocks: int = 2,
):
    """Makes two generators and two discriminators.

    Args:
        blocks: residual blocks of each generator.
    """
    models = {}
    for name in ("to_board", "to_light"):
        picture = keras.Input((size, size, 3), name="picture_in")
        models[name] = keras.Model(
            picture, sg.parts.image_translation_generator(3, filters, blocks)(picture), name=name
        )
    for name in ("is_board", "is_light"):
        trunk, _ = sg.parts.encoder(backbone, weights, stride, size, channels=3)
        head = [
            keras.layers.Conv2D(32, 3, activation="leaky_relu", name="look"),
            keras.layers.Conv2D(1, 3, name="scores"),
        ]
        models[name] = sg.graft(trunk, head)
    return models


def fit(models: dict, epochs: int = 8, cycle: float = 10.0, seed: int = 0):
    """Trains four networks in turns.

    Args:
        cycle: weight of the way there and back, lambda in equation 3.
    """
    keras.utils.set_random_seed(seed)
    light_bhwc, labels = sg.samples.digits(size=models["to_board"].input_shape[1])
    order = np.random.default_rng(seed).permutation(len(light_bhwc))
    light_bhwc, labels = light_bhwc[order], labels[order]
    board_bhwc = on_board(light_bhwc)
    ones, others, unseen = slice(0, 700), slice(700, 1400), slice(1400, None)

    def forward(networks, batch):
        light_bhwc, board_bhwc = batch
        to_board, to_light = (networks[name] for name in ("to_board", "to_light"))
        written_bhwc, lit_bhwc = to_board(light_bhwc, training=True), to_light(board_bhwc, training=True)
        there_and_back = keras.ops.mean(keras.ops.abs(to_light(written_bhwc, training=True) - light_bhwc))
        back_and_there = keras.ops.mean(keras.ops.abs(to_board(lit_bhwc, training=True) - board_bhwc))
        return {
            "board": [networks["is_board"](one, training=True) for one in (board_bhwc, written_bhwc)],
            "light": [networks["is_light"](one, training=True) for one in (light_bhwc, lit_bhwc)],
            "cycle": there_and_back + back_and_there,
        }

    def of_discriminators(tensors):
        return sum(sg.losses.least_squares.discriminator(*tensors[kind]) for kind in ("board", "light"))

    def of_generators(tensors):
        told = sum(sg.losses.least_squares.generator(tensors[kind][1]) for kind in ("board", "light"))
        return told + cycle * tensors["cycle"]

    adam = keras.optimizers.Adam
    players = {
        "discriminators": sg.Player(["is_board", "is_light"], adam(2e-4, beta_1=0.5), of_discriminators),
        "generators": sg.Player(["to_board", "to_light"], adam(4e-4, beta_1=0.5), of_generators),
    }
    gan = sg.Players(models, forward, players)
    gan.compile()
    gan.fit(
        light_bhwc[ones], board_bhwc[others], batch_size=8, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0
    )
    written_bhwc = models["to_board"].predict(light_bhwc[unseen], verbose=0)
    lit_bhwc = models["to_light"].predict(board_bhwc[unseen], verbose=0)
    scorer = sg.tasks.digit_scorer(light_bhwc.shape[1])
    few = slice(1400, 1412)
    return {
        "PSNR in dB": sg.tasks.psnr(written_bhwc, board_bhwc[unseen]),
        "untranslated": sg.tasks.psnr(light_bhwc[unseen], board_bhwc[unseen]),
        "read from the board": float(np.mean(scorer.labels(lit_bhwc) == labels[unseen])),
        "read untranslated": float(np.mean(scorer.labels(board_bhwc[unseen]) == labels[unseen])),
        "image": sg.tasks.image_grid([light_bhwc[few], written_bhwc[:12], board_bhwc[few], lit_bhwc[:12]], zoom=3),
    }


def on_board(light_bhwc):
    """Broad orange chalk on a dark green board."""
    broad_bhwc = np.asarray(keras.ops.max_pool(light_bhwc, 3, 1, "same"))
    board, chalk = np.array([0.05, 0.3, 0.2], "float32"), np.array([1.0, 0.75, 0.4], "float32")
    return board + broad_bhwc * (chalk - board)
