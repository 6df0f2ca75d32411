"""`diff`: pairs with known changes, laws over random networks, and the command's exit status."""

import json
import re
import zipfile

import click.testing
import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import masked_network, random_network, siamese_network

import surgery as sg
from surgery.cli.main import main
from surgery.compare.alignment import aligned

layers = keras.layers


def run(*arguments):
    return click.testing.CliRunner().invoke(main, list(map(str, arguments)))


def kinds(found):
    return [(change.a, change.kind, change.key) for change in found.changed]


@pytest.mark.parametrize("seed", range(12))
def test_a_network_is_equal_to_itself_and_to_its_copy(seed):
    model = random_network(seed)
    graph = sg.open(model)
    assert sg.diff(model, graph).equal
    found = sg.diff(graph, sg.build(graph, copy=True))
    assert found.equal, str(found)
    assert found.compared == len(graph.weights)


def test_a_raw_operation_that_is_gone_costs_no_diff():
    x = keras.Input((4,), name="x")
    made = [layers.Dense(2, name="d", kernel_initializer=kernel)(x) for kernel in ("zeros", "ones")]
    before = sg.open(keras.Model(x, made[0] * 2.0, name="m"))
    found = sg.diff(before, keras.Model(x, made[1], name="m"))
    assert list(found.removed) == [before.calls[-1].name] and [one.tensor for one in found.weights] == ["kernel"]


@pytest.mark.parametrize("seed", range(12))
def test_every_call_is_one_of_a_pair_or_removed_or_added(seed):
    a, b = sg.open(random_network(seed)), sg.open(random_network(seed + 100))
    found = aligned(a, b)
    assert len(found.pairs) == len(set(found.pairs.values()))
    assert {*found.pairs, *found.removed} == {call.name for call in a}
    assert {*found.pairs.values(), *found.added} == {call.name for call in b}


@pytest.mark.parametrize("seed", range(12))
def test_what_insert_puts_in_is_what_was_added(seed):
    graph = sg.open(random_network(seed))
    places = [call.name for call in graph if call.op is not None and len(call.specs) == 1 and "@" not in call.name]
    place = sg.Ref(places[seed % len(places)])
    if graph.spec(place).dtype != "float32":
        pytest.skip("the tensor is no float")
    new = sg.insert(graph, layers.Identity(name="put_in"), after=place)
    found = sg.diff(graph, new)
    assert list(found.added) == ["put_in"]
    assert not found.removed and not found.weights
    assert {change.kind for change in found.changed} <= {"wiring"}
    back = sg.diff(new, graph)
    assert list(back.removed) == ["put_in"]
    assert not back.added and len(back.changed) == len(found.changed)


def chain(extra_at=None, names=None, kernel=3):
    """Convolutions and activations, named by Keras' numbers unless told otherwise."""
    keras.backend.clear_session()
    x = inputs = keras.Input((8, 8, 3))
    for number in range(5):
        if number == extra_at:
            x = layers.Conv2D(4, 3, padding="same")(x)
        name = None if names is None else f"{names}{number}"
        x = layers.Conv2D(4, kernel if number == 3 else 3, padding="same", name=name)(x)
        x = layers.ReLU()(x)
    return keras.Model(inputs, x, name="chain")


def test_renamed_layers_are_found_by_structure():
    found = sg.diff(chain(names="old"), chain(names="new"), weights=False)
    assert [(change.kind, change.before, change.after) for change in found.changed] == [
        ("name", f"old{number}", f"new{number}") for number in range(5)
    ]
    assert not found.removed and not found.added
    assert not found.equal


def test_the_numbers_of_keras_are_no_names():
    a = chain()
    keras.backend.clear_session()
    x = inputs = keras.Input((8, 8, 3))
    layers.Conv2D(1, 1)(x)  # one number is gone
    for _ in range(5):
        x = layers.ReLU()(layers.Conv2D(4, 3, padding="same")(x))
    found = sg.diff(a, keras.Model(inputs, x, name="chain"), weights=False)
    assert found.equal, str(found)


def test_one_inserted_layer_is_one_addition_though_all_numbers_shift():
    found = sg.diff(chain(), chain(extra_at=2), weights=False)
    assert [call.class_name for call in found.added.values()] == ["Conv2D"]
    assert not found.removed
    assert {change.kind for change in found.changed} == {"wiring"} and len(found.changed) == 1


