"""DCGAN with a pretrained trunk in the discriminator. Radford, Metz & Chintala 2015, arXiv:1511.06434, section 3.

Two players train their own variables on one forward pass; nothing is frozen and unfrozen in turns. In `fit`,
the generator draws digits, and a classifier that has seen neither player counts how many show a digit, and which.
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
    head = [
        keras.layers.Conv2D(64, 3, 2, "same", name="down"),
        keras.layers.LeakyReLU(0.2, name="down_lrelu"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dropout(0.3, name="drop"),
        keras.layers.Dense(1, name="score"),
    ]
    return {"generator": generator, "discriminator": sg.graft(trunk, head)}


def fit(models: dict, epochs: int = 36, samples: int = 500, seed: int = 0):
    keras.utils.set_random_seed(seed)
    (_, latent), (_, size, _, _) = models["generator"].input_shape, models["generator"].output_shape
    images_bhwc, _ = sg.samples.digits(size=size)

    def forward(networks, real):
        noise = keras.random.normal((keras.ops.shape(real)[0], latent))
        fake = networks["generator"](noise, training=True)
        score = networks["discriminator"]
        return {"real": score(real, training=True), "fake": score(fake, training=True)}

    gan = sg.Players(models, forward, sg.parts.gan_players(sg.losses.non_saturating))
    gan.compile()
    gan.fit(images_bhwc, batch_size=64, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0)
    return sg.tasks.score_samples(models["generator"], images_bhwc, samples, seed)
