"""What a call applies, by the name under which Keras has it: a class of somebody else's is none of Keras', whatever it
is called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from surgery.core.names import snake_case, unnumbered

ALIASES = {"GroupedQueryAttention": "GroupQueryAttention"}  # as it is written to files


class Applied(Protocol):
    """What is asked of a `Call` here."""

    @property
    def name(self) -> str: ...
    @property
    def op(self) -> Any: ...
    @property
    def config(self) -> dict[str, Any]: ...


_KERAS = re.compile(r"(keras|tensorflow\.keras|tf_keras|builtins|surgery)(\.|$)")


_WEIGHTS_OF = {**ALIASES, "FixedBatchNormalization": "BatchNormalization"}


def kind_of_weights(class_name: str) -> str:
    """Returns the class whose weights a layer has: its own, or that of which it is another form."""
    return _WEIGHTS_OF.get(class_name, class_name)


def kind_of(call: Applied) -> str:
    """Returns the class of what a call applies: `Conv2D` of Keras', `mine.Conv2D` or `package>Conv2D` of others'."""
    op: Any = call.op
    if op is None:
        return "InputLayer"
    layer = getattr(op, "layer", None)
    if layer is None:
        return op.kind
    cls = type(layer)
    if getattr(op, "undescribed", ""):  # a wrapper of Keras', say: nothing can be concluded from its class alone
        return f"{cls.__module__}.{cls.__name__}"
    if _KERAS.match(cls.__module__):
        return ALIASES.get(cls.__name__, cls.__name__)
    registered = _registered_name(cls)
    return registered if ">" in registered else f"{cls.__module__}.{cls.__name__}"


def kind_of_stored(stored: Mapping[str, Any]) -> str:
    """Returns the class of a layer as a file describes it, likewise."""
    name, module, registered = stored["class_name"], stored.get("module"), stored.get("registered_name")
    if isinstance(registered, str) and ">" in registered and not registered.startswith("surgery>"):
        return registered
    if isinstance(name, str) and ">" in name:
        return name
    name = name if isinstance(name, str) else str(name)  # of a stranger
    return ALIASES.get(name, name) if module is None or _KERAS.match(str(module)) else f"{module}.{name}"


def is_of_keras(kind: str) -> bool:
    """Whether a kind is a class of Keras' own."""
    return not re.search(r"[.>]", kind)


def auto_names(kind: str) -> set[str]:
    """Returns the names that Keras gives layers of a class, without their numbers; inputs of a clone have another."""
    if kind == "InputLayer":
        return {"input", "input_layer", "keras_tensor"}
    return {snake_case(one) for one in (kind, *(name for name, written in ALIASES.items() if written == kind))}


def is_auto_named(name: str, kind: str) -> bool:
    """Whether Keras named a layer, by its class and a number: `conv2d_7`, `input_layer_3`."""
    return unnumbered(name) in auto_names(kind)


def _registered_name(cls: type) -> str:
    import sys

    keras = sys.modules.get("keras")
    return keras.saving.get_registered_name(cls) if keras is not None else cls.__name__


def applied(call: Applied) -> tuple[str, Mapping[str, Any]]:
    """Returns class and configuration of the layer that does the work: what `SpectralNormalization` wraps."""
    kind, config = kind_of(call), call.config
    inner = config.get("layer")
    if kind == "SpectralNormalization" and isinstance(inner, Mapping) and "class_name" in inner:
        return kind_of_stored(inner), inner.get("config", {})
    return kind, config
