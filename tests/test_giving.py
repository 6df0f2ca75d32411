"""A layer that is given the values of another computes what the other one does."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers as L
from networks import assert_same, outputs_of

import surgery as sg
from surgery.keras_bridge.give import give_values

RANDOM = np.random.default_rng(0)


def shaken(layer, seed=0):
    """Returns a layer whose float weights are random, as training would leave them."""
    random = np.random.default_rng(seed)
    for one in layer.weights:
        if "float" in one.dtype and "seed" not in one.path:
            one.assign(random.uniform(0.2, 1, one.shape))
    return layer


def with_lora(layer, rank=2, alpha=3):
    for part in layer._flatten_layers():
        if hasattr(part, "enable_lora"):
            part.enable_lora(rank, lora_alpha=alpha)
    return layer


@keras.saving.register_keras_serializable(package="tests_of_giving")
class Unnamed(L.Layer):
    """A custom layer whose weights have no names but those of its attributes."""

    def build(self, shape):
        self.gain = self.add_weight(shape=shape[-1:], initializer="ones")
        self.shifts = [self.add_weight(shape=shape[-1:]) for _ in range(2)]
        self.inner = L.Dense(4)
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x * self.gain + self.shifts[0] * self.shifts[1])


class Custom(L.Layer):
    """A Dense layer of the user's own."""

    def build(self, shape):
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], 4))
        self.bias = self.add_weight(name="bias", shape=(4,))

    def call(self, x):
        return x @ self.kernel + self.bias


MAP, SEQUENCE, VECTOR, WORDS = (6, 6, 4), (5, 4), (4,), (5,)
LAYERS = {
    "Dense": (lambda: L.Dense(4, activation="tanh"), VECTOR),
    "EinsumDense": (lambda: L.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="e"), SEQUENCE),
    "Embedding": (lambda: L.Embedding(9, 3), WORDS),
    "ReversibleEmbedding": (lambda: L.ReversibleEmbedding(9, 3, tie_weights=False), WORDS),
    "Conv1D": (lambda: L.Conv1D(3, 2), SEQUENCE),
    "Conv2D": (lambda: L.Conv2D(4, 3), MAP),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(4, 3), MAP),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(3, depth_multiplier=2), MAP),
    "SeparableConv2D": (lambda: L.SeparableConv2D(5, 3), MAP),
    "BatchNormalization": (lambda: L.BatchNormalization(), MAP),
    "LayerNormalization": (lambda: L.LayerNormalization(), MAP),
    "GroupNormalization": (lambda: L.GroupNormalization(2), MAP),
    "Normalization": (lambda: L.Normalization(), MAP),
    "PReLU": (lambda: L.PReLU(), VECTOR),
    "SpectralNormalization": (lambda: L.SpectralNormalization(L.Conv2D(4, 3)), MAP),
    "MultiHeadAttention": (lambda: L.MultiHeadAttention(2, 3), SEQUENCE),
    "GroupQueryAttention": (lambda: L.GroupQueryAttention(3, 4, 2), SEQUENCE),
    "LSTM": (lambda: L.LSTM(3, return_sequences=True), SEQUENCE),
    "GRU": (lambda: L.GRU(3), SEQUENCE),
    "StackedCells": (lambda: L.RNN([L.LSTMCell(3), L.GRUCell(2)]), SEQUENCE),
    "Bidirectional": (lambda: L.Bidirectional(L.GRU(3)), SEQUENCE),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(3)), SEQUENCE),
    "Unnamed": (lambda: Unnamed(), VECTOR),
}
WITH_LORA = ["Dense", "EinsumDense", "Embedding", "ReversibleEmbedding", "Conv1D", "Conv2D", "TimeDistributed"]
WITH_LORA += ["MultiHeadAttention", "Unnamed"]
INTEGERS = ["Dense", "EinsumDense", "ReversibleEmbedding", "MultiHeadAttention"]


def network(layer, shape, name="net"):
    words = shape is WORDS
    x = keras.Input(shape, dtype="int32" if words else "float32")
    arrays = RANDOM.integers(0, 9, (3, *shape)) if words else RANDOM.random((3, *shape), "float32")
    attention = "Attention" in type(layer).__name__
    y = layer(x, x) if attention else layer(x)
    model = keras.Model(x, L.Activation("linear", name="last")(y), name=name)
    for part in layer._flatten_layers():
        if isinstance(part, L.Normalization):
            part.adapt(arrays * 3 + 1)
        else:
            shaken(part)
    return model, arrays


