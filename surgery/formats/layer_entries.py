"""One layer of a model as its file describes it, as far as every reader relies on it.

What a file of Keras has in a place is checked here once: names are texts that can be shown, numbers that become the
sizes of tensors are few and of this world. Whether a layer can be made of the rest, Keras says when it is built.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from surgery.core.errors import SurgeryError, printable
from surgery.core.specs import AXES

NAME = 1_000  # characters
_SIZES = {  # what becomes a side of a tensor, or an axis
    "axes",
    "axis",
    "batch_shape",
    "batch_input_shape",
    "cropping",
    "depth_multiplier",
    "dilation_rate",
    "dims",
    "filters",
    "groups",
    "height",
    "input_dim",
    "input_shape",
    "kernel_size",
    "key_dim",
    "n",
    "num_heads",
    "output_dim",
    "output_padding",
    "output_shape",
    "padding",
    "pool_size",
    "size",
    "strides",
    "target_shape",
    "units",
    "value_dim",
    "width",
}


@dataclasses.dataclass
class Entry:
    """One layer of a model, as the file describes it; `nodes` are its calls."""

    name: str
    class_name: str
    config: dict[str, Any]
    whole: dict[str, Any]
    nodes: list[Any]


def read_entry(stored: Any) -> Entry:
    """Returns a layer that a file describes.

    Raises:
        SurgeryError: it is not described as Keras does.
    """
    kind, config = text_in(stored, "class_name"), stored.get("config")
    if kind == "Sequential" and isinstance(config, list):
        config = {"layers": config, "name": stored.get("name")}
    if not isinstance(config, dict):
        raise SurgeryError(f"a {printable(kind)} of the file has no configuration.")
    name = stored.get("name") or config.get("name") or kind.lower()
    if not isinstance(name, str):
        raise SurgeryError(f"a {printable(kind)} of the file has no name.")
    if max(len(name), len(kind)) > NAME:
        raise SurgeryError(f"the name of {printable(name)!r}, a {printable(kind)}, has more than {NAME:,} characters.")
    for key, value in config.items():
        if isinstance(value, list) and key in _SIZES and _is_endless(value):
            raise SurgeryError(f"{key} of {printable(name)!r} lists more than {AXES} numbers: no tensor has such axes.")
    nodes = stored.get("inbound_nodes")
    return Entry(name, kind, config, stored, nodes if isinstance(nodes, list) else [])


def _is_endless(value: Any) -> bool:
    return isinstance(value, list) and (len(value) > AXES or any(map(_is_endless, value)))


def with_own_names(entries: list[Entry], report: list[str]) -> list[Entry]:
    """Returns the layers of a Sequential with a name for each: Keras 1 let two have one."""
    seen: set[str] = set()
    counts: dict[str, int] = {}
    found = []
    for entry in entries:
        name = entry.name
        while name in seen:
            count = counts[entry.name] = counts.get(entry.name, 0) + 1
            name = f"{entry.name}_{count}"
        if name != entry.name:
            report.append(f"{entry.name}: a second layer of this name is called {name}")
        seen.add(name)
        found.append(dataclasses.replace(entry, name=name))
    return found


def origin_of(entry: Entry) -> tuple[Any, Any]:
    """Returns module and registered name of a layer of Keras 3; in HDF5 the class alone says both, `package>Class`, and
    a raw operation is told from a layer by its configuration, which has no dtype."""
    if ">" in entry.class_name:
        return entry.whole.get("module"), entry.class_name
    bare = "module" not in entry.whole and not entry.config.keys() & {"dtype", "trainable"}
    return entry.whole.get("module") or ("keras.ops" if bare else "keras.layers"), entry.whole.get("registered_name")


def text_in(stored: Any, key: str) -> str:
    """Returns a text of a configuration.

    Raises:
        SurgeryError: there is none.
    """
    value = stored.get(key) if isinstance(stored, dict) else None
    if not isinstance(value, str):
        raise SurgeryError(f"the configuration has no {key} where Keras writes one.")
    return value


def list_in(config: dict[str, Any], key: str) -> list[Any]:
    """Returns a list of a configuration; likewise."""
    value = config.get(key)
    if not isinstance(value, list):
        raise SurgeryError(f"the configuration of the model has no list of {key}.")
    return value
