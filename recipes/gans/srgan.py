"""Super-resolution with a perceptual loss. Ledig et al. 2017, SRGAN, arXiv:1609.04802, section 2.2.

A generator enlarges images; a discriminator of patches says whether they look real; a frozen pretrained
network, tapped inside, says whether they look alike. `fit` enlarges pieces of a photograph, of a part that no player
has seen, and compares them with bicubic enlargement.
"""

import keras
import numpy as np

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    weights: str | None = "pretrained",
    stride: int = 2,
    scale: int = 2,
    size: int = 32,
    filters: int = 32,
    blocks: int = 4,
):
    """Makes a generator, a discriminator, and the eye that compares.

    Args:
        stride: output stride of the map that the eye compares.
        scale: how many times larger images become: 2 or 4.
        blocks: residual blocks of the generator.
    """
    resolver = sg.parts.super_resolution_generator(scale, filters, blocks)
    if size % scale:
        raise sg.SurgeryError(f"size must be a multiple of scale: {scale} does not divide {size}.")
    small = keras.Input((size // scale, size // scale, 3), name="small")
    enlarged = resolver(small)
    picture = keras.Input((size, size, 3), name="picture_in")
    scores = sg.parts.patch_discriminator()(picture)
    eye, _ = sg.parts.encoder(backbone, weights, stride, size, freeze=True, channels=3)
    return {
        "generator": keras.Model(small, enlarged, name="generator"),
        "discriminator": keras.Model(picture, scores, name="discriminator"),
        "eye": eye,
    }


def fit(models: dict, epochs: int = 12, images: int = 400, look: float = 0.1, tell: float = 1e-3, seed: int = 0):
    """Trains two networks in turns, and has the third compare.

    Args:
        look: weight of what the frozen eye sees, beside the pixels' 1.
        tell: weight of the discriminator, beside the pixels' 1.
    """
    keras.utils.set_random_seed(seed)
    size, small = models["generator"].output_shape[1], models["generator"].input_shape[1]
    large_bhwc = sg.samples.crops("china", size, images, seed, part=(0.0, 0.7))
    unseen_bhwc = sg.samples.crops("china", size, 100, seed, part=(0.7, 1.0))
    shrink = keras.layers.AveragePooling2D(size // small)
    small_bhwc, given_bhwc = (np.asarray(shrink(one)) for one in (large_bhwc, unseen_bhwc))

    def forward(networks, batch):
        small_bhwc, real_bhwc = batch
        fake_bhwc, score, eye = (
            networks["generator"](small_bhwc, training=True),
            networks["discriminator"],
            networks["eye"],
        )
        return {
            "real": score(real_bhwc, training=True),
            "fake": score(fake_bhwc, training=True),
            "pixels": keras.ops.mean(keras.ops.square(fake_bhwc - real_bhwc)),
            "seen": sg.parts.content_loss(eye(fake_bhwc), eye(real_bhwc)),
        }

    players = sg.parts.gan_players(
        sg.losses.non_saturating,
        wish=lambda tensors: (tensors["pixels"] + look * tensors["seen"]) / tell,
    )
    gan = sg.Players(models, forward, players)
    gan.compile()
    gan.fit(small_bhwc, large_bhwc, batch_size=16, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0)
    made_bhwc = models["generator"].predict(given_bhwc, verbose=0)
    cubic_bhwc = np.asarray(keras.ops.image.resize(given_bhwc, (size, size), interpolation="bicubic")).clip(0, 1)
    wanted = models["eye"].predict(unseen_bhwc, verbose=0)

    def seen(images_bhwc):
        return float(sg.parts.content_loss(models["eye"].predict(images_bhwc, verbose=0), wanted))

    few = slice(0, 12)
    return {
        "perceptual distance": seen(made_bhwc),
        "bicubic": seen(cubic_bhwc),
        "PSNR in dB": sg.tasks.psnr(made_bhwc, unseen_bhwc),
        "PSNR bicubic": sg.tasks.psnr(cubic_bhwc, unseen_bhwc),
        "image": sg.tasks.image_grid([cubic_bhwc[few], made_bhwc[few], unseen_bhwc[few]], zoom=2),
    }
