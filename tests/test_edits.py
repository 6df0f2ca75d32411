"""The verbs that change the middle of a network: laws first, with plain Keras as the oracle."""

import keras
import numpy as np
import pytest
from networks import (
    arrays_for,
    assert_same,
    assert_unchanged,
    fingerprint,
    numpy_of,
    outputs_of,
    random_network,
    siamese_network,
)

import surgery as sg
from surgery.core.nested import leaves


@pytest.fixture
def graph(tinyvgg):
    return sg.open(tinyvgg)


@pytest.fixture(scope="module")
def arrays(tinyvgg):
    return arrays_for(tinyvgg)


def residual():
    """x -> a -> b -> total = a + b -> head."""
    x = keras.Input((4,), name="x")
    a = keras.layers.Dense(4, name="a")(x)
    b = keras.layers.Dense(4, name="b")(a)
    return keras.Model(x, keras.layers.Dense(2, name="head")(keras.layers.Add(name="total")([a, b])), name="residual")


# ---- insert and remove ----


@pytest.mark.parametrize("seed", range(40))
def test_remove_undoes_insert_and_an_inserted_identity_changes_nothing(seed):
    donor = random_network(seed)
    before, arrays = fingerprint(donor), arrays_for(donor)
    graph = sg.open(donor)
    random = np.random.default_rng(seed)
    refs = [ref for call in graph for ref in call.refs if ref in graph.consumers or ref in leaves(graph.outputs)]
    for number, position in enumerate(random.permutation(len(refs))[:3]):
        ref = refs[position]
        inserted = sg.insert(graph, keras.layers.Identity(name=f"inserted{number}"), after=ref)
        assert len(inserted) == len(graph) + 1
        assert_same(outputs_of(sg.build(inserted), arrays), outputs_of(donor, arrays))
        assert sg.remove(inserted, f"inserted{number}") == graph
    assert_unchanged(donor, before)


def test_insert_after_before_and_between():
    model = residual()
    arrays = arrays_for(model)
    a, b, head = (model.get_layer(name) for name in ("a", "b", "head"))

    def double(x):
        return x * 2.0

    x = keras.ops.convert_to_tensor(arrays)
    after = sg.insert(sg.open(model), double, after="a")
    assert_same(outputs_of(sg.build(after), arrays), [numpy_of(head(b(a(x) * 2.0) + a(x) * 2.0))])
    before = sg.insert(sg.open(model), double, before="b")
    assert_same(outputs_of(sg.build(before), arrays), [numpy_of(head(b(a(x) * 2.0) + a(x)))])
    between = sg.insert(sg.open(model), double, between=("a", "total"))
    assert_same(outputs_of(sg.build(between), arrays), [numpy_of(head(b(a(x)) + a(x) * 2.0))])
    at_the_end = sg.insert(model, double, after="head")
    assert_same(outputs_of(at_the_end, arrays), [2 * value for value in outputs_of(model, arrays)])


def test_insert_at_many_places_shares_a_layer_and_a_function_makes_new_ones(graph):
    shared = sg.insert(graph, keras.layers.Dropout(0.1, name="drop"), after=":MaxPooling2D", expect=5)
    assert [call.name for call in shared if call.layer == "drop"] == ["drop", *(f"drop@{n}" for n in range(1, 5))]
    fresh = sg.insert(graph, lambda x: keras.layers.Dropout(0.1)(x), after=":MaxPooling2D")
    assert len({call.layer for call in fresh if call.class_name == "Dropout"}) == 5


def test_remove_takes_a_call_that_keeps_the_shape_and_says_what_would_fit_otherwise(graph):
    removed = sg.remove(graph, "block2_conv2")
    assert [str(ref) for ref in removed["block2_pool"].parents] == ["block2_conv1"]
    with pytest.raises(sg.SurgeryError) as caught:
        sg.remove(graph, "block2_conv1")
    assert "has weights for (None, 16, 16, 24), and would take block1_pool, (None, 16, 16, 16)" in str(caught.value)
    assert "Conv2D(24, 1) between them would fit: adapt=True" in str(caught.value)
    adapted = sg.remove(graph, "block2_conv1", adapt=True)
    assert adapted.notes == ("adapter at block2_conv1: Conv2D from (None, 16, 16, 16) to (None, 16, 16, 24)",)
    assert sg.build(adapted).output_shape == (None, 5)
    pooled = sg.remove(graph, "block2_pool", adapt=True)
    assert "Resizing" in pooled.notes[0]


