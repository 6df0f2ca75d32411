"""Names as Keras writes them: in snake case, numbered, below the name of a layer."""

from __future__ import annotations

import functools
import re
from typing import Any


def natural(text: str) -> list[Any]:
    """Returns a key that sorts `dense_10` after `dense_9`."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


@functools.lru_cache(1000)
def snake_case(name: str) -> str:
    """Returns a class name as Keras writes it in files: `BatchNormalization` is `batch_normalization`."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unnumbered(name: str) -> str:
    """Returns a name, or each part of a path, without the number that Keras gave it: `conv2d` of `conv2d_7`."""
    return re.sub(r"_\d+(?=[./]|$)", "", name)


def own_name(name: str) -> str:
    """Returns the name of a tensor below its layer: `kernel` of `block1_conv1/kernel:0`."""
    return name.split(":")[0].rpartition("/")[2]
