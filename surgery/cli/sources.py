"""Networks as commands take them: a named network comes with the weights that `--weights` says, a file with its own."""

from __future__ import annotations

from typing import Any

from surgery.graph.graph import Graph
from surgery.io import is_path
from surgery.io import open as open_network

HELP = "Weights of a named network: pretrained (default), none, or a file."


def opened(source: str, weights: str | None) -> Graph:
    """Opens a named network, pretrained by default, or a file."""
    return open_network(source, **chosen(weights, not is_path(source)))


def with_weights(source: str, weights: str | None, default: str | None) -> Graph:
    """Opens a named network or a file as one side of a comparison, with other weights where they are given.

    Args:
        source: the network or the file.
        weights: `pretrained`, `none`, or a file of weights, which also takes the place of those of a model file.
        default: for a named network.
    """
    if not is_path(source):
        given = weights or default
        return open_network(source, None if given == "none" else given)
    if weights in (None, "pretrained"):
        return open_network(source)
    from surgery.edits.load_weights import load_weights
    from surgery.formats.open_file import is_architecture

    if weights == "none" or is_architecture(source):
        return open_network(source, weights)
    return load_weights(open_network(source), weights)


def chosen(weights: str | None, named: bool) -> dict[str, Any]:
    """Returns the arguments of `open` that `--weights` means."""
    if not named:
        return {} if weights is None else {"weights": weights}  # which open refuses, and says why
    return {"weights": None if weights == "none" else weights or "pretrained"}