def test_remove_of_a_call_with_several_inputs_asks_which_stands_in():
    model = residual()
    with pytest.raises(sg.SurgeryError, match=r"takes a, b; say to="):
        sg.remove(model, "total")
    arrays = arrays_for(model)
    x = keras.ops.convert_to_tensor(arrays)
    expected = model.get_layer("head")(model.get_layer("a")(x))
    assert_same(outputs_of(sg.remove(model, "total", to="a"), arrays), [numpy_of(expected)])


# ---- replace and unfuse ----


def test_all_relus_become_gelus_and_addresses_stay(graph, arrays):
    flat = sg.unfuse(graph, ":Conv2D")
    gelus = sg.replace(flat, ":Activation", keras.layers.Activation("gelu"), expect=13)
    assert [call.name for call in gelus] == [call.name for call in flat]
    assert {call.config["activation"] for call in sg.select(gelus, ":Activation")} == {"gelu"}
    x = outputs_of(sg.build(sg.tap(gelus, {"pre": "block1_conv1", "post": "block1_conv1_activation"})), arrays)
    np.testing.assert_allclose(x[0], numpy_of(keras.activations.gelu(x[1])), rtol=1e-6)


def test_unfuse_leaves_the_output_equal_to_the_bit_and_shows_the_pre_activation(tinyvgg, graph, arrays):
    before = fingerprint(tinyvgg)
    unfused = sg.unfuse(graph)
    assert_same(outputs_of(sg.build(unfused), arrays), outputs_of(tinyvgg, arrays))
    tapped = sg.build(sg.tap(unfused, "block3_conv2, block3_conv2_activation"))(arrays)
    pre, post = (numpy_of(tapped[name]) for name in ("block3_conv2", "block3_conv2_activation"))
    assert pre.min() < 0
    assert_same([post, post], [np.maximum(pre, 0), outputs_of(sg.tap(tinyvgg, "block3_conv2"), arrays)[0]])
    assert_unchanged(tinyvgg, before)
    with pytest.raises(sg.SurgeryError, match="without an activation"):
        sg.unfuse(graph, "block1_pool")


def test_unfuse_of_a_shared_layer_called_twice():
    x = keras.Input((4,))
    shared = keras.layers.Dense(4, activation="tanh", name="shared")
    model = keras.Model(x, shared(shared(x)))
    arrays = arrays_for(model)
    unfused = sg.unfuse(model)
    assert_same(outputs_of(unfused, arrays), outputs_of(model, arrays))
    names = [call.name for call in sg.open(unfused) if call.op is not None]
    assert names == ["shared_logits", "shared", "shared_logits@1", "shared@1"]


def test_batch_normalization_becomes_group_normalization_and_keeps_its_affine():
    donor = sg.build(sg.open("mobilenetv2", include_top=False, input_shape=[32, 32, 3]))
    for layer in donor.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(np.random.default_rng(0).uniform(0.5, 2, layer.gamma.shape))
    graph = sg.open(donor)
    count = len(sg.select(graph, ":BatchNormalization"))
    new = sg.replace(graph, ":BatchNormalization", lambda call: keras.layers.GroupNormalization(groups=8))
    assert len(sg.select(new, ":GroupNormalization")) == count == len(new.notes)
    assert "gamma, beta moved over of 4 weights" in new.notes[0]
    model = sg.build(new)
    name = "Conv1" if "Conv1" in new else "bn_Conv1"
    assert name in new
    np.testing.assert_array_equal(model.get_layer("bn_Conv1").gamma.numpy(), donor.get_layer("bn_Conv1").gamma.numpy())