def replaced(model, make, name=None):
    """Returns the network with a new layer in the place of its own, on a graph that says what moved."""
    layer = model.layers[1]
    new = make()
    new = type(new).from_config({**new.get_config(), "name": name or layer.name})
    graph = sg.replace(sg.open(model), layer.name, new)
    return sg.build(graph), graph.notes[-1] if graph.notes else ""


@pytest.mark.parametrize("kind", LAYERS)
def test_a_replaced_layer_computes_what_it_did(kind):
    make, shape = LAYERS[kind]
    model, arrays = network(make(), shape)
    for name in (None, "another"):
        new, note = replaced(model, make, name)
        assert_same(outputs_of(new, arrays), outputs_of(model, arrays))
        assert "moved over" in note and "fresh" not in note


@pytest.mark.parametrize("kind", WITH_LORA)
def test_what_lora_learned_is_in_the_kernel_of_the_new_layer(kind):
    make, shape = LAYERS[kind]
    model, arrays = network(make(), shape)
    shaken(with_lora(model.layers[1]), seed=1)
    new, note = replaced(model, make)
    np.testing.assert_allclose(outputs_of(new, arrays)[0], outputs_of(model, arrays)[0], rtol=1e-6, atol=1e-6)
    assert "LoRA merged" in note and "fresh" not in note


@pytest.mark.parametrize(("rank", "alpha"), [(2, 3), (2, 5), (1, 3)])
def test_lora_in_the_place_of_lora(rank, alpha):
    model, arrays = network(L.Dense(4), VECTOR)
    shaken(with_lora(model.layers[1]), seed=1)
    new = with_lora(network(L.Dense(4), VECTOR)[0].layers[1], rank, alpha)
    give_values(new, model.layers[1])
    np.testing.assert_allclose(new(arrays), model.layers[1](arrays), rtol=1e-6)
    assert np.any(new.lora_kernel_a.numpy()) and np.any(new.lora_kernel_b.numpy()) == ((rank, alpha) == (2, 3))


@pytest.mark.parametrize(
    ("kind", "mode"), [*((kind, "int8") for kind in INTEGERS), *((kind, "int4") for kind in INTEGERS[:3])]
)
def test_codes_are_turned_back_into_the_kernel_that_they_stand_for(kind, mode):
    """The largest difference is that of rounding the inputs, as the quantized layer does and the new one does not."""
    make, shape = LAYERS[kind]
    model, arrays = network(make(), shape)
    full = outputs_of(model, arrays)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # layers that cannot be quantized
        model.quantize(mode)
    quantized = outputs_of(model, arrays)[0]
    assert np.any(quantized != full)
    new, note = replaced(model, make)
    assert f"dequantized from {mode}" in note
    rounding = 0 if "Embedding" in kind else np.abs(quantized).max() / 50 if mode == "int8" else 1e-5
    np.testing.assert_allclose(outputs_of(new, arrays)[0], quantized, rtol=1e-6, atol=rounding)


@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_a_layer_that_is_quantized_in_the_same_way_gets_the_codes(mode):
    model, arrays = network(L.Dense(4, activation="relu", name="d"), VECTOR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.quantize(mode)
    same = sg.replace(model, "d", lambda call: L.Dense.from_config(call.config))
    assert_same(outputs_of(same, arrays), outputs_of(model, arrays))
    assert_same(outputs_of(sg.build(model, copy=True), arrays), outputs_of(model, arrays))
    unfused = sg.unfuse(model)
    assert_same(outputs_of(unfused, arrays), outputs_of(model, arrays))


def test_a_quantized_layer_is_not_given_what_is_not_quantized():
    model, _ = network(L.Dense(4, name="d"), VECTOR)
    with pytest.raises(sg.SurgeryError, match=r'quantized to int8, and what \'d\'[^"]*call quantize\("int8"\)'):
        sg.replace(model, "d", L.Dense(4, dtype="int8_from_float32"))


def test_a_normalization_moves_what_it_computes_with_wherever_it_is_kept():
    arrays = RANDOM.random((3, 4), "float32") * 5
    told = L.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 4, 9, 16], name="n")
    stale = L.Normalization(name="n")
    stale.build((None, 4))
    stale.adapt_mean.assign([1.0, 2, 3, 4])  # never finalized: it computes with 0
    for layer in (told, stale):
        x = keras.Input((4,))
        model = keras.Model(x, layer(x))
        new = sg.replace(model, "n", L.Normalization(name="n"))
        assert_same(outputs_of(new, arrays), outputs_of(model, arrays))


