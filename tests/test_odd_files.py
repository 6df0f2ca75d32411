"""What odd layers make of files and weights. The oracle is stock Keras: what it loads from the same file."""

import json
import pathlib
import zipfile

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from keras import layers as L
from networks import assert_same, outputs_of

import surgery as sg
from surgery.cli.main import main

X = np.random.default_rng(0).random((2, 4), "float32")


def like_stock(model, path, arrays):
    """Asserts that the file opens as stock Keras opens it."""
    model.save(path)
    expected = outputs_of(keras.models.load_model(path), arrays)
    assert_same(outputs_of(sg.build(sg.open(path)), arrays), expected)


# ---- which layer is which ----


def branches():
    x = keras.Input((4,))
    return keras.Model(x, L.Add()([L.Dense(4)(L.Dense(4)(x)), L.Dense(4)(L.Dense(4)(x))]))


def nested():
    inner = keras.Input((4,))
    trunk = keras.Model(inner, L.Dense(4)(inner))
    x = keras.Input((4,))
    return keras.Model(x, L.Dense(4)(trunk(x)))


def sequential_in_sequential():
    return keras.Sequential([keras.Input((4,)), keras.Sequential([L.Dense(4), L.ReLU()]), L.Dense(4)])


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("name", ["w.weights.h5", "w.safetensors", "w.keras", "w.h5", "shards.weights.json"])
@pytest.mark.parametrize("make", [branches, nested, sequential_in_sequential])
@pytest.mark.filterwarnings("ignore:You are saving")
def test_parallel_branches_and_nested_models_under_numbered_names(make, name, again, tmp_path):
    if again:
        keras.backend.clear_session()
    a = make()
    if again:
        keras.backend.clear_session()
    b = make()
    path = tmp_path / name
    if name.endswith(".safetensors"):
        sg.save(a, path)
    elif name.endswith(".json"):
        a.save_weights(path, max_shard_size=1)
    else:
        a.save_weights(path) if "weights" in name else a.save(path)
    report = sg.load_weights(b, path)
    assert report.loaded == len(a.weights) and not report.unused
    assert_same(outputs_of(b, X), outputs_of(a, X))


def test_a_chain_does_not_take_the_weights_of_branches(tmp_path):
    """The numbers of the layers say that they were made in another order than they stand in."""
    branches().save_weights(tmp_path / "a.weights.h5")
    chain = keras.Sequential([keras.Input((4,)), *[L.Dense(4) for _ in range(4)], L.Dense(7)])
    with pytest.raises(sg.SurgeryError, match="names do not distinguish them"):
        sg.load_weights(chain, tmp_path / "a.weights.h5", strict=False)


@pytest.mark.parametrize("frozen", [(False, True), (True, False)])
@pytest.mark.filterwarnings("ignore:You are saving")
def test_parts_of_a_wrapper_that_are_frozen_keep_their_order(frozen, tmp_path):
    def network(part):
        wrapper = L.Bidirectional(L.LSTM(3), name="bi")
        x = keras.Input((5, 4))
        model = keras.Model(x, wrapper(x))
        wrapper.forward_layer.trainable = not part
        return model

    a, b, c = network(frozen[0]), network(frozen[1]), network(frozen[1])
    arrays = np.random.default_rng(0).random((2, 5, 4), "float32")
    sg.transfer(a, b)
    assert_same(outputs_of(b, arrays), outputs_of(a, arrays))
    a.save(tmp_path / "a.h5")
    sg.load_weights(c, tmp_path / "a.h5")
    assert_same(outputs_of(c, arrays), outputs_of(a, arrays))


