"""What odd networks and odd requests ask of the verbs. Oracles: the donor, and plain Keras."""

import keras
import numpy as np
import pytest
from keras import layers as L
from networks import assert_same, assert_unchanged, fingerprint, numpy_of, outputs_of, siamese_network

import surgery as sg

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def chain(name="m"):
    x = keras.Input((4,), name="x")
    return keras.Model(
        x, L.Dense(4, name="c")(L.Dense(4, name="b", activation="tanh")(L.Dense(4, name="a")(x))), name=name
    )


# ---- replace ----


def test_replace_leaves_a_layer_that_has_been_built_as_it_is():
    student, teacher = chain("s"), chain("t")
    before = fingerprint(teacher)
    new = sg.replace(student, "b", teacher.get_layer("b"))
    assert_unchanged(teacher, before)
    assert new.get_layer("b").get_weights()[0] is not None
    assert_same(new.get_layer("b").get_weights(), teacher.get_layer("b").get_weights())


@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Bidirectional(L.LSTM(3)),
        lambda: L.RNN(L.StackedRNNCells([L.SimpleRNNCell(3), L.SimpleRNNCell(3)])),
        lambda: L.MultiHeadAttention(2, 3),
    ],
)
def test_replace_by_an_equal_layer_computes_the_same(make):
    x = keras.Input((5, 4))
    layer = make()
    model = keras.Model(x, layer(x, x) if isinstance(layer, L.MultiHeadAttention) else layer(x))
    arrays = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    new = sg.replace(model, layer.name, make())
    assert_same(outputs_of(new, arrays), outputs_of(model, arrays))


def test_replace_keeps_training_and_mask_and_states():
    x = keras.Input((4,))
    model = keras.Model(x, L.Dropout(0.5, name="dr")(x, training=True))
    assert sg.open(sg.replace(model, "dr", L.Dropout(0.3)))["dr"].kwargs["training"] is True
    words = keras.Input((7,), dtype="int32")
    y = L.LSTM(3, name="l")(L.Embedding(9, 4, mask_zero=True)(words))
    model = keras.Model(words, y)
    arrays = np.random.default_rng(0).integers(0, 3, (2, 7))
    assert_same(outputs_of(sg.replace(model, "l", L.LSTM(3)), arrays), outputs_of(model, arrays))
    assert sg.insert(model, L.Identity(name="between"), before="l").get_layer("between")
    h = keras.Input((3,))
    model = keras.Model([x, h], L.GRU(3, name="g")(L.Reshape((2, 2))(x), initial_state=h))
    arrays = [X, X[:, :3]]
    assert_same(outputs_of(sg.replace(model, "g", L.GRU(3)), arrays), outputs_of(model, arrays))
    with pytest.raises(sg.SurgeryError, match="given initial_state, which Conv1D does not take"):
        sg.replace(model, "g", L.Conv1D(3, 2))


def test_replace_of_consecutive_layers_by_a_function_and_of_a_doubled_tensor():
    new = sg.replace(chain(), ":Dense", lambda call: [L.Dense(4), L.ReLU()])
    assert sum(isinstance(layer, L.ReLU) for layer in new.layers) == 3
    x = keras.Input((4,))
    model = keras.Model(x, L.Multiply(name="mul")([x, x]))
    np.testing.assert_allclose(outputs_of(sg.replace(model, "mul", L.Add()), X)[0], 2 * X)


def test_replace_by_a_stored_graph_and_by_a_lambda_at_several_places():
    graph = sg.open("tinyvgg")
    assert sg.replace(graph, "fc2", sg.cut(sg.open("tinyvgg"), inputs="fc1", outputs="fc2"))["fc2"].params == 4160
    new = sg.replace(chain(), ":Dense", L.Lambda(lambda x: keras.ops.tanh(x) * 2))
    np.testing.assert_allclose(outputs_of(new, X)[0], 2 * np.tanh(2 * np.tanh(2 * np.tanh(X))), rtol=1e-5)


# ---- builds share what they should, and no more ----


def test_marks_of_one_graph_do_not_leak_into_another():
    model = chain()
    graph = sg.open(model)
    frozen = sg.build(sg.freeze(graph, "a"))
    plain = sg.build(graph)
    assert plain.get_layer("a") is model.get_layer("a") and plain.get_layer("a").trainable
    assert not frozen.get_layer("a").trainable
    model.get_layer("c").trainable = False
    thawed = sg.build(sg.unfreeze(graph, "c"))
    assert thawed.get_layer("c").trainable and sg.build(graph).get_layer("c") is model.get_layer("c")


