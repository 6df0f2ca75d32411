"""The laws over three forms: each network live, as `.keras`, as `.h5`, and its weights as safetensors.

The oracle is stock Keras on the live network. `tried(seed, folder)` runs every law on one network and returns what
held, what was refused, and what failed. A refusal is one `SurgeryError`; any other exception is a failure.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from drawing_networks import Drawn, drawn
from networks import assert_unchanged, fingerprint, numpy_of, outputs_of

import surgery as sg
from surgery.core.nested import leaves, packed

FORMS = ("live", ".keras", ".h5")


class Skip(Exception):
    """The law says nothing of this network."""


@dataclasses.dataclass
class Tried:
    """What came of the laws on one network.

    Args:
        seed: of the network.
        kinds: the steps that made it.
        held: law -> how many times it held.
        refused: (law, message) of each refusal.
        failed: (law, what happened) of each failure.
    """

    seed: int
    kinds: list[str] = dataclasses.field(default_factory=list)
    held: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    refused: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    failed: list[tuple[str, str]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Subject:
    """One form of a network, with what the laws compare it with.

    Args:
        graph: the network as this form opens.
        source: opens the form anew: another graph, whose layers were never built.
        donor: the network that was drawn, live.
        arrays: inputs.
        expected: what stock Keras makes of them with the live network, flat.
        random: chooses the places of edits.
        folder: where files may be written.
    """

    graph: Any
    source: Callable[[], Any]
    donor: Any
    arrays: Any
    expected: list[Any]
    random: np.random.Generator
    folder: Path

    def computes(self, network: Any, arrays: Any = None) -> list[Any]:
        """Returns the outputs of a graph or a model, flat."""
        model = network if isinstance(network, keras.Model) else sg.build(network)
        return outputs_of(model, self.arrays if arrays is None else arrays)

    def assert_same(self, network: Any, what: str) -> None:
        assert_near(self.computes(network), self.expected, what)

    def inner_refs(self) -> list[Any]:
        """The tensors between the ends."""
        return [ref for call in self.graph if call.op is not None for ref in call.refs if ref in self.graph.consumers]


def assert_near(found: list[Any], expected: list[Any], what: str, tolerance: float = 0.0) -> None:
    assert len(found) == len(expected), f"{what}: {len(found)} outputs, not {len(expected)}"
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape, f"{what}: shape {one.shape}, not {other.shape}"
        apart = float(np.max(np.abs(one.astype("float64") - other.astype("float64")), initial=0.0))
        assert apart <= tolerance, f"{what}: {apart:.3g} apart"


# ---- the laws -------------------------------------------------------------------------------------------------------


def built_in_any_order(s: Subject) -> None:
    """Built, built again, copied, frozen, thawed, in a random order: the same outputs every time."""
    weighty = [call.name for call in s.graph if call.op is not None and call.weights]
    one = weighty[s.random.integers(0, len(weighty))] if weighty else None
    ways: dict[str, Callable[[Any], Any]] = {
        "built": sg.build,
        "built again": sg.build,
        "copied": lambda graph: sg.build(graph, copy=True),
        "copied again": lambda graph: sg.build(graph, copy=True),
    }
    if one is not None:
        ways["one frozen"] = lambda graph: sg.build(sg.freeze(graph, one))
        ways["all frozen"] = lambda graph: sg.build(sg.freeze(graph))
        ways["frozen and thawed"] = lambda graph: sg.build(sg.unfreeze(sg.freeze(graph, one), one))
        ways["frozen copy"] = lambda graph: sg.build(sg.freeze(graph, one), copy=True)
    graph = s.source()
    order = [list(ways)[number] for number in s.random.permutation(len(ways))]
    for number, name in enumerate(order):
        model = ways[name](graph)
        s.assert_same(model, f"{name} (after {', '.join(order[:number]) or 'nothing'})")
        if name in ("all frozen",):
            assert not model.trainable_variables, f"{name}: {len(model.trainable_variables)} variables train"


def copies_share_nothing(s: Subject) -> None:
    copied = sg.build(s.graph, copy=True)
    theirs = {id(variable) for variable in [*s.donor.variables, *sg.build(s.graph).variables]}
    shared = [variable.path for variable in copied.variables if id(variable) in theirs]
    assert not shared, f"a copy shares {shared[:3]}"


def taps_are_the_donors_tensors(s: Subject) -> None:
    """The oracle: a stock model to `op.output`, which is right for operations that are called once."""
    called = collections.Counter(call.op for call in s.graph if call.op is not None)
    names = {call.name for call in s.graph if call.op is not None and called[call.op] == 1 and call.inner is None}
    twice = ("shared", "inner", "outer", "trunk")  # whose first call may lead to no output
    ops = [op for op in s.donor.operations if op.name in names and op.name not in twice]
    if not ops:
        raise Skip
    taken = sg.build(sg.tap(s.graph, tuple(op.name for op in ops)))(s.arrays, training=False)
    stock = keras.Model(s.donor.input, [keras.tree.flatten(op.output) for op in ops])
    for op, tensors in zip(ops, stock(s.arrays, training=False), strict=True):
        tensors = keras.tree.flatten(tensors)
        assert len(tensors) == len(s.graph[op.name].refs), f"{op.name} has {len(s.graph[op.name].refs)} outputs"
        ours = [taken[str(ref)] for ref in s.graph[op.name].refs]
        assert_near([*map(numpy_of, ours)], [*map(numpy_of, tensors)], f"tap of {op.name}")


def front_then_back(s: Subject) -> None:
    refs = s.inner_refs()
    if not refs:
        raise Skip
    ref = refs[s.random.integers(0, len(refs))]
    crossing = sg.crossing_tensors(s.graph, ref)
    front, back = sg.cut(s.graph, outputs=list(crossing)), sg.cut(s.graph, inputs=list(crossing))
    given = dict(zip(map(str, leaves(s.graph.inputs)), keras.tree.flatten(s.arrays), strict=True))
    middle = outputs_of(sg.build(front), packed(front.inputs, [given[str(one)] for one in leaves(front.inputs)]))
    beside = [given[str(one)] for one in leaves(back.inputs)[len(crossing) :]]
    found = outputs_of(sg.build(back), packed(back.inputs, [*middle, *beside]))
    assert_near(found, s.expected, f"cut at {ref}")


def split_in_two(s: Subject) -> None:
    """At a tensor that alone crosses a cut: the back of the front is the whole."""
    inputs = leaves(s.graph.inputs)
    narrow = [ref for ref in s.inner_refs() if sg.crossing_tensors(s.graph, ref) == [ref]]
    if len(inputs) != 1 or not narrow:
        raise Skip
    ref = narrow[s.random.integers(0, len(narrow))]
    front, back = sg.split(s.graph, s.graph.address(ref))
    middle = outputs_of(sg.build(front), s.arrays)
    assert_near(outputs_of(sg.build(back), packed(back.inputs, middle)), s.expected, f"split at {ref}")


def replaced_by_its_like(s: Subject) -> None:
    """A new layer of equal configuration takes the values of the one it replaces; so does a rebuilt one by hand."""
    calls = [call for call in s.graph if call.op is not None and call.weights and call.inner is None]
    if not calls:
        raise Skip
    call = calls[s.random.integers(0, len(calls))]
    live = s.donor.get_layer(call.layer)
    config = copy.deepcopy(live.get_config())
    if isinstance(config.get("dtype"), dict) and "Quantized" in str(config["dtype"]):
        raise Skip
    new = type(live).from_config(config)
    graph = sg.replace(s.graph, call.layer if f"{call.layer}@1" in s.graph else call.name, new)
    tolerance = 1e-5 if getattr(live, "lora_enabled", False) else 0.0  # the merged kernel rounds once more
    assert_near(s.computes(graph), s.expected, f"{call.name} ({call.class_name}) replaced", tolerance)


def inserted_identity(s: Subject) -> None:
    """An identity on a tensor changes nothing, `verify` finds all kept, and `remove` takes it out again."""
    refs = [ref for ref in s.inner_refs() if s.graph.spec(ref).dtype == "float32"]
    refs = [ref for ref in refs if not s.graph[ref].class_name.endswith(("Masking", "Embedding"))]
    if not refs:
        raise Skip
    ref = refs[s.random.integers(0, len(refs))]
    inserted = sg.insert(s.graph, keras.layers.Activation("linear", name="idle"), after=s.graph.address(ref))
    s.assert_same(inserted, f"identity after {ref}")
    removed = sg.remove(inserted, "idle")
    s.assert_same(removed, f"identity after {ref} removed")
    assert removed == s.graph, f"removing the identity after {ref} gives another graph"


def inlined(s: Subject) -> None:
    if not any(call.inner is not None for call in s.graph):
        raise Skip
    flat = sg.inline(s.graph)
    assert not any(call.inner is not None for call in flat)
    assert flat.params == s.graph.params, f"{flat.params} parameters inlined, not {s.graph.params}"
    s.assert_same(flat, "inlined")


def joined_with_itself(s: Subject) -> None:
    both = sg.join(s.graph, s.graph, connections={}, prefix="b_")
    given = keras.tree.flatten(s.arrays) * 2
    found = outputs_of(sg.build(both), packed(both.inputs, given))
    assert_near(found, s.expected * 2, "joined with a copy of itself")


def shared_on_two_inputs(s: Subject) -> None:
    if len(leaves(s.graph.inputs)) != 1:
        raise Skip
    twins = sg.share(s.graph, ["left", "right"])
    array = keras.tree.flatten(s.arrays)[0]
    found = outputs_of(sg.build(twins), packed(twins.inputs, [array, array]))
    assert_near(found, s.expected * 2, "shared")


def grafted_and_verified(s: Subject) -> None:
    """A head on the last tensor leaves all before it as it was, and `verify` says so."""
    model = sg.build(s.graph)
    last = leaves(s.graph.outputs)[0]
    part = [keras.layers.Flatten(name="my_flat"), keras.layers.Dense(2, name="my_head")]
    grafted = sg.graft(s.graph, part, at=s.graph.address(last), keep=True)
    found = [one for one in s.computes(grafted) if one.shape != (3, 2)]  # a dict of outputs is flattened by its keys
    assert_near(found, s.expected, "grafted, old outputs")
    proof = sg.verify(grafted, model, inputs=s.arrays)
    assert proof.exact, f"grafted: verify is not exact: {proof}"


def saved_and_opened(s: Subject) -> None:
    path = sg.save(s.graph, s.folder / "saved.keras")
    assert_near(outputs_of(keras.models.load_model(path), s.arrays), s.expected, "saved, by stock Keras")
    s.assert_same(sg.open(path), "saved, opened")


def same_as_the_live_one(s: Subject) -> None:
    """`diff` and `verify` find the form equal to the live network, and the donor unchanged by it."""
    live = sg.open(s.donor)
    difference = sg.diff(live, s.graph)
    assert difference.equal, f"diff: {str(difference)[:400]}"
    proof = sg.verify(s.graph, live, inputs=s.arrays)
    assert proof.exact, f"verify is not exact: {str(proof)[:600]}"


def weights_into_a_clone(s: Subject) -> None:
    """The weights as safetensors, and as the form itself, put into a clone."""
    own = [path for path in (s.folder / "network.keras", s.folder / "network.h5") if path.exists()]
    for path in (sg.save(s.graph, s.folder / "weights.safetensors"), *own):
        clone = keras.models.clone_model(s.donor)
        if len(clone.weights) != len(s.donor.weights):
            raise Skip  # a clone has no LoRA and no 8 bits
        sg.load_weights(clone, path)
        for layer in clone._flatten_layers():
            if hasattr(layer, "finalize_state"):
                layer.finalize_state()
        assert_near(outputs_of(clone, s.arrays), s.expected, f"{path.name} loaded into a clone")


LAWS = (
    built_in_any_order,
    copies_share_nothing,
    taps_are_the_donors_tensors,
    front_then_back,
    split_in_two,
    replaced_by_its_like,
    inserted_identity,
    inlined,
    joined_with_itself,
    shared_on_two_inputs,
    grafted_and_verified,
    saved_and_opened,
    same_as_the_live_one,
    weights_into_a_clone,
)


# ---- running them ---------------------------------------------------------------------------------------------------


def subjects(made: Drawn, folder: Path, seed: int) -> Iterator[tuple[str, Callable[[], Any], list[Any]]]:
    """Yields (form, how it is opened, what it computes) for each form that stock Keras writes and reads."""
    expected = outputs_of(made.model, made.arrays)
    yield "live", lambda: sg.open(made.model), expected
    for suffix in (".keras", ".h5"):
        path = folder / f"network{suffix}"
        try:
            made.model.save(path)
            theirs = outputs_of(keras.models.load_model(path), made.arrays)
        except Exception:  # Keras does not write or read this one in this format
            if suffix == ".keras":
                made.model.save(path)
            else:
                continue
            theirs = expected
        if suffix == ".h5" and any(not np.array_equal(a, b) for a, b in zip(theirs, expected, strict=True)):
            continue  # the old format lost something of it
        yield suffix, lambda path=path: sg.open(path), expected


def tried(seed: int, folder: Path, forms: tuple[str, ...] = FORMS) -> Tried:
    """Runs all laws on the network of a seed, in every form."""
    result = Tried(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = drawn(seed)
        result.kinds = made.kinds
        before = fingerprint(made.model)
        for form, source, expected in subjects(made, folder, seed):
            if form not in forms:
                continue
            for number, law in enumerate(LAWS):
                random = np.random.default_rng([seed, number, FORMS.index(form)])
                _one(result, f"{form} {law.__name__}", law, made, source, expected, random, folder)
        try:
            assert_unchanged(made.model, before)
        except AssertionError as error:
            result.failed.append(("donor unchanged", str(error)[:300]))
    return result


def _one(
    result: Tried,
    name: str,
    law: Callable[[Subject], None],
    made: Drawn,
    source: Callable[[], Any],
    expected: list[Any],
    random: np.random.Generator,
    folder: Path,
) -> None:
    try:
        law(Subject(source(), source, made.model, made.arrays, expected, random, folder))
        result.held[name] += 1
    except Skip:
        pass
    except sg.SurgeryError as error:
        result.refused.append((name, " ".join(str(error).split())))
    except Exception as error:
        result.failed.append((name, f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"))
