"""Features on odd networks, pictures and requests: `predict` of stock Keras is the oracle."""

import os

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

import surgery as sg
from surgery.cli.main import main
from surgery.graph.primitives import rename
from surgery.keras_bridge.either import as_graph
from surgery.training import extract as extracting

L = keras.layers


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, image in enumerate(pictures()):
        (folder / f"{number}.png").write_bytes(tf.io.encode_png(image).numpy())
    return folder


def pictures():
    return np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3)).astype("uint8")


def network(*layers, name="net"):
    keras.utils.set_random_seed(0)
    last = [L.Conv2D(2, 3, activation="tanh", name="c"), L.GlobalAveragePooling2D(name="gap")]
    return keras.Sequential([keras.Input((8, 8, 3)), *layers, *last], name=name)


def of_stock(model):
    return np.asarray(model.predict(pictures().astype("float32"), verbose=0)).astype("float32")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_adapted_normalization_normalises_in_another_precision_too(dtype, photos):
    layer = L.Normalization()
    layer.adapt(pictures().astype("float32"))
    model = network(layer)
    found = sg.extract_features(model, "gap", photos, dtype=dtype).features["gap"]
    np.testing.assert_allclose(found, of_stock(model), atol=2e-2 if dtype == "bfloat16" else 1e-6)


def test_a_network_of_mixed_precision_gives_its_values_as_float32(photos, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = network(L.Rescaling(1 / 255))
    finally:
        keras.config.set_dtype_policy("float32")
    sg.extract_features(model, "gap", photos, tmp_path / "f.h5")
    sg.extract_features(model, "gap", photos, tmp_path / "f.npy")
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["gap"].dtype == np.float32
        np.testing.assert_allclose(file["gap"][()], of_stock(model), atol=1e-2)
        np.testing.assert_array_equal(file["gap"][()], np.load(tmp_path / "f.npy"))


def test_whole_numbers_stay_whole(photos):
    x = keras.Input((8, 8, 3))
    sums = keras.ops.sum(keras.ops.cast(x, "int32"), axis=(1, 2, 3)) * 20_001
    model = keras.Model(x, sums)
    (last,) = [call.name for call in sg.open(model)][-1:]
    found = sg.extract_features(model, last, photos).features[last]
    np.testing.assert_array_equal(found, model.predict(pictures().astype("float32"), verbose=0))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (lambda: (network(), "c", {"preprocess": lambda x: x}), lambda: (network(), "c", {"preprocess": _inverted})),
        (lambda: (network(), {"f": "c"}, {}), lambda: (network(L.Activation("relu")), {"f": "c"}, {})),
        (lambda: (network(L.Rescaling(1.0)), "c", {}), lambda: (network(L.Rescaling(0.1)), "c", {})),
    ],
)
def test_what_another_run_left_is_used_for_the_same_computation_alone(one, two, photos, tmp_path, monkeypatch):
    out, plain, done = tmp_path / "f.h5", extracting.ExtractionRun._computed, []

    def dies(self, images_bhwc):
        done.append(1)
        if len(done) == 3:
            raise KeyboardInterrupt
        return plain(self, images_bhwc)

    monkeypatch.setattr(extracting.ExtractionRun, "_computed", dies)
    model, where, options = one()
    with pytest.raises(KeyboardInterrupt):
        sg.extract_features(model, where, photos, out, batch_size=2, **options)
    monkeypatch.setattr(extracting.ExtractionRun, "_computed", plain)
    model, where, options = two()
    sg.extract_features(model, where, photos, out, batch_size=2, **options)
    whole = sg.extract_features(model, where, photos, batch_size=2, **options).features
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file[next(iter(whole))][()], next(iter(whole.values())))


def _inverted(images_bhwc):
    return 255 - images_bhwc


def test_a_picture_with_a_palette_is_named_not_misread(photos, tmp_path):
    image = pytest.importorskip("PIL.Image")
    image.fromarray(pictures()[0]).convert("P").save(photos / "palette.bmp")
    image.fromarray(pictures()[0]).save(photos / "plain.bmp")
    found = sg.extract_features(network(), "gap", photos)
    assert len(found.names) == 8 and not found.unreadable
    rows = dict(zip(found.names, found.features["gap"], strict=True))
    image.open(photos / "palette.bmp").convert("RGB").save(photos / "same.png")
    same = sg.extract_features(network(), "gap", [photos / "same.png"]).features["gap"][0]
    np.testing.assert_array_equal(rows[str(photos / "palette.bmp")], same)


