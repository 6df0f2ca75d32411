"""The weights in any file, layer by layer, whether or not the file says what the layers are."""

from __future__ import annotations

import os
from pathlib import Path

from surgery.core.errors import SurgeryError, printable
from surgery.core.names import natural
from surgery.core.tensors import Source, Tensor
from surgery.formats.byte_ranges import Descriptor, Window
from surgery.formats.hdf5_file import Hdf5, read_hdf5
from surgery.formats.json_text import is_list_of_shards, parsed, read_json
from surgery.formats.open_file import Beside, descriptor, open_file
from surgery.formats.other_files import weights_inside
from surgery.formats.registered import NoArchitecture
from surgery.formats.safetensors import header_of, paths_in, tensors_of
from surgery.formats.weight_layout import Named, Rows, Tree, source_of
from surgery.formats.weight_pieces import Piece
from surgery.formats.zip import Archive
from surgery.formats.zip_members import weights_of
from surgery.graph.graph import Graph
from surgery.graph.traversal import calls_at_every_depth


def weights_in(path: str | os.PathLike[str]) -> list[Piece]:
    """Returns the weights in a file of any of these formats, as `pieces_of_file`, without the state of an optimizer."""
    return [piece for piece in pieces_of_file(path) if not piece.is_state]


def pieces_of_file(path: str | os.PathLike[str]) -> list[Piece]:
    """Returns the weights in a `.keras`, `.h5`, `.weights.h5`, `.weights.json` or safetensors file, by layer, in order.

    No value is read. What Keras 1 and 2 wrote in another form is converted where the file says what the layers are.

    Raises:
        SurgeryError: it is no such file, or broken.
    """
    path = weights_inside(Path(path))
    what = repr(printable(path))
    source, kind = descriptor(path)
    if kind == "json":
        return [piece for shard in _shards(path, source, what) for piece in _of_tree(_shard(shard, what))]
    if kind == "safetensors":
        return _of_safetensors(Window(source), what)
    try:
        return pieces_of_graph(open_file(path))
    except NoArchitecture:
        pass
    file = _hdf5(source, kind, what)
    if _is_listed(file):
        return [Piece(name, source_of(row)) for name, row in Rows.of_file(file).rows.items() if row]
    return _of_tree(file)


def beside(path: str | os.PathLike[str]) -> Beside:
    """Returns the weights in a file of any of these formats, for an architecture that is in another.

    Raises:
        SurgeryError: likewise.
    """
    path = Path(path)
    what = repr(printable(path))
    source, kind = descriptor(path)
    if kind == "safetensors":
        return Beside(
            what, Named({piece.name: piece.source.named for piece in _of_safetensors(Window(source), what)}), {}
        )
    if kind == "json":
        whole = Hdf5({}, {})
        for shard in (_shard(shard, what) for shard in _shards(path, source, what)):
            whole.tensors.update(shard.tensors)
            whole.groups.update(shard.groups)
        return Beside(what, Tree(whole), {})
    file = _hdf5(source, kind, what)
    if not _is_listed(file):
        return Beside(what, Tree(file), {})
    return Beside(what, Rows.of_file(file), {**file.groups.get("model_weights", {}), **file.groups[""]})


def _hdf5(source: Descriptor, kind: str, what: str) -> Hdf5:
    if kind == "zip":
        return weights_of(Archive(source), "model.weights.h5", what)
    return read_hdf5(Window(source), what, source.budget)


def _is_listed(file: Hdf5) -> bool:
    """Whether a file lists the tensors of each layer, as Keras 1 and 2 do."""
    return "layer_names" in file.groups[""] or "model_weights" in file.groups


def pieces_of_graph(graph: Graph) -> list[Piece]:
    """Returns the weights of the stored layers of a graph, each once."""
    found, seen = [], set()
    for address, call in calls_at_every_depth(graph):
        source = getattr(call.op, "source", None)
        if source is not None and (source.tensors or source.absent) and call.op not in seen:
            seen.add(call.op)
            found.append(Piece(address, source, class_name=call.class_name))
    return found