def test_stored_networks_are_replaced_and_unfused_too():
    stored = sg.open("tinyvgg")
    new = sg.replace(stored, "fc2", keras.layers.Dense(64))
    assert "kernel, bias moved over of 2 weights" in new.notes[0]
    assert_same(sg.build(new).get_layer("fc2").get_weights(), sg.build(stored).get_layer("fc2").get_weights())
    other = sg.open("tinyvgg")
    arrays = np.random.default_rng(0).random((1, 32, 32, 3), "float32")
    unfused = sg.build(sg.unfuse(other))
    assert_same(outputs_of(unfused, arrays), outputs_of(sg.build(other), arrays))


def test_replace_by_function_of_the_call_may_leave_calls(graph, arrays):
    new = sg.replace(graph, ":Dense", lambda call: keras.layers.Dense(64) if call.name == "fc2" else None)
    assert new["fc2"].config["activation"] == "linear" and new["fc1"].op == graph["fc1"].op
    assert "kernel, bias moved over" in new.notes[0]
    model, old = sg.build(new), sg.build(graph)
    assert_same(model.get_layer("fc2").get_weights(), old.get_layer("fc2").get_weights())


def test_replace_refuses_another_shape_and_adapts_when_asked(graph):
    with pytest.raises(sg.SurgeryError, match=r"Dense\(64\) between them would fit"):
        sg.replace(graph, "fc1", keras.layers.Dense(7))
    adapted = sg.replace(graph, "fc1", keras.layers.Dense(7), adapt=True)
    assert "adapter at fc1: Dense" in adapted.notes[0] or "adapter at fc1: Dense" in " ".join(adapted.notes)
    assert sg.build(adapted).output_shape == (None, 5)


def test_a_shared_layer_is_replaced_in_all_its_calls_or_in_one():
    x = keras.Input((4,))
    shared = keras.layers.Dense(4, name="shared")
    model = keras.Model(x, shared(shared(x)))
    both = sg.replace(sg.open(model), "shared", keras.layers.Dense(4, activation="tanh"))
    assert [call.name for call in both if call.op is not None] == ["shared", "shared@1"]
    one = sg.replace(sg.open(model), "shared@1", keras.layers.Dense(4, name="other"))
    assert [call.name for call in one if call.op is not None] == ["shared", "other"]
    arrays = arrays_for(model)
    assert_same(outputs_of(sg.build(one), arrays), outputs_of(model, arrays))  # its weights moved over


# ---- rewire ----


def test_a_skip_edge_is_the_sum_and_a_moved_edge_moves():
    model = residual()
    arrays = arrays_for(model)
    x = keras.ops.convert_to_tensor(arrays)
    a, b, head = (model.get_layer(name) for name in ("a", "b", "head"))
    skip = sg.rewire(model, "x", into="b")
    assert_same(outputs_of(skip, arrays), [numpy_of(head(a(x) + (b(a(x)) + x)))])
    moved = sg.rewire(model, "x", into="b", instead_of="a")
    assert_same(outputs_of(moved, arrays), [numpy_of(head(a(x) + b(x)))])


def test_a_cycle_is_refused_and_named():
    with pytest.raises(sg.SurgeryError, match=r"would have a cycle: .*total"):
        sg.rewire(residual(), "total", into="a")
    with pytest.raises(sg.SurgeryError, match="cycle"):
        sg.rewire(residual(), "total", into="b", instead_of="a")


def test_a_skip_edge_of_another_shape_wants_an_adapter(graph):
    with pytest.raises(sg.SurgeryError, match=r"Resizing\(8, 8\), Conv2D\(40, 1\)"):
        sg.rewire(graph, "block1_pool", into="block3_conv1")
    adapted = sg.rewire(graph, "block1_pool", into="block3_conv1", adapt=True)
    assert sg.build(adapted).output_shape == (None, 5) and adapted.notes
    with pytest.raises(sg.SurgeryError, match="takes block3_pool, not fc1"):
        sg.rewire(graph, "block2_pool", into="block4_conv1", instead_of="fc1")


# ---- join, share, unshare ----


def test_two_networks_of_one_name_are_joined_by_a_prefix(tinyvgg, graph, arrays):
    with pytest.raises(sg.SurgeryError, match="prefix='tinyvgg_2_' distinguishes them"):
        sg.join(graph, graph, connections={})
    other = sg.open("tinyvgg")
    both = sg.join(graph, other, connections={}, prefix="fresh_")
    model = sg.build(both)
    separate = sg.build(other)
    assert_same(outputs_of(model, [arrays, arrays]), outputs_of(tinyvgg, arrays) + outputs_of(separate, arrays))
    assert len(model.layers) == 46


