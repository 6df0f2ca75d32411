"""Opens a model file as a `Graph` of stored ops: without Keras, without running code, without reading weights."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from surgery.core.errors import MESSAGE, SurgeryError, first_line, listing, nearest, printable, shortened
from surgery.core.recursion import uncollected
from surgery.formats.architecture_alone import alone, filled, with_absent
from surgery.formats.budget import Budget
from surgery.formats.byte_ranges import Descriptor, Window
from surgery.formats.hdf5_file import MAGIC, Hdf5, read_hdf5
from surgery.formats.json_text import TEXT, is_json, is_list_of_shards, parsed, read_json
from surgery.formats.legacy.rules import Origin
from surgery.formats.model_config import Reader
from surgery.formats.other_files import TFJS, CutOff, architecture_in, refuse_folder, topology_of
from surgery.formats.own_members import with_members
from surgery.formats.paths import SUFFIXES, exists, refuse_url
from surgery.formats.registered import NoArchitecture, WeightsAlone
from surgery.formats.safetensors import is_safetensors
from surgery.formats.stock_classes import with_fixed
from surgery.formats.weight_layout import NoPlaces, Places, Rows, Tree, is_of_optimizer
from surgery.formats.zip import Archive, is_zip
from surgery.formats.zip_members import weights_of
from surgery.graph.graph import Graph
from surgery.graph.primitives import held_still

_LOAD = "`surgery weights` lists them; sg.load_weights(model, path) puts them into a network that has their shapes."


@dataclasses.dataclass(frozen=True)
class Beside:
    """Weights for the file of an architecture alone.

    Args:
        what: the file that they are in, for messages.
        places: the tensors of each layer.
        written: what the file says of the Keras that wrote it.
    """

    what: str
    places: Places
    written: Mapping[str, Any]


def open_file(path: str | os.PathLike[str], weights: Beside | None = None) -> Graph:
    """Opens a model file as a new `Graph`: `.keras`, legacy HDF5, or the JSON of an architecture.

    Args:
        path: the file; its content decides what it is, not its name.
        weights: for an architecture, which has none of its own; without them its layers are fresh.

    Returns:
        The graph; `graph.notes` says what was mended, and what has no values.

    Raises:
        SurgeryError: there is no such file, it is no model, it is broken, or it holds a model that is code.
    """
    path = Path(path)
    what = repr(printable(path))
    source, kind = descriptor(path)
    report: list[str] = []
    with uncollected(), _shown_as_far_as_it_goes(source, kind, what):
        graph = _opened(source, kind, what, report, weights)
    notes = (*(f"mended: {printable(line)}" for line in report), *graph.notes)
    return dataclasses.replace(graph, notes=notes)


def _opened(source: Descriptor, kind: str, what: str, report: list[str], weights: Beside | None) -> Graph:
    try:
        stored = read_json(source, what) if kind == "json" else {}
        if kind == "safetensors" or is_list_of_shards(stored):
            kind = "a list of shards" if stored else kind
            raise WeightsAlone(f"{what} is {kind}: weights without an architecture. {_LOAD}")
        topology = topology_of(stored)
        stored = topology or stored
        if kind == "json":
            reader = Reader(_origin_of_json(stored, weights), report, source.budget, alone=True)
            graph = _graph(reader, stored, NoPlaces() if weights is None else weights.places)
            graph = alone(graph, source.path) if weights is None else filled(graph, weights.what)
            return graph if topology is None else dataclasses.replace(graph, notes=(TFJS, *graph.notes))
        archive = Archive(source) if kind == "zip" else None
        if archive is not None:
            stored, origin, places = _of_zip(archive, what)
        else:
            stored, origin, places = _of_hdf5(read_hdf5(Window(source), what, source.budget), what, source.budget)
        graph = _graph(Reader(origin, report, source.budget), stored, places)
        if archive is None:
            return with_absent(graph)
        with_fixed(graph, archive, report)
        return with_members(graph, archive)
    except SurgeryError as error:
        text = str(error)
        stored = [error.stored] if isinstance(error, NoArchitecture) else []
        whole = text if what in text else f"{what} cannot be opened: {text}"
        raise type(error)(shortened(whole, MESSAGE), *stored) from error


@contextlib.contextmanager
def _shown_as_far_as_it_goes(source: Descriptor, kind: str, what: str) -> Iterator[None]:
    """Adds the architecture to the error about a file that is cut off, where that lies whole in it."""
    try:
        yield
    except SurgeryError as error:
        if "truncated" not in str(error) or kind not in ("zip", "hdf5"):
            raise
        try:
            stored = architecture_in(source)
            reader = Reader(_origin_of_json(stored or {}, None), [], source.budget, alone=True)
            graph = alone(_graph(reader, stored, NoPlaces()), source.path)
        except (SurgeryError, OSError):
            raise error from None
        raise CutOff(
            f"{error} Its architecture is whole, and `surgery inspect {printable(source.path)}` shows it; for the "
            "weights, fetch or copy the file again.",
            graph,
        ) from error


def _graph(reader: Reader, stored: Any, places: Places) -> Graph:
    """Reads the model; a configuration of a stranger may break any rule at any place, and that is one refusal."""
    try:
        graph = reader.model(stored, places)
        keeps_still = stored["class_name"] != "Sequential" and stored["config"].get("trainable") is False
        return held_still(graph) if keeps_still else graph  # of a Sequential Keras forgets its own flag
    except SurgeryError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {first_line(error)}"
        raise SurgeryError(f"its configuration is not what Keras writes ({what}).") from error


def is_architecture(path: str | os.PathLike[str]) -> bool:
    """Whether a file is JSON, which holds no weights.

    Raises:
        SurgeryError: as `descriptor`.
    """
    return descriptor(Path(path))[1] == "json"


def descriptor(path: Path) -> tuple[Descriptor, str]:
    """Opens a file; returns it and what its content is: `zip`, `hdf5`, `safetensors`, or `json`: an architecture, or a
    list of shards.

    Raises:
        SurgeryError: there is no such file, or it is none of them.
    """
    refuse_url(path)
    if not exists(path):
        beside = (
            [file.name for file in path.parent.glob("*") if file.suffix in SUFFIXES] if path.parent.is_dir() else []
        )
        raise SurgeryError(f"no file {printable(path)!r}.{nearest(path.name, beside)}")
    if path.is_dir():
        refuse_folder(path)
    if not path.is_file():
        raise SurgeryError(f"{printable(path)!r} is not a regular file.")
    source = Descriptor(path)
    try:
        head = os.pread(source.number, 64, 0)
    except OSError as error:
        raise SurgeryError(f"{printable(path)!r} cannot be read: {error.strerror}.") from error
    if head.startswith(MAGIC):
        return source, "hdf5"
    if is_zip(head):
        return source, "zip"
    if is_safetensors(head):
        return source, "safetensors"
    if is_json(head):
        return source, "json"
    found = f"it begins with {head[:16]!r}" if head else "it is empty"
    raise SurgeryError(
        f"{printable(path)!r} is not a Keras model file: {found}, and is neither a zip (.keras) nor HDF5 (.h5)."
    )


def _origin_of_json(stored: dict[str, Any], weights: Beside | None) -> Origin:
    """Returns what wrote an architecture: Keras 3 does not say its version, and none says all that it should.

    Raises:
        SurgeryError: it is no architecture.
    """
    if not isinstance(stored.get("class_name"), str):
        keys = listing(map(printable, stored), 4)
        raise SurgeryError(f"it is JSON, but not of model.to_json(), which says class_name and config: it has {keys}.")
    written = {} if weights is None else weights.written
    version = stored.get("keras_version") or ("3" if "module" in stored else written.get("keras_version"))
    backend = written.get("backend") or stored.get("backend") or "tensorflow"
    return Origin(_version(version, stored), str(backend))


def _of_zip(archive: Archive, what: str) -> tuple[Any, Origin, Places]:
    stored = parsed(archive.read("config.json", TEXT), f"config.json in {what}", archive.budget)
    metadata = parsed(archive.read("metadata.json", 2**20), f"metadata.json in {what}", archive.budget)
    origin = Origin(_version(metadata.get("keras_version"), stored))
    for name in ("model.weights.h5", "model.weights.json"):
        if name in archive:
            break
    else:
        raise SurgeryError(f"{what} has no weights in it: {', '.join(map(printable, archive.names()[:8]))}.")
    if name.endswith(".json"):
        raise SurgeryError(f"{what} keeps its weights in shards inside the archive, which no Keras opens.")
    names = [name for name in archive.names() if name.startswith("assets/") and not name.endswith("/")]
    assets = {name: functools.partial(archive.read, name, TEXT) for name in names}
    return stored, origin, Tree(weights_of(archive, name, what), assets=assets)


def _of_hdf5(file: Hdf5, what: str, budget: Budget) -> tuple[Any, Origin, Places]:
    root = file.groups[""]
    if "model_config" not in root:
        state = sum(is_of_optimizer(path) for path in file.tensors)
        more = f", and {state:,} of the state of an optimizer" if state else ""
        count = f"{len(file.tensors) - state:,} tensors{more}"
        raise WeightsAlone(f"{what} holds weights without an architecture ({count}). {_LOAD}")
    stored = parsed(root["model_config"], f"the configuration in {what}", budget)
    weights = file.groups.get("model_weights", {})
    backend = root.get("backend") or weights.get("backend") or "tensorflow"
    version = _version(root.get("keras_version") or weights.get("keras_version"), stored)
    rows = Rows.of_file(file)
    return stored, Origin(version, str(backend)), rows if rows.rows else NoPlaces()


def _version(text: Any, stored: dict[str, Any]) -> tuple[int, ...]:
    """Returns the version of the Keras that wrote a file; from the configuration where the file does not say."""
    found = re.match(r"\d{1,9}(\.\d{1,9}){,5}", text) if isinstance(text, str) else None
    if found:
        return tuple(int(part) for part in found[0].split("."))
    old = re.search(r"nb_filter|border_mode|dim_ordering|inner_activation|\"output_dim\"", json.dumps(stored))
    return (1,) if old else (2,)
