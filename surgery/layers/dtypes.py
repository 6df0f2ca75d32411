"""The type of the numbers that a layer makes, without Keras."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from surgery.core.specs import Spec
from surgery.layers.facts import Trait
from surgery.layers.table import has

_FLOATS = ("float16", "bfloat16", "float32", "float64")  # two of the first make the third; that is not met in practice


def dtype_made(class_name: str, config: Mapping[str, Any], given: Sequence[Spec]) -> str:
    """Returns the type that a layer of a class and configuration makes of tensors: its policy's, or, for a raw
    operation, that of its operands.
    """
    policy = config.get("dtype")
    if isinstance(policy, Mapping):
        policy = (policy.get("config") or {}).get("name")
    whole = given[0].dtype.startswith(("int", "uint", "bool"))
    if whole and has(class_name, Trait.SAME_DTYPE):
        return given[0].dtype
    if isinstance(policy, str) and re.fullmatch(r"[a-z0-9_/]{1,40}", policy):
        return policy.removeprefix("mixed_")
    floats = [spec.dtype for spec in given if spec.dtype in _FLOATS]
    if floats:
        return max(floats, key=_FLOATS.index)
    return "float32" if whole and has(class_name, Trait.FLOATING) else given[0].dtype
