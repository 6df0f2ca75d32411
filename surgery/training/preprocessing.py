"""What each published network wants done to its pictures before it sees them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from surgery.errors import SurgeryError, nearest
from surgery.zoo import NETWORKS

# the room of keras.applications that a network is in; the first that its name begins with
_ROOMS = {
    "convnext": "convnext",
    "densenet": "densenet",
    "efficientnetv2": "efficientnet_v2",
    "efficientnet": "efficientnet",
    "inceptionresnetv2": "inception_resnet_v2",
    "inceptionv3": "inception_v3",
    "mobilenetv3": "mobilenet_v3",
    "mobilenetv2": "mobilenet_v2",
    "mobilenet": "mobilenet",
    "nasnet": "nasnet",
    "vgg16": "vgg16",
    "vgg19": "vgg19",
    "xception": "xception",
    "alexnet": "vgg16",  # the Caffe way too: blue, green, red, less the mean of ImageNet
    "squeezenet": "vgg16",
}


def preprocessing(name: str | Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """Returns the function of `images_bhwc` (0 to 255) that a name means.

    Args:
        name: of a network, `"unit"` for 0 to 1, a function, or `None` for nothing.

    Raises:
        SurgeryError: there is none of that name.
    """
    if name is None or callable(name):
        return name
    if name in ("unit", "tinyvgg"):
        return lambda images_bhwc: images_bhwc / 255.0
    if name not in NETWORKS:
        raise SurgeryError(f"no preprocessing {name!r}: the name of a network, or 'unit'.{nearest(name, NETWORKS)}")
    if name.startswith("resnet"):
        room = "resnet_v2" if name.endswith("v2") else "resnet"
    else:
        room = next(room for start, room in _ROOMS.items() if name.startswith(start))
    return importlib.import_module(f"keras.applications.{room}").preprocess_input
