"""`replace(keep=)`: a head with other classes, an Embedding with other rows, that keeps what the old ones know."""

import keras
import numpy as np
import pytest
from networks import numpy_of, outputs_of
from test_other_outputs import FORMS, in_form

import surgery as sg

L = keras.layers

# layer before and after, shape of what it takes, the axis of its outputs in each variable
HEADS = {
    "Dense": (lambda n: L.Dense(n), (5,), {"kernel": 1, "bias": 0}),
    "Dense without bias": (lambda n: L.Dense(n, use_bias=False), (5,), {"kernel": 1}),
    "Dense on steps": (lambda n: L.Dense(n), (3, 5), {"kernel": 1, "bias": 0}),
    "Conv1D": (lambda n: L.Conv1D(n, 2), (6, 3), {"kernel": 2, "bias": 0}),
    "Conv2D of 1 x 1": (lambda n: L.Conv2D(n, 1), (4, 4, 3), {"kernel": 3, "bias": 0}),
    "Conv2D": (lambda n: L.Conv2D(n, 3, padding="same"), (4, 4, 3), {"kernel": 3, "bias": 0}),
    "Conv3D": (lambda n: L.Conv3D(n, 2), (3, 3, 3, 2), {"kernel": 4, "bias": 0}),
    "Conv2DTranspose": (lambda n: L.Conv2DTranspose(n, 2), (4, 4, 3), {"kernel": 2, "bias": 0}),
    "SeparableConv2D": (lambda n: L.SeparableConv2D(n, 2), (4, 4, 3), {"pointwise_kernel": 3, "bias": 0}),
    "EinsumDense": (lambda n: L.EinsumDense("abc,cd->abd", (3, n), bias_axes="d"), (3, 5), {"kernel": 1, "bias": 0}),
    "EinsumDense of two axes": (
        lambda n: L.EinsumDense("abc,cde->abde", (3, n, 2), bias_axes="de"),
        (3, 5),
        {"kernel": 1, "bias": 0},
    ),
    "EinsumDense, bias inside": (
        lambda n: L.EinsumDense("abc,dc->adb", (n, 3), bias_axes="d"),
        (3, 5),
        {"kernel": 0, "bias": 0},
    ),
    "TimeDistributed": (lambda n: L.TimeDistributed(L.Dense(n)), (3, 5), {"kernel": 1, "bias": 0}),
}


def head_on(layer, shape):
    x = keras.Input(shape, name="x")
    model = keras.Model(x, L.Activation("softmax", name="end")(layer(x)), name="headed")
    return shaken(model)


def shaken(model):
    random = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(random.normal(size=variable.shape))
    return model


def variables(layer):
    return {variable.name: numpy_of(variable) for variable in layer.weights}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize(("size", "keep", "kept"), [(6, True, [0, 1, 2, 3]), (2, [3, 1], [3, 1])])
def test_old_outputs_keep_their_values_and_new_ones_are_drawn(kind, size, keep, kept, form, tmp_path):
    make, shape, axes = HEADS[kind]
    model = head_on(make(4), shape)
    name = model.layers[1].name
    new = sg.replace(in_form(model, form, tmp_path), name, make(size), keep=keep)
    old, grown = variables(model.get_layer(name)), variables(sg.build(new).get_layer(name))
    for variable, axis in axes.items():
        assert grown[variable].shape[axis] == size
        there = np.take(grown[variable], range(len(kept)), axis)
        np.testing.assert_array_equal(there, np.take(old[variable], kept, axis))
        fresh = np.take(grown[variable], range(len(kept), size), axis)
        assert variable == "bias" or not np.isin(fresh, old[variable]).any()
    for variable in set(old) - set(axes):
        np.testing.assert_array_equal(grown[variable], old[variable])
    said = "outputs 0-3 of 6 are the old ones, 4-5 fresh" if size == 6 else "outputs 0-1 of 2 are the old 3, 1 of 4"
    assert said in new.notes[0]


