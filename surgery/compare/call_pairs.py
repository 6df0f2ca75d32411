"""Which call of a network is which call of its donor, at every depth: also where the donor is nested, or was dissolved.

Layers are paired first (`layer_pairs.py`), then their calls by what they take: of a layer that is called twice, it is
the call that takes what the donor's takes. A call of a layer without weights is the donor's only in the donor's place:
a new Flatten of the same name is new.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from surgery.compare.flattened import Flat, Step, flat
from surgery.compare.layer_pairs import LayerPairs, may_replace
from surgery.core.nested import leaves
from surgery.core.specs import Ref, shapes_agree
from surgery.graph.graph import Graph
from surgery.layers.classes import is_auto_named
from surgery.layers.sameness import Sameness, arguments


@dataclasses.dataclass(frozen=True, eq=False)
class Alignment:
    """Which call of a network is which call of its donor.

    Args:
        ours: the network.
        theirs: the donor.
        pairs: address in the network -> address in the donor, of calls of the donor's layers, at the greatest depth.
        altered: likewise, of calls in the place of the donor's whose layer computes something else: another activation.
        inputs: input of the network -> the tensor of the donor that it has the name of, or the place among the inputs.
        rooms: address of a nested model -> address in the donor, `""` for the networks themselves.
    """

    ours: Flat
    theirs: Flat
    pairs: dict[str, str]
    altered: dict[str, str]
    inputs: dict[str, Ref]
    rooms: dict[str, str]

    def same(self, address: str) -> str | None:
        """Returns the call of the donor in whose place a call of the network is."""
        return self.pairs.get(address) or self.altered.get(address)

    def counterpart(self, ref: Ref) -> Ref | None:
        """Returns the tensor of the donor in whose place a tensor of the network is."""
        ref = self.ours.source(ref)
        other = self.same(ref.call)
        if other is not None:
            return self.canonical(Ref(other, ref.index))
        return None if ref.index or ref.call not in self.inputs else self.canonical(self.inputs[ref.call])

    def canonical(self, ref: Ref) -> Ref:
        """Returns one tensor of the donor for all that are computed alike: a layer that is applied twice to one."""
        ref = self.theirs.source(ref)
        return Ref(self._first_alike.get(ref.call, ref.call), ref.index)

    @functools.cached_property
    def _first_alike(self) -> dict[str, str]:
        return first_alike(self.theirs)


def first_alike(network: Flat) -> dict[str, str]:
    """Returns address of a call -> the first call of the same layer with the same arguments, where it is another."""
    first: dict[Any, str] = {}
    found: dict[str, str] = {}

    def named(ref: Ref) -> str:
        source = network.source(ref)
        return f"{found.get(source.call, source.call)}#{source.index}"

    for calls in network.steps.values():
        if calls.applies:
            key = (calls.layer, repr(arguments(calls, named)))
            found[calls.address] = first.setdefault(key, calls.address)
    return found


def align(network: Graph, donor: Graph) -> Alignment:
    """Returns which call of a network is which call of its donor. No call is paired twice."""
    ours, theirs = flat(network), flat(donor)
    layers = LayerPairs(ours, theirs)
    tentative = Alignment(ours, theirs, {}, {}, _inputs(ours, theirs), layers.rooms)
    for one, other in layers.pairs.items():
        if len(ours.layers[one]) == len(theirs.layers[other]) == 1:
            tentative.pairs[ours.layers[one][0].address] = theirs.layers[other][0].address
    _pair_shared(tentative, layers.pairs)
    return _settled(tentative, layers)


def _inputs(ours: Flat, theirs: Flat) -> dict[str, Ref]:
    """Returns the inputs of the network that have the names of tensors of the donor, or its place among inputs that
    Keras named and numbered: a clone's."""
    found: dict[str, Ref] = {}
    for ref in leaves(ours.graph.inputs):
        other = theirs.source(Ref(ref.call))
        if other.call in theirs.steps and _may_be(ours, ref, theirs, other):
            found[ref.call] = other
    sides = [leaves(side.graph.inputs) for side in (ours, theirs)]
    taken = {ref.call for ref in found.values()}
    apart = [[ref for ref in sides[0] if ref.call not in found], [ref for ref in sides[1] if ref.call not in taken]]
    if len(sides[0]) == len(sides[1]) and len(apart[0]) == len(apart[1]):
        pairs = list(zip(*apart, strict=True))
        numbered = [
            is_auto_named(one.call, "InputLayer") and is_auto_named(other.call, "InputLayer") for one, other in pairs
        ]
        if all(numbered) and all(_may_be(ours, one, theirs, other) for one, other in pairs):
            found.update((one.call, other) for one, other in pairs)
    return found


