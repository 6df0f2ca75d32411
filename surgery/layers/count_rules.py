"""How many tensors a layer or operation makes, where that is not one and its configuration says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surgery.core.specs import Spec
from surgery.layers.facts import Config

_STATES = {"LSTMCell": 2, "GRUCell": 1, "SimpleRNNCell": 1}


def of_split(config: Config, given: Sequence[Spec]) -> int:
    sections = config["indices_or_sections"]
    return sections if isinstance(sections, int) else len(sections) + 1


def of_unstack(config: Config, given: Sequence[Spec]) -> int | None:
    return config.get("num") or given[0].sides[config.get("axis") or 0]


def of_svd(config: Config, given: Sequence[Spec]) -> int:
    return 3 if config.get("compute_uv", True) else 1


def of_meshgrid(config: Config, given: Sequence[Spec]) -> int:
    return len(given)


def of_unravel_index(config: Config, given: Sequence[Spec]) -> int:
    return len(config["shape"])


def of_nonzero(config: Config, given: Sequence[Spec]) -> int:
    return len(given[0].sides)


def of_cells(config: Config, given: Sequence[Spec]) -> int | None:
    """One for the sequence, and the states of the cells of an RNN."""
    if not config.get("return_state"):
        return 1
    counts = [_STATES.get(cell["class_name"]) for cell in _cells(config["cell"])]
    return None if None in counts else 1 + sum(count for count in counts if count is not None)


def _cells(cell: Any) -> list[Any]:
    listed = cell if isinstance(cell, list) else cell["config"].get("cells")
    return [cell] if listed is None else [one for inner in listed for one in _cells(inner)]
