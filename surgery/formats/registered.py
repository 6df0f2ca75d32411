"""Models in files whose class is registered with Keras in this process: which of them are graphs of layers.

No Keras import: where Keras has not been imported, no class is registered.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from surgery.core.errors import SurgeryError, printable


class NoArchitecture(SurgeryError):
    """The file holds no graph of layers.

    Args:
        message: what to say.
        stored: the serialised model, where a registered class makes its layers.
    """

    def __init__(self, message: str, stored: Any = None):
        super().__init__(message)
        self.stored = stored


class WeightsAlone(NoArchitecture):
    """The file holds weights, and does not say of what network."""


def opened_as(stored: Mapping[str, Any], report: list[str]) -> str:
    """Returns `Functional` or `Sequential` for a model of a custom class that computes what its configuration says.

    Raises:
        NoArchitecture: the class is not registered, has a `call` of its own, or makes its layers in code.
    """
    kind, config = graph_kind(stored), stored.get("config")
    if kind is None or not isinstance(config, Mapping) or "layers" not in config:
        registered = class_of(stored) is not None
        advice = (
            "" if registered else "import the module that registers it, if it adds no call() to a graph of layers, or "
        )
        raise NoArchitecture(
            f"the model is a {printable(stored['class_name'])!r}, a custom class with its own call(), not a "
            f"graph of layers. Load it where its code is ({advice}keras.models.load_model), and open the live model: "
            "sg.open(model), or sg.open(keras.Model(x, model.call(x))).",
            stored if kind is not None else None,
        )
    report.append(f"{config.get('name')}: a {printable(stored['class_name'])}, opened as the {kind} model that it is")
    return kind


def class_of(stored: Mapping[str, Any]) -> type | None:
    """Returns the registered class of a serialised model, if there is one."""
    keras = sys.modules.get("keras")
    names = [name for name in (stored.get("registered_name"), stored.get("class_name")) if isinstance(name, str)]
    found = [keras.saving.get_registered_object(name) for name in names] if keras is not None else []
    return next((one for one in found if isinstance(one, type)), None)


def graph_kind(stored: Mapping[str, Any]) -> str | None:
    """Returns `Functional` or `Sequential` where a registered class is one of them without a `call` of its own: what
    such a model computes is what its configuration says. `None` for all others.
    """
    found = class_of(stored)
    bases = [] if found is None else [base for base in found.__mro__ if base.__module__.split(".")[0] == "keras"]
    if found is None or not bases or bases[0].__name__ not in ("Functional", "Sequential"):
        return None
    return bases[0].__name__ if getattr(found, "call", None) is getattr(bases[0], "call", None) else None
