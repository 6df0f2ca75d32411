"""What is written: by one process at a time, in the place of a file as it was, and what is kept is what was written."""

import contextlib
import os
import pathlib
import signal
import stat
import subprocess
import sys

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import surgery as sg
from surgery.cli.main import main
from surgery.formats.atomic import folder_written_whole, written_whole
from surgery.formats.locks import held
from surgery.training.feature_store import Store
from surgery.zoo import cards

L = keras.layers

HOLDER = """
import sys
from surgery.formats.atomic import folder_written_whole, written_whole
from surgery.formats.locks import held
way = {"held": held, "file": written_whole, "folder": folder_written_whole}[sys.argv[1]]
from pathlib import Path
with way(Path(sys.argv[2])) as draft:
    if sys.argv[1] == "file":
        draft.write_text("half")
    if sys.argv[1] == "folder":
        (draft / "half").write_text("half")
    print("holds", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def writer(way, path):
    """Another process that writes a path until the block ends; it is let go, if it has not been killed."""
    command = [sys.executable, "-c", HOLDER, way, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline() == "holds\n"
        yield run
        run.stdin.close()


def small():
    x = keras.Input((8, 8, 3), name="x")
    y = L.Conv2D(2, 3, name="conv")(x)
    return keras.Model(x, L.Dense(2, name="head")(L.Flatten(name="flat")(y)), name="small")


def surgery(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def left(folder):
    return sorted(one.name for one in folder.rglob("*") if ".surgery-" in one.name)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        pixels = np.full((8, 8, 3), number * 40, "uint8")
        (folder / f"{number}.png").write_bytes(_png(pixels))
    return folder


def _png(pixels):
    import tensorflow as tf

    return tf.io.encode_png(pixels).numpy()


# ---- one writer ----


def test_who_writes_where_another_process_writes_is_refused_and_told_which(tmp_path, images):
    model = small()
    out = tmp_path / "out.keras"
    sg.save(model, tmp_path / "model.keras")
    before = (tmp_path / "model.keras").read_bytes()
    features = tmp_path / "features.h5"
    ways = {
        out: [
            lambda: sg.save(model, out),
            lambda: written_whole(out).__enter__(),
            lambda: folder_written_whole(out).__enter__(),
        ],
        features: [lambda: sg.extract_features(model, "conv", images, features)],
        tmp_path / "model.keras": [lambda: sg.save(model, tmp_path / "model.keras")],
    }
    for path, calls in ways.items():
        with writer("held", path) as other:
            for call in calls:
                with pytest.raises(sg.SurgeryError, match=f"is being written by process {other.pid}. Wait until"):
                    call()
    commands = {
        out: ["convert", tmp_path / "model.keras", out],
        features: ["tap", tmp_path / "model.keras", "conv", "--images", images, "-o", features],
        tmp_path / "mine.py": ["recipes", "transfer", "--copy", tmp_path / "mine.py"],
        tmp_path / "net.html": ["inspect", tmp_path / "model.keras", "--plot", tmp_path / "net.html"],
        tmp_path / "models": ["graft", "gan", "-o", tmp_path / "models"],
    }
    for path, words in commands.items():
        with writer("held", path) as other:
            run = surgery(*words)
        assert run.exit_code == 1 and f"written by process {other.pid}" in run.output, run.output
        assert not path.exists()
    assert (tmp_path / "model.keras").read_bytes() == before and not left(tmp_path)
    assert sg.extract_features(model, "conv", images, features).path == features  # the other has ended


def test_features_that_another_process_computes_are_not_computed_twice_at_once(tmp_path):
    model, x, y = _frozen()
    sg.fit_cached(model, x, y, verbose=0, cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    with (
        writer("held", kept) as other,
        pytest.raises(sg.SurgeryError, match=f"{kept.name}' is being written by process {other.pid}"),
    ):
        sg.fit_cached(model, x, y, verbose=0, cache=tmp_path)


def test_a_path_is_held_again_by_the_thread_that_holds_it_and_by_no_other(tmp_path):
    import threading

    said = []

    def other():
        with pytest.raises(sg.SurgeryError, match="this process, in another thread") as caught, held(tmp_path / "a"):
            pass
        said.append(caught)

    with held(tmp_path / "a"), held(tmp_path / "a"), written_whole(tmp_path / "b") as draft:
        with held(tmp_path / "a"):
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        draft.write_text("new")
    assert said and (tmp_path / "b").read_text() == "new" and not left(tmp_path)


# ---- what a killed process leaves ----


@pytest.mark.parametrize("way", ["file", "folder"])
@pytest.mark.parametrize("name", ["a.txt", "other.txt"])
def test_drafts_of_a_killed_process_are_taken_away_and_those_of_a_running_one_are_not(tmp_path, way, name):
    with writer(way, tmp_path / "a.txt") as killed, writer(way, tmp_path / "running.txt"):
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        assert sum("draft" in one for one in left(tmp_path)) == 2
        with written_whole(tmp_path / name) as draft:
            draft.write_text("new")
        there = left(tmp_path)
        assert len([one for one in there if "draft" in one]) == 1, there
        assert all(one.startswith(".running") for one in there)
    assert not left(tmp_path)
    assert (tmp_path / "running.txt").exists() and (tmp_path / name).read_text() == "new"


def test_what_a_killed_tap_left_is_still_gone_on_from(tmp_path):
    """Its rows are no draft: they are kept for the next run of the same settings."""
    spec = [sg.Spec((None, 2), "float32")]
    Store(spec, 4, tmp_path / ".out.h5.partial", "key").add([np.ones((3, 2), "float32")])
    with written_whole(tmp_path / "other"):
        pass
    assert Store(spec, 4, tmp_path / ".out.h5.partial", "key").done == 3
    assert Store(spec, 4, tmp_path / ".out.h5.partial", "of other settings").done == 0


# ---- what was there ----


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o400, 0o666])
def test_a_file_keeps_its_permissions_when_it_is_replaced(tmp_path, bits):
    for path in (tmp_path / "model.keras", tmp_path / "model.safetensors"):
        path.write_bytes(b"old")
        path.chmod(bits)
        sg.save(small(), path)
        assert mode(path) == bits and path.stat().st_size > 100


def test_a_draft_is_nobody_elses_and_a_new_file_is_as_the_user_makes_files(tmp_path):
    (tmp_path / "made").touch()
    with written_whole(tmp_path / "new") as draft:
        assert mode(draft) == 0o600
    assert mode(tmp_path / "new") == mode(tmp_path / "made")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_keeps_its_owner(tmp_path):
    path = tmp_path / "file"
    path.touch()
    os.chown(path, 1234, 4321)
    with written_whole(path) as draft:
        draft.write_text("new")
    assert (path.stat().st_uid, path.stat().st_gid, path.read_text()) == (1234, 4321, "new")


@pytest.mark.parametrize("target", ["elsewhere/model.keras", "../elsewhere/model.keras", "chain.keras"])
def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path, target):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "elsewhere").mkdir()
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "here" / "model.keras"
    link.symlink_to(target)
    (tmp_path / "here" / "chain.keras").symlink_to(tmp_path / "elsewhere" / "model.keras")
    real = pathlib.Path(os.path.realpath(link))
    real.write_bytes(b"old")
    real.chmod(0o600)
    sg.save(small(), link)
    assert os.readlink(link) == target and mode(real) == 0o600
    assert keras.saving.load_model(link).name == keras.saving.load_model(real).name == "small"
    assert not left(tmp_path)


def test_a_command_does_not_write_through_a_link_to_nowhere_unless_it_is_told_to(tmp_path):
    link = tmp_path / "mine.py"
    link.symlink_to(tmp_path / "nowhere.py")
    refused = surgery("recipes", "transfer", "--copy", link)
    assert refused.exit_code == 1 and "exists. --force overwrites it" in refused.output
    assert surgery("recipes", "transfer", "--copy", link, "--force").exit_code == 0
    assert link.is_symlink() and (tmp_path / "nowhere.py").read_text()


def test_files_of_a_folder_keep_permissions_and_links(tmp_path):
    folder, elsewhere = tmp_path / "models", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    for file in (folder / "left", elsewhere / "right", folder / "stays"):
        file.write_text("old")
        file.chmod(0o600)
    (folder / "right").symlink_to("../elsewhere/right")
    (tmp_path / "link").symlink_to(folder)
    with folder_written_whole(tmp_path / "link") as draft:
        for name in ("left", "right", "third"):
            (draft / name).write_text("new")
    assert (tmp_path / "link").is_symlink() and (folder / "right").is_symlink() and not left(tmp_path)
    assert [mode(one) for one in (folder / "left", elsewhere / "right", folder / "stays")] == [0o600] * 3
    assert [(folder / name).read_text() for name in ("left", "right", "stays", "third")] == ["new", "new", "old", "new"]


def test_files_of_a_folder_are_taken_back_through_links_too(tmp_path):
    folder, elsewhere = tmp_path / "models", tmp_path / "elsewhere"
    (folder / "z").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "a").write_text("old")
    (folder / "a").symlink_to("../elsewhere/a")
    with pytest.raises(sg.SurgeryError, match="cannot be written"), folder_written_whole(folder) as draft:
        for name in ("a", "b", "z"):
            (draft / name).write_text("new")
    assert (elsewhere / "a").read_text() == "old" and sorted(one.name for one in folder.iterdir()) == ["a", "z"]
    assert not left(tmp_path)


def test_a_device_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(sg.SurgeryError, match="not a regular file; it stays"), written_whole(tmp_path / "pipe"):
        pass
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


# ---- what is kept ----


def test_a_card_that_is_not_what_was_written_is_made_again_and_said(tmp_path, monkeypatch):
    monkeypatch.setenv("SURGERY_CACHE", str(tmp_path / "first"))
    graph = sg.open("tinyvgg", include_top=False)
    (file,) = (one for one in (tmp_path / "first" / "cards").iterdir())
    whole = file.read_bytes()
    monkeypatch.setenv("SURGERY_CACHE", str(tmp_path))
    (tmp_path / "cards").mkdir()
    kept = tmp_path / "cards" / file.name
    monkeypatch.setattr(cards, "made_now", lambda *_: whole.partition(b"\n")[2])
    random = np.random.default_rng(0)
    for number in range(30):
        content = bytearray(whole)
        if number % 3 == 0:
            content[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
        elif number % 3 == 1:
            del content[int(random.integers(len(content))) :]
        else:
            at = int(random.integers(len(content) - 4))
            content[at : at + 4] = content[at : at + 4][::-1]
        kept.write_bytes(content)
        if bytes(content) == whole:
            continue
        with pytest.warns(UserWarning, match="changed since it was written; it is made again"):
            assert sg.open("tinyvgg", include_top=False) == graph
        assert kept.read_bytes() == whole
    sg.open("vgg16", include_top=False)  # the card of another network is none either
    (other,) = (one for one in (tmp_path / "cards").iterdir() if one.name.startswith("vgg16"))
    other.write_bytes(whole)
    with pytest.warns(UserWarning, match="changed since it was written"):
        sg.open("vgg16", include_top=False)


def _frozen():
    keras.utils.set_random_seed(0)
    model = small()
    sg.freeze(model, "conv")
    model.compile(keras.optimizers.SGD(0.01), "mse")
    random = np.random.default_rng(0)
    return model, random.random((20, 8, 8, 3), "float32"), random.random((20, 2), "float32")


def test_features_in_a_cache_that_are_not_what_was_written_are_computed_again_and_said(tmp_path):
    def loss():
        model, x, y = _frozen()
        return sg.fit_cached(model, x, y, verbose=0, shuffle=False, cache=tmp_path).history["loss"]

    expected = loss()
    (kept,) = tmp_path.iterdir()
    tensor = kept / "tensor0.npy"
    data = tensor.read_bytes()
    tensor.write_bytes(data[:-40] + b"\xff" * 40)
    with pytest.warns(UserWarning, match="not what was written there, by its checksum or its version"):
        assert loss() == expected
    assert tensor.read_bytes() == data and list(tmp_path.iterdir()) == [kept]


def test_nothing_that_was_changed_on_disk_counts_as_computed(tmp_path):
    spec = [sg.Spec((None, 6), "float32")]

    def store():
        return Store(spec, 20, tmp_path / "kept", "key")

    rows = np.random.default_rng(0).random((20, 6), "float32")
    store().add([rows])
    tensor, note = tmp_path / "kept" / "tensor0.npy", tmp_path / "kept" / "progress.json"
    data, said = tensor.read_bytes(), note.read_text()
    assert store().whole and note.read_text() == said  # and nothing is said
    damages = [
        lambda: tensor.write_bytes(data[:300] + bytes([data[300] ^ 1]) + data[301:]),
        lambda: tensor.write_bytes(data.replace(b"'<f4'", b"'<i4'")),
        lambda: tensor.write_bytes(data[:-1]),
        tensor.unlink,
        lambda: note.write_text(said[:-20]),
        lambda: note.write_text(said.replace('"done": 20', '"done": 19')),
        lambda: note.write_text(said.replace('"done": 20', '"done": -1')),
        lambda: note.write_text(said.replace('"format": 2', '"format": 1')),
        lambda: note.write_text("[]"),
    ]
    for number, damage in enumerate(damages):
        damage()
        with pytest.warns(UserWarning, match="not what was written there, by its checksum or its version"):
            again = store()
        assert again.done == 0, number
        again.add([rows])
        assert tensor.read_bytes() == data and note.read_text() == said, number


def test_rows_that_a_killed_run_left_are_used_only_if_they_are_what_it_wrote(tmp_path):
    spec = [sg.Spec((None, 2), "float32"), sg.Spec((None,), "bool")]

    def store():
        return Store(spec, 4, tmp_path / "kept", "key")

    store().add([np.ones((3, 2), "float32"), np.ones(3, "bool")])
    assert store().done == 3
    content = (tmp_path / "kept" / "tensor0.npy").read_bytes()
    (tmp_path / "kept" / "tensor0.npy").write_bytes(content[:-4] + b"\xff" * 4)
    with (tmp_path / "kept" / "tensor0.npy").open("rb") as mapped, pytest.warns(UserWarning, match="computed again"):
        again = store()
        assert os.fstat(mapped.fileno()).st_size == len(content)  # what another has mapped is not cut off under it
    assert again.done == 0
    again.add([np.zeros((4, 2), "float32"), np.ones(4, "bool")])
    assert store().whole and not store().arrays()[0].any()