def _may_be(ours: Flat, one: Ref, theirs: Flat, other: Ref) -> bool:
    mine, their = ours.graph.spec(one), theirs.steps[other.call].call.specs[other.index]
    return mine.dtype == their.dtype and shapes_agree(mine, their)


def _pair_shared(found: Alignment, layers: dict[Any, Any]) -> None:
    """Pairs the calls of layers that are called several times: those that take the same; those whose result is taken
    alike; those of one place; then in order."""
    ours, theirs = found.ours, found.theirs
    waiting = {one: other for one, other in layers.items() if len(ours.layers[one]) + len(theirs.layers[other]) > 2}
    taken: set[str] = set()

    def pair_where(steps: Iterable[Step], same: Callable[[Step, Step], bool]) -> bool:
        before = len(taken)
        for step in steps:
            if step.address in found.pairs:
                continue
            free = [other for other in theirs.layers[waiting[step.layer]] if other.address not in taken]
            alike = [other for other in free if same(step, other)]
            if alike:
                other = min(alike, key=lambda one: one.address != step.address)
                found.pairs[step.address] = other.address
                taken.add(other.address)
        return len(taken) > before

    shared = [step for step in ours.steps.values() if step.applies and step.layer in waiting]
    while pair_where(shared, functools.partial(wired_alike, found)):
        pass
    while pair_where(shared[::-1], functools.partial(_is_used_alike, found)):
        pass
    for room, place in found.rooms.items():
        inside = [step for step in shared if step.room == room]
        pair_where(inside, lambda one, other, at=place: other.address == f"{at}/{one.call.name}".lstrip("/"))
    pair_where(shared, lambda one, other: True)


def wired_alike(found: Alignment, step: Step, other: Step) -> bool:
    """Whether two calls take the same tensors, as far as they are paired, and the same further arguments."""
    return arguments(step, lambda ref: str(found.counterpart(ref))) == arguments(
        other, lambda ref: str(found.canonical(ref))
    )


def _settled(tentative: Alignment, layers: LayerPairs) -> Alignment:
    """Returns the pairs that hold: of layers without weights, and of those that are made otherwise, the ones that are
    in the place of the donor's. A new Flatten of the same name is new, and so is a softmax over other classes."""
    ours, theirs = tentative.ours, tentative.theirs
    held = dataclasses.replace(tentative, pairs={}, altered={})
    for address, other in _in_order(tentative):
        step, their = ours.steps[address], theirs.steps[other]
        degree = layers.degree(step, their)
        alike = wired_alike(held, step, their)
        same_shapes = all(map(shapes_agree, step.call.specs, their.call.specs))
        identical = degree == Sameness.IDENTICAL and same_shapes
        if identical or (degree >= Sameness.EQUIVALENT and (step.call.weights or alike)):
            held.pairs[address] = other
        elif alike and (degree or may_replace(step, their)):
            held.altered[address] = other
    for address, other in reversed(list(_in_order(tentative))):
        step, their = ours.steps[address], theirs.steps[other]
        degree = layers.degree(step, their)
        if held.same(address) or not (degree or may_replace(step, their)):
            continue
        if _is_used_alike(held, step, their) or _are_ends(held, step, their):
            (held.pairs if degree >= Sameness.EQUIVALENT else held.altered)[address] = other
    return held


def _in_order(found: Alignment) -> Iterator[tuple[str, str]]:
    return ((address, found.pairs[address]) for address in found.ours.steps if address in found.pairs)


def _is_used_alike(found: Alignment, step: Step, other: Step) -> bool:
    """Whether a call that is the donor's takes what this one makes where the donor's takes what the other makes."""
    for user in found.ours.users.get(step.address, ()):
        their = found.same(user.address)
        for mine, theirs in zip(user.parents, found.theirs.steps[their].parents if their else (), strict=False):
            sources = found.ours.source(mine).call, found.theirs.source(theirs).call
            if sources == (step.address, other.address):
                return True
    return False


def _are_ends(found: Alignment, step: Step, other: Step) -> bool:
    """Whether both are outputs of their networks, at the same place, of the same shapes."""
    ends = [
        [network.source(ref).call for ref in leaves(network.graph.outputs)] for network in (found.ours, found.theirs)
    ]
    specs = list(zip(step.call.specs, other.call.specs, strict=False))
    return (step.address, other.address) in zip(*ends, strict=False) and all(shapes_agree(*pair) for pair in specs)