def test_a_changed_configuration_is_told_by_its_key():
    found = sg.diff(chain(), chain(kernel=5), weights=False)
    assert [(change.kind, change.key, change.before, change.after) for change in found.changed] == [
        ("config", "kernel_size", [3, 3], [5, 5])
    ]


def test_swapped_inputs_are_a_change_of_wiring():
    def made(swap):
        a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
        return keras.Model([a, b], layers.Subtract(name="minus")([b, a] if swap else [a, b]), name="net")

    found = sg.diff(made(False), made(True))
    assert [(change.a, change.kind, change.before, change.after) for change in found.changed] == [
        ("minus", "wiring", ["a", "b"], ["b", "a"])
    ]


def test_ends_in_another_order_are_told():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    out = layers.Add(name="sum")([a, b])
    assert sg.diff(keras.Model([a, b], out, name="n"), keras.Model([b, a], out, name="n")).ends == [
        "inputs: a, b -> b, a"
    ]
    assert sg.diff(keras.Model([a, b], [out, a], name="n"), keras.Model([a, b], [a, out], name="n")).ends


def test_one_weight_changed_by_one_ulp_is_found(tmp_path, tinyvgg):
    graph = sg.open(tinyvgg)
    other = sg.build(graph, copy=True)
    kernel = other.get_layer("block3_conv2").kernel
    values = np.array(kernel)
    values[1, 2, 3, 4] = np.nextafter(values[1, 2, 3, 4], np.float32(np.inf))
    kernel.assign(values)
    sg.save(tinyvgg, tmp_path / "a.keras")
    sg.save(other, tmp_path / "b.keras")
    for pair in ((graph, other), (sg.open(tmp_path / "a.keras"), sg.open(tmp_path / "b.keras"))):
        found = sg.diff(*pair)
        assert [(change.a, change.kind, change.count) for change in found.weights] == [("block3_conv2", "values", 1)]
        assert 0 < found.weights[0].largest < 1e-7
        assert not found.changed
    assert run("diff", tmp_path / "a.keras", tmp_path / "b.keras").exit_code == 1


def test_odd_values_are_told_apart_by_their_bits():
    def dense(values):
        layer = layers.Dense(3, use_bias=False, name="dense")
        model = keras.Model(*(lambda x: (x, layer(x)))(keras.Input((1,), name="x")), name="n")
        layer.kernel.assign([values])
        return model

    assert sg.diff(dense([1, np.nan, np.inf]), dense([1, np.nan, np.inf])).equal
    zero = sg.diff(dense([0.0, 1, 2]), dense([-0.0, 1, 2])).weights[0]
    assert (zero.count, zero.largest) == (1, 0.0)
    broken = sg.diff(dense([1, 2, 3]), dense([1, np.nan, 3]))
    assert (broken.weights[0].count, broken.weights[0].largest) == (1, np.inf)
    assert json.loads(broken.as_json())["weights"][0]["largest"] is None


def test_exchanged_weights_are_told_as_moved(tinyvgg):
    graph = sg.open(tinyvgg)
    other = sg.build(graph, copy=True)
    one, two = other.get_layer("block4_conv2"), other.get_layer("block4_conv3")
    a, b = one.get_weights(), two.get_weights()
    one.set_weights(b)
    two.set_weights(a)
    found = sg.diff(graph, other)
    assert {(change.a, change.kind, change.source) for change in found.weights} == {
        ("block4_conv2", "moved", "block4_conv3/kernel"),
        ("block4_conv2", "moved", "block4_conv3/bias"),
        ("block4_conv3", "moved", "block4_conv2/kernel"),
        ("block4_conv3", "moved", "block4_conv2/bias"),
    }


def test_frozen_flags_are_told(tinyvgg):
    graph = sg.open(tinyvgg)
    found = sg.diff(graph, sg.freeze(graph, "block1_*, block2_conv1"))
    assert kinds(found) == [(name, "trainable", "") for name in ("block1_conv1", "block1_conv2", "block2_conv1")]


def test_nested_changes_are_told_by_their_address_once():
    model = siamese_network()
    graph = sg.open(model)
    new = sg.open(sg.build(graph, copy=True))
    assert sg.diff(graph, new).equal
    inner = new["trunk"].op.inner
    inner["conv"].op.layer.kernel.assign(inner["conv"].op.layer.kernel + 1.0)
    found = sg.diff(graph, sg.freeze(new, "trunk/norm"))
    assert kinds(found) == [("trunk/norm", "trainable", "")]
    assert [(change.a, change.kind) for change in found.weights] == [("trunk/conv", "values")]


