"""What the two sides of a GAN minimise: small functions of scores (logits), each with its source.

An objective is a pair of functions: `discriminator(real, fake)` and `generator(fake)`, of scores of any shape, batch
first; both return a scalar.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from surgery.errors import SurgeryError

ops: Any = keras.ops


class Objective(NamedTuple):
    """What discriminator and generator minimise."""

    discriminator: Callable[[Any, Any], Any]
    generator: Callable[[Any], Any]


def _cross_entropy(real: Any, fake: Any) -> Any:
    return ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))


def _hinge(real: Any, fake: Any) -> Any:
    return ops.mean(ops.relu(1.0 - real)) + ops.mean(ops.relu(1.0 + fake))


def _least_squares(real: Any, fake: Any) -> Any:
    return 0.5 * ops.mean(ops.square(real - 1.0)) + 0.5 * ops.mean(ops.square(fake))


non_saturating = Objective(_cross_entropy, lambda fake: ops.mean(ops.softplus(-fake)))
"""Goodfellow et al. 2014, arXiv:1406.2661, section 3: the generator maximises log D(G(z))."""

hinge = Objective(_hinge, lambda fake: -ops.mean(fake))
"""Lim & Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957, equations 16 and 17."""

least_squares = Objective(_least_squares, lambda fake: 0.5 * ops.mean(ops.square(fake - 1.0)))
"""Mao et al. 2017, arXiv:1611.04076, equation 9."""

wasserstein = Objective(lambda real, fake: ops.mean(fake) - ops.mean(real), lambda fake: -ops.mean(fake))
"""Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1; add `gradient_penalty` to the discriminator's."""


def gradient_penalty(critic: Callable[[Any], Any], real: Any, fake: Any, weight: float = 10.0) -> Any:
    """Returns `weight` times the mean of (norm of the critic's gradient - 1) squared, between real and fake samples.

    Gulrajani et al. 2017, arXiv:1704.00028, equation 3.

    Args:
        critic: returns a score for each sample of a batch.
        real: samples, batch first.
        fake: samples of the same shape.
        weight: lambda in the paper.

    Raises:
        SurgeryError: Keras runs on another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise SurgeryError(f"the gradient penalty is computed with TensorFlow, not {keras.backend.backend()}.")
    import tensorflow as tf

    shape = [tf.shape(real)[0], *[1] * (len(real.shape) - 1)]
    share = tf.random.uniform(shape, dtype=real.dtype)
    between = share * real + (1.0 - share) * fake
    with tf.GradientTape() as tape:
        tape.watch(between)
        score = critic(between)
    gradient: Any = tape.gradient(score, between)
    norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=list(range(1, len(real.shape)))) + 1e-12)
    return weight * tf.reduce_mean(tf.square(norm - 1.0))
