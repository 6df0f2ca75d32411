"""What a network expects of its images: known, carried, written, and done; the oracle is Keras' `preprocess_input`."""

import importlib
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

import surgery as sg
from surgery.cli.main import main
from surgery.data.preprocessing import preprocess_images, samples_for
from surgery.graph.preprocessing import MODES, Preprocessing, read
from surgery.recipe import files as cookbook
from surgery.zoo.catalogue import NETWORKS

L = keras.layers
FAMILIES = {
    "convnextbase": "convnext",
    "densenet169": "densenet",
    "efficientnetb3": "efficientnet",
    "efficientnetv2s": "efficientnet_v2",
    "inceptionresnetv2": "inception_resnet_v2",
    "inceptionv3": "inception_v3",
    "mobilenet": "mobilenet",
    "mobilenetv2": "mobilenet_v2",
    "mobilenetv3large": "mobilenet_v3",
    "nasnetlarge": "nasnet",
    "resnet101": "resnet",
    "resnet152v2": "resnet_v2",
    "vgg16": "vgg16",
    "vgg19": "vgg19",
    "xception": "xception",
}


def stock(name, images_bhwc):
    room = importlib.import_module(f"keras.applications.{FAMILIES[name]}")
    return room.preprocess_input(np.array(images_bhwc, "float32"))


@pytest.fixture(scope="module")
def images_bhwc():
    return np.random.default_rng(0).random((3, 8, 6, 3)).astype("float32")


def network(name="mine", first=(), stride=1):
    """A network with a trunk of two convolutions."""
    x = picture = keras.Input((8, 6, 3), name="picture")
    for layer in first:
        x = layer(x)
    x = L.Conv2D(4, 3, stride, "same", name="c1")(x)
    x = L.Conv2D(5, 3, padding="same", name="c2")(x)
    return keras.Model(picture, L.GlobalAveragePooling2D(name="pooled")(x), name=name)


def expecting(mode="caffe", **options):
    """The graph of such a network, of which it is known what it expects: it takes 0 to 255, and layers in front."""
    graph = sg.preprocess(sg.open(network(**options)), takes=mode, expects=mode)
    assert graph.preprocessing == MODES[mode] and len(graph) == len(sg.open(network(**options)))
    return graph


# ---- what it is ----


@pytest.mark.parametrize("name", FAMILIES)
def test_it_is_preprocess_input_of_the_family_as_arithmetic_and_as_layers(name, images_bhwc):
    wanted = stock(name, images_bhwc * 255)
    np.testing.assert_array_equal(preprocess_images(images_bhwc * 255, NETWORKS[name].preprocessing()), wanted)
    x = keras.Input((8, 6, 3))
    front = sg.preprocess(sg.open(keras.Model(x, L.Identity()(x))), expects=name)
    assert front.preprocessing == MODES["unit"]
    np.testing.assert_allclose(sg.build(front)(images_bhwc), wanted, rtol=1e-6, atol=1e-5)


def test_every_network_belongs_to_a_family_or_is_of_this_package():
    of_keras = {name for name, one in NETWORKS.items() if one.keras_name}
    found = {name: NETWORKS[name].preprocessing().name for name in NETWORKS}
    for name in of_keras:
        room = importlib.import_module(getattr(keras.applications, NETWORKS[name].keras_name).__module__)
        images = np.full((1, 2, 2, 3), 100.0, "float32")
        wanted = (getattr(room, "preprocess_input", None) or importlib.import_module(_room(name)).preprocess_input)(
            images.copy()
        )
        np.testing.assert_array_equal(preprocess_images(images, NETWORKS[name].preprocessing()), wanted)
    assert {name: found[name] for name in NETWORKS.keys() - of_keras} == {
        "alexnet": "caffe",
        "squeezenet": "caffe",
        "tinyvgg": "unit",
    }


def _room(name):
    return f"keras.applications.{'resnet_v2' if name.endswith('v2') else 'resnet'}"