def bidirectional_network():
    """Layers whose parts are written in the order of their names, and listed in the order in which they were made."""
    words = keras.Input((7,), name="words")
    x = layers.Embedding(10, 4, name="embedding")(words)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="both")(x)
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = layers.TimeDistributed(layers.Dense(8), name="each")(x)
    return keras.Model(words, layers.Dense(2, name="out")(x), name="words")


@keras.saving.register_keras_serializable("diff")
class Composite(layers.Layer):
    """Two kernels of one shape, in an order that is not that of their names."""

    def __init__(self, **options):
        super().__init__(**options)
        self.zed, self.alpha = (layers.Dense(5, use_bias=False) for _ in range(2))

    def call(self, x):
        return self.zed(x) - self.alpha(x)


@keras.saving.register_keras_serializable("other", "Composite")
class Other(Composite):
    """Of the same name, and not the same."""


def of_layer(layer):
    x = keras.Input((5,), name="x")
    return keras.Model(x, layer(x), name="net")


@pytest.mark.filterwarnings("ignore:.*HDF5.*")
def test_a_layer_of_somebody_elses_is_compared_by_place_or_not_at_all(tmp_path):
    model, swapped = of_layer(Composite(name="c")), of_layer(Composite(name="c"))
    swapped.set_weights(model.get_weights()[::-1])
    model.save(tmp_path / "m.keras")
    swapped.save(tmp_path / "s.keras")
    swapped.save(tmp_path / "s.h5")
    file, other = sg.open(tmp_path / "m.keras"), sg.open(tmp_path / "s.keras")
    assert sg.diff(model, file).equal and sg.diff(file, model).equal
    for pair in ((model, other), (other, model), (file, other), (model, swapped), (model, sg.open(tmp_path / "s.h5"))):
        assert len(sg.diff(*pair).weights) == 2
    unknown = sg.diff(file, sg.open(tmp_path / "s.h5"))
    assert unknown.without == ["c"] and unknown.compared == 0
    assert "equal in structure: 2 calls · no tensors compared; not compared: those of c" in str(unknown)


def test_two_classes_of_one_name_are_two(tmp_path):
    one, other = of_layer(Composite(name="c")), of_layer(Other(name="c"))
    one.save(tmp_path / "a.keras")
    other.save(tmp_path / "b.keras")
    for pair in ((one, other), (sg.open(tmp_path / "a.keras"), sg.open(tmp_path / "b.keras"))):
        found = sg.diff(*pair, weights=False)
        assert [(change.kind, change.before, change.after) for change in found.changed] == [
            ("class", "diff>Composite", "other>Composite")
        ]


@pytest.mark.filterwarnings("ignore:.*HDF5.*")
@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.SpectralNormalization(layers.Dense(3), name="l"),
        lambda: layers.RNN([layers.GRUCell(4), layers.LSTMCell(4)], name="l"),
        lambda: layers.Normalization(mean=1.0, variance=2.0, name="l"),
        lambda: layers.Normalization(name="l"),
        lambda: layers.Dense(4, name="l", lora_rank=2),
        lambda: layers.TimeDistributed(layers.Dense(4, name="q", lora_rank=2), name="l"),
        lambda: layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="e", lora_rank=2, name="l"),
        lambda: layers.Conv1D(5, 3, lora_rank=2, name="l"),
        lambda: layers.Embedding(8, 5, lora_rank=2, name="l"),
        lambda: layers.GroupQueryAttention(2, 2, 1, name="l"),
    ],
)
def test_a_model_is_never_another_than_its_own_file(make, tmp_path):
    layer = make()
    x = keras.Input((6, 4), name="x")
    model = keras.Model(x, layer(x, x) if "Attention" in type(layer).__name__ else layer(x), name="n")
    trains = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        for pair in ((model, sg.open(tmp_path / name)), (sg.open(tmp_path / name), model)):
            found = sg.diff(*pair)
            assert not (found.weights or found.added or found.removed or found.changed), str(found)
        told = sg.open(tmp_path / name)
        assert sum(weight.size for weight in told.weights if weight.trainable) == trains
        if "Spectral" not in type(layer).__name__:  # whose file has more than it counts as its own
            assert told.params == model.count_params()


