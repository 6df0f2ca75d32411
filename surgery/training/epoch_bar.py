"""What a `fit` that is called once takes with it: a bar, and the slots of its optimizer."""

from __future__ import annotations

from typing import Any

import keras

from surgery.core.progress import bar
from surgery.keras_bridge.optimizer_slots import extend
from surgery.keras_bridge.train_functions import scope_of


class EpochBar(keras.callbacks.Callback):
    """A callback that shows how many epochs are done, once two seconds have passed, on a terminal alone.

    It also makes the slots of the optimizer. Keras makes them in the first step, and TensorFlow traces that step a
    second time wherever variables are made in it: half of the time of a short fit of a deep network.

    Args:
        label: goes before the bar.
    """

    def __init__(self, label: str = "training"):
        super().__init__()
        self._label = label
        self._bar: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the bar, and makes the slots."""
        model: Any = self.model
        if model.optimizer is not None:  # Players have one each
            with scope_of(model):
                extend(model.optimizer, model.trainable_variables)
        self._bar = bar(self._label, (self.params or {}).get("epochs"))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Moves it by one epoch."""
        self._bar.update()

    def on_train_end(self, logs: Any = None) -> None:
        """Takes it away."""
        self._bar.close()