def test_a_vocabulary_moves_over():
    x = keras.Input((3,), dtype="string")
    layer = L.StringLookup(name="words")
    layer.adapt(np.array([["a", "b", "b", "c"]]))
    model = keras.Model(x, layer(x))
    graph = sg.replace(sg.open(model), "words", L.StringLookup(name="another"))
    assert "vocabulary moved over" in graph.notes[0]
    assert sg.build(graph).layers[1].get_vocabulary() == layer.get_vocabulary()
    hot = keras.Model(x, L.StringLookup(vocabulary=["q", "r"], output_mode="multi_hot", name="hot")(x))
    new = sg.replace(hot, "hot", L.StringLookup(output_mode="count", name="new"))
    words = np.array([["r", "r", "z"]], object)
    np.testing.assert_array_equal(new(words), [[1, 0, 2]])


def test_the_boundaries_of_bins_move_over_and_stay_in_copies():
    layer = L.Discretization(num_bins=4, name="bins")
    values = RANDOM.random((50, 3), "float32")
    layer.adapt(values)
    x = keras.Input((3,))
    model = keras.Model(x, layer(x), name="binned")
    graph = sg.replace(sg.open(model), "bins", L.Discretization(num_bins=4, name="other"))
    assert "boundaries moved over" in graph.notes[0]
    other = keras.Model(x, L.Dense(2)(x), name="other")
    both = sg.build(sg.join(sg.open(other), sg.open(model), connections={}, prefix="p_"))
    expected = outputs_of(model, values)[0]
    np.testing.assert_array_equal(outputs_of(sg.build(graph), values)[0], expected)
    np.testing.assert_array_equal(both([values, values])[-1], expected)


def test_what_moves_and_what_stays_fresh_is_said_exactly():
    def note(old, new, shape):
        model, _ = network(old, shape)
        return sg.replace(sg.open(model), model.layers[1].name, new).notes[0].partition(", ")[2]

    assert note(L.MultiHeadAttention(2, 4), L.MultiHeadAttention(2, 4, use_bias=False), SEQUENCE).startswith(
        "query_dense/kernel, key_dense/kernel, value_dense/kernel, output_dense/kernel moved over of 8 weights"
    )
    assert note(L.Dense(4), Custom(), VECTOR) == "kernel, bias moved over of 2 weights"
    assert note(L.Dense(4, use_bias=False), L.Dense(4), VECTOR) == "kernel moved over of 1 weights; fresh: bias"
    assert (
        note(L.Dense(4), L.TimeDistributed(L.Dense(4)), SEQUENCE) == "layer/kernel, layer/bias moved over of 2 weights"
    )


def test_kernels_of_one_shape_that_mean_different_things_do_not_move():
    for old, new, shape in [
        (L.Conv2D(4, 3, padding="same"), L.Conv2DTranspose(4, 3, padding="same"), MAP),
        (L.Conv2D(4, 3, padding="same"), L.DepthwiseConv2D(3, padding="same"), MAP),
        (L.EinsumDense("abc,cd->abd", (None, 4)), L.EinsumDense("abc,dc->abd", (None, 4)), SEQUENCE),
    ]:
        model, _ = network(old, shape)
        note = sg.replace(sg.open(model), old.name, new).notes[0]
        assert "kernel" not in note.partition("moved")[0] and "fresh: kernel" in note
    dense, arrays = network(L.Dense(4), SEQUENCE)
    new = sg.replace(dense, dense.layers[1].name, L.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d"))
    np.testing.assert_allclose(outputs_of(new, arrays)[0], outputs_of(dense, arrays)[0], rtol=1e-6)


def test_a_built_layer_brings_its_own_weights_to_every_place():
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(4, name="b")(L.Dense(4, name="a")(x)))
    own = L.Dense(4)
    own.build((None, 4))
    new = sg.replace(model, ":Dense", own)
    for name in ("a", "b"):
        assert_same(new.get_layer(name).get_weights(), own.get_weights())