@pytest.mark.parametrize(("name", "first"), [("mobilenetv3small", "rescaling"), ("convnexttiny", "")])
def test_without_its_first_layers_a_network_expects_what_they_do(name, first, images_bhwc):
    """Named networks that were opened with include_preprocessing=False."""
    assert NETWORKS["efficientnetv2s"].preprocessing(included=False) == Preprocessing(128.0, (1.0,))
    maker = getattr(keras.applications, NETWORKS[name].keras_name)
    whole = maker(weights=None, include_top=False, input_shape=(32, 32, 3))
    layers = [layer for layer in whole.layers if isinstance(layer, (L.Rescaling, L.Normalization))]
    layers = layers or [whole.layers[1]]
    assert first in layers[0].name
    wanted = images_bhwc * 255
    for layer in layers:
        wanted = layer(wanted)
    np.testing.assert_allclose(
        preprocess_images(images_bhwc * 255, NETWORKS[name].preprocessing(included=False)), wanted, rtol=1e-5, atol=1e-5
    )


def test_it_reads_what_it_wrote_and_nothing_else():
    for one in (*MODES.values(), Preprocessing(2.0, (1.0, 2.0), (3.0,), True)):
        assert read(json.loads(json.dumps(one.described()))) == one
    for wrong in (None, {}, {"divisor": "x"}, {**MODES["tf"].described(), "std": [0]}, {"divisor": float("nan")}):
        with pytest.raises(sg.SurgeryError, match="not a preprocessing"):
            read(wrong)


# ---- carried ----

KEEPING = {
    "cut outputs": lambda graph: sg.cut(graph, outputs="c1"),
    "cut at the input itself": lambda graph: sg.cut(graph, inputs={"seen": "picture"}),
    "tap": lambda graph: sg.tap(graph, "c1, c2"),
    "front of a split": lambda graph: sg.split(graph, "c1")[0],
    "graft": lambda graph: sg.graft(graph, L.Dense(2, name="head")),
    "branch at the input": lambda graph: sg.graft(graph, L.Flatten(name="flat"), at="picture", keep=True),
    "insert behind": lambda graph: sg.insert(graph, L.ReLU(name="r"), after="c1"),
    "augment": lambda graph: sg.insert(graph, [L.RandomFlip(name="f"), L.RandomZoom(0.1, name="z")], after="picture"),
    "freeze": lambda graph: sg.freeze(graph, "**"),
    "resize": lambda graph: sg.resize(graph, (16, 12, 3)),
    "replace": lambda graph: sg.replace(graph, "c2", L.Conv2D(5, 1, padding="same", name="c2")),
    "another first layer": lambda graph: sg.replace(graph, "c1", L.Conv2D(4, 5, padding="same", name="c1")),
    "rename": lambda graph: sg.share(graph, ["left", "right"]),
    "join": lambda graph: sg.join(sg.open(network("other")), graph, connections={}, prefix="b_"),
}
DROPPING = {
    "cut inputs": lambda graph: sg.cut(graph, inputs="c1"),
    "cut inputs under the name": lambda graph: sg.cut(graph, inputs={"picture": "c1"}),
    "back of a split": lambda graph: sg.split(graph, "c1")[1],
    "a Rescaling in front": lambda graph: sg.insert(graph, L.Rescaling(2.0, name="s"), after="picture"),
    "another network before it": lambda graph: sg.join(
        sg.open(keras.Model(x := keras.Input((8, 6, 3), name="i"), L.Conv2D(3, 1, name="made")(x))), graph
    ),
}


@pytest.mark.parametrize("edit", KEEPING)
def test_edits_that_keep_the_input_carry_it(edit):
    found = KEEPING[edit](expecting()).preprocessing
    kept = [one for one in found.values() if one] if isinstance(found, dict) else [found]
    assert kept == [MODES["caffe"]] * (2 if edit == "rename" else 1)


def test_a_first_layer_that_is_dilated_takes_what_it_took():
    assert sg.dilate(expecting(stride=2), 1).preprocessing == MODES["caffe"]


@pytest.mark.parametrize("edit", DROPPING)
def test_edits_that_change_what_takes_the_pixels_drop_it(edit):
    graph = DROPPING[edit](expecting())
    assert graph.preprocessing is None
    assert edit not in ("a Rescaling in front", "cut inputs under the name") or "no longer known" in graph.notes[-1]


