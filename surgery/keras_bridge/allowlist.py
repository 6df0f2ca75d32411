"""The one gate for code that a file names: Keras' own building blocks, and what the user hands over, by name.

A file is data of a stranger. No module is imported because a file says so, no bytecode is run, nothing is unpickled, no
other file is read. Keras 3.15 turns a name into code at these places, all of them in `keras.src`:

- `saving.serialization_lib._retrieve_class_or_fn`: a registered name is looked up; then `module` and the name are
  looked up among the public symbols, `keras.utils.get_file` among them; then **`module` is imported** if it begins with
  keras, keras_hub, keras_cv or keras_nlp. It is reached for every object with a `class_name`: layers, operations,
  initializers, regularizers, constraints, activations, dtype policies, quantizers, seed generators, losses, metrics,
  optimizers and schedules (`compile_config`, applied by `Trainer.compile_from_config`), functions
  (`class_name: function`), and the spec of a `__typespec__`, whatever type the `class_name` has.
- `serialization_lib.deserialize_keras_object(module_objects=...)`, by which `initializers.get`, `losses.get` and the
  like read a dict or a name: a list of their own, then registered names.
- `python_utils.func_load`, for `__lambda__` and for what a `Lambda` keeps as `function`, `mask` and `output_shape`:
  unmarshals bytecode.
- `legacy.saving`, for layers inside a model that have no `module`: names of `keras.layers`, then registered names.
- `from_config` and `__init__` of a few layers: `TorchModuleWrapper` unpickles, `TFSMLayer` runs a SavedModel,
  `JaxLayer` and `FlaxLayer` take functions, lookups read the file that their `vocabulary` names.

So every object with a `class_name` is resolved here, against lists, and is passed on with the `module` where it was
found: what Keras then looks up is what was decided on.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from typing import Any

from surgery.core.errors import SurgeryError, printable
from surgery.layers.classes import ALIASES
from surgery.layers.facts import Trait
from surgery.layers.table import has

_ROOMS = ("layers", "initializers", "regularizers", "constraints", "activations", "dtype_policies", "quantizers")
_VALUES = ("__slice__", "__tuple__", "__ellipsis__", "__numpy__", "__tensor__", "__keras_tensor__", "__bytes__")
_OPERATIONS = ("keras.src.ops.", "keras.src.layers.", "keras.src.legacy.layers", "keras.src.applications.")
_OTHERS = {"Functional": "keras.src.models.functional", "Sequential": "keras", "Model": "keras"}
_SEEDS = {"SeedGenerator": "keras.random"}
_MODULES_OF_OPERATIONS = tuple(
    f"keras.src.ops.{room}" for room in ("numpy", "nn", "core", "math", "linalg", "image", "einops")
)


def refused(stored: Any, custom_objects: Mapping[str, Any]) -> list[str]:
    """Returns what a serialised layer names that may not be made, in words; nothing when all of it may be.

    Args:
        stored: as Keras serialises it.
        custom_objects: classes and functions that the user hands over, by name.
    """
    return _Gate(custom_objects).passed(stored)[1]


def admitted(stored: Any, custom_objects: Mapping[str, Any]) -> Any:
    """Returns a copy of a serialised layer that names, for everything in it, the place where it was found.

    How a nested model was compiled is left out: what is built of a file is not compiled.

    Raises:
        SurgeryError: it names what may not be made.
    """
    found, words = _Gate(custom_objects).passed(stored)
    if words:
        raise SurgeryError(f"it names {'; '.join(dict.fromkeys(words))}, which is not part of Keras.")
    return found


class _Gate:
    """Resolves all that one serialised layer names.

    Args:
        custom_objects: classes and functions that the user hands over, by name.
    """

    def __init__(self, custom_objects: Mapping[str, Any]):
        import keras

        self._keras = keras
        self._custom_objects = custom_objects
        self._found: list[str] = []

    def passed(self, stored: Any) -> tuple[Any, list[str]]:
        """Returns what Keras may be given, and what of it is refused, in words."""
        return self._value(stored), self._found

    def _value(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            items = (self._value(one) for one in value)
            return tuple(items) if isinstance(value, tuple) else list(items)
        if not isinstance(value, dict):
            return copy.deepcopy(value) if hasattr(value, "__array__") else value
        described = "class_name" in value
        place = self._place(value, value["class_name"]) if described else {}
        if place is None:
            self._found.append(_words(value, value["class_name"]))
            return {}
        kept = {key: one for key, one in value.items() if not (described and key == "compile_config")}
        return {key: self._value(one) for key, one in kept.items()} | place

    def _place(self, value: Mapping[str, Any], kind: Any) -> dict[str, Any] | None:
        """Returns what of a description is replaced, so that it says where the class was found; `None` refuses it."""
        name = value.get("config") if kind == "function" else kind
        module = value.get("module")
        if not isinstance(name, str) or kind in ("__lambda__", "__typespec__"):  # a `class_name` may be a number, too
            return None
        if kind in _VALUES:
            return {}
        function, named = kind == "function", "module" in value
        own = self._own(name, function, module)
        names = [name, value.get("registered_name")] if function else [value.get("registered_name"), name]
        handed = self._handed(*(names[:1] if own and named and not function else names))  # as Keras looks it up
        if handed is not None:
            said = {"config": handed} if function else {"registered_name": handed}
            return said | ({"module": None} if named else {})
        if own is None or (has(own["class_name"], Trait.LOOKUP) and _reads_a_file(value)):
            return None
        return own if named else {}

    def _handed(self, *names: Any) -> str | None:
        """Returns the name under which the user handed an object over, or code that is imported registered it."""
        for name in names:
            if not isinstance(name, str) or name == "function":
                continue
            if name.startswith("surgery>"):
                import surgery.keras_bridge.activations  # noqa: F401  registers what old files need
            if name in self._custom_objects or self._keras.saving.get_registered_object(name) is not None:
                return name
        return None

    def _own(self, name: str, function: bool, module: Any) -> dict[str, Any] | None:
        """Returns the place of a building block of Keras; nothing is imported to look for it."""
        if module is not None and not (isinstance(module, str) and module.split(".")[0] in ("keras", "builtins")):
            return None
        if name.startswith("_"):
            return None
        if function:
            return self._function(name)
        if module is not None and name in (_OTHERS | _SEEDS):
            return _at((_OTHERS | _SEEDS)[name], name)
        if module is None and name in _OTHERS:
            return _at(module, name)
        if (operation := _operation(module, name)) is not None:
            return _at(operation.__module__, operation.__name__)
        if module == "keras.ops":
            return None
        rooms = sorted(_ROOMS, key=lambda room: f"keras.{room}" != module and f".{room}." not in f"{module}.")
        for room in rooms:
            public = ALIASES.get(name, name)  # HDF5 has the name of the class, which is not always the public one
            found = getattr(getattr(self._keras, room), public, None)
            if isinstance(found, type) and not has(found.__name__, Trait.CODE):
                return _at(f"keras.{room}", public)
        return None

    def _function(self, name: str) -> dict[str, Any] | None:
        """Returns the place of an activation of Keras; others cannot be told from what reads and writes files."""
        if name in ("get", "serialize", "deserialize") or not callable(getattr(self._keras.activations, name, None)):
            return None
        return {"module": "builtins", "class_name": "function", "registered_name": name}


def _at(module: str | None, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": name, "registered_name": None}


def _reads_a_file(value: Mapping[str, Any]) -> bool:
    config = value.get("config")
    return isinstance(config, Mapping) and isinstance(config.get("vocabulary"), str)


def _words(value: Mapping[str, Any], kind: Any) -> str:
    if kind in ("Lambda", "__lambda__"):
        return "Python code (Lambda)"
    if kind == "function":
        return f"the function {printable(value.get('config'))!r}"
    if isinstance(kind, str) and has(kind, Trait.LOOKUP) and _reads_a_file(value):
        return f"the vocabulary {printable(value['config']['vocabulary'])!r}, which is another file"
    module = value.get("module")
    place = f" of {printable(module)}" if module not in (None, "keras.layers", "keras.ops") else ""
    return f"the class {printable(kind)!r}{place}"


def operation_module(kind: str) -> str | None:
    """Returns the module of Keras that has the class of a raw operation, which HDF5 does not say."""
    return next((name for name in _MODULES_OF_OPERATIONS if _class_in(name, kind) is not None), None)


def _operation(module: Any, kind: str) -> type | None:
    """Returns an operation of Keras without a public name (`keras.src.ops.numpy.Add`, ConvNeXt's LayerScale).

    It is looked up in what `import keras` has imported; nothing is imported because a file says so.
    """
    module = operation_module(kind) if module == "keras.ops" else module
    return _class_in(module, kind) if isinstance(module, str) and module.startswith("keras.src.") else None


def _class_in(module: str, kind: str) -> type | None:
    import keras

    found = getattr(sys.modules.get(module), kind, None)
    if not isinstance(found, type) or not issubclass(found, keras.Operation) or has(found.__name__, Trait.CODE):
        return None
    return found if found.__module__ == module and f"{module}.".startswith(_OPERATIONS) else None


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
