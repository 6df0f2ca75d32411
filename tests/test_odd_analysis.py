"""Odd networks in the analysis: figures that were once silently wrong, each against what is true."""

import json
import zipfile

import keras
import numpy as np
import pytest
from networks import masked_network, random_network, siamese_network

import surgery as sg
from surgery import analysis

layers, ops = keras.layers, keras.ops


def network(shape, made, **options):
    x = keras.Input(shape, **options)
    return keras.Model(x, made(x))


def last(graph, measure):
    return measure(graph)[graph.calls[-1].name]


def windows(x):
    """Swin's windows: 4 of 4 x 4 pixels, folded into the batch."""
    x = ops.reshape(x, (-1, 2, 4, 2, 4, 16))
    x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 16, 16))
    y = layers.Dense(32)(layers.MultiHeadAttention(2, 8)(x, x))
    return ops.reshape(y, (-1, 8, 8, 32))


def test_what_is_folded_into_the_batch_is_counted_for_the_sample():
    counted = [sg.open(network((8, 8, 16), windows)), sg.open(network(None, windows, batch_shape=(1, 8, 8, 16)))]
    for measure in (analysis.macs, analysis.activations):
        one, other = (list(measure(graph).values()) for graph in counted)
        assert one == other
    assert analysis.peak_memory(counted[0]) == analysis.peak_memory(counted[1])
    assert sum(one or 0 for one in analysis.macs(counted[0]).values()) == 131_072
    batch = analysis.activations(counted[0], 3)
    assert batch == {name: 3 * (size or 0) for name, size in analysis.activations(counted[0]).items()}


def test_what_moves_the_batch_is_unknown():
    graph = sg.open(network((4, 8), lambda x: layers.Dense(3, name="dense")(ops.transpose(x, (1, 0, 2)))))
    assert analysis.macs(graph)["dense"] is None
    assert analysis.activations(graph)["dense"] is None


@pytest.mark.parametrize("suffix", ["keras", "h5", None])
@pytest.mark.filterwarnings("ignore:.*HDF5.*")
def test_spectral_normalization_is_the_layer_that_it_wraps(suffix, tmp_path):
    wrapped = layers.Conv2D(8, 4, strides=2, padding="same")
    model = network((16, 16, 3), lambda x: layers.SpectralNormalization(wrapped, name="sn")(x))
    if suffix:
        model.save(tmp_path / f"m.{suffix}")
    graph = sg.open(tmp_path / f"m.{suffix}" if suffix else model)
    assert graph["sn"].specs[0].shape == (None, 8, 8, 8)
    assert analysis.macs(graph)["sn"] == 8 * 8 * 8 * 48
    assert analysis.stride_text(analysis.strides(graph)["sn"]) == "2"
    assert last(graph, analysis.receptive_fields).size == (4, 4)


class Rescaling(layers.Layer):
    """Not Keras' layer of that name: a convolution with a stride."""

    def __init__(self, **options):
        super().__init__(**options)
        self.conv = layers.Conv2D(3, 3, strides=2, padding="same")

    def call(self, x):
        return self.conv(x)


@pytest.mark.parametrize(
    ("made", "stride"),
    [
        (lambda x: layers.SpectralNormalization(layers.Conv2D(3, 3, strides=2))(x), "2"),
        (lambda x: Rescaling()(x), "?"),
        (lambda x: x[:, ::2, ::2, :], "?"),
        (lambda x: ops.space_to_depth(x, 2), "2"),
        (lambda x: ops.depth_to_space(layers.Conv2D(4, 1)(x), 2), "1/2"),
        (lambda x: layers.Lambda(lambda a: a[:, ::2, ::2], output_shape=(None, None, 3))(x), "?"),
        (lambda x: ops.repeat(x, 2, axis=1), "?"),
        (lambda x: layers.Permute((2, 1, 3))(layers.Conv2D(2, 3, strides=(4, 1))(x)), "?"),
        (lambda x: layers.Permute((3, 1, 2))(x), "?"),
        (lambda x: layers.LayerNormalization()(layers.Activation("relu")(x) + x), "1"),
        (lambda x: layers.Resizing(32, 32, crop_to_aspect_ratio=True)(x), "?"),
    ],
)
def test_a_stride_that_is_not_known_is_said(made, stride):
    graph = sg.open(network((None, None, 3), made))
    assert analysis.stride_text(last(graph, analysis.strides)) == stride
    if graph.calls[-1].specs[0].shape[-1] is None:
        return  # channels moved to where no convolution takes them
    after = sg.open(network((None, None, 3), lambda x: layers.Conv2D(2, 3, strides=2, name="after")(made(x))))
    text = analysis.stride_text(analysis.strides(after)["after"])
    assert text == {"2": "4", "1": "2", "1/2": "1", "?": "?"}[stride]