@pytest.mark.parametrize(
    ("where", "options", "message"),
    [
        ("gap", {"batch_size": 0}, "at least 1, not 0"),
        ("gap", {"size": 16}, "height, width"),
        ("gap", {"preprocess": lambda x: x[:2]}, "should keep their shape"),
        ("gap", {"preprocess": lambda x: 1 / 0}, "ZeroDivisionError"),
        ({"names": "gap"}, {}, "cannot be called 'names'"),
        ({"/": "gap"}, {}, "cannot be called '/'"),
        ({"a": "c", "a/b": "gap"}, {}, "'a/b' would lie in it"),
    ],
)
def test_odd_requests_are_refused_and_leave_nothing(where, options, message, photos, tmp_path):
    with pytest.raises(sg.SurgeryError, match=message):
        sg.extract_features(network(), where, photos, tmp_path / "f.h5", **options)
    assert not list(tmp_path.glob("*.h5"))


def test_a_quantized_layer_has_no_other_precision(photos):
    model = keras.Sequential([keras.Input((8, 8, 3)), L.Flatten(), L.Dense(4, name="d")])
    model.get_layer("d").quantize("int8")
    with pytest.raises(sg.SurgeryError, match="d are quantized"):
        sg.extract_features(model, "d", photos, dtype="bfloat16")


def test_where_no_picture_can_be_read_nothing_is_written(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"nothing")
    with pytest.raises(sg.SurgeryError, match="none of 1 images can be read"):
        sg.extract_features(network(), "gap", tmp_path / "photos", tmp_path / "f.h5")
    assert [one.name for one in tmp_path.iterdir()] == ["photos"]


def test_a_file_name_that_is_no_text_is_kept(photos, tmp_path):
    odd = os.fsencode(photos) + b"/odd\xff.png"
    with open(odd, "wb") as file:
        file.write(tf.io.encode_png(pictures()[0]).numpy())
    sg.extract_features(network(), "gap", photos, tmp_path / "f.h5")
    with h5py.File(tmp_path / "f.h5") as file:
        assert odd in list(file["names"])


def test_the_command_refuses_what_it_would_not_use_and_what_it_would_lose(photos, tmp_path):
    def run(*arguments):
        return CliRunner().invoke(main, ["tap", "tinyvgg", "fc1", *map(str, arguments)])

    result = run("-o", tmp_path / "e.keras", "--dtype", "bfloat16", "--size", 64, 64)
    assert result.exit_code == 1 and "only with --images" in result.output
    (tmp_path / "f.txt").write_text("my notes")
    result = run("-o", tmp_path / "f.npy", "--images", photos)
    assert result.exit_code == 1 and "f.txt' exists" in result.output
    assert (tmp_path / "f.txt").read_text() == "my notes"


def test_what_a_layer_keeps_beside_weights_and_configuration_is_not_lost_in_another_precision(photos):
    @keras.saving.register_keras_serializable("tests")
    class Scaled(keras.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.table = np.ones(3, "float32")

        def call(self, x):
            return x * self.table

    asis, scaled = Scaled(name="asis"), Scaled(name="scaled")
    model = network(asis, scaled)
    sg.extract_features(model, "gap", photos, dtype="bfloat16")
    scaled.table = np.array([1, 2, 3], "float32")
    for ask in (
        lambda: sg.extract_features(model, "gap", photos, dtype="bfloat16"),
        lambda: sg.build(rename(as_graph(model), "x_{}".format)),
    ):
        with pytest.raises(sg.SurgeryError, match=r"'scaled' keeps Scaled.table apart from its weights .* add_weight"):
            ask()


def test_a_gif_and_a_bmp_are_grey_for_a_network_of_one_channel(tmp_path):
    from PIL import Image

    images = [Image.fromarray(image) for image in pictures()]
    names = [f"{number}.{suffix}" for number, suffix in enumerate(["bmp", "gif", "png"] * 2)]
    for image, name in zip(images, names, strict=True):
        image.quantize(256).convert("RGB").save(tmp_path / name)
    model = keras.Sequential([keras.Input((8, 8, 1)), L.Flatten(name="flat")])
    found = sg.extract_features(model, "flat", tmp_path)
    assert not found.unreadable and len(found.names) == 6
    wanted = []
    for name in names:
        with Image.open(tmp_path / name) as image:
            wanted.append(np.asarray(image.convert("RGB").convert("L")).ravel())
    np.testing.assert_allclose(found.features["flat"], np.array(wanted, "float32"), atol=2)


@pytest.mark.parametrize("wrap", [None, L.Bidirectional])
def test_a_layer_that_keeps_its_state_from_batch_to_batch_has_no_features(wrap, photos):
    layer = L.LSTM(2, stateful=True, name="inner" if wrap else "lstm")
    layers = [L.Reshape((8, 24)), wrap(layer, name="lstm") if wrap else layer]
    model = keras.Sequential([keras.Input((8, 8, 3), batch_size=2), *layers])
    with pytest.raises(sg.SurgeryError, match=r"lstm'? keeps its state from batch to batch"):
        sg.extract_features(model, "lstm", photos)