def test_tied_layers_are_not_untied_ones():
    def made(tied):
        x = keras.Input((4,), name="x")
        one = layers.Dense(4, kernel_initializer="ones")
        other = one if tied else layers.Dense(4, kernel_initializer="ones")
        return keras.Model(x, other(one(x)), name="n")

    found = sg.diff(made(True), made(False))
    assert [change.kind for change in found.changed] == ["sharing"]
    assert not sg.diff(made(False), made(True)).equal and sg.diff(made(True), made(True)).equal


def through_nested_models(tied, top=False):
    """One layer applied in a nested model, and again in another or around it."""
    one = layers.Dense(4, name="q", kernel_initializer="ones")
    other = one if tied else layers.Dense(4, name="q", kernel_initializer="ones")
    i, j, x = (keras.Input((4,), name=name) for name in "ijx")
    inner = keras.Model(i, one(i), name="n1")
    again = other if top else keras.Model(j, other(j), name="n2")
    return keras.Model(x, again(inner(x)), name="n")


@pytest.mark.filterwarnings("ignore:.*container.*")
@pytest.mark.parametrize("top", [False, True])
def test_a_layer_tied_through_nested_models_is_not_two_layers(tmp_path, top):
    tied, loose = through_nested_models(True, top), through_nested_models(False, top)
    first, second = ("q", "n1/q") if top else ("n1/q", "n2/q")
    found = sg.diff(tied, loose)
    assert [(change.kind, change.a) for change in found.changed] == [("sharing", second)]
    assert f"applies the layer of {first} -> a layer of its own" in str(found)
    assert sg.diff(tied, tied).equal and sg.diff(loose, loose).equal and sg.diff(loose, tied).changed
    tied.save(tmp_path / "tied.keras")
    loose.save(tmp_path / "loose.keras")
    one, other = (sg.open(tmp_path / name) for name in ("tied.keras", "loose.keras"))
    assert sg.diff(tied, one).equal and sg.diff(loose, other).equal
    assert [change.kind for change in sg.diff(one, other).changed] == ["sharing"]


@pytest.mark.filterwarnings("ignore:.*container.*")
@pytest.mark.parametrize("tied", [True, False])
def test_a_model_in_two_nested_models_is_one_in_memory_and_in_its_file(tied, tmp_path):
    def inner():
        i = keras.Input((4,))
        return keras.Model(i, layers.Dense(4, name="q", kernel_initializer="ones")(i), name="inner")

    one = inner()
    x = keras.Input((4,))
    around = [keras.Model(i := keras.Input((4,)), model(i), name=name) for name, model in (("a", one), ("b", one))]
    if not tied:
        around[1] = keras.Model(i := keras.Input((4,)), inner()(i), name="b")
    model = keras.Model(x, around[1](around[0](x)), name="n")
    model.save(tmp_path / "m.keras")
    graph = sg.open(tmp_path / "m.keras")
    assert sg.diff(model, graph).equal and sg.diff(graph, model).equal and graph.params == model.count_params()


@pytest.mark.filterwarnings("ignore:.*container.*")
@pytest.mark.parametrize("top", [False, True])
def test_a_file_of_nested_models_that_share_a_layer_opens_tied(tmp_path, top):
    """Keras writes the weights of such a layer once, and refuses to read them for the second model."""
    model = through_nested_models(True, top)
    model.set_weights([np.full(value.shape, 2.0) for value in model.get_weights()])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="could not be loaded"):
        keras.models.load_model(tmp_path / "m.keras")
    graph = sg.open(tmp_path / "m.keras")
    assert graph.params == model.count_params() == 20 and any("share it" in note for note in graph.notes)
    built = sg.build(graph)
    assert len(built.weights) == 2
    np.testing.assert_array_equal(built(np.ones((1, 4))), model(np.ones((1, 4))))
    with pytest.raises(sg.SurgeryError, match=r"sg\.inline"):
        sg.save(model, tmp_path / "again.keras")
    assert sg.verify(sg.open(sg.save(sg.inline(model), tmp_path / "flat.keras")), sg.inline(model)).exact