def shared_inside_and_outside():
    conv, inner = L.Dense(4, name="conv"), keras.Input((4,))
    trunk = keras.Model(inner, L.Dense(4, name="ad")(conv(inner)), name="A")
    x = keras.Input((4,), name="x")
    return keras.Model(x, [trunk(x), conv(x)])


def test_a_layer_inside_and_outside_a_nested_model_stays_one_layer():
    model = shared_inside_and_outside()
    graph = sg.open(model)
    assert graph.params == model.count_params() == 40
    for built in (sg.build(sg.freeze(graph, "A/ad")), sg.build(sg.freeze(graph, "A")), sg.build(graph, copy=True)):
        assert built.count_params() == 40
        assert built.get_layer("A").get_layer("conv") is built.get_layer("conv")
        assert_same(outputs_of(built, X), outputs_of(model, X))
    assert not sg.build(sg.freeze(graph, "A")).get_layer("conv").trainable
    assert sg.build(graph, copy=True).get_layer("conv") is not model.get_layer("conv")
    assert sg.build(sg.freeze(graph, "A/ad")).get_layer("conv") is model.get_layer("conv")


def test_flags_of_single_variables_and_of_layers_in_layers_are_kept():
    model = chain()
    model.get_layer("a").bias.trainable = False
    assert len(sg.build(model, copy=True).trainable_weights) == len(model.trainable_weights) == 5
    x = keras.Input((5, 4))
    norm = L.BatchNormalization()
    model = keras.Model(x, L.TimeDistributed(norm)(x))
    norm.trainable = False
    with sg.frozen(model):
        pass
    assert not norm.trainable and model.layers[-1].trainable


def test_names_that_end_like_calls():
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(4, name="a@1")(x))
    built = sg.build(sg.open(model))
    assert built.get_layer("a@1") is model.get_layer("a@1")


# ---- nested models ----


def test_dissolving_keeps_the_cast_and_the_rank_that_keras_gives_inputs():
    inner = keras.Input((4,))
    trunk = keras.Model(inner, L.Activation("linear", name="h")(inner * 2), name="t")
    x = keras.Input((4,), dtype="uint8")
    model = keras.Model(x, trunk(x))
    arrays = np.full((1, 4), 200, "uint8")
    expected = outputs_of(model, arrays)[0]
    assert expected[0, 0] == 400
    np.testing.assert_array_equal(outputs_of(sg.inline(model), arrays)[0], expected)
    np.testing.assert_array_equal(numpy_of(sg.tap(model, {"h": "t/h"})(arrays)["h"]), expected)
    one = keras.Input((1,))
    trunk = keras.Model(one, L.Dense(2, name="d")(one), name="t")
    x = keras.Input(())
    model = keras.Model(x, trunk(x))
    flat = np.arange(3, dtype="float32")
    assert_same(outputs_of(sg.inline(model), flat), outputs_of(model, flat))


def test_training_of_a_nested_call_from_a_file_is_passed_on(tmp_path):
    inner = keras.Input((4,))
    trunk = keras.Model(inner, L.BatchNormalization(name="bn")(inner), name="t")
    x = keras.Input((4,))
    model = keras.Model(x, trunk(x, training=True))
    expected = outputs_of(model, X)
    path = sg.save(model, tmp_path / "m.keras")
    assert_same(outputs_of(sg.build(sg.inline(sg.open(path))), X), expected)


def nested_twice():
    deep = keras.Sequential([keras.Input((4,)), L.Dense(4, name="p")], name="in1")
    other = keras.Sequential([keras.Input((4,)), L.Dense(4, name="q")], name="in2")
    y = keras.Input((4,))
    outer = keras.Model(y, other(deep(y)), name="outer")
    x = keras.Input((4,))
    return keras.Model(x, outer(x))


def test_inline_dissolves_what_matches_and_leaves_its_sibling():
    model = nested_twice()
    assert [call.name for call in sg.open(sg.inline(model, "outer/in1"))][1:] == ["p", "in2"]
    assert [call.name for call in sg.open(sg.inline(model, "outer"))][1:] == ["p", "q"]
    assert [call.name for call in sg.open(sg.inline(model, "outer/in1, outer/in2"))][1:] == ["p", "q"]