def test_preprocessing_that_was_inside_and_is_taken_away_is_not_known_any_more():
    graph = expecting("none", first=[L.Rescaling(1 / 255, name="inside")])
    assert sg.cut(graph, outputs="c1").preprocessing == MODES["none"]
    for edited in (
        sg.remove(graph, "inside"),
        sg.replace(graph, "inside", L.Rescaling(2.0, name="inside")),
        sg.cut(graph, inputs="inside"),
    ):
        assert edited.preprocessing is None
    assert "no longer known" in sg.remove(graph, "inside").notes[-1]


def test_it_goes_through_live_models_and_the_ways_of_stock_keras():
    model = sg.build(expecting(), copy=True)
    assert sg.open(model).preprocessing == MODES["caffe"]
    assert sg.open(sg.cut(model, outputs="c1")).preprocessing == MODES["caffe"]
    assert sg.open(keras.Model(model.inputs, model.get_layer("c1").output)).preprocessing == MODES["caffe"]
    assert "preprocessing" not in json.dumps(model.get_config())
    assert sg.open(network()).preprocessing is None
    assert sg.open(keras.models.clone_model(model)).preprocessing is None


def test_an_input_made_by_hand_is_known_by_the_nested_model_that_it_goes_into():
    trunk, other = sg.build(expecting()), sg.build(expecting("tf", name="other"))
    picture, numbers = keras.Input((8, 6, 3), name="seen"), keras.Input((2,), name="numbers")
    seen = L.RandomFlip(name="flip")(picture)
    graph = sg.open(keras.Model([picture, numbers], L.Concatenate()([trunk(seen), numbers])))
    assert graph.preprocessing == {"seen": MODES["caffe"], "numbers": None}
    assert sg.inline(graph).preprocessing == graph.preprocessing
    both = keras.Model(picture, L.Concatenate()([trunk(picture), other(picture)]))
    assert sg.open(both).preprocessing is None  # they expect different things
    assert sg.open(keras.Model(picture, trunk(L.Rescaling(2.0)(picture)))).preprocessing is None


def test_two_networks_on_one_image_that_expect_different_things_say_so():
    both = sg.join(expecting(), expecting("tf"), connections={"picture": "picture"}, prefix="b_", keep=True)
    assert both.preprocessing == MODES["caffe"] and "expects tf" in both.notes[-1]
    assert not sg.join(expecting(), expecting(), connections={"picture": "picture"}, prefix="b_", keep=True).notes


# ---- written ----


def test_a_file_says_it_and_stock_keras_opens_the_file(tmp_path, images_bhwc):
    for saved in (sg.cut(expecting(), outputs="c2"), sg.build(sg.cut(expecting(), outputs="c2"))):
        path = sg.save(saved, tmp_path / "cut.keras")
        reopened = keras.models.load_model(path)
        np.testing.assert_array_equal(sg.build(sg.open(path))(images_bhwc), reopened(images_bhwc))
        assert sg.open(path).preprocessing == MODES["caffe"]
        assert sg.open(sg.build(sg.open(path))).preprocessing == MODES["caffe"]
    reopened.save(tmp_path / "stock.keras")
    assert sg.open(tmp_path / "stock.keras").preprocessing is None
    assert sg.open(sg.save(network(), tmp_path / "unknown.keras")).preprocessing is None
    assert (
        zipfile.ZipFile(tmp_path / "unknown.keras").namelist() == zipfile.ZipFile(tmp_path / "stock.keras").namelist()
    )


@pytest.mark.parametrize(
    "said",
    [
        "{",
        "[]",
        '{"elsewhere": {"divisor": 1, "mean": [], "std": [], "bgr": false}}',
        '{"picture": {"divisor": 0, "mean": [], "std": [], "bgr": false}}',
        '{"picture": {"divisor": 1, "mean": [1, 2], "std": [], "bgr": false}}',
        '{"picture": 7}',
        "[" * 100_000,
    ],
)
def test_what_a_file_says_wrongly_is_left_out_and_noted(said, tmp_path):
    path = sg.save(network(), tmp_path / "odd.keras")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("preprocessing.json", said)
    graph = sg.open(path)
    assert graph.preprocessing is None and "is left out" in graph.notes[-1]
    assert keras.models.load_model(path).count_params() == graph.params


# ---- done: features ----


@pytest.fixture
def folder(tmp_path, images_bhwc):
    place = tmp_path / "photos"
    place.mkdir()
    for number, image_hwc in enumerate((images_bhwc * 255).round().astype("uint8")):
        (place / f"{number}.png").write_bytes(tf.io.encode_png(image_hwc).numpy())
    return place


