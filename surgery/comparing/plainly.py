"""Configurations as they can be compared: without what says nothing of the layer, whoever wrote them."""

from __future__ import annotations

from typing import Any

from surgery.graph import plain

_WRITER = ("module", "registered_name", "build_config", "compile_config", "shared_object_id")


def bare(config: Any) -> Any:
    """Returns a configuration without names, flags, and the marks of its writer; dtype policies as their names."""
    return {
        key: _bare(value)
        for key, value in plain(config).items()
        if key not in (*_WRITER, "name", "trainable", "batch_input_shape")
    }


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        if str(value.get("class_name")).endswith("Policy") and isinstance(value.get("config"), dict):
            return value["config"].get("name")
        return {key: _bare(item) for key, item in value.items() if key not in (*_WRITER, "name")}
    return [_bare(item) for item in value] if isinstance(value, list) else value
