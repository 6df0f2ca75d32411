"""The JSON of `model.to_json()`, with weights beside it and without; files that lack a tensor that they list."""

import json
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest
from networks import arrays_for, assert_same, masked_network, outputs_of, random_network, siamese_network
from old_files import functional, layer, write_h5

import surgery as sg

L = keras.layers


def written(model, folder):
    """Writes the architecture of a model, and its weights in every format."""
    (folder / "model.json").write_text(model.to_json())
    for name in ("full.keras", "full.h5", "own.weights.h5"):
        model.save_weights(folder / name) if "weights" in name else model.save(folder / name)
    sg.save(model, folder / "own.safetensors")
    return folder / "model.json"


@pytest.mark.parametrize("network", [masked_network, siamese_network, *range(4)])
def test_an_architecture_with_weights_beside_it_is_the_network(network, tmp_path):
    model = random_network(network) if isinstance(network, int) else network()
    path = written(model, tmp_path)
    arrays = arrays_for(model)
    expected = outputs_of(model, arrays)
    for name in ("full.keras", "full.h5", "own.weights.h5", "own.safetensors"):
        graph = sg.open(path, weights=tmp_path / name)
        assert not graph.notes and graph == sg.open(tmp_path / "full.keras")
        assert_same(outputs_of(sg.build(graph), arrays), expected)


def layers_that_make_weights():
    picture, sequence = keras.Input((8, 8, 4)), keras.Input((6, 8))
    yield (
        picture,
        [
            L.Conv2D(6, 3, groups=2, use_bias=False),
            L.Conv2DTranspose(3, (2, 3)),
            L.DepthwiseConv2D(3, depth_multiplier=2),
            L.SeparableConv2D(5, 3, depth_multiplier=2, trainable=False),
            L.BatchNormalization(scale=False),
            L.GroupNormalization(2),
            L.LayerNormalization(axis=[1, 3]),
            L.PReLU(shared_axes=[1, 2]),
            L.Dense(3, dtype="mixed_float16"),
            L.TimeDistributed(L.Conv1D(3, 2)),
            L.Dropout(0.5),
            L.RandomFlip(),
        ],
    )
    yield (
        sequence,
        [
            L.LSTM(3),
            L.GRU(3),
            L.GRU(3, reset_after=False, use_bias=False),
            L.SimpleRNN(3),
            L.Bidirectional(L.LSTM(3)),
            L.Conv1D(4, 2, padding="causal"),
            L.RMSNormalization(),
            L.TimeDistributed(L.Dense(3)),
        ],
    )
    yield keras.Input((5,), dtype="int32"), [L.Embedding(7, 3)]
    yield keras.Input((4, 8, 8, 2)), [L.ConvLSTM2D(3, 2), L.Conv3D(2, 2)]


def weights_of(graph):
    return [(weight.shape, weight.dtype, weight.trainable) for weight in graph.weights]


def test_an_architecture_says_the_weights_that_its_layers_will_make(tmp_path):
    networks = [masked_network(), siamese_network(), *map(random_network, range(8))]
    networks += [keras.Model(x, layer(x)) for x, layers in layers_that_make_weights() for layer in layers]
    networks += [keras.applications.MobileNetV3Small(weights=None, input_shape=(64, 64, 3))]
    for model in networks:
        path = tmp_path / "one.json"
        path.write_text(model.to_json())
        graph = sg.open(path)
        assert weights_of(graph) == weights_of(sg.open(model)), model.layers[-1].name
        assert len(graph.notes) == 1


def test_what_is_not_known_of_an_architecture_is_said(tmp_path):
    x = keras.Input((4,), name="x")
    y = L.SpectralNormalization(L.Dense(4), name="spectral")(L.Normalization(name="norm")(x))
    path = tmp_path / "odd.json"
    path.write_text(keras.Model(x, L.Dense(2, name="end")(y)).to_json())
    graph = sg.open(path)
    assert graph.params == 10
    assert graph.notes[1] == "not known without Keras: the parameters of norm, spectral"


