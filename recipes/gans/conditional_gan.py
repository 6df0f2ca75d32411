"""A GAN that draws the digit it is asked for. Mirza & Osindero 2014, arXiv:1411.1784, section 3.

The generator gets noise and a label; the discriminator, on a pretrained trunk, scores an image together with its label
(Miyato & Koyama 2018, arXiv:1802.05637, equation 3). In `fit`, a classifier that has seen neither player counts how
many samples show the digit that was asked for; the baseline is chance.
"""

import keras
import numpy as np

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    weights: str | None = "pretrained",
    stride: int = 4,
    size: int = 16,
    latent: int = 32,
    classes: int = 10,
    filters: int = 96,
):
    noise, label = keras.Input((latent,), name="noise"), keras.Input((), dtype="int32", name="label")
    asked = keras.layers.Embedding(classes, latent, name="asked")(label)
    both = keras.layers.Concatenate(name="both")([noise, asked])
    picture = sg.parts.dcgan_generator(size, 3, filters)(both)
    generator = keras.Model({"noise": noise, "label": label}, picture, name="generator")
    trunk, _ = sg.parts.encoder(backbone, weights, stride, size, channels=3)
    head = [
        keras.layers.Conv2D(64, 3, 2, "same", name="down"),
        keras.layers.LeakyReLU(0.2, name="down_lrelu"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dropout(0.3, name="drop"),
        keras.layers.Dense(64, activation="leaky_relu", name="features"),
    ]
    features = sg.build(sg.graft(trunk, head))
    shown = keras.Input((size, size, 3), name="picture")
    score = sg.parts.projection_score(classes, 64)([features(shown), label])
    discriminator = keras.Model({"picture": shown, "label": label}, score, name="discriminator")
    return {"generator": generator, "discriminator": discriminator}


def fit(models: dict, epochs: int = 40, samples: int = 500, seed: int = 0):
    keras.utils.set_random_seed(seed)
    latent = models["generator"].get_layer("noise").output.shape[1]
    size = models["generator"].output_shape[1]
    images_bhwc, labels = sg.samples.digits(size=size)

    def forward(networks, batch):
        real, label = batch
        noise = keras.random.normal((keras.ops.shape(real)[0], latent))
        fake = networks["generator"]({"noise": noise, "label": label}, training=True)
        score = networks["discriminator"]
        return {
            "real": score({"picture": real, "label": label}, training=True),
            "fake": score({"picture": fake, "label": label}, training=True),
        }

    gan = sg.Players(models, forward, sg.parts.gan_players(sg.losses.hinge))
    gan.compile()
    gan.fit(
        images_bhwc, labels.astype("int32"), batch_size=64, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0
    )
    asked = np.arange(samples, dtype="int32") % 10
    noise = np.random.default_rng(seed).normal(size=(samples, latent)).astype("float32")
    drawn_bhwc = models["generator"].predict({"noise": noise, "label": asked}, verbose=0)
    scorer = sg.tasks.digit_scorer(size)
    return {
        "samples that show the digit asked for": float(np.mean(scorer.labels(drawn_bhwc) == asked)),
        "chance": 0.1,
        "real digits": float(np.mean(scorer.labels(images_bhwc) == labels)),
        "image": sg.tasks.image_grid([drawn_bhwc[row : row + 10] for row in range(0, 40, 10)], zoom=3),
    }
