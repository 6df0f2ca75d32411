"""The doors: `open` (name, file or live model -> Graph), `build` (Graph -> keras.Model), `save`.

Opening reads no weight. A named network with fresh weights, a file, and everything that only looks, need no Keras.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from surgery import files, zoo
from surgery.errors import SurgeryError, first_line, listing, printable
from surgery.graph import Graph
from surgery.masks import dropped
from surgery.preprocessing import by_name, carried, stamped
from surgery.primitives import held_still

_watch: ContextVar[list[Graph] | None] = ContextVar("opened", default=None)


def open(source: Any, weights: str | os.PathLike[str] | None = None, shapes: bool = False, **options: Any) -> Graph:
    """Opens a network as a new `Graph`; the source is unchanged.

    Args:
        source: the name of a network (`surgery zoo` lists them), the path of a model file, a live `keras.Model`, or a
            `Graph`, which is returned as it is.
        weights: for a named network: `None` draws fresh ones, `"pretrained"` takes the published ones (ImageNet for
            `keras.applications`, where `"imagenet"` says the same; shipped for `tinyvgg`), a path takes those of a
            weights file. For an architecture, the JSON of `model.to_json()`: `None` or a path. Any other file, or a
            live model, brings its own (which `"pretrained"` means for a file).
        shapes: for a file: whether Keras computes the shapes that the file does not say and that are not those of
            standard layers; it then reads the weights too.
        options: further arguments of a named network, such as `include_top=False`, `input_shape=(96, 96, 3)`, and
            `dtype=`, the dtype policy that its layers are made under (by default the global one of Keras).

    Returns:
        The graph. Its ops are shared by every model built from it: training one trains all.

    Raises:
        SurgeryError: nothing of that name, a file that is not a model, or a model that is not a graph (subclassed).

    Example:

    >>> graph = sg.open("tinyvgg", weights="pretrained")
    >>> graph["block4_pool"].output
    Spec(shape=(None, 2, 2, 40), dtype='float32')
    """
    graph = _opened(source, weights, options)
    if shapes and any(files.may_make_more(call) or None in [one.shape for one in call.specs] for call in graph):
        from surgery.building import shaped

        graph = shaped(graph)
    unmasked = () if source is graph else dropped(graph)
    if unmasked:
        note = f"{listing(unmasked)}: Keras 3 drops the mask of a recurrent layer that is given states; mask= passes it"
        graph = dataclasses.replace(graph, notes=(*graph.notes, note))
    watched = _watch.get()
    if watched is not None:
        watched.append(graph)
    return graph


def _opened(source: Any, weights: Any, options: dict[str, Any]) -> Graph:
    if isinstance(source, str) and not is_path(source):
        return zoo.open_network(source, weights, **options)
    if isinstance(source, (str, os.PathLike)) and not options:
        if weights is None or files.is_architecture(source):
            return _of_file(source, weights)
        if weights == "pretrained":
            return _of_file(source)  # those that are in it
    if weights is not None or options:
        given = ", ".join([*(["weights"] if weights is not None else []), *options])
        besides = " or an architecture" if given == "weights" else ""
        raise SurgeryError(
            f"{given}: only for a named network{besides}; a file, a live model or a graph brings its own."
        )
    if isinstance(source, Graph):
        return source
    if isinstance(source, bytes):
        raise SurgeryError(f"a path is a text or a pathlib.Path, not {source!r}.")
    return _of_model(source)


def _of_model(model: Any) -> Graph:
    from surgery.tracing import trace

    graph = trace(model)
    return graph if model.trainable else held_still(graph)


def _of_file(path: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None) -> Graph:
    inside = files.unzipped(path)
    try:
        if inside is not None and weights is None:
            return files.open_file(inside[0], files.beside(inside[1]))
        return files.open_file(path, None if weights is None else files.beside(weights))
    except files.WeightsAlone as error:
        from surgery.zoo.fitting import fitting

        fits = fitting(files.weights_in(path))
        known = "".join(f"\n  {fit}: open({fit.network!r}, weights=...)" for fit in fits[:3])
        raise files.WeightsAlone(f"{error}{known}") from error
    except files.NoArchitecture as error:
        if error.stored is None:
            raise
        return _of_model(_constructed(error.stored, path, weights))


def _constructed(stored: Any, path: str | os.PathLike[str], weights: str | os.PathLike[str] | None) -> Any:
    """Returns the model of a registered class that makes a graph of layers in code, with the weights of a file."""
    import keras

    from surgery.trusting import admitted

    try:
        model: Any = keras.saving.deserialize_keras_object(admitted(stored, {}), safe_mode=True)
        if weights is not None or not files.is_architecture(path):
            model.load_weights(path if weights is None else weights)
    except (SurgeryError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise SurgeryError(
            f"{printable(path)!r} cannot be opened: Keras cannot make it: {first_line(error)}"
        ) from error
    return model


def is_path(source: str) -> bool:
    """Whether a text means a file rather than a named network."""
    return (
        source.lower() not in zoo.NETWORKS
        and bool(source)
        and (os.sep in source or Path(source).suffix in files.SUFFIXES or files.exists(source))
    )


@contextlib.contextmanager
def watch() -> Iterator[list[Graph]]:
    """Lists the graphs that `open` returns inside the block: the donors of a recipe."""
    opened: list[Graph] = []
    token = _watch.set(opened)
    try:
        yield opened
    finally:
        _watch.reset(token)


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
        `keras.Model`. A layer that the graph renames, or whose flags it changes (`freeze`, `thaw`), is always a copy,
        so that the donor keeps its name and flags.

    Raises:
        SurgeryError: a call does not fit what it is given, or a stored layer cannot be made: the message names each
            that is code, or whose weights in the file are others.

    Example:

    >>> model = sg.build(sg.cut(sg.open("tinyvgg"), outputs="block4_pool"))
    >>> model.output_shape
    (None, 2, 2, 40)
    """
    from surgery.building import assemble

    return assemble(as_graph(graph), copy, custom_objects, replacements)


def save(x: Any, path: str | os.PathLike[str], prove: bool = True) -> Path:
    """Writes a model or a graph to a `.keras` file that stock Keras opens; returns the path.

    The file is written next to its place and moved there when it is whole, so a kill at any moment leaves the old file
    or the new one. It also says what the network expects of its images (`graph.preprocessing`), which Keras ignores.

    Args:
        x: `Graph` or `keras.Model`.
        path: ends in `.keras`; an existing file is replaced.
        prove: whether the file is opened again and all weights are compared first.

    Raises:
        SurgeryError: the path cannot be written, or what was written is not the same model.
    """
    import keras

    if not isinstance(x, (Graph, keras.Model)):
        raise SurgeryError(f"a Graph or a keras.Model is saved, not {x!r}.")
    if isinstance(x, Graph):
        return files.save_model(build(x), path, prove, by_name(x))
    from surgery.tracing import expects_images

    return files.save_model(x, path, prove, by_name(as_graph(x)) if expects_images(x) else {})


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