def test_an_architecture_alone_is_fresh_and_names_the_weights_beside_it(tmp_path):
    model = siamese_network()
    path = tmp_path / "model.json"
    path.write_text(model.to_json())
    assert sg.open(path).notes == ("an architecture without weights: its layers are fresh",)
    model.save_weights(tmp_path / "model.weights.h5")
    graph = sg.open(path)
    (note,) = graph.notes
    assert "'model.weights.h5' lies next to it" in note and f"weights={str(tmp_path / 'model.weights.h5')!r}" in note
    built = sg.build(graph)
    arrays = arrays_for(model)
    ours, theirs = outputs_of(built, arrays), outputs_of(model, arrays)
    assert ours[0].shape == theirs[0].shape and not np.array_equal(ours[0], theirs[0])
    sg.load_weights(built, tmp_path / "model.weights.h5")
    assert_same(outputs_of(built, arrays), theirs)


@pytest.mark.parametrize("version", ["1.2.2", "2.2.4"])
def test_architectures_of_old_keras_are_their_files(version, tmp_path):
    random = np.random.default_rng(0)
    x, kernel = {"batch_input_shape": [None, 6, 6, 2], "dtype": "float32"}, random.normal(size=(3, 3, 2, 4))
    conv = (
        {"nb_filter": 4, "nb_row": 3, "nb_col": 3, "border_mode": "valid", "dim_ordering": "tf"}
        if version < "2"
        else {"filters": 4, "kernel_size": [3, 3], "padding": "valid", "data_format": "channels_last"}
    )
    layers = [layer("InputLayer", "x", **x), layer("Convolution2D" if version < "2" else "Conv2D", "c", ["x"], **conv)]
    stored = functional(layers, ["x"], ["c"])
    weights = {"x": [], "c": [("kernel", kernel), ("bias", random.normal(size=4))]}
    whole = write_h5(tmp_path / "whole.h5", "Model", stored, weights, version)
    with h5py.File(whole) as file, h5py.File(tmp_path / "w.h5", "w") as alone:
        for name in file["model_weights"]:
            file.copy(f"model_weights/{name}", alone)
        alone.attrs["layer_names"] = file["model_weights"].attrs["layer_names"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"class_name": "Model", "config": stored, "keras_version": version}))
    for name in ("whole.h5", "w.h5"):
        graph = sg.open(path, weights=tmp_path / name)
        assert graph == sg.open(whole) and graph.notes == sg.open(whole).notes
        arrays = random.normal(size=(2, 6, 6, 2)).astype("float32")
        assert_same(outputs_of(sg.build(graph), arrays), outputs_of(sg.build(sg.open(whole)), arrays))


def test_the_mask_of_an_old_architecture_is_passed_on(tmp_path):
    """What Keras 3 needs beside the layers of the file has no weights that a file could hold."""
    layers = [
        layer("InputLayer", "x", batch_input_shape=[None, 3, 4], dtype="float32"),
        layer("InputLayer", "h", batch_input_shape=[None, 4], dtype="float32"),
        layer("InputLayer", "c", batch_input_shape=[None, 4], dtype="float32"),
        layer("Masking", "m", ["x"], mask_value=0.0),
        layer("LSTM", "l", ["m", "h", "c"], units=4),
    ]
    layers[-1]["inbound_nodes"] = [[["m", 0, 0, {}], ["h", 0, 0, {}], ["c", 0, 0, {}]]]
    stored = functional(layers, ["x", "h", "c"], ["l"])
    random = np.random.default_rng(0)
    own = [("kernel", random.normal(size=(4, 16))), ("recurrent_kernel", random.normal(size=(4, 16)))]
    whole = write_h5(tmp_path / "old.h5", "Model", stored, {"l": [*own, ("bias", random.normal(size=16))]})
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"class_name": "Model", "config": stored, "keras_version": "2.2.4"}))
    graph = sg.open(path, weights=whole)
    assert graph == sg.open(whole) and len(graph) > len(layers) and graph.params == sg.open(path).params == 144
    sg.build(graph), sg.build(sg.open(path))


