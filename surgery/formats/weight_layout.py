"""Which tensors of a file belong to which layer.

Keras 3 keeps a tree: `layers/<class and number>/vars/0`, with the layer's name beside it in its later versions. Older
Keras keeps one list of names for each layer. Either way a layer gets a `Source`, whose tensors are read when the layer
is built.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from surgery.core.errors import SurgeryError, listing, printable
from surgery.core.names import natural, snake_case, unnumbered
from surgery.core.tensors import Source, Tensor
from surgery.formats.hdf5_file import Hdf5, joined
from surgery.formats.path_index import Below, Steps


class Places(Protocol):
    """The tensors of the layers of one model."""

    def of(self, name: str, class_name: str, number: int, inside: Sequence[str] = ()) -> Source:
        """Returns the tensors of a layer.

        Args:
            name: its name.
            class_name: its class.
            number: how many of its class come before it.
            inside: the names of the layers that it wraps, under which their tensors may be listed.
        """
        ...

    def below(self, name: str, class_name: str, number: int) -> Places:
        """Returns the places of a nested model."""
        ...


Row = list[tuple[str, Tensor | None]]


def source_of(row: Row) -> Source:
    """Returns the tensors of a layer that a file lists by their names."""
    held = tuple(tensor for _, tensor in row if tensor is not None)
    return Source(row=held, absent=tuple(name for name, tensor in row if tensor is None))


class NoPlaces:
    """The places of a file without weights."""

    def of(self, name: str, class_name: str, number: int, inside: Sequence[str] = ()) -> Source:
        return Source()

    def below(self, name: str, class_name: str, number: int) -> Places:
        return self


class Named:
    """The places of a model in a file that keeps tensors by the names of their layers: safetensors.

    Args:
        named: address of a layer -> its tensors by their names below it.
        above: the address of the model, with a slash behind it; `""` for the whole one.
    """

    def __init__(self, named: dict[str, dict[str, Tensor]], above: str = ""):
        self._named = named
        self._above = above

    def of(self, name: str, class_name: str, number: int, inside: Sequence[str] = ()) -> Source:
        return Source(named=self._named.get(f"{self._above}{name}", {}))

    def below(self, name: str, class_name: str, number: int) -> Places:
        return Named(self._named, f"{self._above}{name}/")


def is_of_optimizer(path: str) -> bool:
    """Whether a place in a file is that of an optimizer: `optimizer`, or an attribute such as `d_optimizer`."""
    return any(re.fullmatch(r"(\w+_)?optimizer(_\d+)?", part) for part in path.split("/"))


class Tree:
    """The places of a model in a file of Keras 3, or in a `.keras` file of Keras 2.

    Args:
        file: the content of the weights file.
        root: the group of the model; `""` for the model that was saved.
        assets: what layers keep in the file beside tensors, by its name there: what reads it.
    """

    CONTAINERS = ("layers", "_layer_checkpoint_dependencies")

    def __init__(self, file: Hdf5, root: str = "", assets: dict[str, Callable[[], bytes]] | None = None):
        self._file = _with_slashes(file)
        self._assets = assets or {}
        self._below = tuple(Below(one) for one in (self._file.groups, self._file.tensors, self._assets))
        self._at(root)

    def _at(self, root: str) -> Tree:
        self._root = root
        self._groups = self._children(root)
        self._by_name = {
            attributes["name"]: path
            for path in self._groups
            if isinstance((attributes := self._file.groups.get(f"{path}/vars", {})).get("name"), str)
        }
        self._by_stem: dict[str, list[str]] = {}
        for path in self._groups:
            last = path.rpartition("/")[2]
            for stem in {last, unnumbered(last)}:
                self._by_stem.setdefault(stem, []).append(path)
        return self

    def _children(self, root: str) -> list[str]:
        prefix = f"{root}/" if root else ""
        for container in self.CONTAINERS:
            below = f"{prefix}{container}/"
            found = {below + path[len(below) :].split("/")[0] for path in self._below[0].of(below)}
            if found:
                return sorted(found, key=natural)
        return []

    def _group(self, name: str, class_name: str, number: int) -> str | None:
        if self._by_name:
            return self._by_name.get(name)
        stem = snake_case(class_name)
        alike = self._by_stem.get(stem, [])
        if "_layer_checkpoint_dependencies" in "".join(alike[:1]):
            return alike[number] if number < len(alike) else None
        numbered = f"{stem}_{number}" if number else stem
        return next((path for path in self._by_stem.get(numbered, []) if path.rpartition("/")[2] == numbered), None)

    def of(self, name: str, class_name: str, number: int, inside: Sequence[str] = ()) -> Source:
        group = self._group(name, class_name, number)
        place = snake_case(class_name) + (f"_{number}" if number else "")
        kept = f"assets/{self._root + '/' if self._root else ''}layers/{place}/"
        assets = {path[len(kept) :]: self._assets[path] for path in self._below[2].of(kept)}
        paths = [] if group is None else self._below[1].of(group)
        return Source({path[len(f"{group}/") :]: self._file.tensors[path] for path in paths}, assets=assets)

    def below(self, name: str, class_name: str, number: int) -> Places:
        group = self._group(name, class_name, number)
        return NoPlaces() if group is None else copy.copy(self)._at(group)


def _with_slashes(file: Hdf5) -> Hdf5:
    """Returns the content with `layers\\dense`, which Keras 2 writes on Windows, as `layers/dense`."""
    if not any("\\" in path for path in file.groups):
        return file
    return Hdf5(
        {path.replace("\\", "/"): tensor for path, tensor in file.tensors.items()},
        {path.replace("\\", "/"): attributes for path, attributes in file.groups.items()},
    )


class Rows:
    """The places of a model in an HDF5 file of Keras 1, 2, or of Keras 3's old format.

    Args:
        rows: layer name -> its tensors by their names, in order; `None` for those that are listed, and not held.
    """

    def __init__(self, rows: dict[str, Row]):
        self.rows = rows

    @classmethod
    def of_file(cls, file: Hdf5) -> Rows:
        """Reads the lists of names: those of a full model lie below `model_weights`."""
        root = "model_weights" if "model_weights" in file.groups else ""
        return cls(
            {
                layer: [
                    (name, file.tensors.get(joined(root, layer, name)))
                    for name in _names(file.groups.get(joined(root, layer), {}), "weight_names")
                ]
                for layer in _names(file.groups.get(root, {}), "layer_names")
            }
        )

    def of(self, name: str, class_name: str, number: int, inside: Sequence[str] = ()) -> Source:
        return source_of(self.rows.get(name, []))

    def below(self, name: str, class_name: str, number: int) -> Places:
        return Nested(name, self.rows.get(name, []))


class Nested:
    """The places of a nested model in such a file: one list for all its layers, told apart by the names.

    Args:
        path: the name of the nested model.
        row: its tensors by their names, in order.
    """

    def __init__(self, path: str, row: Row, steps: Steps | None = None):
        self._path = path
        self._row = row
        self._steps = steps or Steps([path for path, _ in row])

    def of(self, name: str, class_name: str, number: int, inside: Sequence[str] = ()) -> Source:
        """Those of a layer that was built before it was wrapped are listed under its name alone."""
        mine = {row for one in (name, *inside) for row in self._mine(one)}
        return source_of([self._row[row] for row in sorted(mine)])

    def below(self, name: str, class_name: str, number: int) -> Places:
        mine = self._mine(name)
        if not mine:
            return Nested(name, self._row, self._steps)  # names need not say every model on the way
        return Nested(name, [self._row[row] for row in mine])

    def _mine(self, name: str) -> list[int]:
        found = self._steps.of(name)
        nearest = min((at for _, at in found), default=0)  # a layer in a wrapper may have the name of another layer
        return [row for row, at in found if at == nearest]


def _names(attributes: dict[str, Any], key: str) -> list[str]:
    """Returns a list of names; a long one is kept in pieces, `layer_names0`, `layer_names1`."""
    pieces = [attributes[key]] if key in attributes else []
    while f"{key}{len(pieces)}" in attributes:
        pieces.append(attributes[f"{key}{len(pieces)}"])
    names = [name for piece in pieces for name in (piece if isinstance(piece, list) else [piece])]
    if not all(isinstance(name, str) for name in names):
        raise SurgeryError(f"{key} should list names, not {listing(map(printable, names), 3)}.")
    return names
