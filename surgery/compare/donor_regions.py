"""What of a donor is kept, as a person reads it: a nested model that is the donor's as one call, else call by call."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Iterable, Iterator

from surgery.compare.call_pairs import Alignment, align
from surgery.compare.flattened import Flat, Step
from surgery.graph.calls import Call
from surgery.graph.graph import Graph, leaf_layers, owner_below


@dataclasses.dataclass(frozen=True)
class Place:
    """A call at some depth.

    Args:
        address: its address in the whole network.
        call: the call, with the flags that are set on it from outside.
        owner: the renamed models around it.
    """

    address: str
    call: Call
    owner: str = ""

    @property
    def params(self) -> dict[object, int]:
        """What each layer that the call applies is identified by -> the number of its parameters."""
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


@dataclasses.dataclass(frozen=True, eq=False)
class Kept:
    """What of a donor is kept in a network.

    Args:
        alignment: which call is which, at the greatest depth.
        whole: nested call -> nested call of the donor, where all in it is kept and nothing else is there.
    """

    alignment: Alignment
    whole: dict[str, str]

    @functools.cached_property
    def pairs(self) -> dict[str, str]:
        """Address -> address in the donor, of what is kept."""
        known = self.whole | self.alignment.pairs
        return {place.address: known[place.address] for place in self.ours if place.address in known}

    @functools.cached_property
    def inputs(self) -> dict[str, str]:
        """Input -> input of the donor, also of nested models that are the donor's."""
        found = {name: ref.call for name, ref in self.alignment.inputs.items()}
        ours, theirs = self.alignment.ours, self.alignment.theirs
        for step in ours.steps.values():
            other = self.alignment.rooms.get(step.room)
            if not step.applies and step.room and other is not None:
                name = f"{other}/{step.call.name}".lstrip("/")
                found |= {step.address: name} if name in theirs.steps else {}
        return {name: other for name, other in found.items() if not theirs.steps[other].applies}

    @functools.cached_property
    def ours(self) -> list[Place]:
        """The calls of the network; in the place of a nested model of which a part is kept, the calls in it."""
        opened = _models_around(self.alignment.pairs) - self.whole.keys()
        return list(_places(self.alignment.ours.graph, opened))

    @functools.cached_property
    def theirs(self) -> list[Place]:
        """The calls of the donor, likewise."""
        opened = _models_around(self.alignment.pairs.values()) - {*self.whole.values()}
        return list(_places(self.alignment.theirs.graph, opened))

    def steps(self, place: Place) -> list[Step]:
        """Returns the calls of layers that a place of the network consists of."""
        return self._steps.get(place.address, [])

    @functools.cached_property
    def _steps(self) -> dict[str, list[Step]]:
        found: dict[str, list[Step]] = {}
        for step in self.alignment.ours.steps.values():
            if step.applies:
                for address in (step.address, *_around(step.address)):
                    found.setdefault(address, []).append(step)
        return found


def kept(network: Graph, donor: Graph) -> Kept:
    """Returns what of a donor is kept in a network."""
    found = align(network, donor)
    sizes = [Counter(_around_all(side)) for side in (found.ours, found.theirs)]
    whole: dict[str, str] = {}
    for model, inside in _models(found).items():
        others = {other.removesuffix(address.removeprefix(model)) for address, other in inside}
        other = min(others, default="")
        there = all(their == other + address.removeprefix(model) for address, their in inside)
        if other and there and len(inside) == sizes[0][model] == sizes[1][other]:
            whole[model] = other
    return Kept(found, whole)


def _models(found: Alignment) -> dict[str, list[tuple[str, str]]]:
    """Returns nested model -> the pairs of calls in it."""
    models: dict[str, list[tuple[str, str]]] = {}
    for pair in found.pairs.items():
        for model in _around(pair[0]):
            models.setdefault(model, []).append(pair)
    return models


def _around_all(network: Flat) -> Iterator[str]:
    for step in network.steps.values():
        if step.applies:
            yield from _around(step.address)


def _models_around(addresses: Iterable[str]) -> set[str]:
    return {model for address in addresses for model in _around(address)}


def _around(address: str) -> Iterator[str]:
    """Yields the addresses of the models around a call."""
    while "/" in address:
        address = address.rpartition("/")[0]
        yield address


def is_inside(address: str, model: str) -> bool:
    """Whether an address is that of a call or of one inside it."""
    return address == model or address.startswith(f"{model}/")


def _places(graph: Graph, opened: set[str]) -> Iterator[Place]:
    for call in graph:
        if call.op is not None:
            yield from _opened(Place(call.name, call), opened)


def _opened(place: Place, opened: set[str]) -> Iterator[Place]:
    if place.call.inner is None or place.address not in opened:
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
