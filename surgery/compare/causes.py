"""Why kept calls compute something else: the first of each that is rewired, made otherwise, has other weights, or takes
what new calls made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from surgery.compare.call_pairs import Alignment
from surgery.compare.flattened import Step
from surgery.compare.rewired import Wiring
from surgery.compare.verification import Cause
from surgery.core.specs import Ref
from surgery.layers.sameness import difference


def causes_of(
    found: Alignment, wiring: Wiring, changed: set[Any], differences: Mapping[tuple[Ref, Ref], float]
) -> list[Cause]:
    """Returns the causes, in the order of the network, each with the number of kept calls that it reaches first.

    Args:
        found: which call is which.
        wiring: what the kept calls take.
        changed: the layers whose weights differ.
        differences: the largest differences of what was compared.
    """
    own: dict[str, Cause] = {}
    first: dict[str, str] = {}
    reached: dict[str, int] = {}
    apart = _apart(found, differences)
    for address, step in found.ours.steps.items():
        cause = _own(found, wiring, changed, differences, step, apart)
        before = [first[ref.call] for ref in map(found.ours.source, step.parents) if ref.call in first]
        if cause is not None:
            own[address] = cause
        if found.same(address) is None:
            first.update({address: before[0]} if before else {})
        elif address in apart or cause is not None:
            first[address] = address if cause is not None else before[0] if before else address
            if first[address] not in own:
                own[address] = Cause(address, "output", "computes something else", 0)
            reached[first[address]] = reached.get(first[address], 0) + (address in apart and address in found.pairs)
    return [dataclasses.replace(cause, reaches=reached.get(address, 0)) for address, cause in own.items()]


def _own(
    found: Alignment,
    wiring: Wiring,
    changed: set[Any],
    differences: Mapping[tuple[Ref, Ref], float],
    step: Step,
    apart: set[str],
) -> Cause | None:
    """Returns what is different about one call itself."""
    address = step.address
    if address in found.altered:
        other = found.theirs.steps[found.altered[address]]
        return Cause(address, "configuration", difference(step.call, other.call), 0)
    if address in wiring.rewired:
        return Cause(address, "rewired", wiring.rewired[address], 0)
    if address in found.pairs and step.layer in changed:
        return Cause(address, "weights", "has other weights", 0)
    if address not in apart:
        return None
    for mine, theirs in wiring.detours.get(address, ()):
        if found.counterpart(mine) is not None:
            return Cause(address, "rewired", f"takes {mine} where the donor's takes {theirs}", 0)
        if differences.get((mine, theirs), 1.0) != 0 and not _comes_late(found, mine, apart):
            return Cause(address, "new", f"takes {mine}, which is new, where the donor's takes {theirs}", 0)
    how = [one.config.get("implementation") for one in (step.call, found.theirs.steps[found.same(address) or ""].call)]
    if how[0] != how[1]:  # which Keras writes to no file any more
        text = f"rounds otherwise: implementation {how[0] or 'by default'}, the donor's {how[1] or 'by default'}"
        return Cause(address, "configuration", text, 0)
    return None


def _comes_late(found: Alignment, ref: Ref, apart: set[str]) -> bool:
    """Whether what new calls make is something else for what kept calls before them are."""
    waiting, met = [ref], set()
    while waiting:
        step = found.ours.steps[found.ours.source(waiting.pop()).call]
        if step.address in met:
            continue
        met.add(step.address)
        if found.same(step.address):
            if step.address in apart:
                return True
        else:
            waiting.extend(step.parents)
    return False


def _apart(found: Alignment, differences: Mapping[tuple[Ref, Ref], float]) -> set[str]:
    """Returns the kept calls that make something else than the donor's."""
    return {
        mine.call
        for (mine, theirs), difference in differences.items()
        if difference != 0 and found.same(mine.call) == theirs.call
    }
