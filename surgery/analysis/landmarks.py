"""Places of a network that people look for: the feature pyramid of a backbone, and where the network is narrow."""

from __future__ import annotations

import re

from surgery.analysis.lifetimes import expiring, last_uses
from surgery.analysis.strides import strides
from surgery.core.nested import leaves
from surgery.graph.graph import Graph


def feature_levels(graph: Graph) -> dict[int, str]:
    """Returns the feature pyramid of a backbone: output stride -> address of the deepest tensor that has it.

    These are the taps of encoder-decoders, found on any network: at each stride, the last feature map on the way to the
    outputs before the next stride begins (Lin et al. 2017, Feature Pyramid Networks, arXiv:1612.03144, section 3).
    Padding and cropping make no features and are passed over; so is the input itself.
    """
    steps, levels = strides(graph), {}
    for call in graph.calls:
        stride = steps[call.name]
        if not stride or len(set(stride)) > 1 or stride[0].denominator != 1 or call.op is None:
            continue
        if not re.search("Padding|Cropping", call.class_name):
            levels[int(stride[0])] = call.name
    return dict(sorted(levels.items()))


def narrow(graph: Graph) -> list[str]:
    """Returns the calls after which the network is one tensor wide: the natural places to cut it."""
    last_use = last_uses(graph)
    ending = expiring(last_use)
    alive = {ref for ref in leaves(graph.inputs) if ref in last_use}  # inputs are there from the start
    found = []
    for position, call in enumerate(graph):
        alive.difference_update(ending.get(position, ()))
        alive.update(ref for ref in call.refs if ref in last_use)
        if len(alive) == 1 and alive <= set(call.refs):
            found.append(call.name)
    return found
