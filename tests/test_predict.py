"""What images show; the oracle is stock Keras: `model.predict(preprocess_input(image))`."""

import csv
import io
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

import surgery as sg
from surgery.cli.main import main
from surgery.core.errors import SurgeryError
from surgery.data.scores import last_activation

L = keras.layers
CLASSES = ["cat", "dog", "owl"]


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three images, of several sizes, in a folder."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for name, size in (("a.png", (40, 50)), ("b.png", (32, 32)), ("c.png", (9, 70))):
        keras.utils.save_img(folder / name, random.integers(0, 256, (*size, 3)), scale=False)
    return folder


def images_of(folder, size):
    files = sorted(folder.glob("*.png"))
    return np.stack([tf.image.resize(keras.utils.img_to_array(keras.utils.load_img(file)), size) for file in files])


def network(*last, sides=(8, 6)):
    keras.utils.set_random_seed(1)
    x = keras.Input((*sides, 3), name="image")
    y = L.GlobalAveragePooling2D(name="pooled")(L.Conv2D(5, 3, name="conv")(x))
    for layer in last:
        y = layer(y)
    return keras.Model(x, y, name="pets")


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_a_named_network_says_what_stock_keras_says(photos, tmp_path):
    graph = sg.open("tinyvgg", weights="pretrained")
    model = sg.build(graph)
    expected = model.predict(images_of(photos, (32, 32)) / 255, verbose=0)
    probabilities = expected if last_activation(graph) == "softmax" else softmax(expected)
    for x in ("tinyvgg", graph, sg.save(graph, tmp_path / "t.keras")):
        found = sg.predict(x, photos, top=5)
        assert [one.image for one in found] == sorted(map(str, photos.glob("*.png")))
        for one, row in zip(found, probabilities, strict=True):
            assert [score.number for score in one.top] == np.argsort(-row).tolist()
            np.testing.assert_allclose([score.confidence for score in one.top], np.sort(row)[::-1], atol=1e-5)
            assert one.name == str(row.argmax()) and abs(sum(score.confidence for score in one.top) - 1) < 1e-5


@pytest.mark.parametrize("activation", ["softmax", None])
def test_mobilenetv2_says_what_stock_keras_says(activation, photos):
    keras.utils.set_random_seed(0)
    stock = keras.applications.MobileNetV2((32, 32, 3), weights=None, classes=7, classifier_activation=activation)
    prepared = keras.applications.mobilenet_v2.preprocess_input(images_of(photos, (32, 32)))
    expected = stock.predict(prepared, verbose=0)
    expected = expected if activation else softmax(expected)
    found = sg.predict(stock, photos, top=7, preprocess="mobilenetv2")
    assert (found.scores == "softmax of the network's logits") == (activation is None)
    for one, row in zip(found, expected, strict=True):
        by_number = sorted(one.top, key=lambda score: score.number)
        np.testing.assert_allclose([score.confidence for score in by_number], row, atol=1e-5)


HEADS = {
    "softmax in the layer": ([L.Dense(3, activation="softmax")], "softmax", lambda x: x),
    "softmax behind it": ([L.Dense(3), L.Softmax()], "softmax", lambda x: x),
    "activation behind it": ([L.Dense(3), L.Activation("softmax"), L.Reshape((3,))], "softmax", lambda x: x),
    "a raw operation": ([L.Dense(3), keras.ops.softmax], "softmax", lambda x: x),
    "logits": ([L.Dense(3)], "linear", softmax),
    "logits, dropout": ([L.Dense(3), L.Dropout(0.5), L.Activation("linear")], "linear", softmax),
    "several sigmoids": ([L.Dense(3, activation="sigmoid")], "sigmoid", lambda x: x),
    "tanh": ([L.Dense(3, activation="tanh")], "tanh", lambda x: x),
    "own layer": ([L.Dense(3), L.LeakyReLU()], "LeakyReLU", lambda x: x),
    "one sigmoid": ([L.Dense(1, activation="sigmoid")], "sigmoid", lambda p: np.hstack([1 - p, p])),
    "nested": ([keras.Sequential([L.Input((5,)), L.Dense(3), L.Softmax()])], "softmax", lambda x: x),
    "nested logits": ([L.Dense(3), keras.Sequential([L.Input((3,)), L.Dropout(0.1)])], "linear", softmax),
}


