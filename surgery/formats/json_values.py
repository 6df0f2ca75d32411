"""The values in the arguments of calls, as Keras 3 writes them: tensors, slices, tuples, constant arrays."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from surgery.core.errors import SurgeryError, printable
from surgery.core.specs import Spec, is_possible


def is_tensor(value: Any) -> bool:
    """Whether a value is the output of a call: `__keras_tensor__` with its history."""
    if not (isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"):
        return False
    config = value.get("config")
    history = config.get("keras_history") if isinstance(config, dict) else None
    return isinstance(history, list) and len(history) == 3


def tensor_spec(value: Any) -> Spec | None:
    """Returns what the file says of the shape and type of a tensor."""
    shape, dtype = value["config"].get("shape"), value["config"].get("dtype")
    if not isinstance(shape, list) or not is_possible(shape):
        return None
    known = isinstance(dtype, str) and (dtype in ("bool", "string", "complex64") or bool(re.search(r"\d$", dtype)))
    return Spec(tuple(shape), dtype if known and len(dtype) < 20 else "float32")


def read_value(value: Any, read: Callable[[Any], Any]) -> Any:
    """Returns an argument as Python has it.

    Args:
        value: as JSON has it.
        read: returns a `Ref` for a tensor, and anything else as it is.

    Raises:
        SurgeryError: it is an object that is not data.
    """
    if isinstance(value, list):
        return [read_value(one, read) for one in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("class_name")
    if kind is None or ("config" not in value and "value" not in value and kind != "__ellipsis__"):
        return {key: read_value(one, read) for key, one in value.items()}
    if is_tensor(value):
        return read(value)
    content = value.get("config", value.get("value"))
    if kind == "__slice__" and isinstance(content, dict):
        return slice(*(read_value(content.get(key), read) for key in ("start", "stop", "step")))
    if kind == "__tuple__" and isinstance(content, list):
        return tuple(read_value(one, read) for one in content)
    if kind == "__ellipsis__":
        return Ellipsis
    if kind in ("__numpy__", "__tensor__") and isinstance(content, dict):
        import numpy as np

        from surgery.core.tensors import numpy_type, width

        width(str(content.get("dtype")))
        try:
            return np.asarray(content.get("value"), numpy_type(str(content.get("dtype"))))
        except (ValueError, TypeError, OverflowError) as error:
            raise SurgeryError(f"a constant in the file is broken: {printable(error)}.") from error
    raise SurgeryError(f"an argument of a call is a {printable(kind)}, which is not data.")
