"""Denoising autoencoder on a pretrained encoder. Vincent et al. 2010, JMLR 11:3371, section 3.

The encoder is a pretrained trunk, up to a feature map; transposed convolutions make the image again. `fit` teaches
it to remove strong noise from digits, and compares the peak signal-to-noise ratio with the best Gaussian filter.
"""

import keras
import numpy as np

import surgery as sg


def recipe(
    backbone: str = "tinyvgg",
    weights: str | None = "pretrained",
    stride: int = 8,
    filters: int = 48,
    size: int | None = None,
    freeze: bool = False,
):
    graph, levels = sg.parts.encoder(backbone, weights, stride, size, freeze)

    def decoder(tensors):
        picture, x = tensors
        for number in range(max(levels).bit_length() - 1):
            x = keras.layers.Conv2DTranspose(
                max(filters >> number, 16), 4, 2, "same", activation="relu", name=f"up{number + 1}"
            )(x)
        x = sg.parts.crop_or_pad_to(x, picture, "picture")  # odd sizes are rounded up on the way down
        return keras.layers.Conv2D(picture.shape[-1], 3, padding="same", activation="sigmoid", name="picture")(x)

    return sg.graft(graph, decoder, at=[str(graph.inputs), levels[max(levels)]])


def fit(model: keras.Model, epochs: int = 15, noise: float = 0.5, seed: int = 0):
    """Returns the peak signal-to-noise ratio, in dB, on digits that were held out.

    Args:
        noise: deviation of the grain that is to be removed; the images are 0 to 1.
    """
    keras.utils.set_random_seed(seed)
    clean_bhwc, _ = sg.samples.digits(size=model.input_shape[1] or 32)
    order = np.random.default_rng(seed).permutation(len(clean_bhwc))
    clean_bhwc = clean_bhwc[order]
    grain_bhwc = np.random.default_rng(seed).normal(0, noise, clean_bhwc.shape).astype("float32")
    noisy_bhwc = clean_bhwc + grain_bhwc
    train, test = slice(0, 1200), slice(1200, None)
    model.compile(keras.optimizers.Adam(2e-3), "mse")
    model.fit(
        noisy_bhwc[train], clean_bhwc[train], batch_size=32, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0
    )
    found_bhwc = model.predict(noisy_bhwc[test], batch_size=128, verbose=0)
    best = max(
        np.arange(1, 6) * 0.75, key=lambda sigma: sg.tasks.psnr(blurred(noisy_bhwc[:200], sigma), clean_bhwc[:200])
    )
    blurred_bhwc = blurred(noisy_bhwc[test], best)
    few = slice(0, 10)
    return {
        "PSNR in dB": sg.tasks.psnr(found_bhwc, clean_bhwc[test]),
        "best Gaussian filter": sg.tasks.psnr(blurred_bhwc, clean_bhwc[test]),
        "noisy": sg.tasks.psnr(noisy_bhwc[test], clean_bhwc[test]),
        "image": sg.tasks.image_grid(
            [clean_bhwc[test][few], noisy_bhwc[test][few], blurred_bhwc[few], found_bhwc[few]]
        ),
    }


def blurred(images_bhwc, sigma: float):
    """A Gaussian filter of three sigma on each side; grain is grey here or not, the filter works on each channel."""
    side = 2 * round(3 * sigma) + 1
    return np.asarray(keras.ops.image.gaussian_blur(images_bhwc, (side, side), (sigma, sigma)))