def _of_tree(file: Hdf5) -> list[Piece]:
    """Returns the layers of a tree: the topmost ones that are not models of layers.

    A Functional or Sequential model keeps its layers in order, below `layers`. A model with code of its own keeps them
    below its attributes, by name, so that their order in the file says nothing.
    """
    owners: dict[str, dict[str, Tensor]] = {}
    nodes: dict[str, list[str]] = {}
    containers = _containers(file)
    for path, tensor in file.tensors.items():
        nodes_above = _nodes(path.split("/"), file, containers)
        owner = nodes_above[-1] if nodes_above else ""
        nodes[owner] = nodes_above
        owners.setdefault(owner, {})[path[len(owner) + 1 :] if owner else path] = tensor
    listed = all(owner.startswith(("layers/", "_layer_checkpoint_dependencies/", "optimizer")) for owner in owners)
    has_input = any(path.startswith("layers/input_layer") for path in file.groups)  # of a Functional alone
    order = ("calls" if has_input else "made") if listed else ""
    found = []
    for owner in sorted(owners, key=natural):
        names = [str(file.groups.get(f"{node}/vars", {}).get("name", "")) for node in nodes[owner]]
        places = [node.rpartition("/")[2] for node in nodes[owner]]
        above = nodes[owner][-2] if len(names) > 1 else ""
        own = bool(owner) and "/" not in owner.removeprefix(above).strip("/")  # an attribute, named by its author
        sure = (bool(names) and all(names)) or own
        name = "/".join(names if names and all(names) else places) or "model"
        found.append(Piece(name, Source(tree=owners[owner]), sure, path=owner, order=order))
    return found


def _containers(file: Hdf5) -> set[str]:
    """Returns the groups below which all tensors lie in `layers`: those of models that are made of layers."""
    inside, beside = set(), set()
    for path in file.tensors:
        parts = path.split("/")
        for end in range(1, len(parts)):
            (inside if parts[end] == "layers" else beside).add("/".join(parts[:end]))
    return inside - beside


def _nodes(parts: list[str], file: Hdf5, containers: set[str]) -> list[str]:
    """Returns the layers on the way to a tensor, from the outermost: models that are made of layers, then a layer."""
    found, at = [], 0
    while parts[at : at + 1] not in ([], ["vars"]):
        end = at + (2 if parts[at] == "layers" else 1)
        while end < len(parts) - 1 and parts[end] != "vars" and "/".join([*parts[:end], "vars"]) not in file.groups:
            end += 1  # a list of layers has no variables of its own
        found.append("/".join(parts[:end]))
        if found[-1] not in containers:
            break
        at = end
    return found


def _of_safetensors(window: Window, what: str) -> list[Piece]:
    text = header_of(window, what)
    header = parsed(text.strip(), f"the header of {what}", window.source.budget, unique=True)
    tensors = tensors_of(window, header, 8 + len(text), what)
    paths = paths_in(header)
    named: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        layer, slash, last = name.rpartition("/")
        if not slash:
            layer, _, last = name.rpartition(".")
        named.setdefault(layer or "model", {})[last] = tensor
    return [Piece(layer, Source(named=one), path=paths.get(layer, "")) for layer, one in named.items()]


def _shard(path: Path, what: str) -> Hdf5:
    source, kind = descriptor(path)
    if kind != "hdf5":
        raise SurgeryError(f"{what} names {printable(path.name)!r}, which is not HDF5.")
    return read_hdf5(Window(source), what, source.budget)


def _shards(path: Path, source: Descriptor, what: str) -> list[Path]:
    """Returns the files that a `.weights.json` names: beside it, never elsewhere."""
    stored = read_json(source, what)
    if not is_list_of_shards(stored) and "class_name" in stored:
        raise SurgeryError(f"{what} is an architecture: it holds no weights.")
    weights = stored.get("weight_map")
    if not isinstance(weights, dict):
        raise SurgeryError(f"{what} lists no shards.")
    names = [name for value in weights.values() for name in (value if isinstance(value, list) else [value])]
    odd = [name for name in names if not isinstance(name, str) or Path(name).name != name or name in ("", path.name)]
    if odd:
        raise SurgeryError(f"{what} names {printable(odd[0])!r}, which is not a shard next to it.")
    return [path.with_name(name) for name in sorted(set(names))]
