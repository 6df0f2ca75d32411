"""`verify`: proof of what an operation kept, by comparing weights bit for bit and tensors on random inputs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from surgery.compare.causes import causes_of
from surgery.compare.donor_regions import Kept, Place, frozen, kept
from surgery.compare.equal_values import equal_values
from surgery.compare.flattened import Flat, Step
from surgery.compare.lockstep import Side, copied, differences
from surgery.compare.random_inputs import arrays_for
from surgery.compare.rewired import wiring_of
from surgery.compare.verification import Verification
from surgery.core.errors import doing
from surgery.core.reprs import Listed
from surgery.core.specs import Ref
from surgery.graph.file_errors import understood
from surgery.graph.primitives import prune
from surgery.graph.traversal import Calls, calls_at_every_depth, one_call_per_op
from surgery.keras_bridge.build import assemble, live_layer
from surgery.keras_bridge.either import as_graph


def verify(x: Any, donor: Any, inputs: Any = None, seed: int = 0) -> Verification:
    """Compares a network with its donor: what is kept, new, dropped and frozen, and that the kept part computes the
    same.

    Every kept tensor is compared, on random inputs, also behind new calls: an inserted part that starts as the identity
    changes nothing, any other is found, and `verification.causes` says which calls compute something else for it.
    Where nothing of the donor is before a new call, it is in front of what is kept, a Rescaling or an augmentation;
    what takes it is given the donor's own tensor, as is a network that was cut in the middle or takes another size.

    Layers that both share (see `build`) are equal by nature, also after training: `verification.shared` names them, and
    the text says so.

    Args:
        x: `Graph` or `keras.Model`.
        donor: `Graph` or `keras.Model` that it was made from.
        inputs: arrays for the donor, in the structure of its inputs; by default random ones, drawn with `seed`.
        seed: of the random inputs.

    Returns:
        A `Verification`; `print` it. `verification.exact` says yes or no: whether what is kept computes what the donor
        computes.

    Example:

    >>> sg.verify(sg.cut(donor, outputs="block4_pool"), donor).exact
    True
    """
    ours, theirs = as_graph(x), as_graph(donor)
    with doing(f"verifying {ours.name!r} against {theirs.name!r}"), understood(ours, theirs):
        return _Proof(kept(ours, theirs), inputs, seed).verification()


class _Proof:
    """What is known of a network and its donor.

    Args:
        found: what is kept.
        inputs: arrays for the donor, or none.
        seed: of random ones.
    """

    def __init__(self, found: Kept, inputs: Any, seed: int):
        self.kept, self.alignment = found, found.alignment
        self.wiring = wiring_of(self.alignment)
        pairs = self.alignment.pairs | self.alignment.altered
        _make_live(self.alignment.ours, pairs)
        _make_live(self.alignment.theirs, pairs.values())
        self.changed, self.shared = self._compared_weights()
        self.differences = self._compared_tensors(inputs, seed)

    def _compared_weights(self) -> tuple[set[Any], set[Any]]:
        """Returns the layers whose weights differ, and those with weights that are the donor's own."""
        changed, shared, met = set(), set(), set()
        for address, other in self.alignment.pairs.items():
            step = self.alignment.ours.steps[address]
            if step.layer in met:
                continue
            met.add(step.layer)
            layers = _layer_of(step), _layer_of(self.alignment.theirs.steps[other])
            if not equal_values(*layers):
                changed.add(step.layer)
            elif layers[0] is layers[1] and step.call.weights:
                shared.add(step.layer)
        return changed, shared

    def _compared_tensors(self, inputs: Any, seed: int) -> dict[tuple[Ref, Ref], float]:
        found, wiring = self.alignment, self.wiring
        pairs = [
            (ref, Ref(other, ref.index))
            for address, step in found.ours.steps.items()
            if (other := found.same(address)) is not None
            for ref in step.refs[: len(found.theirs.steps[other].refs)]
        ]
        pairs += [pair for detours in wiring.detours.values() for pair in detours]
        feeds = wiring.feeds | {Ref(name): other for name, other in found.inputs.items()}
        last = [ref.call for _, ref in pairs]
        needed = _before(found.ours, [ref.call for ref, _ in pairs], {*feeds, *wiring.unknown})
        feeds = {mine: other for mine, other in feeds.items() if any(mine in step.parents for step in needed)}
        theirs = self._donor(_before(found.theirs, [*last, *(ref.call for ref in feeds.values())]), inputs, seed)
        for other in feeds.values():
            theirs.waiting[other] += 1
        arrays = arrays_for(found.ours.graph, None, seed)
        instead = {mine: functools.partial(_fed, theirs, other) for mine, other in feeds.items()}
        ours = Side(found.ours, needed, arrays, _layer_of, instead, optional=bool(wiring.feeds))
        return differences(dict.fromkeys(pairs), ours, theirs)

    def _donor(self, needed: list[Step], inputs: Any, seed: int) -> Side:
        """Returns the donor, which may take any size, to be run at that of the network."""
        found = self.alignment
        specs = {other.call: found.ours.graph.spec(Ref(name)) for name, other in found.inputs.items()}
        return Side(found.theirs, needed, arrays_for(found.theirs.graph, inputs, seed, specs), _layer_of)

    def verification(self) -> Verification:
        """Returns it as it is reported."""
        pairs = self.kept.pairs
        mine, others = self.kept.ours, self.kept.theirs
        parts = {
            "kept": [place for place in mine if place.address in pairs],
            "new": [place for place in mine if place.address not in pairs],
            "dropped": [place for place in others if place.address not in pairs.values()],
            "frozen": [below for place in mine for below in frozen(place)],
        }
        still = [place for place in others if place.address in pairs.values()]
        once = {call.name for call in one_call_per_op(_calls(parts["kept"]))}
        first = [place for place in parts["kept"] if place.address in once]
        return Verification(
            donor=self.alignment.theirs.graph,
            **{word: _calls(part) for word, part in parts.items()},
            changed=_calls(place for place in first if self._layers(place) & self.changed),
            shared=_calls(place for place in first if self._is_shared(place)),
            altered=dict(self.alignment.altered),
            causes=Listed(causes_of(self.alignment, self.wiring, self.changed, self.differences)),
            fed={str(mine): str(other) for mine, other in self.wiring.feeds.items()},
            differences=self._of_places(parts["kept"]),
            uncompared=self._uncompared(),
            parameters={
                "kept": _params(parts["kept"]),
                "new": _params(parts["new"], but=parts["kept"]),
                "dropped": _params(parts["dropped"], but=still),
                "frozen": _params(parts["frozen"]),
            },
            pairs=pairs,
        )

    def _layers(self, place: Place) -> set[Any]:
        return {step.layer for step in self.kept.steps(place)}

    def _is_shared(self, place: Place) -> bool:
        weighted = {step.layer for step in self.kept.steps(place) if step.call.weights}
        return bool(weighted) and weighted <= self.shared

    def _of_places(self, places: Iterable[Place]) -> dict[str, float]:
        """Returns tensor -> difference, of the calls as they are reported."""
        by_ref = {mine: one for (mine, theirs), one in self.differences.items() if self._are_pair(mine, theirs)}
        found: dict[str, float] = {}
        for place in places:
            for index in range(len(place.call.specs)):
                ref = Ref(place.address, index)
                made = self.alignment.ours.source(ref)
                if made in by_ref:
                    found[str(ref)] = by_ref[made]
        return found

    def _are_pair(self, mine: Ref, theirs: Ref) -> bool:
        return self.alignment.same(mine.call) == theirs.call

    def _uncompared(self) -> list[str]:
        """Returns the kept calls that did not run, with new calls before them: nothing is known of them."""
        ran = {mine.call for mine, _ in self.differences}
        return [address for address in self.alignment.pairs if address not in ran]