@pytest.mark.filterwarnings("ignore:.*container.*")
@pytest.mark.parametrize("first", [False, True])
def test_a_layer_that_a_wrapper_holds_is_not_taken_for_another_of_its_name(tmp_path, first):
    def around(layer, name):
        i = keras.Input((4, 8))
        return keras.Model(i, layers.ReLU(name="r")(layer(i)), name=name)

    held, other = layers.Dense(8, name="a"), layers.Dense(8, name="a")
    x = keras.Input((4, 8))
    parts = [around(other, "n1"), layers.TimeDistributed(held, name="td"), around(held, "n3")]
    made = [part(x) for part in (parts if first else [parts[1], parts[0], parts[2]])]
    keras.Model(x, layers.Add()(made)).save(tmp_path / "m.keras")
    with pytest.raises(sg.SurgeryError, match=r"'a' \(Dense\) has 2 weights, and the file 0"):
        sg.build(sg.open(tmp_path / "m.keras"))


def test_constants_are_compared_whole():
    def made(value):
        constant = np.zeros((4, 2000), "float32")
        constant[2, 1000] = value
        x = keras.Input((4,), name="x")
        return sg.open(keras.Model(x, keras.ops.matmul(x, constant), name="n"))

    assert not sg.diff(made(0), made(1)).equal
    assert sg.diff(made(1), made(1)).equal


def test_what_else_was_once_equal():
    def made(shape=(None, 8, 8, 3), outputs="ab", **options):
        x = keras.Input(batch_shape=shape, name="x")
        y = layers.ReLU(name="y", **options)(x)
        return keras.Model(x, [{outputs[0]: y}, {outputs[1]: x}], name="n")

    assert kinds(sg.diff(made(), made((8, 8, 8, 3))))[0] == ("x", "shape", "")
    assert kinds(sg.diff(made((None, None, None, 3)), made()))[0] == ("x", "shape", "")
    assert len(sg.diff(made(outputs="ab"), made(outputs="zb")).ends) == 1
    odd = [sg.open(made(max_value=float("inf"))), sg.open(made(max_value=1.0))]
    assert sg.diff(odd[0], odd[0]).equal and sg.diff(odd[0], sg.open(made(max_value=float("inf")))).equal
    assert json.loads(sg.diff(*odd).as_json())["changed"][0]["before"] == "inf"
    few = sg.diff(of_layer(layers.Dense(3, name="d")), of_layer(layers.Dense(3, name="d", use_bias=False)))
    assert [change.kind for change in few.weights] == ["values", "count"] and few.compared == 2
    graph = sg.open(of_layer(layers.BatchNormalization(name="bn")))
    assert kinds(sg.diff(graph, sg.freeze(graph, "bn", bn="stats"))) == [("bn", "trainable", "")]


@pytest.mark.filterwarnings("ignore:.*HDF5.*")
@pytest.mark.parametrize("make", [masked_network, siamese_network, bidirectional_network])
def test_the_same_model_in_both_formats_is_equal(make, tmp_path):
    model = make()
    random = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(random.normal(size=variable.shape))
    model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    files = [sg.open(tmp_path / name) for name in ("model.keras", "model.h5")]
    for pair in ((files[0], files[1]), (model, files[0]), (model, files[1])):
        found = sg.diff(*pair)
        assert found.equal, str(found)
        assert found.compared == len(model.weights)
    result = run("diff", tmp_path / "model.keras", tmp_path / "model.h5")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("equal: ")


def test_the_command_ends_as_diff_does(tmp_path, tinyvgg):
    sg.save(tinyvgg, tmp_path / "a.keras")
    sg.save(sg.remove(sg.open(tinyvgg), "fc2"), tmp_path / "b.keras")
    same, other = (run("diff", tmp_path / "a.keras", tmp_path / name) for name in ("a.keras", "b.keras"))
    missing = run("diff", tmp_path / "a.keras", tmp_path / "c.keras")
    assert (same.exit_code, other.exit_code, missing.exit_code) == (0, 1, 2)
    assert other.stdout.splitlines()[2:4] == [
        " - fc2: Dense (None, 64), 4,160 parameters, 16.2 KB",
        " ~ predictions: takes fc2 (removed) -> fc1",
    ]
    assert missing.stderr.startswith("Error: no file") and missing.stdout == ""
    found = json.loads(run("diff", tmp_path / "a.keras", tmp_path / "b.keras", "--format", "json").stdout)
    assert found["equal"] is False
    assert [one["call"] for one in found["removed"]] == ["fc2"]
    assert run("diff", "vgg16", "vgg19").stdout.count("not compared: those of block1_conv1") == 1


