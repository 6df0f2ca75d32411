"""Ctrl-C: real processes that are sent SIGINT; what they say, what they leave, and their exit status."""

import json
import signal
import subprocess
import sys
import textwrap
import time

import h5py
import keras
import numpy as np
import pytest
from click.testing import CliRunner

import surgery as sg
from surgery.cli.interrupts import Training
from surgery.cli.main import main


class Command:
    """A command of its own process; its stderr is read as it comes."""

    def __init__(self, *arguments, code=None):
        start = ["-m", "surgery"] if code is None else ["-c", code]
        command = [sys.executable, *start, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said = ""

    def wait_for(self, word):
        while word not in self.said:
            line = self.process.stderr.readline()
            assert line, f"it ended, and said {self.said!r}"
            self.said += line

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def end(self):
        out, rest = self.process.communicate(timeout=300)
        self.said += rest
        assert "Traceback" not in self.said, self.said
        return self.process.returncode, out


RECIPE = '''
    """A head that learns for ever."""
    import sys
    import keras
    import numpy as np
    import surgery as sg

    class Say(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            print(f"step {batch} begins", file=sys.stderr, flush=True)

    def recipe():
        keras.utils.set_random_seed(0)
        graph = sg.cut(sg.open("tinyvgg", weights="pretrained"), outputs="block4_pool")
        return sg.graft(sg.freeze(graph, "**"), [keras.layers.Flatten(), keras.layers.Dense(3, name="head")])

    def fit(model, clone: bool = False, eager: bool = False):
        pupil = keras.models.clone_model(model) if clone else model
        pupil.compile("sgd", "mse", run_eagerly=eager)
        images = np.ones((4, 32, 32, 3), "float32")
        pupil.fit(images, np.ones((4, 3)), batch_size=1, epochs=10**9, callbacks=[Say()], verbose=0)
'''


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "endless.py").write_text(textwrap.dedent(RECIPE))
    return tmp_path / "endless.py"


@pytest.mark.parametrize("options", [[], ["--set", "eager=yes", "--format", "json"]])
def test_a_training_that_is_interrupted_keeps_what_was_trained(recipe, options, tmp_path):
    out, started = tmp_path / "out.keras", tmp_path / "started.keras"
    assert CliRunner().invoke(main, ["graft", str(recipe), "-o", str(started)]).exit_code == 0
    run = Command("graft", recipe, "--fit", "-o", out, *options)
    run.wait_for("step 3 begins")
    run.interrupt()
    status, words = run.end()
    if "json" in options:
        told = json.loads(words)
        assert told["interrupted"] is True and told["measured"] is None and told["networks"][0]["file"] == str(out)
    else:
        assert f"wrote {out}" in words
    assert status == 130
    assert "interrupted after" in run.said and "what was trained so far is kept" in run.said
    before, after = keras.saving.load_model(started), keras.saving.load_model(out)
    for layer, other in zip(before.layers, after.layers, strict=True):
        for one, two in zip(layer.get_weights(), other.get_weights(), strict=True):
            assert np.array_equal(one, two) == (layer.name != "head")


def test_a_network_that_was_not_trained_yet_is_not_written(recipe, tmp_path):
    run = Command("graft", recipe, "--fit", "--set", "clone=yes", "-o", tmp_path / "out.keras")
    run.wait_for("step 1 begins")
    run.interrupt()
    status, words = run.end()
    assert status == 130 and "no weight of the network has changed, and nothing is written" in run.said
    assert "wrote" not in words and [one.name for one in tmp_path.iterdir()] == ["endless.py"]


def test_an_interrupt_ends_any_command(recipe, tmp_path):
    """While Keras is imported, and where a library makes another error of it."""
    recipe.write_text("import sys\nprint('begun', file=sys.stderr, flush=True)\nimport time\ntime.sleep(100)\n")
    run = Command("graft", recipe)
    run.wait_for("begun")
    run.interrupt()
    assert run.end() == (130, "") and run.said == "begun\ninterrupted\n"
    recipe.write_text(
        "import sys\nprint('begun', file=sys.stderr, flush=True)\nimport time\n"
        "try:\n    time.sleep(100)\nexcept KeyboardInterrupt:\n    raise ImportError('half a library')\n"
    )
    run = Command("graft", recipe)
    run.wait_for("begun")
    run.interrupt()
    assert run.end() == (130, "") and run.said == "begun\ninterrupted\n"


def test_features_continue_where_they_were_interrupted(tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "features.h5"
    photos.mkdir()
    random = np.random.default_rng(0)
    for number in range(600):
        keras.utils.save_img(photos / f"{number:03}.png", random.integers(0, 255, (8, 8, 3)), scale=False)
    command = ["tap", "tinyvgg", "block4_pool", "--images", photos, "-o", out, "--batch", 1]
    run = Command(*command)
    note = tmp_path / ".features.h5.partial" / "progress.json"
    while not (note.exists() and json.loads(note.read_text())["done"]):
        assert run.process.poll() is None
        time.sleep(0.01)
    run.interrupt()
    status, words = run.end()
    done = json.loads(note.read_text())["done"]
    assert status == 130 and words == "" and 0 < done < 600 and not out.exists()
    expected = f"the features of {done} of 600 images are kept; the same command continues from there"
    assert run.said == f"interrupted: {expected}\n"
    again = CliRunner().invoke(main, list(map(str, command)))
    assert again.exit_code == 0 and f"continued after {done} of 600 images" in again.stderr
    with h5py.File(out) as file:
        rows = file["block4_pool"][()]
    whole = sg.extract_features(sg.open("tinyvgg", weights="pretrained"), "block4_pool", photos, batch_size=1)
    np.testing.assert_array_equal(rows, whole.features["block4_pool"])
    assert not whole.notes


def test_a_second_interrupt_does_not_wait_for_the_step(capfd):
    training = Training(running=True)
    training.interrupt()
    assert "stopping after this training step" in capfd.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        training.interrupt()
    with pytest.raises(KeyboardInterrupt):  # where no step is taken: at once
        Training().interrupt()
