"""One way of giving a layer the values of another: what the source computes with goes into what the target computes
with, paired by name and role, part by part.

Where both keep their values in the same form (both plain, both int8, both with LoRA of one rank and alpha), variables
are copied as they are. Else the target gets the effective values: the kernel with LoRA merged, or dequantized.
"""

from __future__ import annotations

from typing import Any

import keras

from surgery.core.errors import SurgeryError
from surgery.core.tensors import Tensor
from surgery.keras_bridge.assign import Refit
from surgery.keras_bridge.effective_values import own_variables, parts_of, plain, values_of
from surgery.keras_bridge.fill import give
from surgery.keras_bridge.value_pairing import Choose, Gift, Pairing, label_of, tensor_of


def gift(target: Any, source: Any, refit: Refit | None = None, choose: Choose | None = None) -> Gift:
    """Returns what a built layer is given by another layer. Nothing is written yet.

    Args:
        target: the layer that gets values.
        source: the layer that has them.
        refit: makes a tensor of another shape serve; `None` where it cannot.
        choose: instead, what is made of each tensor, whatever its shape; `None` for nothing.

    Raises:
        SurgeryError: the target is quantized and the source is not in the same way, or the kernel of the source cannot
            be computed from its codes.
    """
    return Pairing(target, source, refit, choose).gift()


def give_values(target: Any, source: Any) -> Any:
    """Gives a built layer all that another one computes with; returns the layer.

    Raises:
        SurgeryError: as `gift`, or something would stay fresh, or be lost.
    """
    give(target, gift(target, source).complete(target, source))
    return target


def give_state(new: Any, layer: Any) -> None:
    """Gives a built layer all that another one computes with, its seeds and its flag.

    Raises:
        SurgeryError: as `give_values`.
    """
    give_values(new, layer)
    seeds = []
    for one in (new, layer):
        weights = {id(weight) for weight in one.weights}
        seeds.append([variable for variable in one.variables if id(variable) not in weights])
    for mine, other in zip(*seeds, strict=False):
        mine.assign(keras.ops.copy(other))
    new.trainable = layer.trainable


def effective_tensors(layer: Any, name: str = "") -> tuple[Tensor, ...]:
    """Returns all that a layer and its parts compute with and keep in variables, as tensors read when asked for; its
    weights as they are, where what they stand for cannot be computed.
    """
    found: list[Tensor] = []
    for path, part in parts_of(layer).items():
        try:
            values = values_of(part)
        except SurgeryError:
            values = {key: plain(key, variable) for key, variable in own_variables(part).items()}
        found += [
            tensor_of(value, f"{name or layer.name}/{label_of(path, value.name)}")
            for value in values.values()
            if value.variable is not None
        ]
    return tuple(found)
