"""Layers made of what a file says of them. Only classes that Keras knows; no code is run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from surgery.core.errors import SurgeryError, first_line
from surgery.core.tensors import Source
from surgery.graph.ops import StoredOp
from surgery.keras_bridge.allowlist import admitted
from surgery.keras_bridge.lookups import RARITY, WORDS, Learned, give


def teach(layer: Any, source: Source) -> None:
    """Gives a lookup layer the words of a file, before it is called: they decide how wide its output is.

    Raises:
        SurgeryError: they are none for such a layer.
    """
    rare = [tensor for place, tensor in source.tree.items() if place.endswith(RARITY)]
    try:
        give(layer, Learned.of_text(source.assets[WORDS](), rare[0].load() if rare else ()))
    except Exception as error:  # TensorFlow's and Keras' own, of any kind
        raise SurgeryError(f"the vocabulary of {layer.name!r} is broken: {first_line(error)}") from error


def deserialize(op: StoredOp, name: str, custom_objects: Mapping[str, Any]) -> Any:
    """Makes the layer that a stored op describes, with fresh weights. Only classes that Keras knows; no code is run."""
    try:
        stored = admitted({**op.stored, "config": {**op.config, "name": name}}, custom_objects)
        layer = keras.saving.deserialize_keras_object(stored, custom_objects=dict(custom_objects), safe_mode=True)
        layer.name = name  # a layer may make a name of its own of the one that it is given
        return layer
    except Exception as error:
        raise SurgeryError(f"{name!r} ({op.class_name}) cannot be made: {first_line(error)}") from error
