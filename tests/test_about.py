"""What a model is for: written into the file, which stock Keras opens as before, and never on another output."""

import json
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import surgery as sg
from surgery.cli.main import main
from surgery.core.errors import SurgeryError

L = keras.layers
ABOUT = sg.About(
    classes=["cat", "dog", "owl"],
    task="classification",
    measures={"accuracy": 0.75},
    data={"images": 120, "files": "sha256:00ff"},
    donor="tinyvgg",
    command="surgery graft transfer",
)


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def network(units=3, activation="softmax"):
    x = keras.Input((8, 6, 3), name="image")
    y = L.Conv2D(4, 3, activation="relu", name="conv")(x)
    y = L.GlobalAveragePooling2D(name="pooled")(L.Conv2D(5, 3, name="conv2")(y))
    return keras.Model(x, L.Dense(units, activation=activation, name="scores")(y), name="pets")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return network()


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    return sg.save(model, tmp_path_factory.mktemp("about") / "pets.keras", about=ABOUT)


def test_stock_keras_opens_the_file_as_before(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reopened = keras.models.load_model(path)
    images_bhwc = np.random.default_rng(0).random((2, 8, 6, 3), "float32")
    assert np.array_equal(model.predict_on_batch(images_bhwc), reopened.predict_on_batch(images_bhwc))


def test_the_file_says_what_it_was_given(path):
    found = sg.open(path).about
    assert found.versions.keys() == {"surgery", "keras"} and found.versions["keras"] == keras.__version__
    assert found == sg.About(**{**ABOUT.described(), "versions": found.versions})
    assert sg.open(path).notes == ()


def test_a_model_of_which_nothing_is_said_has_no_member(model, tmp_path):
    sg.save(model, tmp_path / "plain.keras")
    assert "about.json" not in zipfile.ZipFile(tmp_path / "plain.keras").namelist()
    assert sg.open(tmp_path / "plain.keras").about is None and sg.open(model).about is None


def other_head(graph):
    return sg.graft(sg.cut(graph, outputs="pooled"), [L.Dense(3, name="scores")])


KEPT = {  # edit -> whether the measures hold too
    "freeze": (lambda graph: sg.freeze(graph, "..conv2"), True),
    "cut of the inputs": (lambda graph: sg.cut(graph, inputs="conv"), False),
    "another size": (lambda graph: sg.resize(graph, (12, 12, 3)), True),
    "preprocess": (lambda graph: sg.preprocess(graph, takes="unit", expects="tf"), False),
    "removed layer": (lambda graph: sg.remove(graph, "conv2", adapt=True), False),
    "softmax after softmax": (lambda graph: sg.insert(graph, L.Softmax(name="again"), after="scores"), False),
}
DROPPED = {
    "cut": lambda graph: sg.cut(graph, outputs="pooled"),
    "tap": lambda graph: sg.tap(graph, "conv2, scores"),
    "graft": other_head,
    "graft, the old output kept": lambda graph: sg.graft(graph, [L.Dense(2, name="new")], at="pooled", keep=True),
    "more classes": lambda graph: sg.replace(graph, "scores", L.Dense(4, name="scores"), keep=True),
    "other classes, as many": lambda graph: sg.replace(graph, "scores", L.Dense(3, name="scores")),
    "classes in another order": lambda graph: sg.graft(graph, [L.Dense(3, use_bias=False, name="order")]),
    "join": lambda graph: sg.join(graph, sg.open(network()), connections={}, prefix="b_"),
}


@pytest.mark.parametrize("name", KEPT)
def test_names_of_classes_stay_with_the_layer_that_makes_the_output(name, path, tmp_path):
    edit, measured = KEPT[name]
    new = edit(sg.open(path))
    assert new.about.classes == ABOUT.classes and new.about.donor == ABOUT.donor
    assert dict(new.about.measures) == (ABOUT.measures if measured else {})
    sg.save(new, tmp_path / "new.keras")
    assert sg.open(tmp_path / "new.keras").about == new.about


@pytest.mark.parametrize("name", DROPPED)
def test_another_output_has_no_names_of_the_old_one(name, path, tmp_path):
    new = DROPPED[name](sg.open(path))
    assert new.about is None
    sg.save(new, tmp_path / "new.keras")
    assert "about.json" not in zipfile.ZipFile(tmp_path / "new.keras").namelist()


def test_other_weights_have_no_measures_of_the_old_ones(path, model, tmp_path):
    sg.save(model, tmp_path / "w.safetensors")
    found = sg.load_weights(sg.open(path), tmp_path / "w.safetensors").about
    assert found is None


def test_a_wrapped_network_names_its_classes(model, tmp_path):
    x = keras.Input((8, 6, 3))
    whole = keras.Model(x, L.Activation("linear")(model(x)))
    graph = sg.open(sg.save(whole, tmp_path / "whole.keras", about=ABOUT))
    assert sg.inline(graph).about.classes == ABOUT.classes


@pytest.mark.parametrize("command", ["convert", "freeze", "cut"])
def test_commands_keep_what_the_file_says(command, path, tmp_path):
    new = tmp_path / "new.keras"
    words = {
        "convert": ["convert", path, new],
        "freeze": ["freeze", path, "conv", "-o", new],
        "cut": ["cut", path, "--from", "conv", "-o", new],
    }[command]
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert sg.open(new).about.classes == ABOUT.classes
    assert ("not kept: its measures" in done.stderr) == (command == "cut")


def test_a_cut_off_output_is_said_to_lose_what_it_was_for(path, tmp_path):
    done = run("cut", path, "--to", "pooled", "-o", tmp_path / "trunk.keras")
    assert "not kept: what the model is for" in done.stderr and done.exit_code == 0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"classes": "cat"}, "classes is a list of names, not 'cat'"),
        ({"classes": ["cat", 1]}, "a class is a text, not 1"),
        ({"classes": ["c" * 301]}, "a class has 301 characters"),
        ({"classes": ["c"] * 100_001}, "100,001 names"),
        ({"measures": {"accuracy": "high"}}, "is a int or a float, not 'high'"),
        ({"measures": {"accuracy": float("nan")}}, "finite number"),
        ({"measures": {"accuracy": True}}, "not True"),
        ({"measures": {"accuracy": 10**400}}, "finite number"),
        ({"data": {str(one): 1 for one in range(1001)}}, "at most 1,000 entries"),
        ({"data": {"images": [1]}}, r"not \[1\]"),
        ({"versions": {"keras": 3}}, "not 3"),
        ({"task": 5}, "task is a text, not 5"),
        ({"command": "x" * 10_001}, "command has 10,001 characters"),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused(values, said):
    with pytest.raises(SurgeryError, match=said):
        sg.About(**values)


