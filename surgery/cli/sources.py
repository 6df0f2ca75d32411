"""Networks as commands take them: a named network comes with the weights that `--weights` says, a file with its own."""

from __future__ import annotations

from typing import Any

from surgery.doors import is_path
from surgery.doors import open as open_network
from surgery.graph import Graph

HELP = "Weights of a named network: pretrained (default), none, or a file."


def opened(source: str, weights: str | None) -> Graph:
    """Opens a named network, pretrained by default, or a file."""
    return open_network(source, **chosen(weights, not is_path(source)))


def chosen(weights: str | None, named: bool) -> dict[str, Any]:
    """Returns the arguments of `open` that `--weights` means."""
    if not named:
        return {} if weights is None else {"weights": weights}  # which open refuses, and says why
    return {"weights": None if weights == "none" else weights or "pretrained"}