@pytest.mark.parametrize("name", ["n.keras", "n.h5"])
@pytest.mark.parametrize("ends", range(4))
@pytest.mark.filterwarnings("ignore:You are saving")
def test_a_nested_model_called_twice_is_called_where_it_was(name, ends, tmp_path):
    inner = keras.Input((4,))
    kinds = (
        lambda: keras.Model(inner, L.Dense(4)(inner), name="inner"),
        lambda: keras.Sequential([keras.Input((4,)), L.Dense(4)], name="inner"),
    )
    for kind in kinds:
        trunk, x = kind(), keras.Input((4,))
        first = trunk(x)
        outputs = [
            lambda t=trunk, x=x, y=first: [y, L.ReLU()(t(L.Softmax()(x)))],
            lambda t=trunk, x=x, y=first: t(y),
            lambda t=trunk, x=x, y=first: [t(y), y],
            lambda t=trunk, x=x, y=first: [L.ReLU()(y), t(L.Softmax()(x))],
        ][ends]()
        like_stock(keras.Model(x, outputs), tmp_path / name, X)


# ---- what is derived from weights ----


def adapted_network():
    normalization = L.Normalization(name="n")
    normalization.adapt(np.random.default_rng(1).random((50, 4)) * 5 + 3)
    x = keras.Input((4,))
    return keras.Model(x, L.Dense(2, name="d")(normalization(x)))


@pytest.mark.parametrize("name", ["n.keras", "n.h5"])
@pytest.mark.filterwarnings("ignore:You are saving")
def test_normalization_from_a_file_copied_and_transferred(name, tmp_path):
    model = adapted_network()
    like_stock(model, tmp_path / name, X)
    expected = outputs_of(model, X)
    assert_same(outputs_of(sg.build(model, copy=True), X), expected)
    assert_same(outputs_of(sg.build(sg.freeze(sg.open(model), "n, d")), X), expected)
    other = adapted_network()
    other.set_weights([weight * 0 + 1 for weight in other.get_weights()])
    sg.transfer(model, other)
    assert_same(outputs_of(other, X), expected)
    model.save_weights(tmp_path / "n.weights.h5")
    third = adapted_network()
    sg.load_weights(third, tmp_path / "n.weights.h5")
    assert_same(outputs_of(third, X), expected)


@keras.saving.register_keras_serializable(package="tests")
class Derived(L.Layer):
    """Keeps three times its weight beside it, as it is read."""

    def build(self, shape):
        self.a = self.add_weight(shape=(shape[-1],), name="a")
        self.c = np.ones(shape[-1], "float32")

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.c = np.asarray(store["0"]) * 3

    def call(self, x):
        return x * self.c


def test_a_layer_that_reads_its_values_itself(tmp_path):
    x = keras.Input((4,))
    model = keras.Model(x, Derived(name="own")(x))
    model.get_layer("own").load_own_variables({"0": np.array([1.0, 2, 3, 4], "float32")})
    like_stock(model, tmp_path / "d.keras", X)
    assert_same(outputs_of(sg.build(model, copy=True), X), outputs_of(model, X))
    np.testing.assert_allclose(outputs_of(model, X)[0], X * [3, 6, 9, 12], rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: _with_lora(L.Dense(4)),
        lambda: L.SpectralNormalization(L.Dense(4)),
        lambda: L.TimeDistributed(keras.Sequential([keras.Input((2,)), L.Dense(2)])),
        lambda: L.LSTM(3, stateful=True),
        lambda: L.GRU(3, stateful=True, return_sequences=True),
        lambda: L.Bidirectional(L.GRU(3)),
        lambda: L.TimeDistributed(L.Normalization(mean=1.0, variance=2.0)),
    ],
)
def test_layers_that_keep_their_weights_in_odd_ways(make, tmp_path):
    layer = make()
    sequence = not isinstance(layer, (L.Dense, L.SpectralNormalization))
    x = keras.Input(batch_shape=(2, 2, 2)) if sequence else keras.Input((4,))
    model = keras.Model(x, layer(x))
    arrays = np.random.default_rng(0).random((2, 2, 2), "float32") if sequence else X
    if getattr(layer, "lora_rank", None) is None and hasattr(layer, "enable_lora"):
        layer.enable_lora(2)
        layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    like_stock(model, tmp_path / "m.keras", arrays)