@pytest.mark.parametrize("order", ["qvk", "vkq", "kvq"])
def test_attention_takes_the_grid_of_its_query(order):
    q = keras.Input((None, 8))
    v = layers.Conv1D(8, 3, strides=4)(q)
    named = {"q": ("query", q), "v": ("value", v), "k": ("key", v)}
    made = layers.MultiHeadAttention(2, 4, name="attend")(**dict(named[letter] for letter in order))
    assert analysis.stride_text(analysis.strides(sg.open(keras.Model(q, made)))["attend"]) == "1"


def test_every_output_of_a_nested_backbone_has_its_own_stride_and_field():
    i, j, k = (keras.Input((None, None, 3)) for _ in range(3))
    a = layers.Conv2D(4, 3, strides=2, padding="same")(i)
    b = layers.Conv2D(4, 3, strides=2, padding="same")(a)
    backbone = keras.Model(i, [a, b], name="backbone")
    middle = keras.Model(j, backbone(layers.Rescaling(1 / 255)(j)), name="middle")
    p, q = middle(k)
    outputs = [layers.Conv2D(4, 3, padding="same", name=name)(one) for name, one in (("on_p", p), ("on_q", q))]
    graph = sg.open(keras.Model(k, outputs))
    strides, fields = analysis.strides(graph), analysis.receptive_fields(graph)
    assert [analysis.stride_text(strides[name]) for name in ("on_p", "on_q")] == ["2", "4"]
    assert [analysis.field_text(fields[name]) for name in ("on_p", "on_q")] == ["7", "15"]


A = np.ones
PRODUCTS = [
    (lambda x: ops.matmul(A((20, 20), "float32"), x), (20, 8), 20 * 20 * 8),
    (lambda x: ops.matmul(A((10, 28), "float32"), x), (28, 32), 10 * 28 * 32),
    (lambda x: ops.matmul(x, A((8, 3), "float32")), (20, 8), 20 * 8 * 3),
    (lambda x: ops.einsum("kj,nk->nj", A((20, 3), "float32"), x), (20,), 60),
    (lambda x: ops.einsum("...ij,...jk->...ik", x, x[:, :1, :4, :]), (8, 5, 5), None),
]


@pytest.mark.parametrize(("made", "shape", "count"), PRODUCTS)
def test_products_with_a_constant_on_either_side(made, shape, count):
    graph = sg.open(network(shape, made if count else lambda x: x * 1.0))
    assert sum(one or 0 for one in analysis.macs(graph).values()) == (count or 0)


def test_broadcast_sides_of_an_einsum_are_counted():
    x, y = keras.Input((8, 4, 5)), keras.Input((1, 5, 6))
    graph = sg.open(keras.Model([x, y], ops.einsum("...ij,...jk->...ik", x, y)))
    assert last(graph, analysis.macs) == 8 * 4 * 5 * 6


def test_types_of_raw_operations_on_integers_are_those_that_run(tmp_path):
    for number, made in enumerate((lambda x: x / 255.0, lambda x: x - 127.5, ops.sqrt, lambda x: x * 2)):
        model = network((4, 4, 3), made, dtype="uint8")
        model.save(tmp_path / f"{number}.keras")
        stored, live = sg.open(tmp_path / f"{number}.keras"), sg.open(model)
        assert stored.calls[-1].specs[0].dtype == live.calls[-1].specs[0].dtype