@pytest.mark.parametrize("name", HEADS)
def test_softmax_is_applied_to_logits_alone(name, photos, tmp_path):
    head, kind, oracle = HEADS[name]
    model = network(*head)
    expected = oracle(model.predict(images_of(photos, (8, 6)), verbose=0))
    for x in (model, sg.save(model, tmp_path / "m.keras")):
        assert last_activation(sg.open(x)) == kind
        found = sg.predict(x, [photos], top=9, preprocess="none")
        for one, row in zip(found, expected, strict=True):
            by_number = sorted(one.top, key=lambda score: score.number)
            np.testing.assert_allclose([score.confidence for score in by_number], row, rtol=1e-5, atol=1e-6)


def test_one_logit_needs_the_names_of_two_classes(photos):
    model = network(L.Dense(1))
    with pytest.raises(SurgeryError, match="one output, whose activation is linear: this may be a regression"):
        sg.predict(model, photos, preprocess="none")
    expected = model.predict(images_of(photos, (8, 6)), verbose=0)[:, 0]
    found = sg.predict(model, photos, preprocess="none", classes=["no", "yes"], top=2)
    for one, logit in zip(found, expected, strict=True):
        assert one.name == ("yes" if logit > 0 else "no")
        assert {score.name: score.confidence for score in one.top}["yes"] == pytest.approx(1 / (1 + np.exp(-logit)))


