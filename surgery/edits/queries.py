"""`select`: which calls a selector means."""

from __future__ import annotations

import dataclasses
from typing import Any

from surgery.core.nested import rebuilt
from surgery.core.specs import Ref
from surgery.graph.calls import Call
from surgery.graph.graph import placed
from surgery.graph.traversal import Calls
from surgery.keras_bridge.either import as_graph
from surgery.selectors.select import Where, selected


def select(x: Any, where: Where, expect: int | None = None) -> Calls:
    """Returns the calls that match, in order; the network is unchanged.

    Args:
        x: `Graph` or `keras.Model`.
        where: a selector (docs/selectors.md), a layer class, a layer, a `Ref`, a predicate of a `Call`, or a tuple of
            them.
        expect: how many calls must match.

    Returns:
        The calls, a list that a notebook shows as a table. Those inside nested models carry their full address,
        `vgg16/block3_pool`.

    Raises:
        SurgeryError: nothing matches (the message names the nearest addresses), or another number than `expect`.

    Example:

    >>> [call.name for call in sg.select(sg.open("vgg16"), "block5_*")]
    ['block5_conv1', 'block5_conv2', 'block5_conv3', 'block5_pool']
    """
    graph = as_graph(x)
    found = selected(graph, where, expect)
    return Calls(placed(_addressed(call, address), graph, address) for address, call in found.items())


def _addressed(call: Call, address: str) -> Call:
    prefix = address.removesuffix(call.name)
    if not prefix:
        return call

    def swap(leaf: Any) -> Any:
        return Ref(prefix + leaf.call, leaf.index) if isinstance(leaf, Ref) else leaf

    return dataclasses.replace(
        call, name=address, args=rebuilt(swap, call.args), kwargs=rebuilt(swap, dict(call.kwargs))
    )