@pytest.mark.parametrize("kind", HEADS)
def test_the_old_classes_score_as_before(kind):
    """To the last bits: a product with more columns may be summed in another order."""
    make, shape, _ = HEADS[kind]
    model = head_on(make(4), shape)
    name = model.layers[1].name
    new = sg.build(sg.tap(sg.replace(sg.open(model), name, make(6), keep=True), {"scores": name}))
    x = np.random.default_rng(1).normal(size=(3, *shape)).astype("float32")
    before = outputs_of(keras.Model(model.input, model.get_layer(name).output), x)[0]
    after = outputs_of(new, x)[0]
    axis = next(at for at, pair in enumerate(zip(before.shape, after.shape, strict=True)) if pair == (4, 6))
    np.testing.assert_allclose(np.take(after, range(4), axis), before, rtol=1e-6, atol=1e-6)


def test_the_new_columns_are_what_the_initializer_of_the_new_layer_draws():
    model = head_on(L.Dense(4, name="head"), (5,))
    part = L.Dense(
        6, kernel_initializer=keras.initializers.RandomNormal(seed=3), bias_initializer=keras.initializers.Constant(0.5)
    )
    layer = sg.build(sg.replace(sg.open(model), "head", part, keep=True)).get_layer("head")
    drawn = numpy_of(keras.initializers.RandomNormal(seed=3)((5, 6)))
    np.testing.assert_array_equal(numpy_of(layer.kernel)[:, 4:], drawn[:, 4:])
    np.testing.assert_array_equal(numpy_of(layer.bias)[4:], [0.5, 0.5])


@pytest.mark.parametrize("form", FORMS)
def test_an_embedding_gets_more_rows_and_the_old_words_are_read_as_before(form, tmp_path):
    words = keras.Input((3,), dtype="int32", name="words")
    x = L.GlobalAveragePooling1D()(L.Embedding(10, 4, mask_zero=True, name="words_in")(words))
    model = shaken(keras.Model(words, L.Dense(2, name="last")(x)))
    new = sg.replace(
        in_form(model, form, tmp_path), "words_in", lambda call: L.Embedding(14, 4, mask_zero=True), keep=True
    )
    assert new.notes == ("words_in: Embedding -> Embedding, rows 0-9 of 14 are the old ones, 10-13 fresh",)
    x = np.array([[1, 2, 9], [0, 0, 3]], "int32")
    np.testing.assert_array_equal(outputs_of(sg.build(new), x)[0], outputs_of(model, x)[0])
    assert sg.verify(new, model).dropped[0].name == "words_in"


def test_tied_embeddings_grow_at_both_ends():
    words = keras.Input((3,), dtype="int32", name="words")
    tied = L.ReversibleEmbedding(10, 4, name="tied")
    model = shaken(keras.Model(words, tied(L.Dense(4, name="inner")(tied(words)), reverse=True)))
    new = sg.build(sg.replace(sg.open(model), "tied", L.ReversibleEmbedding(12, 4), keep=True))
    x = np.array([[1, 2, 9]], "int32")
    assert new.output_shape == (None, 3, 12)
    np.testing.assert_allclose(outputs_of(new, x)[0][..., :10], outputs_of(model, x)[0], rtol=1e-6, atol=1e-6)


def test_a_place_may_be_fresh_and_an_old_class_may_be_the_start_of_two():
    model = head_on(L.Dense(4, name="head"), (5,))
    graph = sg.replace(sg.open(model), "head", L.Dense(4), keep=[3, None, 0, 0])
    assert "outputs 0, 2-3 of 4 are the old 3, 0, 0 of 4, 1 fresh" in graph.notes[0]
    old, new = model.get_layer("head").kernel, sg.build(graph).get_layer("head").kernel
    np.testing.assert_array_equal(numpy_of(new)[:, [0, 2, 3]], numpy_of(old)[:, [3, 0, 0]])
    assert not np.isin(numpy_of(new)[:, 1], numpy_of(old)).any()
    reordered = sg.replace(sg.open(model), "head", L.Dense(4), keep=np.array([3, 2, 1, 0]))
    np.testing.assert_array_equal(numpy_of(sg.build(reordered).get_layer("head").kernel), numpy_of(old)[:, ::-1])