def test_join_by_wires_computes_b_of_a(graph, tinyvgg, arrays):
    front, back = sg.split(graph, "block3_pool")
    assert_same(outputs_of(sg.build(sg.join(front, sg.open(sg.build(back)))), arrays), outputs_of(tinyvgg, arrays))
    head = sg.open(keras.Sequential([keras.Input((64,)), keras.layers.Dense(2, name="two")], name="head"))
    (entry,) = leaves(head.inputs)
    joined = sg.join(graph, head, connections={str(entry): "fc2"}, keep=True)
    assert [str(ref) for ref in joined.outputs] == ["predictions", "two"]
    with pytest.raises(sg.SurgeryError, match=r"Dense\(64\) between them would fit"):
        sg.join(graph, head, connections={str(entry): "predictions"})
    with pytest.raises(sg.SurgeryError, match="has no input 'nothing'"):
        sg.join(graph, head, connections={"nothing": "fc2"})


def test_share_is_one_trunk_on_several_inputs(tinyvgg, graph, arrays):
    triplet = sg.build(sg.share(sg.cut(graph, outputs="fc1"), ["anchor", "positive", "negative"]))
    inputs = [arrays, arrays * 0.5, arrays * 2]
    single = sg.cut(tinyvgg, outputs="fc1")
    assert_same(outputs_of(triplet, inputs), [outputs_of(single, one)[0] for one in inputs])
    assert len(triplet.weights) == len(single.weights)
    for names in (["one"], ["a", "a"], ["fc1", "b"]):
        with pytest.raises(sg.SurgeryError, match="two or more new names"):
            sg.share(graph, names)


def test_unshare_gives_a_call_its_own_copy():
    model = siamese_network()
    arrays, before = arrays_for(model), fingerprint(model)
    graph = sg.unshare(sg.open(model), "trunk@1")
    own = sg.build(graph)
    assert_same(outputs_of(own, arrays), outputs_of(model, arrays))
    assert graph.params == own.count_params() == model.count_params() + model.get_layer("trunk").count_params()
    mine = {id(variable) for variable in own.get_layer("trunk_1").variables}
    assert not mine & {id(variable) for variable in model.variables}
    assert_unchanged(model, before)
    with pytest.raises(sg.SurgeryError, match="is called once"):
        sg.unshare(model, "same")


def test_share_then_unshare_then_build_twice_is_the_same_network(graph, arrays):
    twins = sg.unshare(sg.share(sg.cut(graph, outputs="block1_pool"), ["left", "right"]), "block1_conv1@1")
    first, second = sg.build(twins), sg.build(twins)
    assert first.get_layer("block1_conv1_1") is second.get_layer("block1_conv1_1")
    assert_same(outputs_of(first, [arrays, arrays]), outputs_of(second, [arrays, arrays]))


# ---- adapters ----


@pytest.mark.parametrize("as_model", [False, True])
def test_graft_adapts_a_tensor_to_the_inputs_of_a_part_when_asked(tinyvgg, graph, arrays, as_model):
    head = keras.Sequential([keras.Input((7,)), keras.layers.Dense(3, name="scores")], name="head")
    part = head if as_model else sg.open(head)
    trunk = sg.cut(graph, outputs="block4_pool")
    if not as_model:
        with pytest.raises(sg.SurgeryError, match=r"GlobalAveragePooling2D\(\), Dense\(7\) between them would fit"):
            sg.graft(trunk, part)
    grown = sg.graft(trunk, part, adapt=True)
    assert grown.notes == ("adapter at 'head': GlobalAveragePooling2D + Dense from (None, 2, 2, 40) to (None, 7)",)
    pooled = outputs_of(sg.build(trunk), arrays)[0].mean(axis=(1, 2))
    dense = next(call.op.layer for call in grown if call.class_name == "Dense" and call.specs[0].shape == (None, 7))
    expected = head(pooled @ numpy_of(dense.kernel) + numpy_of(dense.bias))
    np.testing.assert_allclose(outputs_of(sg.build(grown), arrays)[0], numpy_of(expected), rtol=1e-4, atol=1e-5)