@pytest.mark.filterwarnings("ignore:.*cannot keep .*(_attention|unnamed)")
@pytest.mark.parametrize("kind", [kind for kind in WITH_LORA if kind != "ReversibleEmbedding"])  # Keras cannot open it
def test_a_network_with_trained_lora_is_saved(kind, tmp_path):
    make, shape = LAYERS[kind]
    model, arrays = network(make(), shape)
    shaken(with_lora(model.layers[1]), seed=1)
    sg.save(model, tmp_path / "m.keras")
    assert_same(outputs_of(keras.models.load_model(tmp_path / "m.keras"), arrays), outputs_of(model, arrays))


def test_lora_inside_nested_models_is_saved_and_what_thaws_is_said(tmp_path):
    inner, arrays = network(L.Dense(4), VECTOR, name="inner")
    shaken(with_lora(inner.layers[1]), seed=1)
    x = keras.Input((4,))
    model = keras.Model(x, inner(inner(x)))
    sg.save(model, tmp_path / "m.keras")
    assert_same(outputs_of(keras.models.load_model(tmp_path / "m.keras"), arrays), outputs_of(model, arrays))
    attention, _ = network(L.MultiHeadAttention(2, 3, name="a"), SEQUENCE)
    with_lora(attention.get_layer("a"))
    with pytest.warns(UserWarning, match=r"cannot keep a \(MultiHeadAttention\) frozen"):
        sg.save(attention, tmp_path / "a.keras")