@pytest.mark.parametrize(
    ("about", "said"),
    [(sg.About(classes=["a", "b"]), "names 2 classes, and 'pets' has 3 outputs"), ({"classes": []}, "is an sg.About")],
)
def test_what_does_not_fit_the_model_is_not_written(about, said, model, tmp_path):
    with pytest.raises(SurgeryError, match=said):
        sg.save(model, tmp_path / "no.keras", about=about)
    with pytest.raises(SurgeryError, match=r"weights alone|sg.About"):
        sg.save(model, tmp_path / "no.safetensors", about=about)
    assert not list(tmp_path.iterdir())


HOSTILE = {
    "no JSON": b"{",
    "no text": b"\xff\xfe\x00",
    "a list": b"[1]",
    "nothing": b"null",
    "deep": b'{"classes": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"measures": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}",
    "huge": b'{"command": "' + b"x" * 2**23 + b'"}',
    "huge number": b'{"measures": {"a": ' + b"9" * 5_000 + b"}}",
    "infinite": b'{"measures": {"a": 1e999}}',
    "wrong types": b'{"classes": {"0": "a"}, "task": []}',
    "control characters in a wrong place": b'{"measures": {"\\u001b[2J": "\\u001b[2J"}}',
    "wrong width": b'{"classes": ["\\u001b[2J"]}',
    "too many": json.dumps({"classes": ["a"] * 100_001}).encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_member_of_a_stranger_is_left_out_with_one_note(name, model, tmp_path):
    sg.save(model, tmp_path / "odd.keras")
    with zipfile.ZipFile(tmp_path / "odd.keras", "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("about.json", HOSTILE[name])
    graph = sg.open(tmp_path / "odd.keras")
    (note,) = graph.notes
    assert graph.about is None and note.startswith("about.json in the file is left out") and note.isprintable()
    assert len(note) < 500


def test_unknown_keys_are_left_out_and_control_characters_never_printed(model, tmp_path):
    sg.save(model, tmp_path / "odd.keras")
    said = {
        "classes": ["\x1b[2J", "a\x7fb", "\u202ec"],
        "future": {"a": [1]},
        "command": "x\r\ny",
        "measures": {"\x9b": 1},
    }
    with zipfile.ZipFile(tmp_path / "odd.keras", "a") as file:
        file.writestr("about.json", json.dumps(said))
    assert sg.open(tmp_path / "odd.keras").about.classes == tuple(said["classes"])
    for format in ("table", "markdown", "json"):
        done = run("inspect", tmp_path / "odd.keras", "--about", "--format", format)
        assert done.exit_code == 0 and done.stdout.replace("\n", "").isprintable()
    assert json.loads(done.stdout)["classes"] == said["classes"] and "future" not in done.stdout


# ---- the model card ----


def test_the_model_card_says_what_is_known(path):
    text = run("inspect", "--about", path).stdout
    for word in (
        "pets",
        "classification",
        "3: cat, dog, owl",
        "(None, 8, 6, 3)",
        "not known",
        "0.75",
        "tinyvgg",
        "120",
    ):
        assert word in text
    assert keras.__version__ in text and f"{sg.open(path).params:,}" in text
    assert "| task | classification |" in run("inspect", "--about", path, "--format", "markdown").stdout
    assert run("inspect", "--about", path, "conv").exit_code == 2
    assert "as csv" in run("inspect", "--about", path, "--format", "csv").output
    assert "What it is for is not known" in run("inspect", "--about", "tinyvgg").stdout


def test_the_json_of_the_card_has_the_documented_keys(path):
    text = (Path(__file__).parents[1] / "docs" / "json.md").read_text("utf-8")
    part = text[text.index("## `surgery inspect SOURCE --about") :].split("\n## ")[0]
    documented = {line.split("`")[1] for line in part.splitlines() if line.startswith("| `")}
    assert json.loads(run("inspect", "--about", path, "--format", "json").stdout).keys() == documented