def test_a_class_of_somebody_elses_is_not_counted_as_keras_has_it(tmp_path):
    model = network((16, 16, 3), lambda x: Rescaling(name="mine")(x))
    model.save(tmp_path / "m.keras")
    for graph in (sg.open(model), sg.open(tmp_path / "m.keras")):
        assert analysis.macs(graph)["mine"] is None
        assert analysis.receptive_fields(graph)["mine"] is None
        assert analysis.stride_text(analysis.strides(graph)["mine"]) == "?"
    assert sg.open(tmp_path / "m.keras")["mine"].specs[0].shape is None


@pytest.mark.parametrize(
    "make", [masked_network, siamese_network, *(lambda seed=seed: random_network(seed) for seed in range(8))]
)
def test_a_file_is_told_what_its_live_model_is(make, tmp_path):
    """Or less: a shape that a file does not say, and no rule makes, leaves a figure unknown."""
    model = make()
    model.save(tmp_path / "m.keras")
    live, stored = sg.open(model), sg.open(tmp_path / "m.keras")
    for measure in (analysis.macs, analysis.activations, analysis.strides, analysis.receptive_fields):
        ours, theirs = measure(live), measure(stored)
        assert set(ours) == set(theirs)
        assert all(theirs[name] in (None, value) for name, value in ours.items())
        assert any(value is not None for value in theirs.values())


def test_gates_of_attention_are_counted():
    counts = []
    for gate in (False, True):
        x = keras.Input((6, 8))
        made = layers.GroupQueryAttention(5, 4, 2, use_gate=gate, name="attend")(x, x)
        counts.append(analysis.macs(sg.open(keras.Model(x, made)))["attend"])
    assert counts == [4_320, 5_280]


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda x: ops.mean(x, axis=-1, keepdims=True), "3"),
        (lambda x: ops.max(x, axis=(1, 2), keepdims=True), "all"),
        (lambda x: ops.sum(x, axis=1, keepdims=True), "?"),
        (lambda x: x[:, 0, 0, :], "?"),
        (lambda x: layers.Softmax(axis=1)(x), "?"),
        (lambda x: layers.LayerNormalization(axis=(1, 2, 3))(x), "all"),
        (lambda x: layers.Activation("softmax")(x), "3"),
        (lambda x: ops.concatenate([x, x], axis=1), "?"),
        (lambda x: layers.MultiHeadAttention(1, 2, attention_axes=(2,))(x, x), "?"),
        (lambda x: layers.Bidirectional(layers.LSTM(3))(ops.reshape(x, (-1, 64, 4))), "all"),
    ],
)
def test_fields_say_all_only_where_all_is_true(made, text):
    graph = sg.open(network((8, 8, 4), lambda x: made(layers.Conv2D(4, 3, padding="same")(x))))
    assert analysis.field_text(last(graph, analysis.receptive_fields)) == text


def test_what_works_on_the_last_axis_beside_channels_first_is_unknown():
    def made(x):
        y = layers.Conv2D(4, 3, data_format="channels_first", name="conv")(x)
        return layers.Dense(5, name="dense")(layers.ReLU(name="relu")(y))

    fields = analysis.receptive_fields(sg.open(network((3, 8, 8), made)))
    assert [analysis.field_text(fields[name]) for name in ("conv", "relu", "dense")] == ["3", "3", "?"]


def test_what_nobody_takes_is_alive_while_it_is_made():
    x = keras.Input((1000,))
    a, _ = ops.split(x, 2, axis=1)
    assert analysis.peak_memory(sg.open(keras.Model(x, layers.Dense(1)(a)))) == 8_000