REFUSED = {
    "a map": (lambda: keras.Model((x := keras.Input((8, 6, 3))), L.Conv2D(3, 1)(x)), {}, "one vector of scores"),
    "two outputs": (
        lambda: keras.Model((x := keras.Input((4,))), [L.Dense(3)(x), L.Dense(2)(x)]),
        {},
        "2 outputs",
    ),
    "no image": (lambda: keras.Model((x := keras.Input((4,))), L.Dense(3)(x)), {}, "expected one image"),
    "any size": (lambda: network(L.Dense(3), sides=(None, None)), {}, "any size; say size="),
    "names too few": (lambda: network(L.Dense(3)), {"classes": ["a"]}, "1 names; the network has 3 classes"),
    "names that are none": (lambda: network(L.Dense(3)), {"classes": [1, 2, 3]}, "a class is a text"),
    "top": (lambda: network(L.Dense(3)), {"top": 0}, "top= is a number, at least 1"),
    "no images": (lambda: network(L.Dense(3)), {"images": []}, "there are no images"),
    "unknown pixels": (lambda: network(L.Dense(3)), {"preprocess": "own"}, r"is not known. preprocess= \(--pixels\)"),
    "no such pixels": (lambda: network(L.Dense(3)), {"preprocess": "unitt"}, "Did you mean 'unit'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_predicted_is_refused(name, photos):
    make, arguments, said = REFUSED[name]
    with pytest.raises(SurgeryError, match=said):
        sg.predict(make(), **{"images": photos, "preprocess": "none", **arguments})


def test_a_network_of_any_size_takes_one(photos):
    model = network(L.Dense(3), sides=(None, None))
    assert len(sg.predict(model, photos, preprocess="none", size=(12, 9))) == 3


# ---- the command ----


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file that says its classes, and which images it takes."""
    graph = sg.preprocess(sg.open(network(L.Dense(3))), takes="none", expects="tf")
    about = sg.About(classes=CLASSES, task="classification")
    return sg.save(graph, tmp_path_factory.mktemp("model") / "pets.keras", about=about)


def test_the_command_prints_what_python_returns(path, photos):
    found = sg.predict(path, photos, top=2)
    assert {score.name for one in found for score in one.top} <= set(CLASSES)
    for format in ("text", "json", "csv"):
        done = run("predict", path, photos, "--top", 2, "--format", format)
        assert done.exit_code == 0 and done.stdout == f"{found.text(format)}\n"
        assert "softmax of the network's logits" in done.stderr and "images: " in done.stderr
    assert str(found) == found.text()


def test_json_and_csv_hold_the_same(path, photos):
    whole = json.loads(run("predict", path, photos, "--top", 3, "--format", "json").stdout)
    rows = list(csv.DictReader(io.StringIO(run("predict", path, photos, "--top", 3, "--format", "csv").stdout)))
    flat = [(one["image"], score["class"], score["index"]) for one in whole["predictions"] for score in one["top"]]
    assert flat == [(row["image"], row["class"], int(row["index"])) for row in rows] and len(flat) == 9
    assert whole["unreadable"] == {} and whole["network"] == "pets"


def test_the_json_of_predictions_has_the_documented_keys(path, photos):
    text = (Path(__file__).parents[1] / "docs" / "json.md").read_text("utf-8")
    part = text[text.index("## `surgery predict") :].split("\n## ")[0]
    documented = {line.split("`")[1] for line in part.splitlines() if line.startswith("| `")}
    whole = json.loads(run("predict", path, photos, "--format", "json").stdout)
    row = whole["predictions"][0]
    assert {*whole, *row, *row["top"][0]} == documented


def test_a_broken_image_among_good_ones_is_named_and_the_others_are_predicted(path, photos, tmp_path):
    broken = tmp_path / "\x1bbroken.png"
    broken.write_bytes((photos / "a.png").read_bytes()[:200])
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    files = [photos / "a.png", broken, text, tmp_path / "nowhere.png", photos / "b.png"]
    done = run("predict", path, *files, "--format", "json")
    whole = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [one["image"] for one in whole["predictions"]] == [str(photos / "a.png"), str(photos / "b.png")]
    assert whole["unreadable"].keys() == {str(broken), str(text), str(tmp_path / "nowhere.png")}
    assert whole["predictions"] == [
        one
        for one in json.loads(run("predict", path, photos, "--format", "json").stdout)["predictions"]
        if one["image"] in (str(files[0]), str(files[-1]))
    ]
    assert "skipped 3 images" in done.stderr and done.output.replace("\n", "").isprintable()


def test_no_readable_image_is_one_error(path, tmp_path):
    done = run("predict", path, tmp_path / "nowhere.png")
    assert done.exit_code == 1 and "none of 1 images can be read" in done.stderr and not done.stdout
    assert "holds no images" in run("predict", path, tmp_path).stderr


def test_names_are_typed_or_read_from_a_file(photos, tmp_path):
    path = sg.save(network(L.Dense(3)), tmp_path / "m.keras")
    refused = run("predict", path, photos)
    assert refused.exit_code == 1 and "--pixels" in refused.stderr
    numbers = json.loads(run("predict", path, photos, "--pixels", "unit", "--format", "json").stdout)
    (tmp_path / "names.txt").write_text("x\ny\n\x1b[2J\n")
    (tmp_path / "names.json").write_text('["x", "y", "z"]')
    for said in ("x,y,z", tmp_path / "names.txt", tmp_path / "names.json"):
        done = run("predict", path, photos, "--pixels", "unit", "--format", "json", "--classes", said)
        found = json.loads(done.stdout)
        for one, other in zip(found["predictions"], numbers["predictions"], strict=True):
            at = other["top"][0]["index"]
            assert other["top"][0]["class"] == str(at) and one["top"][0]["class"] in ("xyz"[at], "\x1b[2J")
    for format in ("text", "csv"):
        done = run(
            "predict",
            path,
            photos,
            "--pixels",
            "unit",
            "--top",
            3,
            "--format",
            format,
            "--classes",
            tmp_path / "names.txt",
        )
        assert "\x1b" not in done.output
    (tmp_path / "names.json").write_text("[" * 100_000)
    for said, why in ((tmp_path / "names.json", "not a list of class names"), ("nowhere.txt", "no file 'nowhere.txt'")):
        done = run("predict", path, photos, "--pixels", "unit", "--classes", said)
        assert done.exit_code == 1 and why in done.stderr
