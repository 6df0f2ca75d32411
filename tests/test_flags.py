"""Flags of layers in layers: what surgery says of a file is what Keras does with it, and a mark holds to the bottom."""

import itertools
import math

import keras
import numpy as np
import pytest

import surgery as sg

layers = keras.layers
WRAPPED = {
    "TimeDistributed": lambda flag: layers.TimeDistributed(layers.Dense(3, trainable=flag)),
    "of statistics": lambda flag: layers.TimeDistributed(layers.BatchNormalization(trainable=flag)),
    "of a model": lambda flag: layers.TimeDistributed(
        keras.Sequential([keras.Input((5,)), layers.Dense(3, trainable=flag), layers.Dense(2)])
    ),
    "Bidirectional": lambda flag: layers.Bidirectional(layers.LSTM(3, trainable=flag)),
    "RNN": lambda flag: layers.RNN(layers.GRUCell(3, trainable=flag)),
    "stacked cells": lambda flag: layers.RNN([layers.LSTMCell(3, trainable=flag), layers.GRUCell(2)]),
    "SpectralNormalization": lambda flag: layers.SpectralNormalization(layers.Dense(3, trainable=flag)),
    "LSTM": lambda flag: layers.LSTM(3, trainable=flag),
    "a normalized layer at each step": lambda flag: layers.TimeDistributed(
        layers.SpectralNormalization(layers.Dense(3, trainable=flag))
    ),
    "attention": lambda flag: layers.MultiHeadAttention(2, 3, trainable=flag),
}
QUANTIZED = ("int8", "int4")


def network(layer):
    """A layer on a sequence, named."""
    x = keras.Input((4, 5))
    y = layer(x, x) if isinstance(layer, layers.MultiHeadAttention) else layer(x)
    return keras.Model(x, y)


def quantized(mode):
    layer = layers.Dense(3)
    layer.build((None, 4, 5))
    layer.quantize(mode)
    return layer


def with_lora():
    layer = layers.Dense(3)
    layer.build((None, 4, 5))
    layer.enable_lora(2)
    return layer


def described(weights):
    return sorted((tuple(one.shape), bool(one.trainable)) for one in weights)


CASES = {
    **{
        f"{name}, {flag}": lambda make=make, flag=flag: make(flag)
        for name, make in WRAPPED.items()
        for flag in (True, False)
    },
    **{mode: lambda mode=mode: quantized(mode) for mode in QUANTIZED},
}


@pytest.mark.parametrize(("case", "outer"), list(itertools.product(CASES, (True, False))))
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_file_says_of_each_variable_what_keras_makes_of_it(case, outer, ending, tmp_path):
    layer = CASES[case]()
    layer._trainable = layer._trainable and outer  # as if the constructor had been given it
    network(layer).save(tmp_path / f"net{ending}")
    reopened = keras.models.load_model(tmp_path / f"net{ending}", compile=False)
    live, stored = (sg.open(one).calls[-1] for one in (reopened, tmp_path / f"net{ending}"))
    assert described(stored.weights) == described(reopened.layers[-1].weights)
    assert (stored.trainable, stored.frozen) == (live.trainable, live.frozen)
    assert stored.trainable == bool(reopened.trainable_variables)
    assert sg.diff(reopened, sg.open(tmp_path / f"net{ending}")).equal


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_the_kernel_below_lora_does_not_train(tmp_path):
    network(with_lora()).save(tmp_path / "net.h5")
    stored = sg.open(tmp_path / "net.h5").calls[-1]
    assert sum(one.size for one in stored.weights if one.trainable) == 3 + 5 * 2 + 2 * 3


@pytest.mark.parametrize(
    ("equation", "output", "shape"),
    [
        ("abc,cd->abd", (None, 10), (4, 6)),
        ("abc,cde->abde", (None, 3, 5), (4, 6)),
        ("abcd,cde->abe", (None, 7), (4, 3, 6)),
        ("abc,dc->abd", (None, 7), (4, 6)),
        ("abc,dec->abde", (4, 3, 5), (4, 6)),
    ],
)
def test_the_factors_of_lora_on_four_bits_are_of_the_kernel_that_is_packed(equation, output, shape, tmp_path):
    x = keras.Input(shape)
    layer = layers.EinsumDense(equation, output, name="sum")
    model = keras.Model(x, layer(x))
    layer.quantize("int4")
    layer.enable_lora(2)
    model.save(tmp_path / "net.keras")
    stored = sg.open(tmp_path / "net.keras")
    assert stored.params == model.count_params()
    assert sum(math.prod(one.shape) for one in stored["sum"].weights if one.trainable) == sum(
        math.prod(one.shape) for one in layer.trainable_variables
    )