RAW = [
    (lambda x: ops.conv(x, A((3, 2, 3, 8), "float32"), 2, "same"), layers.Conv2D(8, (3, 2), 2, "same")),
    (lambda x: ops.depthwise_conv(x, A((3, 3, 3, 2), "float32")), layers.DepthwiseConv2D(3, depth_multiplier=2)),
    (
        lambda x: ops.separable_conv(x, A((3, 3, 3, 2), "float32"), A((1, 1, 6, 5), "float32")),
        layers.SeparableConv2D(5, 3, depth_multiplier=2),
    ),
    (lambda x: ops.conv_transpose(x, A((3, 3, 4, 3), "float32"), 2), layers.Conv2DTranspose(4, 3, 2)),
]


@pytest.mark.parametrize(("raw", "layer"), RAW)
def test_a_raw_convolution_counts_as_its_layer(raw, layer):
    counts = [last(sg.open(network((9, 8, 3), made)), analysis.macs) for made in (raw, layer)]
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("sequential", [True, False])
@pytest.mark.parametrize("kept_in", ["memory", "a file"])
def test_a_model_at_each_step_of_time_is_counted_once_a_step(sequential, kept_in, tmp_path):
    inner = network((16, 16, 3), lambda x: layers.Dense(5)(layers.Flatten()(layers.Conv2D(4, 3)(x))))
    if sequential:
        inner = keras.Sequential([keras.Input((16, 16, 3)), *inner.layers[1:]])
    model = network((7, 16, 16, 3), layers.TimeDistributed(inner))
    model.save(tmp_path / "net.keras")
    graph = sg.open(model if kept_in == "memory" else tmp_path / "net.keras")
    assert last(graph, analysis.macs) == 7 * sum(analysis.macs(sg.open(inner)).values())
    assert graph.calls[-1].specs[0].shape == (None, 7, 5)


def test_an_einsum_dense_is_counted_by_the_letters_that_are_known(tmp_path):
    model = network((10, 8), layers.EinsumDense("abc,cd->abd", output_shape=(None, 64)))
    model.save(tmp_path / "net.keras")
    for source in (model, tmp_path / "net.keras"):
        assert last(sg.open(source), analysis.macs) == 10 * 8 * 64
    open_ended = network((None, 8), layers.EinsumDense("abc,cd->abd", output_shape=(None, 64)))
    assert last(sg.open(open_ended), analysis.macs) is None


def test_the_axes_of_an_ellipsis_are_those_of_what_is_given():
    assert last(sg.open(network((9, 6, 4), layers.EinsumDense("...d,de->...e", 3))), analysis.macs) == 9 * 6 * 4 * 3


def test_channels_are_joined_first_where_all_layers_keep_them_first():
    def conv(size, **more):
        return layers.Conv2D(4, size, padding="same", data_format="channels_first", **more)

    def made(x):
        return conv(1, strides=2)(layers.Concatenate(axis=1)([conv(3)(x), conv(5)(x)]))

    graph = sg.open(network((3, 16, 16), made))
    assert analysis.stride_text(last(graph, analysis.strides)) == "2"
    assert analysis.field_text(last(graph, analysis.receptive_fields)) == "5"
    beside = sg.open(network((3, 16, 16), lambda x: made(layers.Conv2D(3, 1, data_format="channels_last")(x))))
    assert analysis.field_text(last(beside, analysis.receptive_fields)) == "?"


def test_one_pixel_for_a_whole_axis_is_seen_from_all_of_it():
    """Against the gradient: a pixel depends on its whole row, by way of a map that is one pixel wide."""
    model = network((6, 6, 2), lambda x: x + layers.Conv2D(2, (1, 6))(x))
    field = last(sg.open(model), analysis.receptive_fields)
    x = np.random.default_rng(0).normal(size=(1, 6, 6, 2)).astype("float32")
    moved = np.array(x)
    moved[0, 2, 5] += 1
    changed = np.abs(np.asarray(model(moved)) - np.asarray(model(x))).sum(-1)[0] > 1e-6
    assert changed[2].all() and not changed[[0, 1, 3, 4, 5]].any()
    assert field.everything and field.size == (1, 1)
    only = network((6, 6, 2), lambda x: layers.Conv2D(2, (6, 1))(x) + layers.Conv2D(2, (1, 6))(x))
    assert analysis.field_text(last(sg.open(only), analysis.receptive_fields)) == "all"