def test_names_of_strangers_reach_no_terminal():
    def made(name):
        x = keras.Input((4,), name="x")
        return sg.open(keras.Model(x, layers.Dense(2, name=name)(x), name="n"))

    text = str(sg.diff(made("a\x1b[31m"), made("b\x1b]0;title\x07"), weights=False))
    assert "\x1b" not in text and "\x07" not in text


# ---- what goes away, what is applied twice, what is no tensor ----


def _through(model, suffix, folder):
    """The graph of a model, of a file of it where there is a suffix."""
    if not suffix:
        return sg.open(model)
    path = folder / f"{len(list(folder.iterdir()))}{suffix}"
    model.save(path)
    return sg.open(path)


def _of(layer, shape):
    x = keras.Input(shape, name="x")
    return keras.Model(x, layer(x, x) if isinstance(layer, layers.MultiHeadAttention) else layer(x))


@pytest.mark.parametrize("suffix", ["", ".keras", ".h5"])
@pytest.mark.parametrize(
    ("make", "shape", "gone"),
    [
        (lambda has: layers.BatchNormalization(name="b", scale=has), (3,), ["gamma"]),
        (lambda has: layers.LayerNormalization(name="b", scale=has), (3,), ["gamma"]),
        (lambda has: layers.MultiHeadAttention(2, 3, name="b", use_bias=has), (5, 4), ["bias"] * 4),
        (lambda has: layers.Bidirectional(layers.LSTM(3, use_bias=has), name="b"), (5, 4), ["bias"] * 2),
    ],
)
def test_a_tensor_that_goes_away_does_not_move_the_others(make, shape, gone, suffix, tmp_path):
    whole, part = _of(make(True), shape), _of(make(False), shape)
    kept = {re.sub(r"_\d+(?=/)", "", one.path): one for one in whole.weights}
    for one in part.weights:
        one.assign(kept[re.sub(r"_\d+(?=/)", "", one.path)])
    found = sg.diff(*(_through(one, suffix, tmp_path) for one in (whole, part)))
    assert [(one.kind, one.source.partition(",")[0]) for one in found.weights] == [("count", "gone")] * len(gone)
    assert found.compared == len(whole.weights)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_sequential_is_equal_to_its_own_file(suffix, tmp_path):
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dropout(0.5)], name="inner")
    model = keras.Sequential([keras.Input((4,), name="i"), inner, layers.Dropout(0.5), layers.Dense(2)], name="s")
    assert str(sg.diff(model, _through(model, suffix, tmp_path))).startswith("s -> s\n\nequal")


LOOKUPS = {
    "words": lambda: layers.StringLookup(name="v"),
    "numbers": lambda: layers.IntegerLookup(name="v"),
    "text": lambda: layers.TextVectorization(output_sequence_length=3, name="v"),
    "counted": lambda: layers.StringLookup(output_mode="multi_hot", name="v"),
    "weighed": lambda: layers.TextVectorization(output_mode="tf_idf", name="v"),
    "padded": lambda: layers.StringLookup(max_tokens=9, output_mode="tf_idf", pad_to_max_tokens=True, name="v"),
}


def that_learned(make, found):
    """A network of a lookup layer that was adapted."""
    layer = make()
    whole = isinstance(layer, layers.IntegerLookup)
    layer.adapt(np.array([ord(one) for one in found] if whole else found))
    x = keras.Input((1,), dtype="int64" if whole else "string", name="i")
    return keras.Model(x, layer(x), name="words")


@pytest.mark.parametrize("make", LOOKUPS.values(), ids=LOOKUPS)
def test_words_that_were_learned_are_compared(make, tmp_path):
    ours, theirs = that_learned(make, ["a", "b"]), that_learned(make, ["a", "c"])
    for name, model in (("a", ours), ("b", theirs)):
        model.save(tmp_path / f"{name}.keras")
    stored = [sg.open(tmp_path / f"{name}.keras") for name in "ab"]
    for one, other in ((ours, theirs), stored, (ours, stored[1])):
        (change,) = sg.diff(one, other).changed
        assert (change.a, change.kind) == ("v", "vocabulary") and change.before != change.after
    for same in ((ours, ours), (ours, stored[0]), (stored[0], sg.open(tmp_path / "a.keras"))):
        found = sg.diff(*same)
        assert found.equal and not found.without


