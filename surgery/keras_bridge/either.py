"""Graph or live model: what takes one takes the other, and `build` makes the second of the first."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

from surgery.core.errors import SurgeryError
from surgery.graph.graph import Graph
from surgery.graph.input_preprocessing import carried, stamped
from surgery.graph.primitives import held_still


def _of_model(model: Any) -> Graph:
    from surgery.keras_bridge.trace import trace

    graph = trace(model)
    return graph if model.trainable else held_still(graph)


def build(
    graph: Graph,
    copy: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
    replacements: Mapping[str, Any] | None = None,
) -> Any:
    """Builds a new, uncompiled `keras.Model` from a graph.

    Args:
        graph: the graph; a `keras.Model` is opened first.
        copy: live layers are shared by default, as Keras shares them: training the new model trains the donor. `True`
            makes layers of their own, with equal weights.
        custom_objects: classes and functions that layers from a file may name, besides those of Keras.
        replacements: address -> the layer, or function of tensors, to apply instead of what a file names: its Lambda
            layers are never run.

    Returns:
        `keras.Model`. A layer that the graph renames, or whose flags it changes (`freeze`, `unfreeze`), is always a
        copy, so that the donor keeps its name and flags.

    Raises:
        SurgeryError: a call does not fit what it is given, or a stored layer cannot be made: the message names each
            that is code, or whose weights in the file are others.

    Example:

    >>> model = sg.build(sg.cut(sg.open("tinyvgg"), outputs="block4_pool"))
    >>> model.output_shape
    (None, 2, 2, 40)
    """
    from surgery.keras_bridge.build import assemble

    return assemble(as_graph(graph), copy, custom_objects, replacements)


def as_graph(x: Any) -> Graph:
    """Returns the graph of a graph or of a live model."""
    if isinstance(x, Graph):
        return x
    if isinstance(x, (str, os.PathLike)):
        raise SurgeryError(f"a Graph or a keras.Model was expected, not {x!r}: open it first, sg.open({str(x)!r}).")
    return _of_model(x)


P = ParamSpec("P")


Net = TypeVar("Net")


def edit(verb: Callable[Concatenate[Graph, P], Graph]) -> Callable[Concatenate[Net, P], Net]:
    """Makes a verb on graphs take a `keras.Model` too: what comes back is the same kind as what went in."""

    @functools.wraps(verb)
    def on_either(x: Any, *args: P.args, **kwargs: P.kwargs) -> Any:
        if isinstance(x, Graph):
            return edited(x, *args, **kwargs)
        return build(edited(as_graph(x), *args, **kwargs))

    def edited(graph: Graph, *args: P.args, **kwargs: P.kwargs) -> Graph:
        new = verb(graph, *args, **kwargs)
        return stamped(new, *carried(graph, new))  # what images its inputs expect

    return on_either  # type: ignore
