"""Image to image, from pairs. Isola, Zhu, Zhou & Efros 2017, pix2pix, arXiv:1611.07004, section 3.

The generator is a U-Net on a pretrained encoder; a discriminator of patches sees an image together with what it was
made from. `fit` colors grey pieces of a photograph, of a part that neither player has seen, and compares them with the
grey pieces themselves, and with the mean color that each grey has in the images learned from.
"""

import keras
import numpy as np

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    weights: str | None = "pretrained",
    stride: int = 16,
    filters: tuple = (96, 64, 48, 32),
    size: int = 32,
):
    graph, levels = sg.parts.encoder(backbone, weights, stride, size, channels=3)
    decoder = sg.parts.unet_decoder(3, list(levels), filters)

    def coloured(tensors):
        return keras.layers.Activation("sigmoid", name="picture")(decoder(tensors))

    generator = sg.graft(graph, coloured, at=[str(graph.inputs), *levels.values()])
    seen = {name: keras.Input((size, size, 3), name=name) for name in ("condition", "picture")}
    scores = sg.parts.patch_discriminator()(list(seen.values()))
    return {"generator": generator, "discriminator": keras.Model(seen, scores, name="discriminator")}


def fit(models: dict, epochs: int = 20, images: int = 400, likeness: float = 100.0, seed: int = 0):
    """Trains both networks in turns.

    Args:
        likeness: weight of the distance to the wanted image, lambda in equation 4.
    """
    keras.utils.set_random_seed(seed)
    size = models["generator"].output_shape[1]
    colour_bhwc = sg.samples.crops("flower", size, images, seed, part=(0.0, 0.7))
    unseen_bhwc = sg.samples.crops("flower", size, 100, seed, part=(0.7, 1.0))
    grey_bhwc, given_bhwc = (one.mean(axis=-1, keepdims=True).repeat(3, -1) for one in (colour_bhwc, unseen_bhwc))

    def forward(networks, batch):
        grey_bhwc, real_bhwc = batch
        fake_bhwc, score = networks["generator"](grey_bhwc, training=True), networks["discriminator"]
        return {
            "real": score({"condition": grey_bhwc, "picture": real_bhwc}, training=True),
            "fake": score({"condition": grey_bhwc, "picture": fake_bhwc}, training=True),
            "distance": keras.ops.mean(keras.ops.abs(fake_bhwc - real_bhwc)),
        }

    players = sg.parts.gan_players(sg.losses.least_squares, wish=lambda tensors: likeness * tensors["distance"])
    gan = sg.Players(models, forward, players)
    gan.compile()
    gan.fit(grey_bhwc, colour_bhwc, batch_size=16, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0)
    made_bhwc = models["generator"].predict(given_bhwc, verbose=0)
    level, wanted_level = ((one[..., 0] * 31.99).astype(int).clip(0, 31) for one in (grey_bhwc, given_bhwc))
    mean = np.stack(
        [colour_bhwc[level == one].mean(axis=0) if (level == one).any() else [one / 32] * 3 for one in range(32)]
    )
    few = slice(0, 12)
    return {
        "PSNR in dB": sg.tasks.psnr(made_bhwc, unseen_bhwc),
        "mean color of each grey": sg.tasks.psnr(mean[wanted_level], unseen_bhwc),
        "grey": sg.tasks.psnr(given_bhwc, unseen_bhwc),
        "image": sg.tasks.image_grid([given_bhwc[few], made_bhwc[few], unseen_bhwc[few]]),
    }