def test_a_text_in_a_text_and_a_mark_before_it_are_read(tmp_path):
    model = siamese_network()
    (tmp_path / "plain.json").write_text(model.to_json())
    (tmp_path / "twice.json").write_text(json.dumps(model.to_json()))
    (tmp_path / "mark.json").write_bytes(b"\xef\xbb\xbf" + model.to_json().encode())
    assert sg.open(tmp_path / "plain.json") == sg.open(tmp_path / "twice.json") == sg.open(tmp_path / "mark.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"format": "layers-model", "modelTopology": {}}',
            "of TensorFlow.js, and its modelTopology is not an architecture",
        ),
        ('{"name": "net", "layers": []}', "not of model.to_json"),
        ('{"class_name": "Mine", "config": {}}', "its own call"),
        ('{"class_name": "Functional", "config": 3}', "not what Keras writes"),
        ('{"class_name": "Functional", "config": ', "is not valid JSON"),
        ('"{\\"class_name\\": 1}"', "not of model.to_json"),
        ('"{', "is not valid JSON"),
        ('{"a": ' * 5_000 + "1" + "}" * 5_000, "nested more than 200"),
    ],
)
def test_json_that_is_no_architecture_is_refused(content, message, tmp_path):
    path = tmp_path / "odd.json"
    path.write_text(content)
    with pytest.raises(sg.SurgeryError, match=message):
        sg.open(path)


def test_code_in_an_architecture_is_not_run(tmp_path):
    x = keras.Input((2,), name="x")
    path = tmp_path / "code.json"
    path.write_text(keras.Model(x, L.Lambda(lambda a: a * 2, name="twice", output_shape=(2,))(x)).to_json())
    with pytest.raises(sg.SurgeryError, match="twice"):
        sg.build(sg.open(path))


def test_weights_that_do_not_belong_to_an_architecture(tmp_path):
    model = siamese_network()
    path = written(model, tmp_path)
    x = keras.Input((3,), name="x")
    sg.save(keras.Model(x, L.Dense(2, name="other")(x)), tmp_path / "other.safetensors")
    for weights, message in (
        ("other.safetensors", "holds nothing for its layers .trunk/conv, trunk/norm, same.: the names differ"),
        ("model.json", "is an architecture: it holds no weights"),
        ("none.h5", "no file"),
    ):
        with pytest.raises(sg.SurgeryError, match=message):
            sg.open(path, weights=tmp_path / weights)
    with pytest.raises(sg.SurgeryError, match="only for a named network or an architecture"):
        sg.open(tmp_path / "full.h5", weights=tmp_path / "own.weights.h5")
    part = keras.Model(model.inputs, model.get_layer("trunk")(model.inputs[0]))
    sg.save(part, tmp_path / "part.safetensors")
    graph = sg.open(path, weights=tmp_path / "part.safetensors")
    assert "holds nothing for same: what needs them is not built" in graph.notes[0]
    with pytest.raises(sg.SurgeryError, match="same"):
        sg.build(graph)


def test_commands_take_an_architecture(tmp_path):
    path = written(siamese_network(), tmp_path)

    def run(*args):
        return subprocess.run([sys.executable, "-m", "surgery", *args], capture_output=True, text=True, check=False)

    table = run("inspect", path)
    assert table.stdout == run("inspect", tmp_path / "full.keras").stdout and not table.returncode
    one = run("convert", path, tmp_path / "new.keras", "--weights", tmp_path / "own.weights.h5")
    assert not one.returncode, one.stderr
    same = run("diff", tmp_path / "new.keras", tmp_path / "full.keras")
    assert not same.returncode, same.stdout
    assert run("diff", path, tmp_path / "full.keras", "--no-weights").returncode == 0
    assert run("verify", tmp_path / "new.keras", path, "--format", "json").returncode in (0, 1)


