"""What kept calls take: the tensor that the donor's takes, another one, or one that new calls made.

A kept call that takes another tensor of the donor is rewired. Where new calls come from kept ones, a part was inserted,
and what it makes counts. Where nothing of the donor is before them, they are in front of what is kept, and that is
compared from the donor's own tensor: a Rescaling, an input of another size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from surgery.compare.call_pairs import Alignment
from surgery.compare.flattened import Step
from surgery.core.nested import leaves
from surgery.core.specs import Ref
from surgery.layers.sameness import arguments


@dataclasses.dataclass(frozen=True, eq=False)
class Wiring:
    """What the kept calls of a network take.

    Args:
        feeds: tensor in front of what is kept -> the donor's tensor in its place.
        rewired: address of a call -> what it takes instead, as text.
        detours: address of a call -> (tensor that it takes, the donor's tensor in its place), where new calls are in
            between, or calls of the donor are no longer.
        unknown: tensors in the place of which the donor has none.
    """

    feeds: dict[Ref, Ref] = dataclasses.field(default_factory=dict)
    rewired: dict[str, str] = dataclasses.field(default_factory=dict)
    detours: dict[str, list[tuple[Ref, Ref]]] = dataclasses.field(default_factory=dict)
    unknown: set[Ref] = dataclasses.field(default_factory=set)


def wiring_of(found: Alignment) -> Wiring:
    """Returns what the kept calls of a network take."""
    wiring = Wiring()
    grounded = _grounded(found)
    there = {found.canonical(Ref(other)).call for other in (*found.pairs.values(), *found.altered.values())}
    there |= {found.canonical(ref).call for name, ref in found.inputs.items() if name in grounded}
    for address, step in found.ours.steps.items():
        other = found.same(address)
        if other is None:
            continue
        their = found.theirs.steps[other]
        if _further(step) != _further(their):
            wiring.rewired[address] = "takes other arguments"
        for (kind, _), mine, theirs in _edges(found, step, their):
            if mine is not None and mine.call not in grounded:
                _feed(found, wiring, address, mine, theirs)
                continue
            known = None if mine is None else found.counterpart(mine)
            if known == theirs and known is not None:
                continue
            if mine is None or (theirs is None and not kind) or (known is not None and theirs and theirs.call in there):
                wiring.rewired.setdefault(address, f"takes {_told(mine)} where the donor's takes {_told(theirs)}")
            if mine is not None and theirs is not None:
                wiring.detours.setdefault(address, []).append((mine, theirs))
    return wiring


def _feed(found: Alignment, wiring: Wiring, address: str, mine: Ref, theirs: Ref | None) -> None:
    if theirs is None:
        wiring.unknown.add(mine)
        return
    fed = wiring.feeds.setdefault(mine, theirs)
    if found.canonical(fed) != theirs:
        text = f"takes {mine}, which is in the place of {fed}, where the donor's takes {theirs}"
        wiring.rewired.setdefault(address, text)


def _grounded(found: Alignment) -> set[str]:
    """Returns the steps that are the donor's, or depend on such: kept calls, inputs that kept calls take, and what is
    made of them."""
    grounded = {name for name in found.inputs if _is_taken(found, name)}
    for address, step in found.ours.steps.items():
        before = any(found.ours.source(ref).call in grounded for ref in step.parents)
        if found.same(address) or before:
            grounded.add(address)
    return grounded


def _is_taken(found: Alignment, name: str) -> bool:
    """Whether a kept call takes an input itself."""
    return any(found.same(user.address) for user in found.ours.users.get(name, ()))


def _edges(found: Alignment, step: Step, other: Step) -> Iterator[tuple[tuple[str, int], Ref | None, Ref | None]]:
    """Yields (argument, tensor that a call takes, tensor that the donor's takes); `None` where only one of them takes
    something."""
    mine, theirs = _by_argument(step), _by_argument(other)
    for key in dict.fromkeys([*mine, *theirs]):
        one, another = mine.get(key), theirs.get(key)
        yield (
            key,
            None if one is None else found.ours.source(one),
            None if another is None else found.canonical(another),
        )


def _by_argument(step: Step) -> dict[tuple[str, int], Ref]:
    """Returns argument -> the tensor that a call takes; a mask, which Keras also passes unseen, is apart."""
    given = {key: value for key, value in step.kwargs.items() if key != "mask"}
    refs = {
        "": [leaf for leaf in leaves((step.args, given)) if isinstance(leaf, Ref)],
        "mask": [leaf for leaf in leaves(step.kwargs.get("mask")) if isinstance(leaf, Ref)],
    }
    return {(kind, place): ref for kind, found in refs.items() for place, ref in enumerate(found)}


def _further(step: Step) -> object:
    """Returns the arguments that are not tensors, without the place of a mask."""
    return arguments(dataclasses.replace(step, kwargs={key: one for key, one in step.kwargs.items() if key != "mask"}))


def _told(ref: Ref | None) -> str:
    return "nothing" if ref is None else str(ref)
