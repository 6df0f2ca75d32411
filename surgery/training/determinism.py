"""The trial of a frozen prefix: whether it computes for a sample, in training, what it does alone and at rest.

What a configuration says is looked at first (`prefix.py`); the trial finds what it does not: dropout in a wrapped layer
or in a custom one, losses that a layer adds, states, statistics over the batch, masks.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from surgery.core.errors import SurgeryError
from surgery.training.restore import restore_variables

ROWS = 4


def prove_steady(front: Any, inputs: Any) -> None:
    """Runs the prefix on a few samples, twice as in training, once at rest and once sample by sample.

    Its variables are what they were, afterwards.

    Args:
        front: the prefix, a `keras.Model`.
        inputs: arrays of a chunk of samples, in the structure of its inputs.

    Raises:
        SurgeryError: what it computes differs, it adds to the loss, or a mask leaves it.
    """
    rows = keras.tree.map_structure(lambda one: one[np.arange(ROWS) % len(one)], inputs)
    with restore_variables(_states(front)):
        made = front(rows, training=False)
        if any(getattr(one, "_keras_mask", None) is not None for one in keras.tree.flatten(made)):
            raise SurgeryError("a mask leaves the frozen part, and would weight the loss; that is not kept.")
        for _ in range(2):
            _compare(
                made, front(rows, training=True), "another output in training than in inference: it draws, or keeps"
            )
        if front.losses:
            raise SurgeryError("the frozen part adds to the loss (an activity regularizer, or add_loss).")
        if not _fixed(front):
            first, one = (keras.tree.map_structure(lambda array: array[:1], both) for both in (made, rows))
            _compare(first, front(one, training=False), "another output for a sample alone than in a batch: it keeps")


def _states(front: Any) -> list[Any]:
    """Returns the variables that running a network may move, seeds of random numbers included."""
    return [one for one in front.variables if not one.trainable]


def _fixed(front: Any) -> bool:
    return any(tensor.shape and tensor.shape[0] is not None for tensor in front.inputs)


def _compare(ours: Any, theirs: Any, what: str) -> None:
    for one, other in zip(keras.tree.flatten(ours), keras.tree.flatten(theirs), strict=True):
        one, other = (np.asarray(keras.ops.convert_to_numpy(array)) for array in (one, other))
        if "float" in one.dtype.name:
            coarse = 5e-2 if "float16" in one.dtype.name else 1e-3
            one, other = one.astype("float64"), other.astype("float64")
            scale = float(np.max(np.abs(one[np.isfinite(one)]), initial=0)) or 1.0
            equal = np.allclose(one, other, rtol=0, atol=coarse * scale, equal_nan=True)
        else:
            equal = np.array_equal(one, other)
        if not equal:
            raise SurgeryError(
                f"the frozen part computes {what} what changes from epoch to epoch. at= ends it before that layer."
            )
