"""The two players of a GAN: a discriminator and a generator, with the optimizers of the field."""

from __future__ import annotations

from typing import Any

import keras

from surgery.training.objectives import Objective
from surgery.training.player import Player


def adversaries(objective: Objective, slow: float = 2e-4, fast: float = 1e-3) -> dict[str, Player]:
    """Makes the players of networks called `"discriminator"` and `"generator"`, in this order, for `sg.Players`.

    The forward pass returns the scores of real and of generated samples, `{"real": ..., "fake": ...}`. Optimizers are
    Adam with a first momentum of 0.5 (Radford et al. 2015, arXiv:1511.06434, section 3); each has a rate of its own
    (Heusel et al. 2017, arXiv:1706.08500, section 2).

    Args:
        objective: what the two minimise, of `sg.objectives`.
        slow: learning rate of the discriminator.
        fast: learning rate of the generator.
    """

    def of_discriminator(tensors: Any) -> Any:
        return objective.discriminator(tensors["real"], tensors["fake"])

    def of_generator(tensors: Any) -> Any:
        return objective.generator(tensors["fake"])

    return {
        "discriminator": Player("discriminator", keras.optimizers.Adam(slow, beta_1=0.5), of_discriminator),
        "generator": Player("generator", keras.optimizers.Adam(fast, beta_1=0.5), of_generator),
    }
