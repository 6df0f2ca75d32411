"""What is done to images before a network sees them: what it expects by its own account, unless somebody says else."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError
from surgery.core.nested import leaves
from surgery.graph.graph import Graph
from surgery.graph.preprocessing import MODES, Preprocessing
from surgery.keras_bridge.trace import expects_images, trace
from surgery.zoo.catalogue import NETWORKS, published

OWN = "own"


@dataclasses.dataclass(frozen=True)
class Prepared:
    """How images of 0 to 255 are prepared.

    Args:
        function: of `images_bhwc`; `None` leaves them as they are.
        text: what is done.
        said_by: `"network"`, `"argument"`, or `"nobody"` where it is not known what the network expects.
        values: the arithmetic, where it is known.
        key: what says which computation it is, for what a run left behind.
    """

    function: Callable[[Any], Any] | None
    text: str
    said_by: str
    values: Preprocessing | None = None
    key: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        """What a file of features says of it."""
        values = {} if self.values is None else {"preprocessing_values": json.dumps(self.values.described())}
        return {"preprocessing": self.text, "preprocessing_said_by": self.said_by, **values}


def choose_preprocessing(asked: Any, graph: Graph) -> Prepared:
    """Returns how images are prepared for a network.

    Args:
        asked: `"own"` for what the network expects, `None` or `"none"` for nothing, one of `preprocessing.MODES`, the
            name of a network, a `Preprocessing`, or a function of `images_bhwc`.
        graph: the network, with one image as its input.

    Raises:
        SurgeryError: there is none of that name, or it is not for images of so many channels.
    """
    if callable(asked) and not isinstance(asked, Preprocessing):
        name = getattr(asked, "__qualname__", type(asked).__name__)
        return Prepared(asked, f"the function {name}", "argument", None, _key(asked))
    (entry,) = leaves(graph.inputs)
    values = graph.preprocessing if asked == OWN else published("none" if asked is None else asked)
    if values is None:
        return Prepared(None, "none (0 to 255, as they are): what the network expects is not known", "nobody")
    if not values.fits(graph.spec(entry)):
        raise SurgeryError(f"{graph.name!r} takes {graph.spec(entry)}, which are not images for {values}.")
    said_by = "network" if asked == OWN else "argument"
    function = None if values == MODES["none"] else lambda images_bhwc: preprocess_images(images_bhwc, values)
    return Prepared(function, str(values), said_by, values, "" if function is None else repr(values))


def hint(graph: Graph) -> str:
    """Returns what to do about a network of which it is not known what it expects."""
    named = f" The published {graph.name} expects preprocess={graph.name!r}." if graph.name in NETWORKS else ""
    return (
        f"what {graph.name!r} expects of its images is not known: they go in as they are, 0 to 255. preprocess= says "
        f"what is done to them.{named}"
    )


def preprocess_images(images_bhwc: Any, values: Preprocessing) -> Any:
    """Returns images of 0 to 255, RGB, as a network expects them, in the same dtype; whole numbers become float32."""
    images_bhwc = np.asarray(images_bhwc)
    if images_bhwc.dtype.kind != "f":
        images_bhwc = images_bhwc.astype("float32")
    if values.bgr:
        images_bhwc = images_bhwc[..., ::-1]
    if values.divisor != 1:
        images_bhwc = images_bhwc / values.divisor
    if values.mean:
        images_bhwc = images_bhwc - np.asarray(values.mean, images_bhwc.dtype)
    return images_bhwc / np.asarray(values.std, images_bhwc.dtype) if values.std else images_bhwc


def samples_for(model: Any, images_bhwc: Any) -> Any:
    """Returns images of 0 to 1, as samples are, as a model expects them; as they are where that is not known."""
    values = trace(model).preprocessing if expects_images(model) else None
    if not isinstance(values, Preprocessing) or values == MODES["unit"]:
        return images_bhwc
    return preprocess_images(images_bhwc * 255.0, values)


def _key(function: Any) -> str:
    """Returns what tells a function from others; one that is in no module is told from all others."""
    module, name = getattr(function, "__module__", "__main__"), getattr(function, "__qualname__", "")
    if module != "__main__" and getattr(sys.modules.get(module), name, None) is function:
        return f"{module}.{name}"
    return os.urandom(8).hex()