def test_variables_that_a_file_puts_in_another_order_are_compared_by_name(tmp_path):
    model = network(layers.Dense(3, name="eighth"))
    model.layers[-1].quantize("float8")
    model.save(tmp_path / "net.keras")
    reopened = keras.models.load_model(tmp_path / "net.keras")
    assert [one.name for one in reopened.layers[-1].weights] != [one.name for one in model.layers[-1].weights]
    for donor in (model, sg.open(tmp_path / "net.keras")):
        assert not sg.verify(reopened, donor).changed and not sg.verify(donor, reopened).changed
    reopened.layers[-1].kernel.assign_add(np.ones((5, 3)))
    assert [call.name for call in sg.verify(reopened, model).changed] == ["eighth"]


@pytest.mark.parametrize("name", [name for name in WRAPPED if "ormaliz" not in name])
@pytest.mark.parametrize("kept_in", ["memory", "a file"])
def test_a_mark_reaches_the_bottom_and_the_donor_stays(name, kept_in, tmp_path):
    model = network(WRAPPED[name](False))
    layer = model.layers[-1]
    model.save(tmp_path / "net.keras")
    before = described(layer.weights)
    donor = model if kept_in == "memory" else tmp_path / "net.keras"
    for verb, flag in ((sg.freeze, False), (sg.unfreeze, True)):
        built = sg.build(verb(sg.open(donor), layer.name))
        trains = [one.trainable for one in built.layers[-1].weights if "moving" not in one.path]
        assert all(trains) if flag else not any(trains)
        inputs = np.ones((2, 4, 5), "float32")
        np.testing.assert_array_equal(np.asarray(built(inputs)), np.asarray(model(inputs)))
    assert described(layer.weights) == before


def test_freezing_in_place_holds_for_attention_that_says_it_is_frozen_and_in_fit_that_goes_on():
    model = network(layers.MultiHeadAttention(2, 3, trainable=False))
    model = keras.Model(model.input, layers.Dense(1)(model.output))
    model.compile("sgd", "mse")
    x, y = np.ones((4, 4, 5), "float32"), np.zeros((4, 4, 1), "float32")
    attention = model.layers[1]
    model.fit(x, y, verbose=0)
    sg.freeze(model, attention.name)
    still = [np.array(one) for one in attention.weights]
    model.fit(x, y, verbose=0)
    for one, before in zip(attention.weights, still, strict=True):
        np.testing.assert_array_equal(np.asarray(one), before)


def test_saving_says_which_layers_keras_will_not_keep_frozen(tmp_path):
    model = network(layers.MultiHeadAttention(2, 3, name="attention"))
    sg.save(model, tmp_path / "net.keras")  # nothing is frozen, nothing is said
    with pytest.warns(UserWarning, match=r"attention \(MultiHeadAttention\).*Freeze again"):
        sg.save(sg.freeze(model), tmp_path / "net.keras")
    assert len(keras.models.load_model(tmp_path / "net.keras").trainable_variables) == 8
    frozen = sg.build(sg.freeze(sg.open(tmp_path / "net.keras")))
    assert not frozen.trainable_variables


def test_diff_tells_parts_that_are_frozen(tmp_path):
    def half(flag):
        layer = layers.Bidirectional(layers.LSTM(3), name="both")
        model = network(layer)
        layer.backward_layer.trainable = flag
        return model

    one = half(True)
    other = half(False)
    other.set_weights(one.get_weights())
    (change,) = sg.diff(one, other).changed
    assert change.kind == "trainable" and change.after.startswith("3 of 6 variables (forward")
    assert sg.diff(other, other).equal
    mirrored = half(True)
    mirrored.get_layer("both").forward_layer.trainable = False
    assert [change.kind for change in sg.diff(mirrored, other).changed] == ["trainable"]
    for name, model in (("one", mirrored), ("other", other)):
        model.save(tmp_path / f"{name}.keras")
    files = [sg.open(tmp_path / f"{name}.keras") for name in ("one", "other")]
    assert [change.kind for change in sg.diff(*files).changed] == ["trainable"]
    assert sg.diff(mirrored, files[0]).equal or not sg.diff(mirrored, files[0]).changed