def test_a_quantized_network_is_saved_and_rounding_its_lora_is_said(tmp_path):
    for mode in ("float8", "int8"):
        model, arrays = network(L.Dense(4, name="d"), VECTOR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.quantize(mode)
        sg.save(model, tmp_path / f"{mode}.keras")
        assert_same(outputs_of(keras.models.load_model(tmp_path / f"{mode}.keras"), arrays), outputs_of(model, arrays))
    layer = with_lora(model.get_layer("d"))
    for factor in (layer.lora_kernel_a, layer.lora_kernel_b):
        factor.assign(RANDOM.random(factor.shape) / 3)
    with pytest.warns(UserWarning, match="'d' computes a little otherwise"):
        sg.save(model, tmp_path / "lora.keras")
    read = outputs_of(keras.models.load_model(tmp_path / "lora.keras"), arrays)[0]
    np.testing.assert_allclose(read, outputs_of(model, arrays)[0], atol=0.05)


def test_a_file_of_other_values_is_refused(tmp_path, monkeypatch):
    model, _ = network(L.Dense(4, name="d"), VECTOR)
    shaken(with_lora(model.get_layer("d")), seed=1)
    save = keras.Model.save

    def altered(self, path, **options):
        self.get_layer("d").lora_kernel_b.assign_add(np.full((2, 4), 1e-3))
        save(self, path, **options)
        self.get_layer("d").lora_kernel_b.assign_sub(np.full((2, 4), 1e-3))

    monkeypatch.setattr(keras.Model, "save", altered)
    with pytest.raises(sg.SurgeryError, match="d/kernel differs after reopening"):
        sg.save(model, tmp_path / "m.keras")
    monkeypatch.undo()
    inside, _ = network(Unnamed(name="a"), VECTOR)
    inside.get_layer("a").inner.quantize("int8")
    with pytest.raises(sg.SurgeryError, match="a: layers inside are quantized, which Keras does not write"):
        sg.save(inside, tmp_path / "a.keras")


def clone_of(model):
    clone = keras.models.clone_model(model)
    for layer in clone.layers:
        shaken(layer, seed=5)
    return clone


@pytest.mark.parametrize("kind", WITH_LORA)
def test_lora_is_transferred_to_a_network_without(kind):
    make, shape = LAYERS[kind]
    model, arrays = network(make(), shape)
    plain, _ = network(make(), shape)
    shaken(with_lora(model.layers[1]), seed=1)
    report = sg.transfer(model, plain)
    np.testing.assert_allclose(outputs_of(plain, arrays)[0], outputs_of(model, arrays)[0], rtol=1e-6, atol=1e-6)
    assert "LoRA merged" in str(report) and report.loaded == len(report.origins)
    back, _ = network(make(), shape)
    with_lora(back.layers[1], rank=1)
    sg.transfer(plain, back)
    np.testing.assert_allclose(outputs_of(back, arrays)[0], outputs_of(plain, arrays)[0], rtol=1e-6, atol=1e-6)


def test_codes_are_transferred_as_the_kernel_that_they_stand_for(tmp_path):
    model, arrays = network(L.Dense(4, name="d"), VECTOR)
    plain = clone_of(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.quantize("int4")
    with pytest.raises(sg.SurgeryError, match="is quantized to int4"):
        sg.transfer(plain, model)
    sg.transfer(model, plain)
    np.testing.assert_allclose(outputs_of(plain, arrays)[0], outputs_of(model, arrays)[0], rtol=1e-6)
    plain = clone_of(plain)
    model.save(tmp_path / "q.keras")
    with pytest.raises(sg.SurgeryError, match=r"codes of a quantized layer: transfer\(open\(path\), x\)"):
        sg.load_weights(plain, tmp_path / "q.keras")
    sg.transfer(sg.open(tmp_path / "q.keras"), plain)
    np.testing.assert_allclose(outputs_of(plain, arrays)[0], outputs_of(model, arrays)[0], rtol=1e-6)


@pytest.mark.parametrize("name", [None, "named"])
def test_a_network_and_its_form_with_fixed_statistics_give_each_other_their_weights(name, tmp_path):
    x = keras.Input((4, 4, 3))
    y = L.BatchNormalization(name=name)(L.Conv2D(3, 3, name=name and "conv")(x))
    model = keras.Model(x, L.BatchNormalization(name=name and "second")(y))
    other = sg.build(sg.freeze(sg.open(clone_of(model)), bn="stats"))
    for layer in model.layers:
        shaken(layer)
    images = RANDOM.random((2, 4, 4, 3), "float32")
    sg.transfer(model, other)
    assert_same(outputs_of(other, images), outputs_of(model, images))
    for one in other.weights:
        one.assign(one + 1)
    sg.transfer(other, model)
    assert_same(outputs_of(other, images), outputs_of(model, images))
    model.save(tmp_path / "m.keras")
    for one in other.weights:
        one.assign(one + 1)
    sg.load_weights(other, tmp_path / "m.keras")
    assert_same(outputs_of(other, images), outputs_of(model, images))


def test_a_class_with_two_names_loads_its_own_file_and_is_transferred(tmp_path):
    def attention():
        return network(L.GroupQueryAttention(3, 4, 2), SEQUENCE)

    model, arrays = attention()
    model.save(tmp_path / "g.keras")
    for give in (lambda new: sg.load_weights(new, tmp_path / "g.keras"), lambda new: sg.transfer(model, new)):
        new, _ = attention()
        give(new)
        assert_same(outputs_of(new, arrays), outputs_of(model, arrays))


@pytest.mark.parametrize(("channels", "picks"), [(1, None), (2, [0, 1]), (6, [0, 1, 2, 0, 1, 2])])
def test_mean_and_variance_are_adapted_to_other_channels_as_kernels_are(channels, picks, tmp_path):
    def stem(count):
        x = keras.Input((5, 5, count))
        return keras.Model(x, L.Conv2D(4, 3)(L.Normalization()(x)))

    colour, other = stem(3), stem(channels)
    colour.layers[1].adapt(RANDOM.random((9, 5, 5, 3)) * [1.0, 2, 3])
    with pytest.raises(sg.SurgeryError, match="find no weights of their shapes"):
        sg.transfer(colour, other)
    report = sg.transfer(colour, other, adapt=True)
    assert f"3 -> {channels} channels" in report.origins[0].how
    for ours, theirs in zip(other.layers[1].get_weights()[:2], colour.layers[1].get_weights()[:2], strict=True):
        np.testing.assert_allclose(ours, theirs[picks] if picks else theirs.mean(keepdims=True))
    grey = RANDOM.random((2, 5, 5, 1), "float32")
    if channels == 6:
        expected = outputs_of(colour, grey.repeat(3, -1))[0]
        np.testing.assert_allclose(outputs_of(other, grey.repeat(6, -1))[0], expected, rtol=1e-4, atol=1e-5)
    colour.save(tmp_path / "c.keras")
    again = stem(channels)
    sg.load_weights(again, tmp_path / "c.keras", adapt=True)
    assert_same(outputs_of(again, grey.repeat(channels, -1)), outputs_of(other, grey.repeat(channels, -1)))
