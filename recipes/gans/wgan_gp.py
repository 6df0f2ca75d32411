"""Wasserstein GAN with a gradient penalty. Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1.

The critic, on a pretrained trunk, takes several steps for each one of the generator, and is held to slopes near 1 by a
penalty. Statistics of batches would mix the samples that the penalty is computed of: a trunk that has them is kept from
moving them. In `fit`, a classifier that has seen neither player counts how many samples show a digit, and which.
"""

import keras

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    weights: str | None = "pretrained",
    stride: int = 4,
    size: int = 16,
    latent: int = 32,
    filters: int = 96,
):
    noise = keras.Input((latent,), name="noise")
    generator = keras.Model(noise, sg.parts.dcgan_generator(size, 3, filters)(noise), name="generator")
    trunk, _ = sg.parts.encoder(backbone, weights, stride, size, channels=3)
    if any(call.class_name == "BatchNormalization" for call in trunk):
        trunk = sg.freeze(trunk, ":BatchNormalization")
    head = [
        keras.layers.Conv2D(64, 3, 2, "same", name="down"),
        keras.layers.LeakyReLU(0.2, name="down_lrelu"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(1, name="score"),
    ]
    return {"generator": generator, "critic": sg.graft(trunk, head)}


def fit(models: dict, epochs: int = 13, steps: int = 2, samples: int = 500, seed: int = 0):
    """Trains both networks in turns.

    Args:
        steps: of the critic for each one of the generator; 5 in the paper.
    """
    keras.utils.set_random_seed(seed)
    (_, latent), (_, size, _, _) = models["generator"].input_shape, models["generator"].output_shape
    images_bhwc, _ = sg.samples.digits(size=size)

    def forward(networks, real_bhwc):
        noise = keras.random.normal((keras.ops.shape(real_bhwc)[0], latent))
        fake_bhwc, critic = networks["generator"](noise, training=True), networks["critic"]
        return {
            "real": critic(real_bhwc, training=True),
            "fake": critic(fake_bhwc, training=True),
            "penalty": sg.losses.gradient_penalty(critic, real_bhwc, fake_bhwc),
        }

    players = sg.parts.gan_players(
        sg.losses.wasserstein,
        slow=1e-3,
        fast=1e-3,
        penalty=lambda tensors: tensors["penalty"],
        steps=steps,
        momentum=0.0,
        names=("critic", "generator"),
    )
    gan = sg.Players(models, forward, players)
    gan.compile()
    gan.fit(images_bhwc, batch_size=64, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0)
    return sg.tasks.score_samples(models["generator"], images_bhwc, samples, seed)