def test_join_adapts_a_wire_when_asked(graph):
    head = sg.open(keras.Sequential([keras.Input((7,)), keras.layers.Dense(3, name="scores")], name="head"))
    joined = sg.join(sg.cut(graph, outputs="fc1"), head, adapt=True)
    assert sg.build(joined).output_shape == (None, 3)
    assert "Dense from (None, 64) to (None, 7)" in joined.notes[0]


@pytest.mark.parametrize(
    "verb",
    [
        lambda g, n: sg.select(g, "block*_pool", expect=n),
        lambda g, n: sg.tap(g, "block*_pool", expect=n),
        lambda g, n: sg.cut(g, outputs="block*_pool", expect=n),
        lambda g, n: sg.cut(g, outputs=[f"block{i}_pool" for i in range(1, 6)], expect=n),
        lambda g, n: sg.split(g, ["block1_pool"] * 5, expect=n) if n != 5 else None,
        lambda g, n: sg.crossing_tensors(g, "block*_pool", expect=n),
        lambda g, n: sg.graft(g, lambda xs: keras.layers.GlobalMaxPooling2D()(xs[0]), at="block*_pool", expect=n),
        lambda g, n: sg.insert(g, lambda x: x * 1.0, after="block*_pool", expect=n),
        lambda g, n: sg.insert(g, lambda x: x * 1.0, before="block*_pool", expect=n),
        lambda g, n: sg.remove(sg.insert(g, lambda x: x * 1.0, after="block*_pool"), ":Multiply", expect=n),
        lambda g, n: sg.replace(g, "block*_pool", lambda call: keras.layers.AveragePooling2D(2), expect=n),
        lambda g, n: sg.unfuse(g, "block*_conv1", expect=n),
        lambda g, n: sg.freeze(g, "block*_conv1", expect=n),
        lambda g, n: sg.unfreeze(g, "block*_conv1", expect=n),
    ],
)
def test_expect_is_exactly_that_many_or_an_error(graph, verb):
    verb(graph, 5)
    with pytest.raises(sg.SurgeryError, match=r"5 (tensors|calls).* (not 4|expected 4)"):
        verb(graph, 4)


# ---- what every verb refuses ----


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        (lambda g: sg.insert(g, keras.layers.ReLU()), "one of after="),
        (lambda g: sg.insert(g, keras.layers.ReLU(), after="nothing"), "no call matches"),
        (lambda g: sg.insert(g, keras.layers.Flatten(), after="block1_pool"), "'block2_conv1' .* has weights for"),
        (lambda g: sg.insert(g, lambda x: [x, x * 2], after="fc1"), "returns 2 tensors"),
        (lambda g: sg.insert(g, lambda x: None, after="fc1"), "returned nothing"),
        (lambda g: sg.insert(g, lambda x: x > 0, after="fc1"), "bool"),
        (lambda g: sg.insert(g, keras.layers.ReLU(), between=("fc1", "block1_pool")), "does not take fc1"),
        (lambda g: sg.remove(g, "input_layer"), "is an input"),
        (lambda g: sg.replace(g, "input_layer", keras.layers.ReLU()), "is an input"),
        (lambda g: sg.replace(g, "fc1", "ReLU"), "a function of the Call, not"),
        (lambda g: sg.replace(g, ":Dense", keras.layers.ReLU(), expect=2), "matches 3 calls, not 2"),
        (lambda g: sg.insert(g, keras.layers.ReLU(name="fc2"), after="fc1"), "has a layer named 'fc2'"),
        (lambda g: sg.cut(g, outputs="input_layer", inputs="fc1"), "fc1"),
        (lambda g: sg.cut(g, inputs="block2_pool", outputs="block1_pool"), "nothing beyond the cut needs block2_pool"),
        (lambda g: sg.tap(g, {"one": "block*_pool"}), "means 5 tensors .* block1_pool, .* expected 1"),
        (lambda g: sg.rewire(g, "block*_pool", into="fc1"), "means 5 tensors"),
        (lambda g: sg.rewire(g, "fc2", into="fc1"), "cycle"),
        (lambda g: sg.rewire(g, "input_layer", into="fc1"), r"\(None, 64\).*GlobalAveragePooling2D\(\), Dense\(64\)"),
        (lambda g: sg.graft(g, lambda x: "text"), "returned a str"),
        (lambda g: sg.graft(g, lambda x: None), "returned nothing"),
        (lambda g: sg.graft(g, keras.layers.Conv2D(3, 3), at="fc1"), r"does not take \(None, 64\)"),
        (lambda g: sg.graft(g, keras.layers.Embedding(3, 3), at=["fc1", "fc2"]), "does not take"),
        (lambda g: sg.replace(g, "fc1", lambda call: keras.layers.Conv2D(64, 1)), "does not take"),
        (lambda g: sg.freeze(g, "block1_pool"), "has weights"),
        (lambda g: sg.inline(g), "no nested model"),
        (lambda g: sg.unshare(g, "fc1"), "is called once"),
        (lambda g: sg.join(g, g, {}), "prefix="),
        (lambda g: sg.share(g, ["a"]), "two or more new names"),
    ],
)
def test_what_cannot_be_done_names_what_was_asked_and_leaves_the_graph(graph, verb, message):
    before = list(graph.calls)
    with pytest.raises(sg.SurgeryError, match=message) as caught:
        verb(graph)
    assert any(word in str(caught.value) for word in ("tinyvgg", "digits", "insert takes"))
    assert list(graph.calls) == before