def _with_lora(layer):
    return layer


def test_attention_that_also_returns_its_scores(tmp_path):
    x = keras.Input((5, 4))
    y, scores = L.MultiHeadAttention(2, 3)(x, x, return_attention_scores=True)
    like_stock(keras.Model(x, [y, scores]), tmp_path / "a.keras", np.random.default_rng(0).random((2, 5, 4), "float32"))


@keras.saving.register_keras_serializable(package="tests")
class Block(L.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.a, self.b = L.Dense(4, name="d"), L.Dense(4, name="d")

    def build(self, shape):
        self.a.build(shape)
        self.b.build(shape)

    def call(self, x):
        return self.a(x) + 2 * self.b(x)


@pytest.mark.parametrize("name", ["b.keras", "b.safetensors"])
@pytest.mark.filterwarnings("ignore:You are saving")
def test_registered_layers_and_weights_of_one_name(name, tmp_path):
    x = keras.Input((4,))
    model = keras.Model(x, Block(name="block")(x))
    if name != "b.safetensors":
        like_stock(model, tmp_path / name, X)
        return
    sg.save(model, tmp_path / name)
    other = keras.Model(x, Block(name="block")(x))
    assert sg.load_weights(other, tmp_path / name).loaded == 4
    assert_same(outputs_of(other, X), outputs_of(model, X))


def test_safetensors_of_another_session_with_numbered_layers_inside(tmp_path):
    def network():
        x = keras.Input((5, 4))
        return keras.Model(x, L.Dense(2, name="d")(L.Bidirectional(L.LSTM(3), name="bi")(x)))

    a, b = network(), network()
    sg.save(a, tmp_path / "a.safetensors")
    sg.load_weights(b, tmp_path / "a.safetensors")
    arrays = np.random.default_rng(0).random((2, 5, 4), "float32")
    assert_same(outputs_of(b, arrays), outputs_of(a, arrays))


def test_classes_tell_layers_of_the_same_shapes_apart():
    def network():
        x = keras.Input((4,))
        y = L.EinsumDense("ab,bc->ac", output_shape=4, bias_axes="c")(x)
        return keras.Model(x, L.Dense(4)(y))

    a, b = network(), network()
    sg.transfer(a, b)
    assert_same(outputs_of(b, X), outputs_of(a, X))


@keras.saving.register_keras_serializable(package="odd")
class KeepsAFile(L.Layer):
    """A layer that keeps a file of its own apart from its weights."""

    def call(self, inputs):
        return inputs

    def save_assets(self, folder):
        pathlib.Path(folder, "vocabulary.txt").write_text("a")

    def load_assets(self, folder):
        raise AssertionError("code of a stranger's was run")


def test_a_file_that_a_layer_of_somebody_elses_keeps_is_refused_by_name(tmp_path):
    x = keras.Input((3,))
    keras.Model(x, KeepsAFile(name="words")(x)).save(tmp_path / "v.keras")
    graph = sg.open(tmp_path / "v.keras")
    with pytest.raises(sg.SurgeryError, match=r"words: what it keeps in a file of its own .*vocabulary.txt"):
        sg.build(graph)


def test_names_that_end_like_calls_from_a_file(tmp_path):
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(2, name="head@1")(x))
    like_stock(model, tmp_path / "h.keras", X)
    assert sg.build(sg.open(tmp_path / "h.keras")).layers[-1].name == "head@1"


def test_a_model_without_weights_has_nothing_to_load(tmp_path):
    x = keras.Input((4,))
    model = keras.Model(x, L.ReLU()(x))
    sg.save(model, tmp_path / "r.keras")
    assert sg.load_weights(model, tmp_path / "r.keras").loaded == 0
    scalar = keras.Input(batch_shape=())
    keras.Model(scalar, scalar * 2).save(tmp_path / "s.keras")
    assert sg.open(tmp_path / "s.keras").inputs is not None


