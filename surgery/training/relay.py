"""The callback between a whole model, which callbacks see, and its rest, which is trained."""

from __future__ import annotations

from typing import Any

import keras

from surgery.core.errors import SurgeryError


class Relay(keras.callbacks.Callback):
    """Passes on to the part that is trained what callbacks say to the whole model: that it shall stop."""

    def __init__(self, back: Any):
        super().__init__()
        self._back = back
        self._flags: list[bool] = []

    def on_train_begin(self, logs: Any = None) -> None:
        model: Any = self.model
        self._back.history = model.history
        self._back._initial_epoch = getattr(model, "_initial_epoch", None)  # where BackupAndRestore goes on
        self._flags = _flags(model)
        model.stop_training = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._back.stop_training |= self.model.stop_training  # type: ignore

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if _flags(self.model) != self._flags:
            raise SurgeryError("a callback changed what is frozen, and its outputs are kept. Use model.fit for that.")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._back.stop_training |= self.model.stop_training  # type: ignore


def _flags(model: Any) -> list[bool]:
    return [variable.trainable for variable in model.variables]
