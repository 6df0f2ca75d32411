"""`diff`: what changed between two networks, in structure and in weights."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Callable, Hashable
from typing import Any

from surgery.compare.alignment import aligned
from surgery.compare.changes import changes, ends
from surgery.compare.report import Change, Difference, WeightChange
from surgery.compare.shared_layers import Ties
from surgery.compare.tensor_names import labels_by_name
from surgery.compare.tensors import paired_tensors, tensors_of
from surgery.compare.values import content, distance, fingerprint
from surgery.compare.vocabularies import compared_words, learns_words
from surgery.core.names import own_name
from surgery.core.progress import progress
from surgery.core.recursion import uncollected
from surgery.core.reprs import Listed
from surgery.core.tensors import Tensor
from surgery.graph.calls import Call
from surgery.graph.file_errors import understood
from surgery.graph.graph import Graph, owner_below
from surgery.keras_bridge.either import as_graph


def diff(a: Any, b: Any, weights: bool = True) -> Difference:
    """Compares two networks: calls that came, went or changed, and tensors that moved or have other values.

    Calls are the same by the names that people gave, else by structure: a layer in the middle does not make all that
    follow different, whatever number Keras gave them. Values are read piece by piece, from files without Keras.

    Args:
        a: `Graph` or `keras.Model`.
        b: `Graph` or `keras.Model`.
        weights: whether values are compared. Those of a named network with fresh weights are not.

    Returns:
        A `Difference`; `print` it. `difference.equal` says yes or no.

    Example:

    >>> graph = sg.open("tinyvgg")
    >>> print(sg.diff(graph, sg.remove(graph, "fc2")))  # doctest: +SKIP
    tinyvgg -> tinyvgg
    <BLANKLINE>
     - fc2: Dense (None, 64), 4,160 parameters, 16.2 KB
     ~ predictions: takes fc2 (removed) -> fc1
    """
    ours, theirs = as_graph(a), as_graph(b)
    walk = _Walk(content if weights else None)
    with understood(ours, theirs), uncollected():
        walk.compare(ours, theirs)
    if weights:
        with understood(ours, theirs):
            walk.weigh()
    return Difference(
        ours,
        theirs,
        walk.removed,
        walk.added,
        Listed(walk.changed),
        Listed(walk.weights),
        walk.ends,
        walk.compared,
        walk.without,
        walk.pairs,
    )


@dataclasses.dataclass
class _Walk:
    """What was found so far, at every depth."""

    content: Callable[[Call], Hashable] | None
    removed: dict[str, Call] = dataclasses.field(default_factory=dict)
    added: dict[str, Call] = dataclasses.field(default_factory=dict)
    changed: list[Change] = dataclasses.field(default_factory=list)
    weights: list[WeightChange] = dataclasses.field(default_factory=list)
    ends: list[str] = dataclasses.field(default_factory=list)
    compared: int = 0
    without: list[str] = dataclasses.field(default_factory=list)
    pairs: dict[str, str] = dataclasses.field(default_factory=dict)
    layers: dict[tuple[Any, Any], tuple[str, Call, str, Call]] = dataclasses.field(default_factory=dict)
    models: set[tuple[Any, Any]] = dataclasses.field(default_factory=set)

    @functools.cached_property
    def ties(self) -> Ties:
        """The layers that were met."""
        return Ties(self.pairs)

    def compare(
        self, a: Graph, b: Graph, prefixes: tuple[str, str] = ("", ""), owners: tuple[str, str] = ("", "")
    ) -> None:
        """Compares the structure of two graphs, and lists the layers that both have."""
        found = aligned(a, b, self.content)
        self.removed.update((prefixes[0] + name, a[name]) for name in found.removed)
        self.added.update((prefixes[1] + name, b[name]) for name in found.added)
        self.pairs.update((prefixes[0] + one, prefixes[1] + other) for one, other in found.pairs.items())
        self.ends.extend(ends(a, b, found.pairs, prefixes[0]))
        self.changed.extend(self.ties.compare(a, b, found.pairs, prefixes, owners))
        for one, other in found.pairs.items():
            mine, theirs = a[one], b[other]
            self.changed.extend(changes(mine, theirs, found.pairs, prefixes))
            self._below(mine, theirs, prefixes, owners)

    def _below(self, mine: Call, theirs: Call, prefixes: tuple[str, str], owners: tuple[str, str]) -> None:
        if mine.op is None or theirs.op is None:
            return
        addresses = (prefixes[0] + mine.name, prefixes[1] + theirs.name)
        if mine.inner is not None and theirs.inner is not None:
            if (mine.op, theirs.op) not in self.models:
                self.models.add((mine.op, theirs.op))
                one, other = _marked(mine.inner, mine), _marked(theirs.inner, theirs)
                self.compare(
                    one,
                    other,
                    (f"{addresses[0]}/", f"{addresses[1]}/"),
                    (owner_below(owners[0], mine), owner_below(owners[1], theirs)),
                )
        elif mine.weights or theirs.weights or learns_words(mine) or learns_words(theirs):
            self.layers.setdefault((mine.op, theirs.op), (addresses[0], mine, addresses[1], theirs))

    def weigh(self) -> None:
        """Compares the values of the layers that both have; where they differ, looks for where they come from."""
        apart: list[tuple[int, Tensor, Tensor]] = []
        for a, mine, b, theirs in progress(list(self.layers.values()), "comparing weights"):
            if mine.op == theirs.op:
                self.compared += len(mine.weights)
                continue
            if learns_words(mine) and learns_words(theirs):
                self._compare_words((a, b), mine, theirs)
                continue
            pairs = paired_tensors(mine, theirs)
            if pairs is None:
                self.without.append(a)
            else:
                names = (labels_by_name(mine), labels_by_name(theirs))
                self._weigh_layer((a, b), pairs, names, apart)
        self._find_moved(apart)

    def _compare_words(self, addresses: tuple[str, str], mine: Call, theirs: Call) -> None:
        found = compared_words(mine, theirs)
        if found is None:
            self.without.append(addresses[0])
        elif found[0] != found[1]:
            self.changed.append(Change(*addresses, "vocabulary", "", *found))

    def _weigh_layer(
        self,
        addresses: tuple[str, str],
        pairs: list[tuple[Tensor | None, Tensor | None]],
        names: tuple[dict[str, str], dict[str, str]],
        apart: list[tuple[int, Tensor, Tensor]],
    ) -> None:
        a, b = addresses
        for mine, theirs in pairs:
            self.compared += 1
            if mine is None or theirs is None:
                for one, text, side in ((mine, "gone", 0), (theirs, "new", 1)):
                    if one is not None:
                        name = names[side].get(one.name, own_name(one.name))
                        self.weights.append(WeightChange(a, b, name, "count", source=f"{text}, {one.shape}"))
                continue
            name = names[1].get(theirs.name, own_name(theirs.name))
            if mine.shape != theirs.shape:
                self.weights.append(WeightChange(a, b, name, "shape", source=f"{mine.shape} -> {theirs.shape}"))
                continue
            found = distance(mine, theirs)
            if found is None:
                continue
            alike = mine.dtype == theirs.dtype
            source = "" if alike else f"{mine.dtype} -> {theirs.dtype}"
            numbers = (theirs.size, found.count, found.largest, found.relative, source)
            self.weights.append(WeightChange(a, b, name, "values" if alike else "dtype", *numbers))
            apart.append((len(self.weights) - 1, mine, theirs))

    def _find_moved(self, apart: list[tuple[int, Tensor, Tensor]]) -> None:
        """Marks the tensors that are equal to another one that changed, or whose layer is gone."""
        sources = [(f"{self.weights[place].a}/{self.weights[place].tensor}", mine) for place, mine, _ in apart]
        for address, call in self.removed.items():
            names = labels_by_name(call)
            sources += [(f"{address}/{names[tensor.name]}", tensor) for tensor in tensors_of(call) or ()]
        kinds = collections.Counter((tensor.shape, tensor.dtype) for _, tensor in sources)
        shapes = {kind for kind, count in kinds.items() if count > 1}  # one alone can have come from nowhere else
        by_content: dict[str, str] = {}
        for address, tensor in sources:
            if (tensor.shape, tensor.dtype) in shapes:
                by_content.setdefault(fingerprint(tensor), address)
        for place, _, theirs in apart:
            if (theirs.shape, theirs.dtype) not in shapes:
                continue
            source = by_content.get(fingerprint(theirs))
            if source is not None and self.weights[place].kind == "values":
                self.weights[place] = dataclasses.replace(self.weights[place], kind="moved", source=source)


def _marked(inner: Graph, call: Call) -> Graph:
    """Returns the graph inside a call, with the marks that the call carries for it."""
    return dataclasses.replace(inner, calls=tuple(call.below))
