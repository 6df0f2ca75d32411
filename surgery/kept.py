"""Which calls of a network are its donor's, at every depth: also where the donor is called as a nested model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from surgery.configurations import alike
from surgery.graph import Call, Graph, leaf_layers, owner_below
from surgery.kinds import kind_of

MOST = 1_000  # pairs of nested models that are compared; beyond it those of one address


@dataclasses.dataclass(frozen=True, eq=False)
class Region:
    """A graph of the network beside the graph of the donor that it is compared with: themselves, or nested ones.

    Args:
        ours: the network, or a model that is nested in it, with the marks that are set on it from outside.
        theirs: the donor, or a model that is nested in it.
        prefix: the address of the model around `ours`, with its slash; `""` for the network itself.
        prefix_of_theirs: the same of the donor.
        owner: the renamed models around `ours`: what is in them are layers of their own.
        kept: the names of the calls of `ours` that are calls of `theirs`, without inputs.
    """

    ours: Graph
    theirs: Graph
    prefix: str
    prefix_of_theirs: str
    owner: str
    kept: frozenset[str]

    @property
    def pairs(self) -> dict[str, str]:
        """Address in the network -> address in the donor, of what is kept."""
        return {
            self.prefix + call.name: self.prefix_of_theirs + call.name for call in self.ours if call.name in self.kept
        }


@dataclasses.dataclass(frozen=True)
class Place:
    """A call at some depth.

    Args:
        address: its address in the whole network.
        call: the call, with the marks that are set on it from outside.
        owner: the renamed models around it.
    """

    address: str
    call: Call
    owner: str = ""

    @property
    def params(self) -> dict[object, int]:
        """What each layer that the call applies is told by -> the number of its parameters."""
        if self.call.inner is None:
            return {(self.owner, self.call.op, self.call.layer): self.call.params}
        inside = owner_below(self.owner, self.call)
        return {layer: one.params for layer, one in leaf_layers(self.call.inner, inside)}

    @property
    def below(self) -> Iterator[Place]:
        """The places in a nested model, without inputs."""
        inside = owner_below(self.owner, self.call)
        for call in self.call.below:
            if call.op is not None:
                yield Place(f"{self.address}/{call.name}", call, inside)


def regions(network: Graph, donor: Graph) -> list[Region]:
    """Returns where the network has calls of the donor: itself first, then models that are nested in either.

    No call is kept twice. What has more of the donor goes first, and its own layers before equal ones: a copy beside
    the donor is new, and so is another layer of the name of one of its.
    """
    known = _Alike()
    ours, theirs = list(_graphs(network)), list(_graphs(donor))
    pairs = [(one, other) for one in ours for other in theirs if len(ours) * len(theirs) < MOST or one[1] == other[1]]
    candidates = [
        Region(one, other, prefix, prefix_of_theirs, owner, frozenset(known.names(one, other)))
        for (one, prefix, owner), (other, prefix_of_theirs, _) in pairs
    ]
    found: list[Region] = []
    taken = (_Taken(), _Taken())
    for region in sorted(candidates, key=_worth, reverse=True):
        kept = frozenset(
            name
            for name in region.kept
            if taken[0].leaves(region.prefix + name) and taken[1].leaves(region.prefix_of_theirs + name)
        )
        if kept and (region.prefix == region.prefix_of_theirs or _is_the_donor(region, kept)):
            found.append(dataclasses.replace(region, kept=kept))
            for pair in found[-1].pairs.items():
                for side, address in zip(taken, pair, strict=True):
                    side.take(address)
    first = [one for one in found if one.ours is network and one.theirs is donor]
    rest = [one for one in found if one not in first]
    return [*(first or [Region(network, donor, "", "", "", frozenset())]), *rest]


def _graphs(graph: Graph, prefix: str = "", owner: str = "") -> Iterator[tuple[Graph, str, str]]:
    """Yields (graph, its address with a slash, the renamed models around it): a network, and all that is nested."""
    yield graph, prefix, owner
    for call in graph:
        if call.inner is not None:
            below = dataclasses.replace(call.inner, calls=tuple(call.below))
            yield from _graphs(below, f"{prefix}{call.name}/", owner_below(owner, call))


def _worth(region: Region) -> tuple[int, int]:
    """Returns how many layers with weights two graphs share, and how many calls are alike, at every depth."""
    same, alike = 0, 0
    for name in region.kept:
        call = region.ours[name]
        size = 1 if call.inner is None else len(list(leaf_layers(call.inner)))
        alike += size
        same += size if call.weights and call.op == region.theirs[name].op else 0
    return same, alike


class _Taken:
    """Addresses of calls that were found; a model is found with all that is in it, or call by call."""

    def __init__(self) -> None:
        self._whole: set[str] = set()
        self._opened: set[str] = set()

    def take(self, address: str) -> None:
        self._whole.add(address)
        self._opened.update(_around(address))

    def leaves(self, address: str) -> bool:
        """Whether neither a call, nor the model around it, nor a call inside it, is taken."""
        return address not in self._opened and not self._whole & {address, *_around(address)}


def _around(address: str) -> Iterator[str]:
    """Yields the addresses of the models around a call."""
    while "/" in address:
        address = address.rpartition("/")[0]
        yield address


def is_inside(address: str, model: str) -> bool:
    """Whether an address is that of a call or of one inside it."""
    return address == model or address.startswith(f"{model}/")


def _is_the_donor(region: Region, kept: Iterable[str]) -> bool:
    """Whether a nested model is the donor or was made of it: it has its own layers, or most that could be the same.

    One that has a `dense` as the donor has a `dense` is another.
    """
    names = [name for name in kept if region.ours[name].weights]
    if any(region.ours[name].op == region.theirs[name].op for name in names):
        return True
    sizes = [len([call for call in graph if call.weights]) for graph in (region.ours, region.theirs)]
    if not sizes[1]:
        return len(list(kept)) == len([call for call in region.theirs if call.op is not None])
    return 2 * len(names) > min(sizes)


class _Alike:
    """Says which calls of two graphs are the same; what was compared once is not compared again."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, object], bool] = {}

    def names(self, ours: Graph, theirs: Graph) -> Iterator[str]:
        """Yields the names of the calls of one graph that are calls of another: the same layer under the same name, or
        one that is made like it."""
        for call in ours:
            if call.op is None or call.name not in theirs or theirs[call.name].op is None:
                continue
            other = theirs[call.name]
            if other.op == call.op or (
                self._made_alike(call, other) and (bool(call.weights) or call.parents == other.parents)
            ):  # a new Flatten of the same name is new
                yield call.name

    def _made_alike(self, call: Call, other: Call) -> bool:
        key = (call.op, other.op)
        if key not in self._known:
            shapes = [sorted(weight.shape for weight in one.weights) for one in (call, other)]
            others = len(shapes[0]) == len(shapes[1]) and shapes[0] != shapes[1]  # a Dense(10) on other features
            same = _kind(call) == _kind(other) and not others
            self._known[key] = same and alike(call.config, other.config)
        return self._known[key]


def _kind(call: Call) -> str:
    """Returns what a layer computes; a BatchNormalization with fixed statistics (`bn="stats"`) computes the same."""
    kind = kind_of(call)
    return "BatchNormalization" if kind == "FixedBatchNormalization" else kind


def places(graph: Graph, opened: Iterable[str]) -> Iterator[Place]:
    """Yields the calls of a graph, without inputs; in the place of a nested model that is opened, the calls in it.

    Args:
        graph: the network.
        opened: the addresses of nested models, with a slash after each.
    """
    for call in graph:
        if call.op is not None:
            yield from _opened(Place(call.name, call), [*opened])


def _opened(place: Place, opened: list[str]) -> Iterator[Place]:
    if place.call.inner is None or not any(one.startswith(f"{place.address}/") for one in opened):
        yield place
        return
    for below in place.below:
        yield from _opened(below, opened)


def frozen(place: Place) -> Iterator[Place]:
    """Yields the place, if none of its weights trains, else those of which it holds in a nested model."""
    if place.call.frozen:
        yield place
    else:
        for below in place.below:
            yield from frozen(below)