@pytest.mark.parametrize("make", LOOKUPS.values(), ids=LOOKUPS)
@pytest.mark.parametrize("how", ["a copy", "a layer of its own", "inside a model of its own"])
@pytest.mark.parametrize("kept_in", ["memory", "a file"])
def test_words_that_were_learned_are_not_lost(make, how, kept_in, tmp_path):
    model = that_learned(make, ["a", "b", "b"])
    lookup = model.layers[-1]
    x = keras.Input((1,), dtype=model.input.dtype)
    called = model if "inside" in how else lookup
    twice = keras.Model(x, [called(x), called(x)])
    twice.save(tmp_path / "net.keras")
    graph = sg.open(twice if kept_in == "memory" else tmp_path / "net.keras")
    if how == "a copy":
        built = sg.build(sg.cut(graph, outputs="v@0"), copy=True)
    else:
        built = sg.build(sg.cut(sg.unshare(graph, f"{called.name}@1"), outputs=f"{called.name}_1"))
    assert built.layers[-1] is not called and lookup not in built._flatten_layers()
    words = ["b", "a", "z"]
    whole = model.input.dtype == "int64"
    given = keras.ops.array([[ord(one)] for one in words], "int64") if whole else tf.constant([[one] for one in words])
    np.testing.assert_array_equal(np.asarray(built(given)), np.asarray(model(given)))
    assert built.output_shape == model.output_shape


@pytest.mark.parametrize("make", LOOKUPS.values(), ids=LOOKUPS)
@pytest.mark.parametrize(
    "words", [b"\xff no number", b"a\na\na", b"x" * 10**6, b"\r\n\r\n", b"[UNK]\na\nb\nc\nd\ne\nf"]
)
def test_words_of_strangers_are_read_or_refused(make, words, tmp_path):
    that_learned(make, ["a"]).save(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras") as old, zipfile.ZipFile(tmp_path / "odd.keras", "w") as new:
        for name in old.namelist():
            new.writestr(name, words if name.endswith("vocabulary.txt") else old.read(name))
    graph = sg.open(tmp_path / "odd.keras")
    sg.diff(graph, sg.open(tmp_path / "net.keras"))
    try:
        sg.build(graph)
    except sg.SurgeryError as error:
        assert "the vocabulary of 'v' is broken" in str(error)


def test_a_lookup_of_somebody_elses_is_told_as_not_compared():
    class Own(layers.StringLookup):
        pass

    one, other = (that_learned(lambda: Own(name="v"), words) for words in (["a"], ["b"]))
    assert sg.diff(one, other).without == ["v"]


def test_verify_compares_words(tmp_path):
    one, other = (that_learned(LOOKUPS["words"], words) for words in (["a"], ["b"]))
    assert not sg.verify(one, other).exact and sg.verify(one, one).exact


def test_both_calls_of_a_changed_layer_are_drawn_as_changed(tmp_path):
    x, dense = keras.Input((4,), name="x"), layers.Dense(4, name="d")
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="c")], name="nest")
    model = keras.Model(x, inner(inner(dense(dense(x)))))
    before = sg.open(sg.save(model, tmp_path / "before.keras"))
    for weight in model.weights:
        weight.assign(weight + 1)
    text = sg.plot(sg.diff(before, model), tmp_path / "changed.mmd").read_text()
    assert re.findall(r"^ *n\d+\[.*:::(\w+)$", text, re.MULTILINE) == ["kept", *["changed"] * 4]


def test_the_part_that_differs_is_shown():
    x = keras.Input((4, 9), name="x")
    ours, theirs = (keras.Model(x, x[:, :, at : at + 2], name="n") for at in (0, 1))
    (line,) = [line for line in str(sg.diff(ours, theirs)).splitlines() if "arguments" in line]
    before, after = line.partition("arguments ")[2].split(" -> ")
    assert before != after and len(line) < 120


