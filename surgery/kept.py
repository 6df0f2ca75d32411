"""Which calls of a network are its donor's, at every depth: also where the donor is called as a nested model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from surgery.configurations import alike
from surgery.graph import Call, Graph, leaf_layers, owner_below


@dataclasses.dataclass(frozen=True)
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
    """Returns where the network has calls of the donor: the network itself first, then what is nested in it; last the
    models nested in the donor whose calls the network has itself, as after `inline`."""
    found: list[Region] = []
    taken: set[str] = set()
    _match(Region(network, donor, "", "", "", frozenset()), donor, found, taken)
    for call in donor:
        if call.inner is not None and not any(is_inside(one, call.name) for one in taken):
            region = Region(network, call.inner, "", f"{call.name}/", "", frozenset())
            kept = _kept(region, taken) - {name for one in found if not one.prefix for name in one.kept}
            if _is_the_donor(region, kept):
                taken |= {region.prefix_of_theirs + name for name in kept}
                found.append(dataclasses.replace(region, kept=kept))
    return found


def is_inside(address: str, model: str) -> bool:
    """Whether an address is that of a call or of one inside it."""
    return address == model or address.startswith(f"{model}/")


def _kept(region: Region, taken: set[str]) -> frozenset[str]:
    return frozenset(
        call.name
        for call in region.ours
        if call.op is not None and region.prefix_of_theirs + call.name not in taken and is_kept(call, region.theirs)
    )


def _match(region: Region, donor: Graph, found: list[Region], taken: set[str]) -> None:
    """Adds a region with what is kept in it, and those below; no call of the donor is kept twice."""
    kept = _kept(region, taken)
    if region.prefix and not region.prefix_of_theirs and not _is_the_donor(region, kept):
        kept = frozenset()
    taken |= {region.prefix_of_theirs + name for name in kept}
    if kept or not region.prefix:
        found.append(dataclasses.replace(region, kept=kept))
    for call in region.ours:
        if call.inner is None or call.name in kept:
            continue
        twin = region.theirs[call.name].inner if call.name in region.theirs else None
        inside = dataclasses.replace(
            region,
            ours=dataclasses.replace(call.inner, calls=tuple(call.below)),
            theirs=donor if twin is None else twin,
            prefix=f"{region.prefix}{call.name}/",
            prefix_of_theirs="" if twin is None else f"{region.prefix_of_theirs}{call.name}/",
            owner=owner_below(region.owner, call),
        )
        _match(inside, donor, found, taken)


def _is_the_donor(region: Region, kept: Iterable[str]) -> bool:
    """Whether a nested model is the donor or was made of it: it has its own layers, or most that could be the same.

    One that has a `dense` as the donor has a `dense` is another.
    """
    names = [name for name in kept if region.ours[name].weights]
    if any(region.ours[name].op == region.theirs[name].op for name in names):
        return True
    sizes = [len([call for call in graph if call.weights]) for graph in (region.ours, region.theirs)]
    return 2 * len(names) > min(sizes)


def is_kept(call: Call, donor: Graph) -> bool:
    """Whether a call is one of the donor's: the same layer under the same address, or one that is made like it."""
    if call.name not in donor or donor[call.name].op is None:
        return False
    theirs = donor[call.name]
    if theirs.op == call.op:
        return True
    if theirs.class_name != call.class_name or not alike(call.config, theirs.config):
        return False
    shapes = [sorted(weight.shape for weight in one.weights) for one in (call, theirs)]
    if len(shapes[0]) == len(shapes[1]) and shapes[0] != shapes[1]:
        return False  # a Dense(10) on other features is another Dense(10)
    return bool(call.weights) or call.parents == theirs.parents  # a new Flatten of the same name is new


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