def pixels(images_bhwc):
    return (images_bhwc * 255).round()


def test_one_rule_for_a_name_a_graph_a_model_and_a_file(folder, images_bhwc, tmp_path):
    graph = expecting()
    model, trunk = sg.build(graph), sg.build(sg.cut(graph, outputs="c2"))
    wanted = trunk(stock("vgg16", pixels(images_bhwc)))
    path = sg.save(sg.cut(graph, outputs="c2"), tmp_path / "cut.keras")
    for x in (graph, model, sg.freeze(graph, "**"), sg.open(path)):
        found = sg.extract_features(x, "c2", folder)
        np.testing.assert_allclose(found.features["c2"], wanted, rtol=1e-4, atol=1e-3)
        assert found.preprocessing.startswith("caffe") and not found.notes
    result = CliRunner().invoke(main, ["tap", str(path), "c2", "--images", str(folder), "-o", str(tmp_path / "f.h5")])
    assert result.exit_code == 0 and "preprocessing caffe" in result.output
    with h5py.File(tmp_path / "f.h5") as file:
        np.testing.assert_allclose(file["c2"][()], wanted, rtol=1e-4, atol=1e-3)
        assert file.attrs["preprocessing"].startswith("caffe") and file.attrs["preprocessing_said_by"] == "network"
        assert read(json.loads(file.attrs["preprocessing_values"])) == MODES["caffe"]


@pytest.mark.parametrize("asked", [None, "none", "tf", "mobilenetv2", MODES["tf"], lambda images: images / 127.5 - 1])
def test_an_argument_goes_before_what_the_network_expects(asked, folder, images_bhwc, tmp_path):
    graph = expecting()
    given = pixels(images_bhwc) if asked in (None, "none") else pixels(images_bhwc) / 127.5 - 1
    found = sg.extract_features(graph, "c1", folder, tmp_path / "f.h5", preprocess=asked)
    with h5py.File(tmp_path / "f.h5") as file:
        np.testing.assert_allclose(file["c1"][()], sg.build(sg.cut(graph, outputs="c1"))(given), rtol=1e-4, atol=1e-3)
        assert file.attrs["preprocessing_said_by"] == "argument"
    assert found.preprocessing.endswith("as asked")


