"""`open` (name, file or live model -> Graph), `build` (Graph -> keras.Model), `save` (either -> file).

Opening reads no weight. A named network with fresh weights, a file, and everything that only looks, need no Keras.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from surgery import zoo
from surgery.core.errors import SurgeryError, doing, first_line, listing, printable
from surgery.core.renames import renamed_arguments
from surgery.formats.output_counts import may_make_more
from surgery.formats.paths import SUFFIXES, exists
from surgery.graph.about import About, with_about
from surgery.graph.graph import Graph
from surgery.graph.input_preprocessing import by_name
from surgery.graph.masks import dropped
from surgery.keras_bridge.either import _of_model, as_graph, build

_watch: ContextVar[list[Graph] | None] = ContextVar("opened", default=None)


def open(source: Any, weights: str | os.PathLike[str] | None = None, shapes: bool = False, **options: Any) -> Graph:
    """Opens a network as a new `Graph`; the source is unchanged.

    Args:
        source: the name of a network (`surgery zoo` lists them), the path of a model file, a live `keras.Model`, or a
            `Graph`, which is returned unchanged.
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
    if shapes and any(may_make_more(call) or None in [one.shape for one in call.specs] for call in graph):
        from surgery.keras_bridge.build import shaped

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
        from surgery.formats.open_file import is_architecture

        if weights is None or is_architecture(source):
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


def _of_file(path: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None) -> Graph:
    from surgery.formats.open_file import open_file
    from surgery.formats.other_files import unzipped
    from surgery.formats.registered import NoArchitecture, WeightsAlone
    from surgery.formats.weights_file import beside, weights_in

    inside = unzipped(path)
    try:
        if inside is not None and weights is None:
            return open_file(inside[0], beside(inside[1]))
        return open_file(path, None if weights is None else beside(weights))
    except WeightsAlone as error:
        from surgery.zoo.recognition import fitting

        fits = fitting(weights_in(path))
        known = "".join(f"\n  {fit}: open({fit.network!r}, weights=...)" for fit in fits[:3])
        raise WeightsAlone(f"{error}{known}") from error
    except NoArchitecture as error:
        if error.stored is None:
            raise
        return _of_model(_constructed(error.stored, path, weights))


def _constructed(stored: Any, path: str | os.PathLike[str], weights: str | os.PathLike[str] | None) -> Any:
    """Returns the model of a registered class that makes a graph of layers in code, with the weights of a file."""
    import keras

    from surgery.formats.open_file import is_architecture
    from surgery.keras_bridge.allowlist import admitted

    try:
        model: Any = keras.saving.deserialize_keras_object(admitted(stored, {}), safe_mode=True)
        if weights is not None or not is_architecture(path):
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
        and (os.sep in source or Path(source).suffix in SUFFIXES or exists(source))
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


@renamed_arguments(prove="verify")
def save(x: Any, path: str | os.PathLike[str], verify: bool = True, about: About | None = None) -> Path:
    """Writes a model or a graph to a `.keras` file that stock Keras opens; returns the path.

    The file is written next to its place and moved there when it is whole, so a kill at any moment leaves the old file
    or the new one. It also says what the network expects of its images (`graph.preprocessing`) and what it is for
    (`graph.about`), which Keras ignores.

    Args:
        x: `Graph` or `keras.Model`.
        path: ends in `.keras`; an existing file is replaced.
        verify: whether the file is opened again and all weights are compared first.
        about: what the model is for: names of its classes, measures; by default what is known of a graph
            (`graph.about`), and of a live model nothing.

    Raises:
        SurgeryError: the path cannot be written, what was written is not the same model, or `about` names another
            number of classes than it has outputs.
    """
    import keras

    from surgery.keras_bridge.save import save_model

    if not isinstance(x, (Graph, keras.Model)):
        raise SurgeryError(f"a Graph or a keras.Model is saved, not {x!r}.")
    from surgery.keras_bridge.trace import expects_images

    graph = as_graph(x) if isinstance(x, Graph) or about is not None or expects_images(x) else None
    about = _checked(graph, path, about)
    model = build(x) if isinstance(x, Graph) else x
    return save_model(model, path, verify, {} if graph is None else by_name(graph), about)


def _checked(graph: Graph | None, path: str | os.PathLike[str], about: About | None) -> About | None:
    """Returns what the file is to say of the model, with the versions that write it."""
    import keras

    if about is None:
        return None if graph is None else graph.about
    if not isinstance(about, About):
        raise SurgeryError(f"about= is an sg.About, not {about!r}.")
    if Path(path).suffix == ".safetensors":
        raise SurgeryError(f"about=: {printable(path)!r} holds weights alone; a .keras file says what a model is for.")
    with doing("writing about="):
        with_about(graph, about)
    versions = {"surgery": importlib.import_module("surgery").__version__, "keras": keras.__version__}
    return about if about.versions else dataclasses.replace(about, versions=versions)