# ---- weights files that list a tensor that they do not hold ----


def lacking(path, tensor):
    with h5py.File(path, "a") as file:
        del file[tensor]
    return path


@pytest.fixture
def chain(tmp_path):
    """A network with a nested one, and its file and weights file, of which both lack a bias."""
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    inner = keras.Model(y, L.Dense(4, name="b")(L.Dense(4, name="a")(y)), name="inner")
    model = keras.Model(x, L.Dense(2, name="end")(inner(L.Dense(4, name="first")(x))), name="chain")
    for variable in model.weights:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    model.save(tmp_path / "full.h5")
    with h5py.File(tmp_path / "full.h5") as file, h5py.File(tmp_path / "only.h5", "w") as only:
        for name in file["model_weights"]:
            file.copy(f"model_weights/{name}", only)
        only.attrs["layer_names"] = file["model_weights"].attrs["layer_names"]
    return model, tmp_path


@pytest.mark.parametrize(("at", "tensor"), [("end", "end/end/bias"), ("inner/b", "inner/b/bias")])
def test_one_tensor_that_is_not_there_costs_one_layer(chain, at, tensor):
    model, folder = chain
    for path, name in ((folder / "full.h5", f"model_weights/{tensor}"), (folder / "only.h5", tensor)):
        with h5py.File(path) as file:
            found = next(one for one in (name, f"{name}:0", name.replace("end/end", "end/chain/end")) if one in file)
        lacking(path, found)
    graph = sg.open(folder / "full.h5")
    assert graph.params == sum(weight.size for weight in map(np.asarray, model.weights))
    assert any(note.startswith(f"{at}: the file lists ") and "does not hold it" in note for note in graph.notes)
    with pytest.raises(sg.SurgeryError, match=r"lists .*bias for .*, and does not hold it"):
        sg.build(graph)
    arrays = arrays_for(model)
    assert_same(
        outputs_of(sg.build(sg.cut(graph, outputs="first")), arrays),
        outputs_of(keras.Model(model.input, model.get_layer("first").output), arrays),
    )
    fresh = keras.models.clone_model(model)
    with pytest.raises(sg.SurgeryError, match=f"lists .*bias for '{at}', and does not hold it"):
        sg.load_weights(fresh, folder / "full.h5")
    loaded = sg.load_weights(fresh, folder / "full.h5", strict=False)
    assert {one.weight.rpartition("/")[0] for one in loaded.origins if one.source is None} == {at}
    assert loaded.loaded == len(model.weights) - 2
    if at == "end":  # a list of weights alone does not say what a nested model is made of
        loaded = sg.load_weights(fresh, folder / "only.h5", where="first, end", strict=False)
        assert [one.source is None for one in loaded.origins] == [False, False, True, True]
        assert "does not hold it" in loaded.origins[-1].how
    run = subprocess.run(
        [sys.executable, "-m", "surgery", "weights", folder / "only.h5"], capture_output=True, text=True, check=False
    )
    assert not run.returncode and "first" in run.stdout


def test_a_named_network_takes_what_a_weights_file_has(tmp_path):
    model = sg.build(sg.open("tinyvgg", weights="pretrained"))
    model.save_weights(tmp_path / "tiny.weights.h5")
    model.save(tmp_path / "tiny.h5")
    with h5py.File(tmp_path / "tiny.h5", "a") as file:
        names = []
        file["model_weights/predictions"].visit(names.append)
        del file[f"model_weights/predictions/{next(name for name in names if name.endswith('bias'))}"]
    graph = sg.open("tinyvgg", weights=tmp_path / "tiny.h5")
    assert graph.notes[-1].startswith("predictions: the file lists")
    sg.build(sg.cut(graph, outputs="block4_pool"))
    with pytest.raises(sg.SurgeryError, match="predictions"):
        sg.build(graph)
