"""`graft`: a head, a branch or a decoder onto one or several tensors of a network."""

from __future__ import annotations

import dataclasses
from typing import Any

from surgery.core.errors import SurgeryError, doing, listing
from surgery.core.nested import leaves, rebuilt
from surgery.core.specs import Spec
from surgery.edits.adapters import fitted
from surgery.edits.parts import attach, in_order_of, part_graph
from surgery.edits.tap_cut_split import resolved
from surgery.graph.graph import Graph
from surgery.graph.primitives import ordered, prune
from surgery.keras_bridge.either import edit


@edit
def graft(
    graph: Graph, part: Any, at: Any = None, keep: bool = False, adapt: bool = False, expect: int | None = None
) -> Graph:
    """Returns a new graph with a part grafted on; what its outputs no longer need is dropped.

    Args:
        graph: `Graph` or `keras.Model`.
        part: a layer, a list of layers, a function of tensors, a model or a `Graph`. It is called with the tensor, or
            with the list or dict of tensors when `at` names several.
        at: the tensors: a selector, or a list or dict of selectors for one tensor each. By default the network's
            output.
        keep: whether the old outputs stay outputs, before the new ones.
        adapt: whether a model or `Graph` is given its tensors through adapters (resize, 1 x 1 convolution, Dense) where
            its inputs want another shape; each is noted in `graph.notes`.
        expect: how many tensors `at` must match.

    Returns:
        A network of the same kind. Weights that were there are shared, those of the part are new.

    Raises:
        SurgeryError: the part does not take the tensor, returns none, or has a layer whose name is taken.

    Example:

    >>> graph = sg.cut(sg.open("tinyvgg", weights="pretrained"), outputs="block3_pool")
    >>> graph = sg.graft(graph, [keras.layers.Flatten(), keras.layers.Dense(5, name="digits")])
    >>> graph.outputs
    digits
    """
    place = "its output" if at is None else repr(at)
    with doing(f"grafting onto {graph.name!r} at {place}"):
        graph, feeds = _feeds(graph, at, expect)
        old = graph.outputs
        if isinstance(part, Graph):
            feeds = in_order_of(part, feeds)
        if adapt:
            graph, feeds = _adapted_to(part, graph, feeds)
        specs = rebuilt(graph.spec, feeds)
        trunk = prune(dataclasses.replace(graph, outputs=[*leaves(old), *leaves(feeds)] if keep else feeds))
        with doing(f"calling the part on {listing(f'{ref} {graph.spec(ref)}' for ref in leaves(feeds))}"):
            piece = part_graph(part, specs)
        grown, new = attach(trunk, piece, leaves(feeds))
        return ordered(dataclasses.replace(grown, outputs=_both(old, new) if keep else new))


def _feeds(graph: Graph, at: Any, expect: int | None) -> tuple[Graph, Any]:
    if at is not None:
        graph, (feeds,) = resolved(graph, [at], expect)
        return graph, feeds
    if len(leaves(graph.outputs)) > 1:
        raise SurgeryError(
            f"the network has {len(leaves(graph.outputs))} outputs: {listing(map(str, leaves(graph.outputs)))}. Say "
            f"at=."
        )
    return graph, leaves(graph.outputs)[0]


def _adapted_to(part: Any, graph: Graph, feeds: Any) -> tuple[Graph, Any]:
    """Returns the tensors as the inputs of a model or graph want them; of other parts nothing is known beforehand."""
    wanted = _wanted(part)
    if wanted is None or len(wanted) != len(leaves(feeds)):
        return graph, feeds
    new = {}
    for ref, spec in zip(in_order_of(part, feeds), wanted, strict=True):
        graph, new[ref] = fitted(graph, ref, spec, f"{part.name!r}", adapt=True)
    return graph, rebuilt(new.__getitem__, feeds)


def _wanted(part: Any) -> list[Spec] | None:
    """Returns the specs of the inputs of a part that has them: a graph or a built model."""
    if isinstance(part, Graph):
        return [part.spec(ref) for ref in leaves(part.inputs)]
    import keras

    if not isinstance(part, keras.Model) or not part.inputs:
        return None
    return [Spec(tuple(tensor.shape), str(tensor.dtype)) for tensor in leaves(part.inputs)]


def _both(old: Any, new: Any) -> Any:
    """Returns the old outputs and the new ones in one structure: a dict when the old ones are one, else a list."""
    if isinstance(old, dict):
        fresh = new if isinstance(new, dict) else {str(ref): ref for ref in leaves(new)}
        clash = sorted(set(old) & set(fresh))
        if clash:
            raise SurgeryError(f"there are two outputs named {clash[0]!r}.")
        return {**old, **fresh}
    return [*leaves(old), *leaves(new)]
