"""Contracts with Keras: what the doors rely on, and the traps that users fall into, stock first, then ours."""

import dataclasses

import keras
import numpy as np
import pytest
from networks import arrays_for, numpy_of, outputs_of, siamese_network

import surgery as sg
from surgery.core.specs import Ref, Spec
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import LiveOp
from surgery.keras_bridge.trace import Probe


def test_clone_model_runs_every_call_in_order_and_adds_no_node():
    """The tracing door: `clone_function` sees each operation once, its stand-in sees each call of it."""
    x = keras.Input((4,))
    shared = keras.layers.Dense(4, name="shared")
    model = keras.Model(x, keras.ops.relu(shared(shared(x))) + x)
    nodes = {layer.name: model.get_config() for layer in model.layers}
    log = []
    keras.models.clone_model(model, clone_function=lambda op: Probe.of(op, log))
    assert [op.name for op, *_ in log][:2] == ["shared", "shared"]
    assert len(log) == 4
    assert {layer.name: model.get_config() for layer in model.layers} == nodes


def test_trap_3_a_tap_inside_a_wrapped_base():
    model = siamese_network()
    inner = model.get_layer("trunk").get_layer("relu").output
    with pytest.raises(ValueError, match=r"not connected|disconnected"):
        keras.Model(model.input, inner)
    assert set(sg.tap(sg.open(model), "trunk/relu").outputs) == {"trunk/relu", "trunk@1/relu"}


def test_trap_4_a_missed_skip_edge_is_named():
    x = keras.Input((4,), name="x")
    a = keras.layers.Dense(4, name="a")(x)
    b = keras.layers.Dense(4, name="b")(a)
    model = keras.Model(x, keras.layers.Add(name="sum")([a, b]))
    with pytest.raises(ValueError, match=r"not connected|disconnected"):
        keras.Model(b, model.output)
    with pytest.raises(sg.SurgeryError, match=r"(?s)a  \(None, 4\)  needed by sum.*inputs='a, b'"):
        sg.cut(model, inputs="b")


def test_traps_5_and_6_a_hundred_builds_from_a_graph_leave_the_donor_as_it_is():
    """Stock Keras adds a node to every layer downstream of a cut, each time; a copy has layers of its own."""
    x = keras.Input((4,), name="x")
    middle = keras.layers.Dense(4, name="a")(x)
    model = keras.Model(x, keras.layers.Dense(2, name="b")(middle), name="donor")
    stock = keras.Model(middle, model.output)
    assert [one.name for one in stock.inputs] != ["a"]
    assert sg.build(sg.cut(model, inputs="a")).inputs[0].name == "a"
    before = model.get_layer("b").output
    graph = sg.cut(sg.open(model), inputs="a")
    for _ in range(100):
        sg.build(graph)
    assert model.get_layer("b").output is before
    assert sg.open(model) == sg.open(sg.build(sg.open(model)))