def test_a_container_and_what_is_inside_it_are_tapped_together():
    model = siamese_network()
    arrays = [np.random.default_rng(seed).random((2, 8, 8, 3), "float32") for seed in (0, 1)]
    tapped = sg.tap(model, "trunk@0, trunk@0/conv")(arrays)
    assert_same([numpy_of(tapped["trunk"])], outputs_of(model.get_layer("trunk"), arrays[0]))
    assert len(sg.tap(sg.open(model), "**").outputs) == 16


def test_two_addresses_in_one_nested_model():
    graph = sg.open(siamese_network())
    new = sg.insert(graph, L.Identity(name="new"), between=("trunk@0/conv", "trunk@0/norm"))
    assert new["new"].parents[0].call == "conv"
    assert sg.rewire(graph, "left", into="trunk@0/conv", instead_of="trunk@0/picture") == sg.inline(graph, "trunk@0")


def test_unshare_all_calls_and_inside_a_nested_model():
    x, y, layer = keras.Input((4,)), keras.Input((4,)), L.Dense(4, name="s")
    model = keras.Model([x, y], [layer(x), layer(y)])
    both = sg.unshare(model, "s")
    assert both.count_params() == 40
    assert_same(outputs_of(both, [X, X]), outputs_of(model, [X, X]))
    assert sg.open(sg.unshare(siamese_network(), "trunk@1/conv")).params > siamese_network().count_params()


def test_all_outputs_of_a_sequential():
    model = keras.Sequential([keras.Input((5, 4)), L.LSTM(3, return_state=True)])
    arrays = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    assert len(sg.open(model).outputs) == 3
    assert_same(outputs_of(sg.build(sg.open(model)), arrays), outputs_of(model, arrays))


# ---- which tensor ----


def test_names_in_at_are_the_inputs_of_the_part():
    i, j = keras.Input((4,), name="b"), keras.Input((4,), name="a")
    part = keras.Model([i, j], i - j, name="t")
    model = chain()
    expected = X - outputs_of(model, X)[0]
    for one in (part, sg.open(part)):
        new = sg.graft(model, one, at={"b": "x", "a": "c"})
        np.testing.assert_allclose(outputs_of(new, X)[0], expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(sg.SurgeryError, match="the inputs of 't' are b, a; at= names z, a"):
        sg.graft(model, sg.open(part), at={"z": "x", "a": "c"})


def lstm_network():
    x = keras.Input((5, 4), name="x")
    y, h, c = L.LSTM(3, return_state=True, name="lstm")(x)
    return keras.Model(x, [L.Dense(2, name="d")(y), h + c])


def test_the_advice_of_an_open_cut_closes_it():
    graph = sg.open(lstm_network())
    with pytest.raises(sg.SurgeryError, match=r"inputs='lstm#0, lstm#1, lstm#2'"):
        sg.cut(graph, inputs="lstm#1")
    assert len(sg.cut(graph, inputs="lstm#0, lstm#1, lstm#2").inputs) == 3
    x, layer = keras.Input((4,), name="x"), L.Dense(4, name="s")
    first = layer(x)
    twice = keras.Model(x, L.Add(name="sum")([first, L.Dense(4, name="c")(layer(first))]))
    with pytest.raises(sg.SurgeryError, match=r"inputs='s@0, c'"):
        sg.cut(twice, inputs="c")
    assert len(sg.open(sg.cut(twice, inputs="s@0, c")).inputs) == 2


def test_a_union_means_all_that_its_parts_mean():
    assert list(sg.tap(sg.open(lstm_network()), "lstm, lstm#1").outputs) == ["lstm", "lstm#1", "lstm#2"]


def test_outputs_of_two_networks_with_dicts_are_one_dict():
    def network(name):
        x = keras.Input((4,), name=f"{name}i")
        return keras.Model({f"{name}i": x}, {f"{name}o": L.Dense(2, name=f"{name}d")(x)}, name=name)

    joined = sg.join(sg.open(network("p")), sg.open(network("q")), connections={})
    assert set(joined.outputs) == {"po", "qo"} and set(joined.inputs) == {"pi", "qi"}
    x = keras.Input((4,), name="i")
    through = keras.Model(x, [x, L.Dense(2, name="d")(x)], name="t")
    assert len(sg.join(sg.open(chain()), sg.open(through)).outputs) == 2


# ---- layout and precision ----


@pytest.mark.parametrize("dtype", ["float64", "mixed_float16", "mixed_bfloat16"])
def test_unfuse_keeps_the_precision(dtype):
    x = keras.Input((4,), dtype="float64" if dtype == "float64" else "float32")
    model = keras.Model(x, L.Dense(4, activation="tanh", dtype=dtype, name="d")(x))
    arrays = X.astype(x.dtype)
    ours, theirs = sg.unfuse(model)(arrays), model(arrays)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(numpy_of(ours), numpy_of(theirs))


def test_unfuse_of_a_function_of_the_users_own():
    class Ones(keras.initializers.Initializer):
        def __call__(self, shape, dtype=None):
            return keras.ops.ones(shape, dtype)

    def squashed(x):
        return keras.ops.tanh(x) * 0.5

    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(4, activation=squashed, kernel_initializer=Ones(), name="d")(x))
    assert_same(outputs_of(sg.unfuse(model), X), outputs_of(model, X))


