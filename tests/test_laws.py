"""The laws that hold on every network, on random DAGs and odd ones; the oracle is the donor itself."""

import keras
import numpy as np
import pytest
from networks import (
    arrays_for,
    assert_same,
    assert_unchanged,
    fingerprint,
    masked_network,
    numpy_of,
    outputs_of,
    random_network,
    siamese_network,
)

import surgery as sg
from surgery.core.nested import leaves, packed
from surgery.graph.primitives import check

SEEDS = range(200)
ODD = {"masked": masked_network, "siamese": siamese_network}


@pytest.fixture(params=[*ODD, *SEEDS])
def donor(request):
    made = ODD[request.param]() if request.param in ODD else random_network(request.param)
    before = fingerprint(made)
    yield made
    assert_unchanged(made, before)


def test_on_one_network_all_laws_hold(donor, tmp_path):
    """One test per network, because making the network costs more than a law."""
    arrays = arrays_for(donor)
    expected = outputs_of(donor, arrays)
    graph = sg.open(donor)
    build_of_open_computes_the_same(donor, graph, arrays, expected)
    every_tap_is_the_donors_tensor(donor, graph, arrays)
    front_then_back_is_the_whole(graph, arrays, expected)
    inlined_computes_the_same(graph, arrays, expected)
    save_then_open_computes_the_same(graph, arrays, expected, tmp_path)
    verify_finds_all_kept(graph, donor)


def build_of_open_computes_the_same(donor, graph, arrays, expected):
    rebuilt = sg.build(graph)
    assert_same(outputs_of(rebuilt, arrays), expected)
    keras.tree.assert_same_structure(rebuilt.input, donor.input)
    keras.tree.assert_same_structure(rebuilt.output, donor.output)
    assert [layer.name for layer in rebuilt.layers] == [layer.name for layer in donor.layers]
    assert sg.open(rebuilt) == graph
    copied = sg.build(graph, copy=True)
    assert_same(outputs_of(copied, arrays), expected)
    assert not {id(one) for one in copied.variables} & {id(one) for one in donor.variables}


def every_tap_is_the_donors_tensor(donor, graph, arrays):
    """The oracle is stock Keras: a model to `op.output`, which tells the truth for operations that are called once."""
    together = sg.build(sg.tap(graph, "*"))
    tensors = together(arrays, training=False)
    assert set(tensors) == {str(ref) for call in graph for ref in call.refs}
    called_once = [op for op in donor.operations if op.name not in ("shared", "inner", "trunk")]
    stock = keras.Model(donor.input, [keras.tree.flatten(op.output) for op in called_once])
    for op, outputs in zip(called_once, stock(arrays, training=False), strict=True):
        for ref, value in zip(graph[op.name].refs, keras.tree.flatten(outputs), strict=True):
            np.testing.assert_array_equal(numpy_of(value), numpy_of(tensors[str(ref)]))


def front_then_back_is_the_whole(graph, arrays, expected):
    """At three random tensors, with all that crosses the cut; what enters beside the front enters the back too."""
    random = np.random.default_rng(len(graph))
    inner = [ref for call in graph if call.op is not None for ref in call.refs if ref in graph.consumers]
    named = {str(ref): array for ref, array in zip(leaves(graph.inputs), leaves(arrays), strict=True)}
    for position in random.permutation(len(inner))[:3]:
        crossing = sg.crossing_tensors(graph, inner[position])
        front, back = sg.cut(graph, outputs=list(crossing)), sg.cut(graph, inputs=list(crossing))
        middle = outputs_of(sg.build(front), packed(front.inputs, [named[str(ref)] for ref in leaves(front.inputs)]))
        beside = [named[str(ref)] for ref in leaves(back.inputs)[len(crossing) :]]
        assert_same(outputs_of(sg.build(back), packed(back.inputs, [*middle, *beside])), expected)


def inlined_computes_the_same(graph, arrays, expected):
    if any(call.op is not None and call.op.inner is not None for call in graph):
        flat = sg.inline(graph)
        assert not any(call.op is not None and call.op.inner is not None for call in flat)
        assert flat.params == graph.params
        assert_same(outputs_of(sg.build(flat), arrays), expected)


def save_then_open_computes_the_same(graph, arrays, expected, tmp_path):
    path = sg.save(graph, tmp_path / "network.keras")
    assert_same(outputs_of(keras.models.load_model(path), arrays), expected)
    assert_same(outputs_of(sg.build(sg.open(path)), arrays), expected)


def verify_finds_all_kept(graph, donor):
    found = sg.verify(graph, donor)
    assert found.exact
    assert not found.new and not found.dropped and not found.changed
    assert set(found.differences) == {str(ref) for call in graph if call.op is not None for ref in call.refs}


@pytest.fixture(params=[*ODD, *SEEDS[:40]])
def weighted(request):
    made = ODD[request.param]() if request.param in ODD else random_network(request.param)
    if not made.weights:
        pytest.skip("this random network has no weights")
    before = fingerprint(made)
    yield made
    assert_unchanged(made, before)


def test_freeze_then_thaw_restores_every_flag(weighted):
    before = fingerprint(weighted)
    sg.freeze(weighted)
    assert not weighted.trainable_variables
    sg.unfreeze(weighted)
    assert_unchanged(weighted, before)
    with sg.frozen(weighted):
        assert not weighted.trainable_variables
    assert_unchanged(weighted, before)


def test_a_marked_graph_builds_frozen_and_leaves_the_weighted_alone(weighted):
    graph = sg.open(weighted)
    arrays = arrays_for(weighted)
    model = sg.build(sg.freeze(graph))
    assert not model.trainable_variables
    assert_same(outputs_of(model, arrays), outputs_of(weighted, arrays))
    thawed = sg.build(sg.unfreeze(sg.freeze(graph)))
    assert len(thawed.trainable_variables) == len(weighted.trainable_variables)


def test_graphs_are_values(weighted):
    graph = sg.open(weighted)
    assert graph == sg.open(weighted)
    assert check(graph) is graph
    assert len(graph) == len(list(graph))
    assert weighted.name in str(graph) and weighted.name in repr(graph)
    assert graph != sg.tap(graph, {"only": graph.calls[-1].refs[0]})
