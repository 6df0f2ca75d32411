"""Weights of each side of a comparison, what a dry run downloads, and what a conversion does not keep."""

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import surgery as sg
from surgery.cli.main import main
from surgery.zoo import networks


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def files(tmp_path, tinyvgg):
    """A model file of tinyvgg as published, one with other values, and these values alone."""
    sg.save(tinyvgg, tmp_path / "published.keras")
    other = keras.models.clone_model(tinyvgg)
    sg.save(other, tmp_path / "other.keras")
    other.save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "other.json").write_text(other.to_json())
    return tmp_path


@pytest.mark.parametrize(
    ("sides", "options", "equal"),
    [
        (("tinyvgg", "published.keras"), ["--a-weights", "pretrained"], True),
        (("tinyvgg", "other.keras"), ["--a-weights", "pretrained"], False),
        (("tinyvgg", "other.keras"), ["--a-weights", "other.weights.h5"], True),
        (("published.keras", "other.keras"), [], False),
        (("published.keras", "other.keras"), ["--a-weights", "other.weights.h5"], True),
        (("other.keras", "published.keras"), ["--b-weights", "other.weights.h5"], True),
        (("other.keras", "other.json"), ["--b-weights", "other.weights.h5"], True),
    ],
)
def test_each_side_of_a_diff_takes_weights(sides, options, equal, files, monkeypatch):
    monkeypatch.chdir(files)
    done = run("diff", *sides, *options)
    assert done.exit_code == (0 if equal else 1), done.output


def test_each_side_of_a_verification_takes_weights(files, monkeypatch):
    monkeypatch.chdir(files)
    assert run("verify", "other.keras", "tinyvgg").exit_code == 1
    assert run("verify", "other.keras", "tinyvgg", "--donor-weights", "other.weights.h5").exit_code == 0
    assert run("verify", "published.keras", "other.keras", "--source-weights", "other.weights.h5").exit_code == 0
    done = run("diff", "tinyvgg", "other.keras", "--a-weights", "nowhere.h5")
    assert done.exit_code == 2 and "no weights file 'nowhere.h5'" in done.stderr
    done = run("diff", "tinyvgg", "other.keras", "--a-weights", "pretrained", "--no-weights")
    assert done.exit_code == 2 and "--no-weights compares none" in done.stderr


def test_a_dry_run_downloads_no_weights(tmp_path, monkeypatch):
    def downloaded(*arguments):
        raise sg.SurgeryError("downloaded")

    path = tmp_path / "mine.py"
    path.write_text(
        "import surgery as sg\ndonor = sg.open('vgg16', weights='imagenet')\n"
        "def recipe():\n    return sg.cut(sg.open('vgg16', weights='pretrained'), outputs='block1_pool')\n"
    )
    monkeypatch.setattr(networks, "_pretrained", downloaded)
    done = run("graft", path, "--dry-run")
    assert done.exit_code == 0 and "no weights downloaded" in done.stdout, done.output
    assert run("graft", path).exit_code == 1  # and only a dry run


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
@pytest.mark.filterwarnings("ignore:You are saving")
def test_a_conversion_says_what_it_does_not_keep(name, tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.save(tmp_path / name)
    assert "not kept" not in run("convert", tmp_path / name, tmp_path / "plain.keras").output
    model.compile("adam", keras.losses.MeanSquaredError(), metrics=["mae"])
    model.fit(np.ones((2, 4)), np.ones((2, 3)), verbose=0)
    model.save(tmp_path / name)
    done = run("convert", tmp_path / name, tmp_path / "new.keras")
    assert done.exit_code == 0
    assert "not kept: optimizer Adam, loss MeanSquaredError, metrics mae, and the state of the optimizer" in done.stderr