# ---- bad input ----


def edited(path, change):
    """A small `.keras` file with another configuration."""
    x = keras.Input((4,), name="x")
    keras.Model(x, L.Dense(2, name="d")(x), name="m").save(path)
    with zipfile.ZipFile(path) as file:
        content = {name: file.read(name) for name in file.namelist()}
    config = json.loads(content["config.json"])
    change(config["config"])
    with zipfile.ZipFile(path, "w") as file:
        for name, data in content.items():
            file.writestr(name, json.dumps(config) if name == "config.json" else data)
    return path


def many_outputs(config):
    config["layers"][1]["class_name"] = "Foo"
    config["output_layers"] = [["d", 0, 10**9]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (many_outputs, "takes output 1000000000 of 'd'"),
        (lambda c: c["layers"][0]["config"].update(dtype="e\x1b]0;p\x07"), "is not a dtype"),
        (lambda c: c["layers"][0]["config"].update(batch_shape=[None, -4]), "is not a shape"),
        (lambda c: c["layers"][1]["config"].update(dtype="string"), "while building"),
    ],
)
def test_configurations_that_lie(change, message, tmp_path):
    with pytest.raises(sg.SurgeryError, match=message) as caught:
        sg.build(sg.open(edited(tmp_path / "e.keras", change)))
    assert all(char.isprintable() or char == "\n" for char in str(caught.value))


@pytest.mark.parametrize("shard", [[[1]], {"b": 1}, "", "loop.weights.json", "../x"])
def test_lists_of_shards_that_are_none(shard, tmp_path):
    path = tmp_path / "loop.weights.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": {"a": shard}}))
    result = CliRunner().invoke(main, ["weights", str(path)])
    assert result.exit_code == 1 and "not a shard next to it" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "x" * 300 + ".keras"],
        ["weights", "x" * 300],
        ["convert", "x.keras", "y" * 300 + ".keras"],
        ["weights", "/proc/self/mem"],
        ["inspect", "a\0b.keras"],
    ],
)
def test_paths_that_no_file_has(arguments):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and result.output.startswith("Error: "), result.output


def test_things_that_are_no_models(tmp_path, tinyvgg):
    for what in (None, 5, "tinyvgg", L.Dense(2)):
        for name in ("m.keras", "m.safetensors"):
            with pytest.raises(sg.SurgeryError, match="is saved, not"):
                sg.save(what, tmp_path / name)
    with pytest.raises(sg.SurgeryError, match=r"not b'a\.keras'"):
        sg.open(b"a.keras")
    path = sg.save(tinyvgg, tmp_path / "t.keras")
    with pytest.raises(sg.SurgeryError, match="rename=5"):
        sg.load_weights(tinyvgg, path, rename=5)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_raw_operations_in_hdf5_which_keras_itself_cannot_read(tmp_path):
    words = keras.Input((6,), dtype="int32")
    masked = keras.Model(words, L.LSTM(3)(L.Embedding(9, 4, mask_zero=True)(words)))
    x = keras.Input((8, 8, 3))
    parts = keras.ops.split(keras.ops.mean(keras.ops.relu(x * 2.0 + 1.0), axis=(1, 2)), 3, axis=-1)
    raw = keras.Model(x, L.Dense(2)(keras.ops.stack(parts[:2], axis=1)[:, 0]))
    random = np.random.default_rng(0)
    for model, arrays in (
        (masked, random.integers(0, 9, (2, 6))),
        (raw, random.random((2, 8, 8, 3), "float32")),
    ):
        model.save(tmp_path / "m.h5")
        with pytest.raises(Exception, match=r"Unknown|not found|Could not locate"):
            keras.models.load_model(tmp_path / "m.h5")
        assert_same(outputs_of(sg.build(sg.open(tmp_path / "m.h5")), arrays), outputs_of(model, arrays))
        assert sg.verify(sg.open(tmp_path / "m.h5"), model).exact
