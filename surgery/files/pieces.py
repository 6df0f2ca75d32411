"""The weights in any file, layer by layer, whether or not the file says what the layers are."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from surgery.errors import SurgeryError, printable
from surgery.files.architecture import NoArchitecture
from surgery.files.hdf5 import Hdf5, read_hdf5
from surgery.files.members import weights_of
from surgery.files.opening import OBJECTS, TEXT, descriptor, open_file, parsed
from surgery.files.placing import Rows, Source, natural
from surgery.files.safetensors import header_of, paths_in, tensors_of
from surgery.files.tensors import Tensor
from surgery.files.windows import Descriptor, Window
from surgery.files.zipped import Archive
from surgery.graph import Graph
from surgery.walking import calls_at_every_depth


@dataclasses.dataclass(frozen=True)
class Piece:
    """The weights of one layer.

    Args:
        name: the name of the layer, with those of the models around it: `vgg16/block1_conv1`.
        source: its tensors.
        sure: whether the file says this name; else it is Keras' numbering, `dense_1`.
        class_name: the class of the layer, where the file says it.
        path: the place at which Keras 3 would write the layer, `layers/dense_1`, where it is known.
    """

    name: str
    source: Source
    sure: bool = True
    class_name: str = ""
    path: str = ""

    @property
    def tensors(self) -> list[Tensor]:
        """Its tensors, in order."""
        return self.source.tensors


def pieces_of_file(path: str | os.PathLike[str]) -> list[Piece]:
    """Returns the weights in a `.keras`, `.h5`, `.weights.h5`, `.weights.json` or safetensors file, by layer, in order.

    No value is read. What Keras 1 and 2 wrote in another form is converted where the file says what the layers are.

    Raises:
        SurgeryError: it is no such file, or broken.
    """
    path = Path(path)
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
    zipped = kind == "zip"
    file = weights_of(Archive(source), "model.weights.h5", what) if zipped else read_hdf5(Window(source), what)
    if "layer_names" in file.groups[""] or "model_weights" in file.groups:
        rows = Rows.of_file(file, what).rows
        return [Piece(name, Source(row=tuple(tensor for _, tensor in row))) for name, row in rows.items() if row]
    return _of_tree(file)


def pieces_of_graph(graph: Graph) -> list[Piece]:
    """Returns the weights of the stored layers of a graph, each once."""
    found, seen = [], set()
    for address, call in calls_at_every_depth(graph):
        source = getattr(call.op, "source", None)
        if source is not None and source.tensors and call.op not in seen:
            seen.add(call.op)
            found.append(Piece(address, source, class_name=call.class_name))
    return found


def _of_tree(file: Hdf5) -> list[Piece]:
    """Returns the layers of a tree: the topmost groups below `layers` that are no models."""
    owners: dict[str, dict[str, Tensor]] = {}
    for path, tensor in file.tensors.items():
        parts = path.split("/")
        at = 2 * next((number for number in range(len(parts)) if parts[2 * number : 2 * number + 1] != ["layers"]), 0)
        owner = "/".join(parts[: at or 1]) if at else ""
        owners.setdefault(owner, {})[path[len(owner) + 1 :] if owner else path] = tensor
    found = []
    for owner in sorted(owners, key=natural):
        names = [
            str(file.groups.get("/".join(owner.split("/")[: end + 2]) + "/vars", {}).get("name", ""))
            for end in range(0, len(owner.split("/")), 2)
        ]
        parts = owner.split("/")[1::2]
        sure = bool(names) and all(names)
        name = "/".join(names if sure else parts) or "model"
        found.append(Piece(name, Source(tree=owners[owner]), sure, path=owner))
    return found


def _of_safetensors(window: Window, what: str) -> list[Piece]:
    text = header_of(window, what)
    header = parsed(text.strip(), f"the header of {what}")
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
        raise SurgeryError(f"{what} names {printable(path.name)!r}, which is no HDF5.")
    return read_hdf5(Window(source), what)


def _shards(path: Path, source: Descriptor, what: str) -> list[Path]:
    """Returns the files that a `.weights.json` names: beside it, never elsewhere."""
    if source.size > TEXT:
        raise SurgeryError(f"{what} has {source.size:,} bytes; at most {TEXT:,} are read.")
    weights = parsed(os.pread(source.number, source.size, 0), what).get("weight_map")
    if not isinstance(weights, dict):
        raise SurgeryError(f"{what} lists no shards.")
    names = [name for value in weights.values() for name in (value if isinstance(value, list) else [value])]
    odd = [name for name in names if not isinstance(name, str) or Path(name).name != name or name in ("", path.name)]
    if odd or len(names) > OBJECTS:
        raise SurgeryError(f"{what} names {printable(odd[0] if odd else names[0])!r}, which is no shard beside it.")
    return [path.with_name(name) for name in sorted(set(names))]
