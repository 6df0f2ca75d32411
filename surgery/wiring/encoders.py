"""Any backbone as an encoder: cut, sized, frozen, with its taps by output stride."""

from __future__ import annotations

from surgery.doors import open
from surgery.edits import cut, resize
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
) -> tuple[Graph, dict[int, str]]:
    """Opens a backbone for an encoder-decoder.

    Args:
        backbone: the name of a network, or a path.
        weights: see `sg.open`.
        depth: the coarsest output stride that is used, in pixels.
        size: side of the pictures in pixels; the network's own by default.
        freeze: whether it stays as it is.

    Returns:
        `(graph, levels)`: the network up to its deepest tap, and output stride -> address of the tap, see `sg.pyramid`.

    Raises:
        SurgeryError: it has no feature map that is so fine.
    """
    graph = open(backbone, weights=weights) if weights is not None else open(backbone)
    levels = {stride: tap for stride, tap in pyramid(graph).items() if stride <= depth}
    if not levels:
        raise SurgeryError(f"{graph.name!r} has no feature map of stride {depth} or finer; say a larger depth=.")
    graph = cut(graph, outputs=levels[max(levels)])
    if size is not None:
        graph = resize(graph, (size, size, graph[str(graph.inputs)].specs[0].sides[-1]))
    return (frozen(graph, f"..{levels[max(levels)]}") if freeze else graph), levels
