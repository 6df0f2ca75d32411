"""Staged unfreezing inside one `fit`, and the same result when it is resumed in the middle.

Gradual unfreezing: Howard & Ruder 2018, arXiv:1801.06146, section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from surgery.core.errors import SurgeryError, doing
from surgery.edits.freeze import BN_POLICY, Flag, flags_for, set_flags
from surgery.keras_bridge.either import as_graph
from surgery.keras_bridge.optimizer_slots import extend
from surgery.keras_bridge.train_functions import scope_of
from surgery.selectors.select import Where


class StagedUnfreeze(keras.callbacks.Callback):
    """A callback that unfreezes a part of the network at the beginning of each of the given epochs.

    Put it before callbacks that save: between epochs the flags of all stages are open, so that what is saved has the
    optimizer's state of all of them. `fit(initial_epoch=...)` of such a checkpoint, or Keras' `BackupAndRestore`, then
    goes on as if it had never stopped.

    Args:
        stages: epoch (from 0) -> which layers train from that epoch on. Stages before stay; all else is frozen.
        bn: what becomes of frozen BatchNormalization layers; see `freeze`.

    Raises:
        SurgeryError: when `fit` begins: a selector matches nothing, or no stage begins at epoch 0.

    Example:

    >>> stages = sg.StagedUnfreeze({0: "head", 3: "block5_*", 6: "block4_*"})
    >>> model.fit(x, y, epochs=9, callbacks=[stages])
    """

    def __init__(self, stages: Mapping[int, Where], bn: str = "freeze"):
        super().__init__()
        self.stages = dict(sorted(stages.items()))
        self.bn = bn
        self._epoch = 0
        if bn not in BN_POLICY:
            raise SurgeryError(f"bn={bn!r}: it is one of {', '.join(map(repr, BN_POLICY))}.")
        if not self.stages or min(self.stages) != 0:
            raise SurgeryError(f"stages begin at {list(self.stages) or 'no epoch'}; say what trains from epoch 0 on.")

    def on_train_begin(self, logs: Any = None) -> None:
        model: Any = self.model
        with doing(f"unfreezing {model.name!r} in stages"):
            if keras.backend.backend() == "jax":
                raise SurgeryError("an optimizer of Keras on JAX updates all variables it was built with, or none.")
            self._graph = as_graph(model)
            self._flags = {epoch: self._flags_at(epoch) for epoch in self.stages}
            self._open(max(self.stages))
            with scope_of(model):
                extend(model.optimizer, model.trainable_variables)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._open(epoch)
        model: Any = self.model
        model.make_train_function()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._open(max(self.stages))

    def on_train_end(self, logs: Any = None) -> None:
        self._open(self._epoch)

    def _flags_at(self, epoch: int) -> dict[str, Flag]:
        """Returns the flags of all layers: those of the stages that have begun are open."""
        begun = tuple(where for start, where in self.stages.items() if start <= epoch)
        return {
            **flags_for(self._graph, "**", False, BN_POLICY[self.bn]),
            **flags_for(self._graph, begun, True, True),
        }

    def _open(self, epoch: int) -> None:
        stage = max(start for start in self.stages if start <= epoch)
        set_flags(self.model, self._graph, self._flags[stage])
