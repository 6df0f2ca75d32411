"""Variables that are what they were, whatever runs in between: statistics, seeds, the weights of others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import keras


@contextlib.contextmanager
def restore_variables(variables: Iterable[Any]) -> Iterator[None]:
    """Puts the values of variables back at the end of the block, eagerly or in a traced step.

    Args:
        variables: of Keras.
    """
    kept = [(variable, keras.ops.copy(variable)) for variable in variables]
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)
