"""What is at a path that is not a model file of Keras: a URL, a folder, TensorFlow.js, a file that was cut off."""

from __future__ import annotations

import json
import os
import re
from os.path import isfile  # of any name; that of a Path raises on one that is too long
from pathlib import Path
from typing import Any

from surgery.core.errors import SurgeryError, listing, printable
from surgery.formats.byte_ranges import Descriptor
from surgery.formats.json_text import TEXT
from surgery.formats.registered import NoArchitecture

_BEGINS = re.compile(rb'\{"(?:module|class_name|config)": ')
_TRIES = 100  # places in a file at which a model may begin


def refuse_folder(path: Path) -> None:
    """Refuses a folder: says what it is, and what to do.

    Raises:
        NoArchitecture: it is a preset of KerasHub, whose weights can be listed.
        SurgeryError: it is a SavedModel, or another folder.
    """
    what = repr(printable(path))
    if isfile(path / "saved_model.pb"):
        old = "it was written by Keras 2, whose tf.keras.models.load_model opens it; save it there as .h5. "
        raise SurgeryError(
            f"{what} is a SavedModel of TensorFlow: a graph of operations, not of layers. "
            f"{old if isfile(path / 'keras_metadata.pb') else 'Open the .keras file that it was exported from; '}"
            f"keras.layers.TFSMLayer({str(path)!r}, call_endpoint=...) runs it as one layer."
        )
    if isfile(path / "config.json"):
        name = _class_in(path / "config.json")
        raise NoArchitecture(
            f"{what} is a folder of a preset of KerasHub{f' ({printable(name)})' if name else ''}: its architecture is "
            f"code of KerasHub. Open the live model: sg.open(keras_hub.models.Task.from_preset({str(path)!r})), or "
            "Backbone.from_preset."
        )
    files = sorted(one.name for one in path.glob("*") if one.suffix in (".keras", ".h5", ".hdf5", ".safetensors"))
    inside = f" It holds {listing(map(printable, files))}: give one of these." if files else ""
    raise SurgeryError(f"{what} is a directory; a model file (.keras, .h5) was expected.{inside}")


def unzipped(folder: str | os.PathLike[str]) -> tuple[Path, Path] | None:
    """Returns the architecture and the weights in a folder that `model.save(folder, zipped=False)` has written."""
    config, weights = Path(folder) / "config.json", weights_inside(Path(folder))
    if weights == Path(folder) or not isfile(config) or _class_in(config) not in ("Functional", "Sequential"):
        return None
    return config, weights


def weights_inside(folder: Path) -> Path:
    """Returns the file of weights in a folder of a preset or of `save(zipped=False)`; else the path itself."""
    names = ("model.weights.h5", "model.weights.json")
    return next((folder / name for name in names if isfile(folder / name)), folder)


def _class_in(config: Path) -> str:
    try:
        with config.open("rb") as file:
            stored = json.loads(file.read(TEXT))
        return str(stored.get("registered_name") or stored.get("class_name") or "")
    except (OSError, ValueError, RecursionError, AttributeError):
        return ""


def topology_of(stored: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the architecture in a `model.json` of TensorFlow.js as `to_json` has it; `None` of another JSON.

    Raises:
        SurgeryError: it is of TensorFlow.js, and has no layers.
    """
    if "modelTopology" not in stored:
        return None
    topology = stored["modelTopology"]
    model = topology.get("model_config", topology) if isinstance(topology, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("class_name"), str):
        if stored.get("format") == "layers-model":
            raise SurgeryError("it is of TensorFlow.js, and its modelTopology is not an architecture of Keras.")
        raise SurgeryError(
            "it is a graph model of TensorFlow.js: operations of TensorFlow, not layers of Keras. Open the model that "
            "it was converted from."
        )
    return {**{key: topology[key] for key in ("keras_version", "backend") if key in topology}, **model}


TFJS = (
    "a model of TensorFlow.js, whose weights, in the .bin files next to it, are not read: tensorflowjs_converter "
    "--input_format=tfjs_layers_model --output_format=keras model.json model.h5 writes a file with them"
)


class CutOff(SurgeryError):
    """A file that is cut off, behind its architecture.

    Args:
        message: what to say.
        graph: the architecture, without weights.
    """

    def __init__(self, message: str, graph: Any = None):
        super().__init__(message)
        self.graph = graph


def architecture_in(source: Descriptor) -> dict[str, Any] | None:
    """Returns the architecture that lies whole in a file whose end is missing, or `None`."""
    head = os.pread(source.number, TEXT, 0)
    source.budget.take(len(head), repr(printable(source.path)))
    for found, _ in zip(_BEGINS.finditer(head), range(_TRIES), strict=False):
        try:
            text = head[found.start() :].decode("utf-8", "replace")
            stored, _ = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):
            continue
        config = stored.get("config")
        if isinstance(stored.get("class_name"), str) and isinstance(config, dict) and "layers" in config:
            return stored
    return None
