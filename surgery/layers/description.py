"""A layer as a file describes it: what rules read and change."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass
class Stored:
    """A layer as a file describes it: what rules read and change."""

    name: str
    class_name: str
    config: dict[str, Any]


def is_layer(value: Any) -> bool:
    """Whether a value of a configuration describes a layer."""
    return (
        isinstance(value, dict) and isinstance(value.get("config"), dict) and isinstance(value.get("class_name"), str)
    )
