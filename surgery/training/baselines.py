"""The same network without its past: what a pretrained one is compared with."""

from __future__ import annotations

from typing import Any

import keras

from surgery.core.recursion import room_for
from surgery.edits.freeze import unfreeze
from surgery.keras_bridge.lookups import copy_words


def reinitialized(model: Any, seed: int = 0) -> Any:
    """Returns the same network with fresh weights, all of them trainable; the model is unchanged.

    What preprocessing layers learned by `adapt` (vocabularies, mean and variance) is not training, and stays.

    Args:
        model: `keras.Model`.
        seed: of the weights.
    """
    keras.utils.set_random_seed(seed)
    with room_for(len(model.layers)):
        new = keras.models.clone_model(model)
    copy_words(new, model)
    for mine, theirs in zip(*map(_normalizations, (new, model)), strict=True):
        mine.set_weights(theirs.get_weights())
        mine.finalize_state()
    return unfreeze(new)


def _normalizations(model: Any) -> list[Any]:
    """Returns the layers that learn mean and variance by `adapt`, in order."""
    return [one for one in model._flatten_layers() if isinstance(one, keras.layers.Normalization) and one.weights]
