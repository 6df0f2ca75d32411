"""The flags of the layers below a layer, by their paths inside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surgery.graph.ops import Standin, StoredOp
from surgery.keras_bridge.trainable_flags import obeys, set_flag


def leaf_at(layer: Any, path: str) -> Any:
    """Returns the layer at a path inside a model: `""` is the layer itself, `encoder/conv1` lies two models deep."""
    for name in filter(None, path.split("/")):
        layer = layer.get_layer(name)
    return layer


def agrees(standin: Standin, flags: Mapping[str, bool | str], first: bool) -> bool:
    """Whether a layer that is there can stand for a call with marks: one made for the same, or the first as it is."""
    if set(standin.flags) != set(flags) and not (first and not standin.flags):
        return False
    return all(obeys(leaf_at(standin.layer, path), flag) for path, flag in flags.items())


def apply_flags(layer: Any, flags: Mapping[str, bool | str]) -> dict[str, bool | str]:
    """Sets the flags of the layers at these paths; returns them."""
    for path, flag in flags.items():
        set_flag(leaf_at(layer, path), flag)
    return dict(flags)


def stored_flags(op: StoredOp) -> dict[str, bool | str]:
    """Returns the flags that a file says, by the paths of the layers that have weights."""
    if op.inner is None:
        return {"": bool(op.config.get("trainable", True))} if op.weights else {}
    below = ((call.layer, stored_flags(call.op)) for call in op.inner if isinstance(call.op, StoredOp))
    return {f"{name}/{path}".rstrip("/"): flag for name, flags in below for path, flag in flags.items()}
