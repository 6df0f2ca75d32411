"""The same network without its past: what a pretrained one is compared with."""

from __future__ import annotations

from typing import Any

import keras

from surgery.freezing import thaw


def fresh(model: Any, seed: int = 0) -> Any:
    """Returns the same network with fresh weights, all of them trainable; the model is unchanged.

    Args:
        model: `keras.Model`.
        seed: of the weights.
    """
    keras.utils.set_random_seed(seed)
    return thaw(keras.models.clone_model(model))