def test_a_convolutional_lstm_trains_whatever_the_flag_it_was_made_with(tmp_path):
    x = keras.Input((3, 4, 4, 2))
    keras.Model(x, layers.ConvLSTM2D(2, 2, trainable=False)(x)).save(tmp_path / "net.keras")
    reopened = keras.models.load_model(tmp_path / "net.keras")
    assert sg.open(tmp_path / "net.keras").calls[-1].trainable == bool(reopened.trainable_variables)
    assert sg.diff(reopened, sg.open(tmp_path / "net.keras")).equal


@pytest.mark.parametrize("verb", [sg.freeze, sg.unfreeze])
def test_a_flag_in_the_middle_does_not_stop_a_verb_in_place(verb):
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    model = network(layers.TimeDistributed(inner, name="steps"))
    steps = model.get_layer("steps")
    if verb is sg.freeze:
        inner._trainable = False  # as if the constructor had been given it
    else:
        steps.trainable = False
        inner.trainable = True
        inner.layers[0].trainable = False
    verb(model, "steps")
    assert {one.trainable for one in steps.weights} == {verb is sg.unfreeze}


def test_a_kernel_that_moves_in_a_wrapper_is_not_frozen():
    model = network(layers.TimeDistributed(layers.SpectralNormalization(layers.Dense(3)), name="steps"))
    with pytest.raises(sg.SurgeryError, match=r"TimeDistributed of a SpectralNormalization.*whatever its flag"):
        sg.freeze(model, "steps")


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("wrapper", [layers.TimeDistributed, layers.SpectralNormalization])
def test_what_was_built_before_it_was_wrapped_is_found_in_a_nested_model(wrapper, tmp_path):
    def network_of(seed):
        keras.utils.set_random_seed(seed)
        dense = layers.Dense(3, name="early")
        shape = (4, 5) if wrapper is layers.TimeDistributed else (5,)
        dense.build((None, 5))
        i, x = keras.Input(shape), keras.Input(shape)
        return keras.Model(x, keras.Model(i, wrapper(dense, name="late")(i), name="inner")(x))

    one, other = network_of(0), network_of(1)
    one.save(tmp_path / "one.h5")
    other.save(tmp_path / "other.h5")
    files = [sg.open(tmp_path / name) for name in ("one.h5", "other.h5")]
    assert sg.diff(one, files[0]).equal and not sg.diff(one, files[0]).without
    assert "kernel" in [change.tensor for change in sg.diff(*files).weights]
    built = sg.build(files[0])
    x = np.ones((2, *one.input_shape[1:]), "float32")
    np.testing.assert_array_equal(np.asarray(built(x)), np.asarray(one(x)))


def two_layers(kind):
    parts = [layers.Dense(4, name="d"), layers.Dense(2, name="head")]
    if kind is keras.Sequential:
        return keras.Sequential([keras.Input((8,)), *parts])
    x = keras.Input((8,))
    return keras.Model(x, parts[1](parts[0](x)))


@pytest.mark.parametrize("kind", [keras.Sequential, keras.Model])
@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_the_flag_of_a_whole_model_holds_over_those_of_its_layers(kind, ending, tmp_path):
    """Freeze all, thaw the head: in Keras nothing trains then, for the model's own flag is still False."""
    model = two_layers(kind)
    model.trainable = False
    model.get_layer("head").trainable = True
    assert not model.trainable_variables
    graph = sg.open(model)
    assert not any(call.trainable for call in graph) and "sg.unfreeze" in graph.notes[-1]
    assert not sg.build(graph).trainable_variables
    assert [call.name for call in sg.unfreeze(graph, "head") if call.trainable] == ["head"]
    assert len(sg.build(sg.unfreeze(graph, "head")).trainable_variables) == 2
    model.save(tmp_path / f"m.{ending}")
    reopened, stored = keras.models.load_model(tmp_path / f"m.{ending}"), sg.open(tmp_path / f"m.{ending}")
    assert any(call.trainable for call in stored) == bool(reopened.trainable_variables)
    assert len(sg.build(stored).trainable_variables) == len(reopened.trainable_variables)
    assert sg.diff(reopened, stored).equal
    if kind is keras.Sequential:
        with pytest.warns(UserWarning, match=r"cannot keep head \(Dense\) frozen"):
            sg.save(model, tmp_path / "own.keras")
    sg.freeze(model, "d")
    assert not model.trainable_variables
    sg.unfreeze(model, "head")
    assert [one.path.rpartition("head")[2] for one in model.trainable_variables] == ["/kernel", "/bias"]
