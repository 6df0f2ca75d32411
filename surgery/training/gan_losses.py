"""What the two sides of a GAN minimise: small functions of scores (logits), each with its source.

An objective is a pair of functions: `discriminator(real, fake)` and `generator(fake)`, of scores of any shape, batch
first; both return a scalar.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from surgery.core.errors import SurgeryError

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


_OURS = ("non_saturating", "hinge", "least_squares", "wasserstein")


@keras.saving.register_keras_serializable(package="surgery")
class AdversarialLoss:
    """What one side of a GAN minimises, as the loss of a `Player`: a function of what the forward pass returns.

    A model that has it can be saved, if `further` is a function that is registered with Keras.

    Args:
        objective: `Objective`, or the name of one of this module.
        side: `"discriminator"` or `"generator"`.
        further: function of what the forward pass returns: a scalar that is minimised too.
    """

    def __init__(self, objective: Any, side: str, further: Callable[[Any], Any] | None = None):
        if side not in Objective._fields:
            raise SurgeryError(f"side={side!r}: it is one of {', '.join(map(repr, Objective._fields))}.")
        self.objective: Objective = globals()[objective] if objective in _OURS else objective
        self.side = side
        self.further = further

    def __call__(self, tensors: Any) -> Any:
        scores = [tensors["fake"]] if self.side == "generator" else [tensors["real"], tensors["fake"]]
        loss = getattr(self.objective, self.side)(*scores)
        return loss if self.further is None else loss + self.further(tensors)

    def get_config(self) -> dict[str, Any]:
        stored: Any = keras.saving.serialize_keras_object
        name = next((one for one in _OURS if globals()[one] is self.objective), None)
        objective = name or {side: stored(function) for side, function in self.objective._asdict().items()}
        further = None if self.further is None else stored(self.further)
        return {"objective": objective, "side": self.side, "further": further}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> AdversarialLoss:
        made: Any = keras.saving.deserialize_keras_object
        objective, further = config["objective"], config.get("further")
        if isinstance(objective, dict):
            objective = Objective(**{side: made(function) for side, function in objective.items()})
        return cls(objective, config["side"], None if further is None else made(further))


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