def test_trap_7_weights_stay_with_their_layers_when_one_of_the_same_shape_is_removed():
    layers = [keras.layers.Dense(4, name=f"c{number}") for number in (1, 2, 3)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    shorter = sg.remove(model, "c2")
    assert [layer.name for layer in shorter.layers if layer.weights] == ["c1", "c3"]
    np.testing.assert_array_equal(numpy_of(shorter.get_layer("c3").kernel), numpy_of(model.get_layer("c3").kernel))


def test_trap_12_another_activation_after_a_predict():
    """Stock: `layer.activation = linear` changes the call and not `predict`, which was traced. Ours is a new model."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, activation="relu", name="dense")])
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    before = model.predict(x, verbose=0)
    linear = sg.remove(sg.unfuse(model), "dense")
    assert np.array_equal(np.maximum(linear.predict(x, verbose=0), 0), before)
    assert (linear.predict(x, verbose=0) < 0).any()
    assert np.array_equal(model.predict(x, verbose=0), before)


def test_trap_14_two_networks_with_the_same_names():
    def network():
        x = keras.Input((4,), name="x")
        return keras.Model(x, keras.layers.Dense(4, name="dense")(x), name="same")

    a, b = network(), network()
    with pytest.raises(ValueError, match="used 2 times"):
        keras.Model([a.input, b.input], [a.output, b.output])
    both = sg.join(a, b, {}, prefix="b_")
    x = np.ones((1, 4), "float32")
    ours = both([x, x])
    np.testing.assert_array_equal(numpy_of(ours[0]), numpy_of(a(x)))
    np.testing.assert_array_equal(numpy_of(ours[1]), numpy_of(b(x)))


def test_trap_15_another_input_size_keeps_the_weights():
    x = keras.Input((8, 8, 3), name="x")
    model = keras.Model(x, keras.layers.Conv2D(4, 3, name="conv")(x))
    with pytest.raises(ValueError, match="expected shape"):
        model(keras.Input((12, 10, 3)))
    larger = sg.resize(model, (12, 10, 3))
    assert larger.output_shape == (None, 10, 8, 4)
    assert larger.get_layer("conv") is model.get_layer("conv")


def test_trap_9_clone_model_draws_fresh_weights_and_build_keeps_them():
    model = siamese_network()
    arrays = arrays_for(model)
    assert not np.array_equal(outputs_of(keras.models.clone_model(model), arrays)[0], outputs_of(model, arrays)[0])
    assert np.array_equal(outputs_of(sg.build(model, copy=True), arrays)[0], outputs_of(model, arrays)[0])


def test_trap_9_optional_and_sparse_inputs_stay():
    optional = keras.Input((4,), name="maybe", optional=True)
    always = keras.Input((4,), name="always")
    model = keras.Model([always, optional], keras.layers.Dense(2)(always))
    graph = sg.open(model)
    assert graph["maybe"].kwargs == {"optional": True}
    rebuilt = sg.build(graph)
    arrays = [np.ones((1, 4)), None]
    np.testing.assert_array_equal(numpy_of(rebuilt(arrays)), numpy_of(model(arrays)))


def test_trap_13_layers_pop_has_no_effect_and_cut_has():
    model = siamese_network()
    model.layers.pop()
    assert model.output_shape == (None, 1)
    assert sg.cut(model, outputs="difference").output_shape == (None, 4)


def test_trap_16_a_shared_layer_has_two_outputs_and_both_are_addressed():
    model = siamese_network()
    graph = sg.tap(model, "trunk")
    assert list(graph.output) == ["trunk", "trunk@1"]


def test_trap_17_a_chain_deeper_than_pythons_stack():
    x = keras.Input((2,))
    graph = sg.open(keras.Model(x, keras.layers.Identity(name="step0")(x)))
    calls = [graph.calls[0]]
    for number in range(1500):
        op = LiveOp(keras.layers.Identity(name=f"deep{number}"))
        calls.append(Call(f"deep{number}", op, (Ref(calls[-1].name),), {}, Spec((None, 2))))
    deep = Graph("deep", tuple(calls), graph.inputs, Ref(calls[-1].name))
    model = sg.build(deep)
    assert len(sg.open(model)) == 1501
    assert sg.open(model) == deep


def test_trap_5_no_node_is_added_to_a_donor_before_build():
    model = siamese_network()
    graph = sg.open(model)
    config = model.get_config()
    sg.freeze(sg.graft(sg.cut(sg.inline(graph), outputs="difference"), keras.layers.ReLU()), ":Conv2D")
    assert model.get_config() == config
    assert model.get_layer("difference").output is model.get_layer("difference").output


def test_a_variable_made_in_a_stateless_scope_takes_its_initial_value_at_the_end_of_the_scope():
    """What `filling.py` relies on, beside Keras' public names."""
    with keras.StatelessScope():
        dense = keras.layers.Dense(2)
        dense.build((None, 3))
        dense.kernel._initializer = lambda shape, dtype=None: keras.ops.full(shape, 7.0, dtype)
    np.testing.assert_array_equal(numpy_of(dense.kernel), np.full((3, 2), 7))


def test_a_build_that_failed_leaves_nothing_for_the_next(tmp_path):
    """Keras would make all variables of the failed one when the next scope ends."""
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Dense(3, name="b")(keras.layers.Dense(2, name="a")(x)))
    path = sg.save(model, tmp_path / "m.keras")
    graph = sg.open(path)
    graph["b"].op.source.tree["vars/1"] = graph["a"].op.source.tree["vars/1"]
    with pytest.raises(sg.SurgeryError, match=r"has \(2,\) for it"):
        sg.build(graph)
    np.testing.assert_array_equal(sg.build(sg.open(path)).get_weights()[0], model.get_weights()[0])


