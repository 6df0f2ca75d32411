"""Which classes and functions that a file names may be made: those of Keras, and those that the user hands over.

A file is data of a stranger. No module is imported because a file says so, no bytecode is run, nothing is unpickled.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from surgery.errors import SurgeryError, printable

_ROOMS = ("layers", "initializers", "regularizers", "constraints", "activations", "dtype_policies", "quantizers")
_OF_KERAS = re.compile(r"keras(\.\w+)*$")
_VALUES = ("__slice__", "__tuple__", "__ellipsis__", "__numpy__", "__tensor__", "__keras_tensor__")
_POLICIES = ("DTypePolicy", "Policy")


def refused(stored: Any, custom_objects: Mapping[str, Any]) -> list[str]:
    """Returns what a serialised layer names that may not be made, in words; nothing when all of it may be.

    Args:
        stored: as Keras serialises it.
        custom_objects: classes and functions that the user hands over, by name.
    """
    found = []
    waiting = [stored]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            kind = value.get("class_name")
            if isinstance(kind, str) and not _known(value, kind, custom_objects):
                found.append(_words(value, kind))
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)
    return found


def _words(value: Mapping[str, Any], kind: str) -> str:
    if kind in ("Lambda", "__lambda__"):
        return "Python code (Lambda)"
    if kind == "function":
        return f"the function {printable(value.get('config'))!r}"
    module = value.get("module")
    place = f" of {printable(module)}" if module not in (None, "keras.layers", "keras.ops") else ""
    return f"the class {printable(kind)!r}{place}"


def _known(value: Mapping[str, Any], kind: str, custom_objects: Mapping[str, Any]) -> bool:
    import keras

    names = [kind, value.get("registered_name")] if kind != "function" else [value.get("config")]
    texts = {name for name in names if isinstance(name, str)}
    if any(name.startswith("surgery>") for name in texts):
        import surgery.activations  # noqa: F401  registers what old files need
    if kind == "__lambda__":
        return False
    if any(name in custom_objects for name in texts):
        return True
    if kind == "Lambda":
        return False
    if any(">" in name and keras.saving.get_registered_object(name) is not None for name in texts):
        return True
    if kind in (*_VALUES, *_POLICIES):
        return True
    if kind == "function":
        name = value.get("config")
        return isinstance(name, str) and any(
            callable(getattr(getattr(keras, room), name, None)) for room in ("activations", "initializers")
        )
    module = value.get("module")
    if module is not None and not (isinstance(module, str) and (_OF_KERAS.match(module) or module == "builtins")):
        return False
    named = module != "keras.ops" and any(hasattr(getattr(keras, room), kind) for room in _ROOMS)
    return named or _is_operation(module, kind)


def _is_operation(module: Any, kind: str) -> bool:
    """Whether an operation of Keras without a public name is meant (`keras.src.ops.numpy.Add`, ConvNeXt's LayerScale).

    It is looked up in what `import keras` has imported; nothing is imported because a file says so.
    """
    if kind in ("Functional", "Sequential", "SeedGenerator", "DTypePolicyMap"):
        return True
    module = operation_module(kind) if module == "keras.ops" else module
    return isinstance(module, str) and module.startswith("keras.") and _operation(module, kind) is not None


def operation_module(kind: str) -> str | None:
    """Returns the module of Keras that has the class of a raw operation, which HDF5 does not say."""
    modules = (f"keras.src.ops.{room}" for room in ("numpy", "nn", "core", "math", "linalg", "image"))
    return next((name for name in modules if getattr(_operation(name, kind), "__module__", None) == name), None)


def _operation(module: str, kind: str) -> type | None:
    import keras

    found = getattr(sys.modules.get(module), kind, None)
    return found if isinstance(found, type) and issubclass(found, keras.Operation) else None


def refuse_code(addresses: Mapping[str, list[str]]) -> None:
    """Refuses layers that name what may not be made, by their addresses.

    Raises:
        SurgeryError: there are any; the message says how to hand over what they need.
    """
    if not addresses:
        return
    lines = "\n".join(f"  {address}: {'; '.join(dict.fromkeys(words))}" for address, words in addresses.items())
    first = next(iter(addresses))
    raise SurgeryError(
        f"the file asks for code that is not part of Keras, and no code of a file is run:\n{lines}\n"
        f"Hand it over: build(graph, custom_objects={{name: class}}) or replacements={{{first!r}: layer}}."
    )
