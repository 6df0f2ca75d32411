"""Opens a named network: from its card, fresh or with the weights of a file, or live with its published weights."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import re
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from surgery.core.errors import SurgeryError, doing, first_line, listing, printable
from surgery.core.names import unnumbered
from surgery.core.nested import leaves
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.input_preprocessing import stamped
from surgery.graph.primitives import rename
from surgery.graph.traversal import calls_at_every_depth
from surgery.zoo.catalogue import Network, find
from surgery.zoo.keras_settings import Settings, home_of_keras, settings, under
from surgery.zoo.shipped import card


def open_network(name: str, weights: str | os.PathLike[str] | None = None, dtype: Any = None, **options: Any) -> Graph:
    """Opens a named network as a new `Graph`.

    Args:
        name: lower-case name, as `surgery zoo` lists them.
        weights: `None` for fresh ones, drawn when a layer is first built; `"pretrained"` (or `"imagenet"` for
            `keras.applications`) for the published ones; or the path of a weights file.
        dtype: the dtype policy, or its name, that its layers are made under; by default the global one of Keras.
        options: further arguments of the network, such as `include_top=False` or `input_shape=(96, 96, 3)`.

    Raises:
        SurgeryError: no such network, no such option, or weights that cannot be had.
    """
    network = find(name)
    graph = _opened(network, weights, settings(dtype), options)
    expected = network.preprocessing(included=options.get("include_preprocessing", True) is not False)
    return stamped(graph, {ref.call: expected for ref in leaves(graph.inputs) if expected.fits(graph.spec(ref))})


_downloads: ContextVar[bool] = ContextVar("downloads", default=True)


@contextlib.contextmanager
def without_downloads() -> Iterator[None]:
    """Opens networks inside the block with fresh weights where their published ones are downloaded."""
    token = _downloads.set(False)
    try:
        yield
    finally:
        _downloads.reset(token)


def _opened(network: Network, weights: Any, made_under: Settings, options: dict[str, Any]) -> Graph:
    published = str(weights) in ("pretrained", "imagenet") and network.keras_name is not None
    if weights is None or (published and not _downloads.get()):
        return card(network.name, options, made_under)
    if str(weights) not in ("pretrained", "imagenet"):
        return _from_file(card(network.name, options, made_under), weights)
    if network.keras_name is None and not network.shipped:
        raise SurgeryError(f"no weights of {network.name} are published for Keras; weights=PATH takes those of a file.")
    if network.keras_name is None and str(weights) == "imagenet":
        raise SurgeryError(f"{network.name} was not trained on ImageNet; its weights are weights='pretrained'.")
    from surgery.keras_bridge.trace import trace

    with under(made_under.policy):
        graph = trace(_pretrained(network.name, network.keras_name, options))
    return _with_names_of(graph, card(network.name, options, made_under))


def make(name: str, options: dict[str, Any], weights: str | None = None) -> Any:
    """Makes the live Keras model of a named network."""
    import keras

    network = find(name)
    if network.keras_name is None:
        return getattr(importlib.import_module(f"surgery.zoo.{network.name}"), network.name)(**options)
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    return getattr(keras.applications, network.keras_name)(weights=weights, **options)


def _pretrained(name: str, keras_name: str | None, options: dict[str, Any]) -> Any:
    if keras_name is None:
        from surgery.zoo import tinyvgg

        return tinyvgg.pretrained(**options)
    try:
        return make(name, options, "imagenet")
    except Exception as error:  # the downloader raises what the network raises
        url = re.search(r"https?://\S+/([\w.\-]+)", str(error))
        if url is None:
            raise SurgeryError(f"{name!r} cannot be opened: {first_line(error)}") from error
        home = Path(home_of_keras(), "models")
        raise SurgeryError(
            f"the ImageNet weights of {name!r} could not be downloaded ({_reason(error)}).\n"
            f"  The file is {url[1]}; put it into {home} and try again,\n"
            "  or open with weights=PATH (a weights file of yours) or weights=None (fresh weights)."
        ) from error


def _reason(error: BaseException) -> str:
    return first_line(error).rpartition(": ")[2].removeprefix("None -- ") or type(error).__name__


def _from_file(graph: Graph, path: str | os.PathLike[str]) -> Graph:
    """Returns the graph of a card whose layers take their weights from a file when they are built; none is read now."""
    from surgery.compare.matching import matched
    from surgery.compare.targets import Target
    from surgery.formats.architecture_alone import with_absent
    from surgery.formats.paths import exists, refuse_url
    from surgery.formats.weights_file import weights_in

    refuse_url(path)
    if not (exists(path) and Path(path).is_file()):
        raise SurgeryError(
            f"no weights file {os.fspath(path)!r} for {graph.name!r}. "
            "weights= takes a path, 'pretrained', 'imagenet' (for keras.applications) or None (fresh weights)."
        )
    ops: dict[str, Any] = {
        address: call.op
        for address, call in calls_at_every_depth(graph)
        if call.op is not None and call.weights and call.op.inner is None
    }
    targets = [
        Target(name, op.class_name, tuple(weight.shape for weight in op.weights), None) for name, op in ops.items()
    ]
    with doing(f"loading {printable(path)!r} into {graph.name!r}"):
        pairs = matched(targets, weights_in(path))
        wrong = {target.name for target in targets} - {
            target.name
            for target, piece, _ in pairs
            if piece.source.absent or sorted(target.shapes) == sorted(tensor.shape for tensor in piece.tensors)
        }
        if wrong:
            raise SurgeryError(
                f"the file does not fit: {len(wrong)} of {len(targets)} layers find no weights of their shapes: "
                f"{listing(name for name in ops if name in wrong)}."
            )
    for target, piece, _ in pairs:
        ops[target.name].source = piece.source
    return with_absent(graph)


def _with_names_of(graph: Graph, card_graph: Graph) -> Graph:
    """Returns the graph of a model that was just made, and that nobody else holds, under the names of its card.

    Keras numbers unnamed layers through the life of a process; addresses must not depend on what ran before.
    """
    names: dict[str, str] = {}
    for live, stored in _side_by_side(graph, card_graph):
        op: Any = live.op
        name = stored if isinstance(stored, str) else stored.name
        names[live.name] = name
        if op is None:
            continue
        if isinstance(stored, Call) and stored.op is not None:
            name = stored.op.name
            if op.inner is not None and stored.op.inner is not None:
                op.inner = _with_names_of(op.inner, stored.op.inner)
        op.layer.name = op.standins[0].name = name
    return rename(graph, names.__getitem__)


def _side_by_side(graph: Graph, card_graph: Graph) -> Iterator[tuple[Call, Call | str]]:
    """Yields each call with that of the card, or with a name of its own: with published weights EfficientNet has one
    layer more than with fresh ones."""
    if len(graph) == len(card_graph):
        yield from zip(graph, card_graph, strict=True)
        return
    of_kind: dict[str, list[Call]] = {}
    for call in reversed(card_graph.calls):
        of_kind.setdefault(_unnumbered(call.name), []).append(call)
    taken = {call.name for call in card_graph}
    for call in graph:
        kind = _unnumbered(call.name)
        if of_kind.get(kind):
            yield call, of_kind[kind].pop()
            continue
        name = next(name for count in itertools.count(1) if (name := f"{kind}_{count}") not in taken)
        taken.add(name)
        yield call, name


def _unnumbered(name: str) -> str:
    return unnumbered(name.partition("@")[0])
