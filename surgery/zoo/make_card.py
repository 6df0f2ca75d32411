"""Makes one card, in a process of its own: writes the JSON of a network to stdout.

The network is made inside a `keras.StatelessScope`, where variables have shapes and no values, and the process ends
before they would get any: NASNetLarge takes seconds and no gigabytes.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn


def main(name: str, options: str, policy: str, floatx: str, data_format: str) -> NoReturn:
    import keras

    from surgery.core.errors import first_line
    from surgery.keras_bridge.trace import trace
    from surgery.zoo.graph_json import encode
    from surgery.zoo.keras_settings import under
    from surgery.zoo.networks import make

    keras.config.set_floatx(floatx)
    keras.config.set_image_data_format(data_format)
    keras.StatelessScope().__enter__()
    try:
        with under(policy):
            model = make(name, json.loads(options))
        text = json.dumps(encode(trace(model), _described))
    except (ValueError, TypeError) as error:
        _end(first_line(error), 1)
    _end(text, 0)


def _described(op: Any) -> dict[str, Any]:
    import keras

    stored: Any = keras.saving.serialize_keras_object(op.layer)
    stored.pop("build_config", None)  # layers are built when they are called
    return stored


def _end(text: str, code: int) -> NoReturn:
    sys.stdout.write(text)
    sys.stdout.flush()
    os._exit(code)  # without leaving the scope, which would compute every initial weight