def test_trap_16_the_output_of_a_layer_lies_in_what_an_edit_returned():
    """The idiom of every Grad-CAM page, for shared and for new layers; stock Keras by hand keeps it, too."""
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(4, 3, name="c2")(keras.layers.Conv2D(4, 3, name="c1")(x))
    donor = keras.Model(x, keras.layers.Dense(3, name="out")(keras.layers.GlobalAveragePooling2D(name="g")(y)))
    array = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    expected = numpy_of(keras.Model(donor.inputs, donor.get_layer("c2").output)([array]))
    head = [keras.layers.Dense(5, name="new"), keras.layers.Dense(2, name="head")]
    graph = sg.graft(sg.cut(sg.open(donor), outputs="g"), head)
    built = sg.build(graph)
    for new in (built, sg.build(graph), sg.build(graph, copy=True), sg.insert(donor, keras.layers.ReLU(), after="g")):
        taps = keras.Model(new.inputs, [new.get_layer("c2").output, new.output])([array])
        np.testing.assert_array_equal(numpy_of(taps[0]), expected)
        np.testing.assert_array_equal(numpy_of(taps[1]), numpy_of(new(array)))
    both = keras.Model(built.inputs, [built.get_layer(name).output for name in ("new", "head")])
    np.testing.assert_array_equal(numpy_of(both([array])[1]), numpy_of(built(array)))


def test_trap_6_no_layer_collects_nodes_however_often_a_graph_is_built():
    model = siamese_network()
    graph = sg.graft(sg.open(model), keras.layers.ReLU(name="new"))
    first = sg.build(graph)
    count = {layer.name: len(layer._inbound_nodes) for layer in first.layers}
    for _ in range(3):
        sg.build(graph), sg.build(sg.open(model))
    assert {layer.name: len(layer._inbound_nodes) for layer in first.layers} == count
    assert count["new"] == 1 and count["trunk"] == 2


def test_an_input_or_an_argument_that_differs_makes_a_call_of_its_own():
    """What `nodes.py` relies on: a node keeps the arguments of its call, tensors among them, and what it made."""
    x = keras.Input((4,), name="x")
    drop = keras.layers.Dropout(0.5, name="drop")
    model = keras.Model(x, drop(keras.layers.Dense(3, name="dense")(x)))
    node = drop._inbound_nodes[0]
    assert node.outputs[0] is model.output and node.arguments.args[0] is model.get_layer("dense").output
    graph = sg.open(model)
    call = dataclasses.replace(graph["drop"], kwargs={"training": True})
    other = sg.build(dataclasses.replace(graph, calls=(*graph.calls[:-1], call)))
    assert other.output is not model.output and other.inputs[0] is model.inputs[0]
    assert sg.build(graph).output is model.output


def test_two_calls_of_a_layer_on_one_tensor_stay_two():
    x = keras.Input((4,))
    drop = keras.layers.Dropout(0.5, name="drop")
    graph = sg.open(keras.Model(x, drop(x) - drop(x)))
    for _ in range(2):
        assert sg.open(sg.build(graph)) == graph
    assert len(drop._inbound_nodes) == 2