@pytest.mark.parametrize("kept_in", ["memory", "a file"])
def test_what_is_alive_inside_a_nested_model_is_alive(kept_in, tmp_path):
    inner = network((32, 32, 3), lambda x: layers.Conv2D(4, 3, 8, "same")(layers.Conv2D(64, 3, padding="same")(x)))
    model = network((32, 32, 3), inner)
    model.save(tmp_path / "net.keras")
    graph = sg.open(model if kept_in == "memory" else tmp_path / "net.keras")
    assert analysis.peak_memory(graph) == 4 * (32 * 32 * (3 + 64) + 4 * 4 * 4)
    assert analysis.peak_memory(graph, batch=3) == 3 * analysis.peak_memory(graph)


def test_an_open_side_beside_a_side_of_one_is_not_one():
    x, y = keras.Input((None, 4, 5)), keras.Input((1, 5, 6))
    graph = sg.open(keras.Model([x, y], ops.einsum("...ij,...jk->...ik", x, y)))
    assert last(graph, analysis.macs) is None


@keras.saving.register_keras_serializable(package="odd_analysis")
class Unknown(layers.Layer):
    """A layer whose shapes no file says."""

    def call(self, inputs):
        return inputs


def test_steps_of_an_unknown_shape_are_not_counted(tmp_path):
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(5)])
    keras.Sequential([keras.Input((7, 6)), Unknown(), layers.TimeDistributed(inner)]).save(tmp_path / "net.keras")
    assert last(sg.open(tmp_path / "net.keras"), analysis.macs) is None


@pytest.mark.parametrize(("kind", "key", "value"), [("Conv2D", "data_format", ["x"]), ("Concatenate", "axis", "x")])
def test_odd_values_in_the_configurations_of_strangers_leave_figures_unknown(kind, key, value, tmp_path):
    def made(x):
        y = layers.Conv2D(3, 1, data_format="channels_first")(x)
        return layers.Concatenate(axis=1)([y, layers.Conv2D(3, 1, data_format="channels_first")(x)])

    network((3, 8, 8), made).save(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras") as old, zipfile.ZipFile(tmp_path / "odd.keras", "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name == "config.json":
                config = json.loads(text)
                for layer in config["config"]["layers"]:
                    if layer["class_name"] == kind:
                        layer["config"][key] = value
                text = json.dumps(config).encode()
            new.writestr(name, text)
    graph = sg.open(tmp_path / "odd.keras")
    for measure in (analysis.strides, analysis.receptive_fields, analysis.macs):
        assert len(measure(graph)) == len(graph)


def test_ten_thousand_tensors_of_one_layer_are_named_in_one_go():
    from surgery.core.tensors import Source, Tensor
    from surgery.layers.description import Stored
    from surgery.layers.variables import variable_names

    inside = [{"class_name": "Dense", "config": {"name": f"d{number}"}} for number in range(10_000)]
    layer = Stored("w", "TimeDistributed", {"layer": {"class_name": "Sequential", "config": {"layers": inside}}})
    tree = {
        f"layer/layers/dense{f'_{number}' * (number > 0)}/vars/0": Tensor("t", (1,), "float32", lambda: None)
        for number in range(10_000)
    }
    names = variable_names(layer, Source(tree=tree))
    assert len(names) == 10_000 and names[0] == ("layer/layers/dense/kernel", True)


@pytest.mark.parametrize("reduced", [lambda x: ops.max(x, -1, keepdims=True), lambda x: ops.sum(x, -1)])
def test_an_output_whose_shape_no_file_says_has_no_field(reduced, tmp_path):
    network((16, 16, 4), lambda x: reduced(layers.Conv2D(4, 3)(x))).save(tmp_path / "net.keras")
    graph = sg.open(tmp_path / "net.keras")
    assert graph.calls[-1].specs[0].shape is None and last(graph, analysis.receptive_fields) is None