def test_lora_is_merged_and_codes_are_turned_back():
    model = head_on(L.Dense(4, name="head"), (5,))
    layer = model.get_layer("head")
    layer.enable_lora(2)
    shaken(model)
    new = sg.build(sg.replace(sg.open(model), "head", L.Dense(6), keep=True)).get_layer("head")
    np.testing.assert_array_equal(numpy_of(new.kernel)[:, :4], numpy_of(layer.kernel))
    adapted = sg.build(sg.replace(sg.open(model), "head", L.Dense(6, lora_rank=2), keep=True)).get_layer("head")
    np.testing.assert_array_equal(numpy_of(adapted.kernel)[:, :4], numpy_of(layer.kernel))
    coded = head_on(L.Dense(4, name="head"), (5,))
    coded.get_layer("head").quantize("int8")
    plain = sg.build(sg.replace(sg.open(coded), "head", L.Dense(6), keep=True)).get_layer("head")
    quantized = coded.get_layer("head")
    codes, scale = numpy_of(quantized._kernel), numpy_of(quantized.kernel_scale)
    np.testing.assert_allclose(numpy_of(plain.kernel)[:, :4], codes / scale, rtol=1e-6)
    with pytest.raises(sg.SurgeryError, match="is quantized to int8"):
        sg.replace(sg.open(model), "head", L.Dense(6, dtype="int8_from_float32"), keep=True)


def test_a_new_bias_is_drawn_and_a_lost_one_is_refused():
    bare = head_on(L.Dense(4, use_bias=False, name="head"), (5,))
    assert sg.replace(sg.open(bare), "head", L.Dense(6), keep=True).notes[0].endswith("4-5 fresh; fresh: bias")
    with pytest.raises(sg.SurgeryError, match="the new layer has no bias"):
        sg.replace(sg.open(head_on(L.Dense(4, name="head"), (5,))), "head", L.Dense(6, use_bias=False), keep=True)


def grouped():
    return head_on(L.Conv2D(4, 2, groups=2, name="head"), (4, 4, 2))


def convolved():
    return head_on(L.Conv2D(4, 2, name="head"), (4, 4, 2))


def lstm():
    x = keras.Input((3, 2))
    return keras.Model(x, L.LSTM(4, name="head")(x))


@pytest.mark.parametrize(
    ("model", "part", "keep", "message"),
    [
        (None, lambda: L.Dense(3), True, r"4 do not fit into 3: keep=\[0, 2, ...\] says which 3"),
        (None, lambda: L.Dense(6), [0, 4], "keep= has 4; the old outputs are 0 to 3"),
        (None, lambda: L.Dense(6), [-1], "the old outputs are 0 to 3"),
        (None, lambda: L.Dense(2), [0, 1, 2], "keep= has 3 outputs, and the new layer 2"),
        (None, lambda: L.Dense(2), [], "keep= has 0 outputs"),
        (None, lambda: L.Dense(2), "first", "a list of numbers of old outputs"),
        (None, lambda: L.Dense(2), 2, "a list of numbers of old outputs"),
        (None, lambda: [L.Dense(6), L.ReLU()], True, "keep= fills one new layer"),
        (None, lambda: L.ReLU(), True, "keep= fills one new layer"),
        (None, lambda: L.LayerNormalization(), True, "to LayerNormalization, the new layer has no kernel, bias"),
        (None, lambda: L.EinsumDense("ab,cb->ac", (6,)), True, "kernel of 'head'"),
        (grouped, lambda: L.Conv2D(8, 2, groups=2), True, "convolutions without groups"),
        (convolved, lambda: L.Conv2D(8, 3), True, r"is \(2, 2, 2, 4\), .* \(3, 3, 2, 8\)"),
        (lstm, lambda: L.LSTM(6), True, "convolutions without groups"),
    ],
)
def test_what_cannot_be_kept_is_refused(model, part, keep, message):
    model = model() if model else head_on(L.Dense(4, name="head"), (5,))
    with pytest.raises(sg.SurgeryError, match=message):
        sg.replace(sg.open(model), "head", part(), keep=keep)
