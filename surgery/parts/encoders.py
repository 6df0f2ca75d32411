"""Any backbone as an encoder: cut, sized, dilated, frozen, with its taps by output stride."""

from __future__ import annotations

import dataclasses
import warnings

from surgery import analysis
from surgery.core.errors import SurgeryError
from surgery.core.nested import leaves
from surgery.edits.dilate import dilate as dilated
from surgery.edits.feature_levels import feature_levels
from surgery.edits.freeze import freeze as frozen
from surgery.edits.inline import inline
from surgery.edits.preprocess import preprocess
from surgery.edits.resize import resize
from surgery.edits.tap_cut_split import cut
from surgery.graph.graph import Graph
from surgery.io import open

_COARSEST = 32  # pixels; the output stride of the classifiers that encoders are made of


def encoder(
    backbone: str,
    weights: str | None = "pretrained",
    stride: int = _COARSEST,
    size: int | None = None,
    freeze: bool = False,
    dilate: bool = False,
    channels: int | None = None,
    takes: str = "unit",
    depth: int | None = None,
) -> tuple[Graph, dict[int, str]]:
    """Opens a backbone for an encoder-decoder.

    Args:
        backbone: the name of a network, or a path.
        weights: see `sg.open`.
        stride: the coarsest output stride that is used, in pixels.
        size: side of the images in pixels; the network's own by default.
        freeze: whether it stays as it is.
        dilate: whether layers of coarser maps are kept, dilated to `stride` (see `sg.dilate`), instead of cut off.
        channels: of the images that it will be given, to be refused if it takes others; not asked by default.
        takes: the pixels that it will be given, 0 to 1 by default: where the backbone expects others, layers that make
            them go in front of it, see `sg.preprocess`.
        depth: the old name of `stride`.

    Returns:
        `(graph, levels)`: the network up to its deepest tap, and output stride -> address of the tap, see
        `sg.feature_levels`. Nested models are dissolved where they hide a stride. In a dilated network the deepest tap
        is that of `stride`, or finer where its own steps leave no such stride.

    Raises:
        SurgeryError: it has no feature map that is so fine, or it takes other things than one image.
    """
    if not isinstance(dilate, bool):
        raise SurgeryError(f"dilate= is True or False, not {dilate!r}; stride= is the output stride.")
    deepest = _COARSEST if dilate else stride
    if depth is not None:
        said = "depth= of encoder() is deprecated. Use stride= instead."
        warnings.warn(said, category=DeprecationWarning, stacklevel=2)
        deepest, dilate = depth, stride != _COARSEST
    graph = _no_stride_hidden(_of_one_picture(open(backbone, weights=weights), channels))
    graph = cut(graph, outputs=_last(_levels(graph, deepest)))
    if size is not None:
        graph = resize(graph, (size, size, graph[str(graph.inputs)].specs[0].sides[-1]))
    levels = _levels(graph, deepest)
    if dilate and max(levels) > stride:
        graph = dilated(graph, stride)
        levels = _levels(graph, deepest)
    graph = preprocess(graph, takes)  # after the levels are known: what comes out of it is no feature map
    return (frozen(graph, f"..{_last(levels)}") if freeze else graph), levels


def _levels(graph: Graph, stride: int) -> dict[int, str]:
    levels = {step: tap for step, tap in feature_levels(graph).items() if step <= stride}
    if not levels:
        raise SurgeryError(f"{graph.name!r} has no feature map of stride {stride} or finer; say a larger stride=.")
    return levels


def _last(levels: dict[int, str]) -> str:
    return levels[max(levels)]


def _no_stride_hidden(graph: Graph) -> Graph:
    """Dissolves nested models, where maps of a stride are inside them alone."""
    if all(call.op is None or call.op.inner is None for call in graph):
        return graph
    flat = inline(graph)
    return flat if analysis.feature_levels(flat).keys() - analysis.feature_levels(graph).keys() else graph


def _of_one_picture(graph: Graph, channels: int | None) -> Graph:
    """Returns the graph with its one input, not in a dict or a list."""
    inputs = leaves(graph.inputs)
    sides = graph.spec(inputs[0]).sides if len(inputs) == 1 else ()
    if len(sides) != 4:
        shapes = ", ".join(str(tuple(graph.spec(ref).sides)) for ref in inputs)
        raise SurgeryError(
            f"a backbone takes one image (batch, height, width, channels); {graph.name!r} takes {shapes}."
        )
    if first := next((call.name for call in graph if call.config.get("data_format") == "channels_first"), None):
        raise SurgeryError(f"{graph.name!r} has its channels first ({first!r}); a backbone has them last.")
    if channels is not None and sides[-1] != channels:
        raise SurgeryError(
            f"{graph.name!r} takes images of {sides[-1]} channels, and is given {channels}. sg.transfer(x, other, "
            f"adapt=True) carries its weights to one that takes {channels}."
        )
    return dataclasses.replace(graph, inputs=inputs[0])
