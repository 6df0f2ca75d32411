"""Any backbone as an encoder: cut, sized, dilated, frozen, with its taps by output stride."""

from __future__ import annotations

from surgery.doors import open
from surgery.edits import cut, dilate, resize
from surgery.errors import SurgeryError
from surgery.freezing import freeze as frozen
from surgery.graph import Graph
from surgery.pyramids import pyramid


def encoder(
    backbone: str,
    weights: str | None = "pretrained",
    depth: int = 32,
    size: int | None = None,
    freeze: bool = False,
    stride: int | None = None,
) -> tuple[Graph, dict[int, str]]:
    """Opens a backbone for an encoder-decoder.

    Args:
        backbone: the name of a network, or a path.
        weights: see `sg.open`.
        depth: the coarsest output stride that is used, in pixels.
        size: side of the pictures in pixels; the network's own by default.
        freeze: whether it stays as it is.
        stride: dilate it, see `sg.dilate`, so that no map is coarser than this; as it is by default.

    Returns:
        `(graph, levels)`: the network up to its deepest tap, and output stride -> address of the tap, see `sg.pyramid`.
        In a dilated network the deepest tap is that of `stride`.

    Raises:
        SurgeryError: it has no feature map that is so fine.
    """
    graph = open(backbone, weights=weights)
    levels = {step: tap for step, tap in pyramid(graph).items() if step <= depth}
    if not levels:
        raise SurgeryError(f"{graph.name!r} has no feature map of stride {depth} or finer; say a larger depth=.")
    deepest = levels[max(levels)]
    graph = cut(graph, outputs=deepest)
    if size is not None:
        graph = resize(graph, (size, size, graph[str(graph.inputs)].specs[0].sides[-1]))
    if stride is not None and max(levels) > stride:
        graph = dilate(graph, stride)
        levels = {**{step: tap for step, tap in levels.items() if step < stride}, stride: deepest}
    return (frozen(graph, f"..{deepest}") if freeze else graph), levels
