"""Activations that Keras 3 no longer has, registered with Keras so that models that use them can be saved.

Stock Keras opens such a file after `import surgery`.
"""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="surgery", name="hard_sigmoid")
def hard_sigmoid(x: Any) -> Any:
    """Returns 0.2 x + 0.5, cut at 0 and 1: `hard_sigmoid` of Keras 1 and 2. That of Keras 3 has the slope 1/6."""
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)
