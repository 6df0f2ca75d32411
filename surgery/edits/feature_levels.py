"""The feature pyramid of a backbone: where an encoder-decoder takes its skips, on any network."""

from __future__ import annotations

from typing import Any

from surgery import analysis
from surgery.core.errors import SurgeryError
from surgery.keras_bridge.either import as_graph


def feature_levels(x: Any) -> dict[int, str]:
    """Returns the feature pyramid of a backbone: output stride (pixels) -> address of its last feature map.

    Taps by stride, never by a table of names (Lin et al. 2017, arXiv:1612.03144, section 3).

    Args:
        x: `Graph` or `keras.Model` with image input.

    Raises:
        SurgeryError: no tensor has spatial axes.

    Example:

    >>> sg.feature_levels(sg.open("vgg16"))[16]
    'block5_conv3'
    """
    graph = as_graph(x)
    levels = analysis.feature_levels(graph)
    if not levels:
        raise SurgeryError(
            f"{graph.name!r} has no feature maps: no tensor of it has spatial axes, of one stride down and across."
        )
    return levels