def _fed(theirs: Side, ref: Ref) -> Any:
    value = copied(theirs.value(ref))
    theirs.release(ref)
    return value


def _make_live(network: Flat, addresses: Iterable[str]) -> None:
    """Builds what is needed of a network from a file or by name, so that its layers have their shapes and values."""
    graph = network.graph
    below = [call for _, call in calls_at_every_depth(graph) if call.inner is None]
    if all(getattr(call.op, "standins", True) for call in below):
        return
    tops = dict.fromkeys(address if address in graph else address.partition("/")[0] for address in addresses)
    refs = [ref for name in tops for ref in graph[name].refs]
    if refs:
        assemble(prune(dataclasses.replace(graph, outputs=refs)))


def _layer_of(step: Step) -> Any:
    return live_layer(step.graph, step.call)


def _before(network: Flat, addresses: Iterable[str], but: Collection[Ref] = ()) -> list[Step]:
    """Returns the steps that make the tensors of these, in order, but for what is before some tensors."""
    needed = {*addresses} - {ref.call for ref in but}
    for step in reversed(network.steps.values()):
        if step.address in needed:
            needed.update(ref.call for ref in step.parents if ref not in but)
    return [step for step in network.steps.values() if step.address in needed]


def _calls(found: Iterable[Place]) -> Calls:
    """Returns the calls, each under its address in the whole network."""
    return Calls(dataclasses.replace(place.call, name=place.address) for place in found)


def _params(found: list[Place], but: Sequence[Place] = ()) -> int:
    """Returns how many parameters the layers have, each layer once, without those of others."""
    layers = {layer: params for place in found for layer, params in place.params.items()}
    others = {layer for place in but for layer in place.params}
    return sum(params for layer, params in layers.items() if layer not in others)