@pytest.mark.parametrize(
    "part",
    [
        lambda: keras.layers.Dense(5, name="middle"),
        lambda: [keras.layers.Dense(5, name="middle"), keras.layers.Dense(4)],
        lambda: [keras.layers.Dense(5, name="x"), keras.layers.Dense(3, name="middle")],
        lambda: lambda call: [keras.layers.Dense(5, name="middle"), keras.layers.ReLU()],
    ],
)
def test_a_part_may_have_the_name_of_what_it_replaces(part):
    x = keras.Input((8,))
    middle = keras.layers.Dense(4, name="middle")
    y = middle(keras.layers.Dense(4, name="first")(x))
    model = keras.Model(x, keras.layers.Dense(2, name="last")(y))
    new = sg.replace(model, "middle", part(), adapt=True)
    assert new.output_shape == (None, 2) and "middle" in [layer.name for layer in new.layers]
    assert new.get_layer("middle").units != 4
    twice = keras.Model(x, keras.layers.Dense(2, name="last")(middle(y)))
    assert sg.replace(twice, "middle", part(), adapt=True).output_shape == (None, 2)


def test_a_layer_inside_a_nested_model_may_have_the_name_of_the_model():
    x = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="same"), keras.layers.ReLU()], name="same")
    for y in (inner(x), inner(inner(x))):
        model = keras.Model(x, keras.layers.Dense(2)(y))
        array = np.ones((2, 4), "float32")
        np.testing.assert_array_equal(numpy_of(sg.inline(model)(array)), numpy_of(model(array)))


def test_a_layer_of_several_tensors_is_replaced_by_one_that_makes_the_same():
    steps = keras.Input((5, 3), name="steps")
    sequence, state, carry = keras.layers.LSTM(4, return_sequences=True, return_state=True, name="lstm")(steps)
    model = keras.Model(steps, {"sequence": sequence, "sum": state + carry}, name="states")
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    like = keras.layers.LSTM(4, return_sequences=True, return_state=True, name="lstm")
    assert_same(outputs_of(sg.replace(model, "lstm", like), x), outputs_of(model, x))
    with pytest.raises(sg.SurgeryError, match=r"'lstm' makes 3 tensors, .* and the part 2, .* makes as many"):
        sg.replace(model, "lstm", keras.layers.GRU(4, return_sequences=True, return_state=True))
    wider = sg.replace(model, "lstm", keras.layers.LSTM(5, return_sequences=True, return_state=True))
    assert {name: tensor.shape for name, tensor in wider.output.items()} == {"sequence": (None, 5, 5), "sum": (None, 5)}
