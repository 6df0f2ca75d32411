"""A callback that checks by checksum that what is frozen does not move, and that something else does."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import keras

from surgery.core.errors import SurgeryError, doing, listing
from surgery.core.reprs import line
from surgery.edits.freeze import flags_for
from surgery.graph.traversal import calls_at_every_depth
from surgery.keras_bridge.either import as_graph
from surgery.keras_bridge.variables import names_of_variables
from surgery.selectors.select import Where


class FreezeCheck(keras.callbacks.Callback):
    """Checks in training that what is frozen does not move, and that something else does.

    As a Keras callback: after the first step, and at the end of each epoch. As a context manager, `with check: ...`:
    at the end of the block. It stops the run with a `SurgeryError` that names what moved.

    Args:
        model: a live `keras.Model`, built.
        frozen: which calls must not move; a nested model stands for all layers in it.
        bn_stats: whether the statistics of their BatchNormalization layers must stay too.

    Raises:
        SurgeryError: the model is not a graph or has not been built, or nothing that matches has weights.

    Example:

    >>> model.fit(x, y, callbacks=[sg.FreezeCheck(model, frozen="..block3_pool")])
    """

    def __init__(self, model: Any, frozen: Where, bn_stats: bool = True):
        super().__init__()
        self._network = model
        self._still = _variables(model, frozen, bn_stats)
        self._before: dict[str, int] = {}
        self._moving: list[tuple[Any, int]] = []
        self._stepped = False
        self._checked = False

    def __repr__(self) -> str:
        return line(self, f"{self._network.name}: {len(self._still):,} variables must not move")

    def __enter__(self) -> FreezeCheck:
        self._begin()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None:
            self.check()

    def on_train_begin(self, logs: Any = None) -> None:
        self._begin()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not self._stepped:  # `batch` is not 0 where several steps are one execution
            self._stepped = True
            self._check(standstill=not _may_stand_still(getattr(self._network, "optimizer", None)))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.check()

    def _begin(self) -> None:
        self._before = _checksums(self._still)
        self._moving = [(variable, _checksum(variable)) for variable in self._trains()]
        self._stepped = self._checked = False

    def _trains(self) -> list[Any]:
        still = {id(variable) for variable in self._still.values()}
        return [variable for variable in self._network.trainable_variables if id(variable) not in still]

    def check(self) -> None:
        """Compares the variables with what they were.

        Raises:
            SurgeryError: a frozen one has moved, or none of the others has: the message names them.
        """
        self._check(standstill=True)

    def _check(self, standstill: bool) -> None:
        now = _checksums(self._still)
        moved = [name for name, value in now.items() if value != self._before[name]]
        if moved:
            raise SurgeryError(
                f"{len(moved)} of {len(now)} frozen variables of {self._network.name!r} moved: "
                f"{listing(moved)}. {_why(self._still, moved)}"
            )
        if standstill and not self._checked:
            self._refuse_standstill()
            self._checked = True

    def _refuse_standstill(self) -> None:
        """After the first step something must have moved; one variable that has is enough, so few are compared."""
        if not self._moving:
            raise SurgeryError(f"nothing of {self._network.name!r} trains: all its variables are frozen.")
        if not any(_checksum(variable) != before for variable, before in self._moving):
            names = [variable.path for variable, _ in self._moving]
            raise SurgeryError(
                f"nothing of {self._network.name!r} moved in the first step, though {listing(names, 4)} should train: "
                "the learning rate is 0, or the train function is older than the flags (compile again, or use freeze)."
            )


def _variables(model: Any, frozen: Where, bn_stats: bool) -> dict[str, Any]:
    """Returns the variables that must not move, by address."""
    graph = as_graph(model)
    with doing(f"making a FreezeCheck of {graph.name!r}"):
        if not isinstance(model, keras.Model):
            raise SurgeryError("FreezeCheck takes a live keras.Model; build(graph) first.")
        calls: dict[str, Any] = dict(calls_at_every_depth(graph))
        return {
            f"{address}/{name}": variable
            for address in flags_for(graph, frozen, False, False)
            for name, variable in names_of_variables(calls[address].op.layer).items()
            if bn_stats or not name.startswith("moving_")
        }


def _may_stand_still(optimizer: Any) -> bool:
    """Whether a first step may move nothing: gradients are gathered, the rate begins at 0, or the loss overflowed; or
    another model trains the network, whose optimizer is not known."""
    if (
        optimizer is None
        or getattr(optimizer, "gradient_accumulation_steps", None)
        or hasattr(optimizer, "inner_optimizer")
    ):
        return True
    return isinstance(getattr(optimizer, "_learning_rate", None), keras.optimizers.schedules.LearningRateSchedule)


def _why(variables: dict[str, Any], moved: Iterable[str]) -> str:
    if any(variables[name].trainable for name in moved):
        return "They are trainable: freeze them, sg.freeze(model, ...)."
    if any(name.rpartition("/")[2].startswith("moving_") for name in moved):
        return "These are statistics of BatchNormalization layers that train; training=False does not hold them."
    return "Their flags were changed after the train function was traced; compile again, or use sg.freeze."


def _checksums(variables: dict[str, Any]) -> dict[str, int]:
    return {name: _checksum(variable) for name, variable in variables.items()}


def _checksum(variable: Any) -> int:
    import numpy as np

    array: Any = np.ascontiguousarray(keras.ops.convert_to_numpy(variable))
    return zlib.crc32(array.reshape(-1).view("uint8"))
