"""What is at a path that is not a model file of Keras: each is named, and shown as far as it can be."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import surgery as sg
from surgery.cli.main import main


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(64 + number, name=f"d{number}") for number in range(8)]
    return keras.Sequential([keras.Input((4,)), *layers], name="small")


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
@pytest.mark.filterwarnings("ignore:You are saving")
def test_the_architecture_of_a_file_that_is_cut_off_is_shown(name, model, tmp_path):
    model.save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    shown = run("inspect", tmp_path / name).stdout
    for left in (len(whole) - 30, len(whole) // 2):
        (tmp_path / name).write_bytes(whole[:left])
        done = run("inspect", tmp_path / name)
        assert done.exit_code == 1 and done.stdout == shown
        assert "truncated" in done.stderr and "Its architecture is whole" in done.stderr
        with pytest.raises(sg.SurgeryError, match="fetch or copy the file again"):  # never with other weights
            sg.open(tmp_path / name)
    (tmp_path / name).write_bytes(whole[:300])
    done = run("inspect", tmp_path / name)
    assert done.exit_code == 1 and done.stdout == "" and "truncated" in done.stderr
    assert "Its architecture" not in done.stderr


def test_a_model_of_tensorflow_js_is_shown_without_values(model, tmp_path):
    path = tmp_path / "model.json"
    stored = {"class_name": "Sequential", "config": json.loads(model.to_json())["config"]}
    topology = {"keras_version": "2.15.0", "backend": "tensorflow", "model_config": stored}
    path.write_text(json.dumps({"format": "layers-model", "modelTopology": topology, "weightsManifest": []}))
    graph = sg.open(path)
    assert graph.params == model.count_params()
    assert "TensorFlow.js" in graph.notes[0] and "tensorflowjs_converter" in graph.notes[0]
    assert run("inspect", path).exit_code == 0
    path.write_text(json.dumps({"format": "graph-model", "modelTopology": {"node": []}, "weightsManifest": []}))
    assert "a graph model of TensorFlow.js" in run("inspect", path).stderr


def test_a_folder_of_a_preset_is_named_and_its_weights_are_listed(model, tmp_path):
    model.save_weights(tmp_path / "model.weights.h5")
    stored = {"module": "keras_hub.models", "class_name": "GemmaBackbone", "registered_name": "keras_hub>GemmaBackbone"}
    (tmp_path / "config.json").write_text(json.dumps({**stored, "config": {}}))
    (tmp_path / "task.json").write_text("{}")
    for command in (["inspect"], ["weights", "--list"]):
        done = run(*command, tmp_path)
        assert done.exit_code == 0 and f"{model.count_params():,} values" in done.stdout, done.output
    assert "a preset of KerasHub (keras_hub>GemmaBackbone)" in run("inspect", tmp_path).stderr
    with pytest.raises(sg.SurgeryError, match=r"from_preset"):
        sg.open(tmp_path)


def test_a_folder_that_was_saved_unzipped_opens(model, tmp_path):
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        archive.extractall(tmp_path / "folder.keras")
    opened = sg.build(sg.open(tmp_path / "folder.keras"))
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(opened(x), model(x))
    shutil.rmtree(tmp_path / "folder.keras")
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "folder.keras" / "a.h5").write_text("")
    assert "It holds a.h5: give one of these" in run("inspect", tmp_path / "folder.keras").stderr


@pytest.mark.parametrize("old", [False, True])
def test_a_saved_model_is_named(old, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    if old:
        (tmp_path / "keras_metadata.pb").write_bytes(b"")
    done = run("inspect", tmp_path)
    assert done.exit_code == 1 and "is a SavedModel" in done.stderr and "TFSMLayer" in done.stderr
    assert ("written by Keras 2" in done.stderr) == old


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("https://x.y/model.keras", ["inspect", "{}"]),
        ("hf://user/model.keras", ["convert", "{}", "new.keras"]),
        ("https://x.y/recipe.py", ["graft", "{}"]),
        ("s3://bucket/photos", ["tap", "tinyvgg", "fc1", "--images", "{}", "-o", "f.h5"]),
        ("https://x.y/w.h5", ["weights", "tinyvgg", "--weights", "{}"]),
        ("gs://bucket/out.keras", ["cut", "tinyvgg", "--to", "fc1", "-o", "{}"]),
        ("file:///tmp/m.keras", ["inspect", "{}"]),
    ],
)
def test_a_url_is_called_one(url, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*(one.format(url) for one in arguments))
    assert done.exit_code == 1 and f"'{url}' is a URL, not a path" in done.stderr, done.output
    assert not list(tmp_path.iterdir())