def test_adapters_of_a_network_with_its_channels_first():
    x = keras.Input((3, 8, 8), name="x")
    y = L.ZeroPadding2D(1, data_format="channels_first", name="a")(x)
    graph = sg.open(keras.Model(x, L.GlobalAveragePooling2D(data_format="channels_first", name="p")(y)))
    wide = sg.rewire(graph, "x", into="a", adapt=True)
    added = [call for call in wide if call.class_name in ("Resizing", "Conv2D")]
    assert [(call.class_name, call.config["data_format"]) for call in added] == [("Resizing", "channels_first")]
    assert added[0].specs[0].shape == (None, 3, 10, 10)


def test_resize_refuses_a_layer_normalization_over_the_picture():
    x = keras.Input((8, 8, 3))
    with pytest.raises(sg.SurgeryError, match=r"its weights are for \(8, 8, 3\) on axes"):
        sg.resize(keras.Model(x, L.LayerNormalization(axis=[1, 2, 3], name="n")(x)), (6, 6, 3))


# ---- bad input ----

graph = chain


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        (lambda g: sg.share(g, "left"), "a list of names, not 'left'"),
        (lambda g: sg.share(g, None), "a list of names, not None"),
        (lambda g: sg.share(g, [1, 2]), "an input cannot be called 1"),
        (lambda g: sg.share(g, ["l/", "r"]), "an input cannot be called 'l/'"),
        (lambda g: sg.cut(g, inputs={"p": "a", "q": "a"}), "one tensor cannot be two inputs: a, a"),
        (lambda g: sg.cut(g, inputs={1: "a"}), "an input cannot be called 1"),
        (lambda g: sg.cut(g, inputs={"c@1": "a"}), "an input cannot be called 'c@1'"),
        (lambda g: sg.cut(g, outputs=[]), r"\[\] names no tensor"),
        (lambda g: sg.tap(g, {}), "names no tensor"),
        (lambda g: sg.cut(g, outputs=":Dense", expect=0), "expected 0"),
        (lambda g: sg.split(g, None), "at= says which tensors"),
        (
            lambda g: sg.select(g, "[unitz=none]"),
            "has an attribute 'unitz'. Did you mean 'units'",
        ),
        (lambda g: sg.select(g, lambda call: call.config["units"] > 3), "the predicate failed at x InputLayer"),
        (lambda g: sg.select(g, "!" * 4000 + "a"), "nested too deeply"),
        (lambda g: sg.resize(g, 96), "96 is not a shape"),
        (lambda g: sg.resize(g, None), "None is not a shape"),
        (lambda g: sg.resize(g, {"x": 4}), "4 is not a shape"),
        (lambda g: sg.resize(g, (-1,)), "is not a shape"),
        (lambda g: sg.insert(g, L.ReLU(), between=("a",)), "names an edge"),
        (lambda g: sg.insert(g, L.ReLU(), between=5), "names an edge"),
        (lambda g: sg.join(g, chain("n"), connections=["x"]), "a dict, input of 'n'"),
        (lambda g: sg.join(g, chain("n"), prefix=None), "a text that goes before names"),
        (lambda g: sg.open(g)[0], "by its address"),
        (lambda g: sg.graft(g, lambda x: {"u": x, "v": None}), "returned a NoneType"),
    ],
)
def test_a_request_that_makes_no_sense_is_one_error(verb, message):
    with pytest.raises(sg.SurgeryError, match=message):
        verb(chain())


def test_attributes_of_networks_with_raw_operations():
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(4, name="d")(x * 2))
    assert [call.name for call in sg.select(model, "[trainable]")] == ["d"]
    assert [] not in sg.open(model) and "d" in sg.open(model)


def test_parts_that_keras_named_move_aside():
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, L.Conv2D(3, 3, name="conv2d")(x))
    assert "conv2d_1" in sg.open(sg.graft(model, L.Conv2D(3, 3, name="conv2d")))
