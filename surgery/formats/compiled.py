"""How a model in a file was compiled: what a `Graph`, which is a network alone, does not keep."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from surgery.core.errors import printable
from surgery.formats.byte_ranges import Window
from surgery.formats.hdf5_file import read_hdf5
from surgery.formats.json_text import TEXT, parsed
from surgery.formats.open_file import descriptor
from surgery.formats.zip import Archive


def compiled_with(path: str | os.PathLike[str]) -> list[str]:
    """Returns how the model in a file was compiled, which no `Graph` keeps: `optimizer Adam`, `loss mse`."""
    source, kind = descriptor(Path(path))
    what = repr(printable(path))
    stored: Any = {}
    if kind == "zip":
        archive = Archive(source)
        stored = parsed(archive.read("config.json", TEXT), what, archive.budget).get("compile_config")
    elif kind == "hdf5":
        text = read_hdf5(Window(source), what, source.budget).groups[""].get("training_config")
        stored = parsed(text, what, source.budget) if text else {}
    stored = stored if isinstance(stored, dict) else {}
    optimizer = stored.get("optimizer") or stored.get("optimizer_config")
    said = {"optimizer": optimizer, "loss": stored.get("loss"), "metrics": stored.get("metrics")}
    return [f"{key} {printable(_short(value))}" for key, value in said.items() if value]


def _short(value: Any) -> str:
    """Returns what a serialised object is called: by its class, or as it is."""
    if isinstance(value, dict) and isinstance(value.get("class_name"), str):
        name = value.get("config") if value["class_name"] == "function" else value["class_name"]
        return str(name)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_short(one)}" for key, one in value.items() if one)
    return ", ".join(_short(one) for one in value if one) if isinstance(value, list) else str(value)
