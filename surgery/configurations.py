"""Configurations as they can be compared: without what says nothing of the layer, whoever wrote them."""

from __future__ import annotations

import math
from typing import Any

from surgery.structure import plain

_WRITER = ("build_config", "compile_config", "shared_object_id", "batch_input_shape")


def bare(config: Any) -> Any:
    """Returns a configuration without names, flags, and the marks of its writer; dtype policies as their names."""
    return {key: _bare(value) for key, value in plain(config).items() if key not in (*_WRITER, "name", "trainable")}


def alike(one: Any, other: Any) -> bool:
    """Whether two configurations say the same, nested models with their wiring; whoever wrote them."""
    return _without_marks(plain(one)) == _without_marks(plain(other))


def told_still(config: Any) -> bool:
    """Whether a configuration, or that of a layer inside it, says that its layer does not train."""
    if isinstance(config, dict):
        return config.get("trainable") is False or any(map(told_still, config.values()))
    return isinstance(config, list) and any(map(told_still, config))


def _without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        if str(value.get("class_name")).endswith("Policy"):
            return _bare(value)
        marks = (*_WRITER, "name", "trainable")
        said = {key: item for key, item in value.items() if key not in marks and item is not None}
        if said.get("module") == "keras.layers":  # which HDF5 leaves out
            said.pop("module")
        return {key: _without_marks(item) for key, item in said.items()}
    return [_without_marks(item) for item in value] if isinstance(value, list) else value


def _bare(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("config"), dict) and "class_name" in value:
        inner = value["config"]
        if str(value["class_name"]).endswith("Policy"):
            return inner.get("name") or {key: _bare(item) for key, item in inner.items()}
        return {"class_name": value["class_name"], "config": bare(inner)}
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # NaN is equal to itself here, and JSON has no word for it
    return [_bare(item) for item in value] if isinstance(value, list) else value