def test_where_nothing_is_known_images_go_in_as_they_are_and_it_is_said(folder, images_bhwc, tmp_path):
    model = network("vgg16")
    found = sg.extract_features(model, "c1", folder)
    np.testing.assert_allclose(found.features["c1"], model.get_layer("c1")(pixels(images_bhwc)), rtol=1e-4, atol=1e-3)
    assert "not known" in found.preprocessing and "preprocess='vgg16'" in found.notes[0]
    model.save(tmp_path / "stock.keras")
    arguments = ["tap", str(tmp_path / "stock.keras"), "c1", "--images", str(folder), "-o", str(tmp_path / "f.h5")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0 and "note: what 'vgg16' expects" in result.stderr and "not known" in result.stdout
    with h5py.File(tmp_path / "f.h5") as file:
        assert file.attrs["preprocessing_said_by"] == "nobody" and "preprocessing_values" not in file.attrs
    with pytest.raises(sg.SurgeryError, match="Did you mean 'caffe'"):
        sg.extract_features(model, "c1", folder, preprocess="cafe")
    grey = keras.Model(x := keras.Input((8, 6, 1)), L.Conv2D(2, 3, name="c1")(x))
    with pytest.raises(sg.SurgeryError, match="not images for caffe"):
        sg.extract_features(grey, "c1", folder, preprocess="vgg16")


# ---- done: layers ----


def test_layers_in_front_make_of_any_pixels_what_is_expected(images_bhwc):
    graph = expecting()
    plain = sg.build(graph)(preprocess_images(images_bhwc * 255, MODES["caffe"]))
    for takes, mode in MODES.items():
        front = sg.preprocess(graph, takes=takes)
        assert front.preprocessing == mode and front.params == graph.params
        assert (front == graph) == (takes == "caffe")
        found = sg.build(front)(preprocess_images(images_bhwc * 255, mode))
        np.testing.assert_allclose(found, plain, rtol=1e-4, atol=1e-3)
    other = sg.preprocess(graph, takes="caffe", expects="tf")  # whatever it was known to expect
    assert other.preprocessing == MODES["caffe"] and not other.notes
    again = sg.preprocess(sg.preprocess(graph, "unit"), "tf")
    np.testing.assert_allclose(sg.build(again)(images_bhwc * 2 - 1), plain, rtol=1e-4, atol=1e-3)


def test_stock_keras_saves_and_opens_them(images_bhwc, tmp_path):
    model = sg.preprocess(sg.build(expecting()))
    assert [layer.name for layer in model.operations][1:3] == ["rgb_to_bgr", "preprocessing"]
    model.save(tmp_path / "front.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "front.keras")(images_bhwc), model(images_bhwc))
    np.testing.assert_array_equal(sg.build(sg.open(tmp_path / "front.keras"))(images_bhwc), model(images_bhwc))
    assert sg.feature_levels(model) == {1: "c2"}


def test_channels_that_come_first(images_bhwc):
    images_bchw = np.moveaxis(images_bhwc, -1, 1)
    x = keras.Input((3, 8, 6), name="picture")
    model = keras.Model(x, L.Conv2D(2, 3, data_format="channels_first", name="c")(x))
    for name in ("vgg16", "densenet121"):
        front = sg.tap(sg.preprocess(sg.open(model), expects=name), "preprocessing")
        wanted = np.moveaxis(preprocess_images(images_bhwc * 255, NETWORKS[name].preprocessing()), -1, 1)
        np.testing.assert_allclose(sg.build(front)(images_bchw)["preprocessing"], wanted, rtol=1e-5, atol=1e-4)


def test_of_an_unknown_network_nothing_is_changed_and_it_is_noted():
    graph = sg.preprocess(sg.open(network()))
    assert len(graph) == 4 and graph.preprocessing is None and "expects= says it" in graph.notes[-1]
    with pytest.raises(sg.SurgeryError, match="no images"):
        sg.preprocess(sg.open(keras.Model(x := keras.Input((3,)), L.Dense(1)(x))))
    with pytest.raises(sg.SurgeryError, match="no preprocessing 'vgg61'"):
        sg.preprocess(graph, expects="vgg61")


@pytest.mark.parametrize("name", ["vgg16", "mobilenetv2"])
def test_recipes_give_a_backbone_what_it_expects(name, monkeypatch, images_bhwc):
    """The first layer of the backbone sees what stock `preprocess_input` makes of the same images."""
    from surgery import zoo

    def card(name, weights=None, **_):
        graph = sg.open(network(name))
        return sg.preprocess(graph, takes=name, expects=name)

    monkeypatch.setattr(zoo, "open_network", card)
    graph = cookbook.load("transfer").wire({"backbone": name, "at": "c1", "classes": 2, "weights": None})
    seen = sg.build(sg.tap(graph, {"seen": graph["c1"].parents[0].call}))(images_bhwc)["seen"]
    np.testing.assert_allclose(seen, stock(name, images_bhwc * 255), rtol=1e-5, atol=1e-4)
    assert graph.preprocessing == MODES["unit"]


def test_a_recipe_on_a_file_of_which_nothing_is_known_says_so(tmp_path):
    network().save(tmp_path / "mine.keras")
    arguments = ["graft", "transfer", "--dry-run", "--set", f"backbone={tmp_path / 'mine.keras'}", "--set", "at=c2"]
    result = CliRunner().invoke(main, [*arguments, "--set", "weights=none"])
    assert result.exit_code == 0, result.output
    assert "note: picture takes its images as they are: what mine expects is not known" in result.stderr


def test_tinyvgg_takes_samples_as_they_are():
    for recipe in ("transfer", "autoencoder", "skip"):
        graph = cookbook.load(recipe).wire({})
        assert graph.preprocessing == MODES["unit"]
        assert not [call.name for call in graph if call.class_name in ("Rescaling", "Flip")]


def test_samples_are_prepared_for_a_network_that_expects_something_else(images_bhwc):
    model = sg.build(expecting())
    np.testing.assert_allclose(samples_for(model, images_bhwc), stock("vgg16", images_bhwc * 255), rtol=1e-5, atol=1e-4)
    for other in (sg.preprocess(model), network()):
        assert samples_for(other, images_bhwc) is images_bhwc
