"""The two players of a GAN: a discriminator and a generator, with the optimizers of the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from surgery.training.gan_losses import AdversarialLoss, Objective
from surgery.training.player import Player


def gan_players(
    objective: Objective,
    slow: float = 2e-4,
    fast: float = 1e-3,
    penalty: Callable[[Any], Any] | None = None,
    wish: Callable[[Any], Any] | None = None,
    steps: int = 1,
    momentum: float = 0.5,
    names: tuple[str, str] = ("discriminator", "generator"),
) -> dict[str, Player]:
    """Makes the two players of a GAN, in the order in which they play, for `sg.Players`.

    The forward pass returns the scores of real and of generated samples, `{"real": ..., "fake": ...}`, and what else
    `penalty` and `wish` look at. Optimizers are Adam with a first momentum of 0.5 (Radford et al. 2015,
    arXiv:1511.06434, section 3); each has a rate of its own (Heusel et al. 2017, arXiv:1706.08500, section 2).

    Args:
        objective: what the two minimise, of `sg.losses`.
        slow: learning rate of the discriminator.
        fast: learning rate of the generator.
        penalty: function of what the forward pass returns: a scalar that the discriminator minimises too.
        wish: the same for the generator: a distance to the expected image, for instance.
        steps: of the discriminator in each round; the generator takes one.
        momentum: the first one of Adam; the second is 0.9 where the first is 0 (Gulrajani et al. 2017,
            arXiv:1704.00028, algorithm 1).
        names: of the networks that the two own.
    """

    def adam(rate: float) -> Any:
        return keras.optimizers.Adam(rate, beta_1=momentum, beta_2=0.999 if momentum else 0.9)

    discriminator, generator = names
    return {
        discriminator: Player(discriminator, adam(slow), AdversarialLoss(objective, "discriminator", penalty), steps),
        generator: Player(generator, adam(fast), AdversarialLoss(objective, "generator", wish)),
    }
