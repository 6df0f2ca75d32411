"""The flag of a layer: whether it trains, and for a BatchNormalization whether its statistics move.

Keras has one flag, `trainable`, for both. The third state, gamma and beta train while mean and variance stay, has no
name there: `base(x, training=False)` is meant to be it, and does not hold in `fit`.
"""

from __future__ import annotations

from typing import Any

import keras

AFFINE = "affine"  # the third state

Flag = bool | str


@keras.saving.register_keras_serializable(package="surgery")
class FixedBatchNormalization(keras.layers.BatchNormalization):
    """BatchNormalization that always uses its moving statistics and never changes them; gamma and beta may train.

    Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.1 (inference), in training too. `sg.save` writes it as a
    BatchNormalization with momentum 1; a file that Keras itself saved opens after `import surgery`.
    """

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        return super().call(inputs, training=False, mask=mask)


def set_flag(layer: Any, flag: Flag) -> None:
    """Makes a layer trainable, frozen, or (`AFFINE`, for a BatchNormalization) trainable with fixed statistics."""
    kinds = (keras.layers.BatchNormalization, FixedBatchNormalization)
    if type(layer) in kinds:
        object.__setattr__(layer, "__class__", kinds[flag == AFFINE])  # one has no state that the other lacks
    for part in layer._flatten_layers():  # Keras does nothing where a flag is as it was, whatever those below it are
        part.trainable = not flag
        part.trainable = bool(flag)
    if getattr(layer, "lora_enabled", False):  # the kernel below the two small ones never trains (arXiv:2106.09685)
        for name in ("_kernel", "_embeddings"):
            if getattr(layer, name, None) is not None:
                getattr(layer, name).trainable = False


def flag_of(layer: Any) -> Flag:
    """Returns the state of a layer, as `set_flag` takes it: the flag of the layer."""
    return AFFINE if isinstance(layer, FixedBatchNormalization) and layer.trainable else layer.trainable


def obeys(layer: Any, flag: Flag) -> bool:
    """Whether a layer is in a state, and what is in it too: the projections of attention train whatever the flag of
    the layer was when it was made, and what a wrapper wraps has a flag of its own.
    """
    if flag:
        return flag_of(layer) == flag and all(part.trainable for part in layer._flatten_layers())
    return not flag_of(layer) and not any(one.trainable for one in layer.variables)
