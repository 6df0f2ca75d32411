"""A model as stock Keras can open it: what is of a class of surgery is written as what Keras has for it.

A `FixedBatchNormalization` is written as a BatchNormalization with momentum 1, whose statistics do not move either; a
member of its own says which these are, and surgery opens them as what they were. An optimizer of
`layerwise_learning_rates` is written as Keras' `MultiOptimizer`.
"""

from __future__ import annotations

import contextlib
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from surgery.core.errors import SurgeryError, first_line, printable
from surgery.formats.zip import Archive
from surgery.graph.graph import Graph
from surgery.graph.traversal import calls_at_every_depth

MEMBER = "fixed_statistics.json"
SIZE = 2**20  # bytes


@contextlib.contextmanager
def as_ordinary(model: Any) -> Iterator[dict[str, float]]:
    """Makes a model one of ordinary classes inside the block.

    Yields:
        The addresses of the layers that keep their statistics fixed, with their momentum.
    """
    with contextlib.ExitStack() as back:
        fixed = {}
        for address, layer in _fixed(model):
            fixed[address] = layer.momentum
            back.callback(_become, layer, type(layer), layer.momentum)
            _become(layer, type(layer).__mro__[1], 1.0)
        optimizer = getattr(model, "optimizer", None)
        ordinary = getattr(optimizer, "ordinary", None)
        compiled = getattr(getattr(model, "_compile_config", None), "config", None)
        if ordinary is not None and isinstance(compiled, dict):
            new = ordinary(model.trainable_variables)
            back.callback(compiled.__setitem__, "optimizer", compiled.get("optimizer"))
            back.callback(setattr, model, "optimizer", optimizer)
            compiled["optimizer"] = model.optimizer = new
        yield fixed


def _fixed(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (address, layer) of each BatchNormalization with fixed statistics, once."""
    seen: set[int] = set()
    waiting = [(prefix, model)]
    while waiting:
        above, owner = waiting.pop()
        for layer in getattr(owner, "layers", ()):
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            if type(layer).__name__ == "FixedBatchNormalization":
                yield f"{above}{layer.name}", layer
            waiting.append((f"{above}{layer.name}/", layer))


def _become(layer: Any, cls: type, momentum: float) -> None:
    object.__setattr__(layer, "__class__", cls)  # one has no state that the other lacks
    layer.momentum = momentum


def add_fixed(draft: Path, fixed: dict[str, float]) -> None:
    """Adds to a `.keras` file which layers keep their statistics fixed; nothing where there are none."""
    if fixed:
        with zipfile.ZipFile(draft, "a") as archive:
            archive.writestr(MEMBER, json.dumps(fixed))


def ours_in(draft: Path) -> list[str]:
    """Returns the classes and functions of surgery that a `.keras` file names."""
    with zipfile.ZipFile(draft) as archive:
        config = archive.read("config.json").decode()
    return sorted(set(re.findall(r'"surgery>(\w+)"', config)))


def with_fixed(graph: Graph, archive: Archive, notes: list[str]) -> None:
    """Makes the layers of a graph from a file those with fixed statistics that the file says they are."""
    if MEMBER not in archive:
        return
    try:
        said: Any = json.loads(archive.read(MEMBER, SIZE))
        calls = dict(calls_at_every_depth(graph))
        for address, momentum in said.items():
            op: Any = calls[address].op if address in calls else None
            if op is None or op.class_name != "BatchNormalization" or not 0 <= float(momentum) <= 1:
                raise SurgeryError(f"{printable(address)!r} is not a BatchNormalization.")
            fixed = {
                "module": "surgery.keras_bridge.trainable_flags",
                "class_name": "FixedBatchNormalization",
                "registered_name": "surgery>FixedBatchNormalization",
                "config": {**op.config, "momentum": float(momentum)},
            }
            op.restate({**op.stored, **fixed})
    except (SurgeryError, ValueError, TypeError, AttributeError, RecursionError) as error:
        notes.append(f"{MEMBER} in the file is left out, wholly or in part: {first_line(error)}")