def like_layers(kernels, numbers):
    """A chain of like Dense layers without names of their own, with given kernels."""
    inputs = x = keras.Input((8,))
    for number in numbers:
        layer = keras.layers.Dense(8, use_bias=False)
        x = layer(x)
        layer.set_weights([kernels[number]])
    return keras.Model(inputs, x)


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("kept_in", ["memory", "a file", "both"])
def test_values_say_which_of_many_like_layers_is_new(place, kept_in, tmp_path):
    kernels = np.random.default_rng(place).normal(size=(6, 8, 8))
    few, many = [number for number in range(6) if number != place], list(range(6))
    models = [like_layers(kernels, numbers) for numbers in (few, many)]
    graphs = []
    for side, model in enumerate(models):
        model.save(tmp_path / f"{side}.keras")
        stored = kept_in == "a file" or (kept_in == "both" and side)
        graphs.append(sg.open(tmp_path / f"{side}.keras" if stored else model))
    inserted, removed = sg.diff(*graphs), sg.diff(*reversed(graphs))
    name = models[1].layers[1 + place].name
    assert list(inserted.added) == list(removed.removed) == [name]
    assert not (inserted.removed or removed.added or inserted.weights or removed.weights)
    assert {change.kind for change in inserted.changed} <= {"wiring"} and len(inserted.changed) <= 1


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_tensors_are_called_by_one_name_everywhere(suffix, tmp_path):
    def network():
        x = keras.Input((4, 6))
        y = keras.layers.MultiHeadAttention(2, 3, name="attention")(x, x)
        y = keras.layers.Bidirectional(keras.layers.LSTM(3), name="both")(y)
        return keras.Model(x, keras.layers.Dense(2, name="dense")(y))

    one, other = network(), network()
    for number, model in enumerate((one, other)):
        model.save(tmp_path / f"{number}{suffix}")
    for graphs in ((one, other), (tmp_path / f"0{suffix}", tmp_path / f"1{suffix}")):
        found = sg.diff(*map(sg.open, graphs))
        told = [f"{change.b} {change.tensor}" for change in found.weights]
        assert len(set(told)) == len(told) and "dense kernel" in told
        assert not [one for one in told if re.search(r"\d$", one)]
    listed = run("weights", tmp_path / f"1{suffix}").output
    assert all(name.split()[1] in listed for name in told)


def test_attention_of_two_names_is_one_in_files(tmp_path):
    for name in "ab":
        x = keras.Input((3, 4))
        model = keras.Model(x, layers.GroupQueryAttention(2, 2, 2)(x, x))
        model.set_weights([np.ones(one.shape) for one in model.get_weights()])
        model.save(tmp_path / f"{name}.keras")
    assert sg.diff(sg.open(tmp_path / "a.keras"), sg.open(tmp_path / "b.keras")).equal


def eight_bits():
    model = keras.Sequential([keras.Input((16,)), layers.Dense(8, name="a"), layers.Dense(4, name="b")])
    model.quantize("int8")
    return model


def four_bits():
    model = keras.Sequential([keras.Input((16,)), layers.Dense(8, name="a")])
    model.quantize("int4")
    return model


def normalized():
    return keras.Sequential([keras.Input((8, 8, 3)), layers.SpectralNormalization(layers.Conv2D(4, 3), name="a")])


def model_at_each_step():
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)])
    return keras.Sequential([keras.Input((5, 8, 8, 3)), layers.TimeDistributed(inner, name="a")])


@pytest.mark.parametrize("make", [eight_bits, four_bits, normalized, model_at_each_step])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file", "ignore:.*`quantize` method")
def test_one_model_is_equal_in_both_formats_and_a_changed_value_is_told_once(make, tmp_path):
    model = make()
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
    tree, row = sg.open(tmp_path / "m.keras"), sg.open(tmp_path / "m.h5")
    for one, other in ((tree, row), (row, tree), (model, tree), (model, row)):
        assert sg.diff(one, other).equal and not sg.diff(one, other).without
    assert run("weights", tmp_path / "m.keras", "--list").output.count("\n") == (
        run("weights", tmp_path / "m.h5", "--list").output.count("\n")
    )
    weight = next(one for one in model.get_layer("a").weights if one.path.endswith("kernel"))
    weight.assign(-weight)
    for name in ("n.keras", "n.h5"):
        model.save(tmp_path / name)
    for name, like in (("n.keras", tree), ("n.keras", row), ("n.h5", tree), ("n.h5", row)):
        found = sg.diff(like, sg.open(tmp_path / name))
        assert [change.tensor.rpartition("/")[2] for change in found.weights] == ["kernel"]


def test_a_layer_that_computes_in_another_type_is_the_one_of_its_file(tmp_path):
    x = keras.Input((4, 4, 3))
    y = layers.Flatten(name="flat", dtype="float32")(layers.Conv2D(4, 3, dtype="mixed_float16")(x))
    model = keras.Model(x, layers.Dense(2, dtype="float32")(y))
    model.save(tmp_path / "m.keras")
    assert sg.open(model)["flat"].output.dtype == "float32" == model.get_layer("flat").output.dtype
    assert sg.diff(model, sg.open(tmp_path / "m.keras")).equal
