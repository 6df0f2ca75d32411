"""Files of strangers who mean harm, and broken ones: each is refused with one message, in bounded time and memory;
nothing is executed, nothing is written."""

import json
import os
import pathlib
import signal
import stat
import subprocess
import sys
import time
import zipfile

import h5py
import keras
import numpy as np
import pytest
from old_files import functional, layer, write_h5

import surgery as sg

SCRIPTS = pathlib.Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A small sound file of every format."""
    folder = tmp_path_factory.mktemp("good")
    x = keras.Input((6, 6, 3), name="x")
    y = keras.layers.Conv2D(4, 3, name="conv")(x)
    y = keras.layers.Dense(2, name="scores")(keras.layers.Flatten(name="flat")(y))
    model = keras.Model(x, y, name="good")
    model.save(folder / "good.keras")
    sg.save(model, folder / "good.safetensors")
    h5 = [
        layer("InputLayer", "x", batch_input_shape=[None, 4], dtype="float32"),
        layer("Dense", "d", ["x"], units=2),
        layer("Dense", "e", ["d"], units=2),
    ]
    weights = {
        "d": [("kernel", np.ones((4, 2))), ("bias", np.ones(2))],
        "e": [("kernel", np.eye(2)), ("bias", np.ones(2))],
    }
    write_h5(folder / "good.h5", "Model", functional(h5, ["x"], ["e"]), weights)
    return folder


def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def rezipped(path, content, **changes):
    """Writes a `.keras` file of members; a value may be bytes or (ZipInfo, bytes)."""
    with zipfile.ZipFile(path, "w") as file:
        for name, data in {**content, **changes}.items():
            file.writestr(*(data if isinstance(data, tuple) else (name, data)))
    return path


def reconfigured(path, good, change):
    """Writes good.keras with another configuration."""
    content = members(good / "good.keras")
    config = json.loads(content["config.json"])
    change(config)
    return rezipped(path, content, **{"config.json": json.dumps(config)})


def refused(path, match, build=False):
    """Asserts one SurgeryError without raw control characters, soon, and that the folder holds nothing new."""
    before, start = sorted(path.parent.iterdir()), time.perf_counter()
    with pytest.raises(sg.SurgeryError, match=match) as caught:
        graph = sg.open(path)
        assert build, "it was opened"
        sg.build(graph)
    assert all(char.isprintable() or char == "\n" for char in str(caught.value))
    assert len(str(caught.value)) < 3000
    assert time.perf_counter() - start < 10
    assert sorted(path.parent.iterdir()) == before


# ---- broken ----


@pytest.mark.parametrize("name", ["good.keras", "good.h5", "good.safetensors"])
def test_truncated_at_fifty_offsets(good, tmp_path, name):
    whole = (good / name).read_bytes()
    for length in np.random.default_rng(0).integers(0, len(whole) - 1, 50):
        path = tmp_path / name
        path.write_bytes(whole[:length])
        with pytest.raises(sg.SurgeryError):
            sg.build(sg.open(path) if "safe" not in name else sg.load_weights(sg.open("tinyvgg"), path))


def test_a_flipped_bit_in_the_weights_of_a_keras_file_is_noticed(good, tmp_path):
    """The zip has a checksum of the whole; so what is read in full is what was written."""
    whole = bytearray((good / "good.keras").read_bytes())
    kernel = sg.build(sg.open(good / "good.keras")).get_layer("conv").get_weights()[0].tobytes()
    whole[whole.index(kernel) + 7] ^= 1
    (tmp_path / "flipped.keras").write_bytes(whole)
    with pytest.raises(sg.SurgeryError, match="damaged: its bytes do not have the checksum"):
        sg.build(sg.open(tmp_path / "flipped.keras"))


def test_a_few_hundred_mutations_are_each_a_model_or_one_error():
    """`scripts/fuzz_files.py` runs 20,000 and more."""
    run = subprocess.run(
        [sys.executable, SCRIPTS / "fuzz_files.py", "--count", "120", "--seconds", "60"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr[-2000:]
    assert " 0 failures" in run.stdout


# ---- zips ----


def test_members_that_appear_twice(good, tmp_path):
    path = tmp_path / "twice.keras"
    with zipfile.ZipFile(path, "w") as file, pytest.warns(UserWarning, match="Duplicate"):
        for _ in range(2):
            for name, data in members(good / "good.keras").items():
                file.writestr(name, data)
    refused(path, "config.json.* twice: it has been tampered with")


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil", "a/../../evil", "C:/evil", "..\\evil"])
def test_paths_out_of_the_archive(good, tmp_path, name):
    path = rezipped(tmp_path / "out.keras", members(good / "good.keras"), **{name: b"x"})
    refused(path, "a path out of the archive")


def test_symbolic_links_in_the_archive(good, tmp_path):
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    refused(rezipped(tmp_path / "l.keras", members(good / "good.keras"), link=(link, b"/etc/passwd")), "a link")


def test_a_zip_bomb_that_says_its_size(good, tmp_path):
    content = members(good / "good.keras")
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, data in content.items():
            file.writestr(name, b" " * 300 * 2**20 if name == "config.json" else data)
    refused(path, r"has 314,572,800 bytes; at most 33,554,432 are read")


def test_a_zip_bomb_that_lies_about_its_size(good, tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members(good / "good.keras").items():
            file.writestr(name, b" " * 40 * 2**20 + data if name == "config.json" else data)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        size = file.getinfo("config.json").file_size
    while (at := data.find(size.to_bytes(4, "little"))) >= 0:
        data[at : at + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(data)
    refused(path, "config.json.*(broken|more than)")


def test_a_configuration_of_two_hundred_megabytes(good, tmp_path):
    path = rezipped(tmp_path / "large.keras", members(good / "good.keras"), **{"config.json": b"[" + b"1," * (10**8)})
    refused(path, "at most 33,554,432 are read")


# ---- HDF5 ----


def poisoned(path, good, change):
    path.write_bytes((good / "good.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        change(file, file["model_weights/d"])
    return path


def external_link(file, group):
    group["kernel2"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft_loop(file, group):
    file["model_weights/loop"] = h5py.SoftLink("/model_weights")


def hard_loop(file, group):
    file["model_weights/loop"] = file["model_weights"]


def virtual(file, group):
    layout = h5py.VirtualLayout((4, 2), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4, 2))
    del group["d/kernel:0" if "d" in group else "kernel"]
    group.create_virtual_dataset("kernel", layout)


def external_storage(file, group):
    group.create_dataset("other", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def objects(file, group):
    group.create_dataset("other", data=[b"cos\nsystem\n(S'true'\ntR."], dtype=h5py.special_dtype(vlen=bytes))


def references(file, group):
    group.create_dataset("other", data=[file.ref], dtype=h5py.ref_dtype)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (external_link, "link"),
        (soft_loop, "link"),
        (hard_loop, "loop of links"),
        (virtual, "lies in another file"),
        (external_storage, "lies in another file"),
        (objects, "numeric dtype|objects|strings"),
        (references, "numeric dtype|objects|references"),
    ],
)
def test_hdf5_that_reaches_out_of_itself_or_holds_no_numbers(good, tmp_path, change, match):
    refused(poisoned(tmp_path / "bad.h5", good, change), match)


# ---- configurations ----


@pytest.mark.parametrize(
    ("module", "kind", "registered"),
    [
        ("os", "system", None),
        ("builtins", "eval", None),
        ("subprocess", "Popen", "Popen"),
        ("keras.src.utils.file_utils", "get_file", None),
        ("keras.utils", "get_file", None),
        ("keras.src.legacy.saving.legacy_h5_format", "load_model_from_hdf5", None),
        ("numpy", "load", "numpy>load"),
    ],
)
def test_a_callable_that_is_no_layer_is_never_looked_up(good, tmp_path, module, kind, registered):
    def change(config):
        config["config"]["layers"][1].update(module=module, class_name=kind, registered_name=registered)

    path = reconfigured(tmp_path / "call.keras", good, change)
    refused(path, rf"conv: the class '{kind}'.* of {module}|conv: the class '{kind}'", build=True)


def test_a_callable_hidden_in_an_argument(good, tmp_path):
    def change(config):
        config["config"]["layers"][1]["config"]["kernel_initializer"] = {
            "module": "os", "class_name": "function", "config": "system", "registered_name": "system",
        }  # fmt: skip

    refused(reconfigured(tmp_path / "hidden.keras", good, change), "the function 'system'", build=True)


def test_the_code_of_a_lambda_is_never_run(tmp_path):
    marker = tmp_path / "ran"
    x = keras.Input((2,))
    # the code would write a file if it ran
    ran = keras.layers.Lambda(
        lambda t, path=str(marker): (open(path, "w").close(), t)[1], name="evil", output_shape=(2,)
    )
    keras.Model(x, ran(x)).save(tmp_path / "lambda.keras")
    marker.unlink(missing_ok=True)
    refused(tmp_path / "lambda.keras", "evil: Python code", build=True)
    assert not marker.exists()


def test_a_configuration_nested_a_hundred_thousand_deep(good, tmp_path):
    deep = b'{"class_name": "Functional", "config": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001
    refused(
        rezipped(tmp_path / "d.keras", members(good / "good.keras"), **{"config.json": deep}), "nested more than 200"
    )
    listed = b'{"class_name": "Functional", "config": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    refused(rezipped(tmp_path / "l.keras", members(good / "good.keras"), **{"config.json": listed}), "nested more than")


def test_a_layer_of_ten_to_the_fifteen_units(good, tmp_path):
    def change(config):
        config["config"]["layers"][3]["config"]["units"] = 10**15

    refused(
        reconfigured(tmp_path / "units.keras", good, change), "the file has .*for|made by this architecture", build=True
    )


@pytest.mark.parametrize("what", ["other shape", "missing", "extra"])
def test_tensors_of_other_shapes_missing_and_extra_ones(good, tmp_path, what):
    def change(file, group):
        if what == "extra":
            group["extra"] = np.ones(3)
            group.attrs["weight_names"] = [b"d/kernel:0", b"d/bias:0", b"extra"]
        else:
            del group["d/kernel:0"]
        if what == "other shape":
            group["d/kernel:0"] = np.ones((4, 3))

    message = {
        "other shape": r"\(4, 2\), and the file has \(4, 3\)",
        "missing": "does not hold it",
        "extra": "2 weights",
    }
    refused(poisoned(tmp_path / "bad.h5", good, change), message[what], build=True)


def test_control_characters_never_reach_the_terminal_raw(tmp_path):
    evil = "evil\x1b]0;pwned\x07\x1b[2J\u202e"

    h5 = [layer("InputLayer", "x", batch_input_shape=[None, 4]), layer("Dense", evil, ["x"], units=2)]
    weights = {evil: [("kernel", np.ones((4, 2))), ("bias", np.ones(2))]}
    path = write_h5(tmp_path / "evil.h5", "Model", functional(h5, ["x"], [evil]), weights)
    for command in ("inspect", "weights"):
        run = subprocess.run(
            [sys.executable, "-m", "surgery", command, path], capture_output=True, text=True, check=False
        )
        shown = run.stdout + run.stderr
        assert "evil" in shown and not any(char in shown for char in "\x1b\x07\u202e"), command


def test_a_safetensors_header_that_lies(tmp_path):
    for header, match in (
        ({"a": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}, "beyond the end"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, "4 bytes for"),
        ({"a": {"dtype": "OBJ", "shape": [1], "data_offsets": [0, 4]}}, "not described as a tensor"),
        ({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}, "not described as a tensor"),
    ):
        text = json.dumps(header).encode()
        path = tmp_path / "lies.safetensors"
        path.write_bytes(len(text).to_bytes(8, "little") + text + b"0000")
        with pytest.raises(sg.SurgeryError, match=match):
            sg.load_weights(sg.open("tinyvgg"), path)


def test_memory_of_looking_at_a_hostile_file_is_bounded(good, tmp_path):
    """The worst of the files above, opened in a process that may take 400 MB in all."""
    bomb = tmp_path / "bomb.keras"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members(good / "good.keras").items():
            file.writestr(name, b" " * 900 * 2**20 if name == "metadata.json" else data)
    deep = b"[" * 16_000_000
    rezipped(tmp_path / "deep.keras", members(good / "good.keras"), **{"config.json": deep})
    code = (
        "import resource, sys\nresource.setrlimit(resource.RLIMIT_AS, (400 * 2**20,) * 2)\nimport surgery as sg\n"
        "for path in sys.argv[1:]:\n    try:\n        sg.open(path)\n    except sg.SurgeryError as error:\n"
        "        print('refused', str(error)[:80])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, bomb, tmp_path / "deep.keras"], capture_output=True, text=True, check=False
    )
    assert run.stdout.count("refused") == 2, run.stdout + run.stderr


# ---- writing ----

SAVER = """
import sys, keras, numpy as np
import surgery as sg
x = keras.Input((64,))
model = keras.Model(x, keras.layers.Dense(4096, name="d")(keras.layers.Dense(512, name="e")(x)), name="m")
model.layers[-1].bias.assign(np.full(4096, float(sys.argv[2])))
print("ready", flush=True)
while True:
    sg.save(model, sys.argv[1])
    print("saved", flush=True)
"""


def test_a_kill_at_twenty_random_moments_leaves_a_whole_file(tmp_path):
    path = tmp_path / "model.keras"
    random = np.random.default_rng(0)
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen([sys.executable, "-c", SAVER, path, "1"], stdout=subprocess.PIPE, text=True, env=env) as run:
        try:
            assert run.stdout.readline() == "ready\n" and run.stdout.readline() == "saved\n"
            for _ in range(20):  # stopped, looked at, and let go on: what a kill at that moment would leave
                time.sleep(float(random.uniform(0, 0.3)))
                os.kill(run.pid, signal.SIGSTOP)
                model = sg.build(sg.open(path))
                assert model.get_layer("d").get_weights()[1][0] == 1
                os.kill(run.pid, signal.SIGCONT)
        finally:
            run.kill()
    model = keras.models.load_model(path)
    assert model.get_layer("d").get_weights()[1][0] == 1


def test_a_full_disk_is_a_clear_error_and_the_old_file_stays(tmp_path):
    """A limit on the size of files stands in for the disk: writing beyond it fails as a full disk does."""
    path = tmp_path / "model.keras"
    x = keras.Input((4,))
    sg.save(keras.Model(x, keras.layers.Dense(3)(x)), path)
    whole = path.read_bytes()
    code = (
        "import resource, signal, sys, keras, surgery as sg\n"
        "x = keras.Input((512,)); model = keras.Model(x, keras.layers.Dense(2048)(x))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))\n"
        "try: sg.save(model, sys.argv[1])\nexcept sg.SurgeryError as error: print(error)\n"
    )
    for name in ("model.keras", "model.safetensors"):
        run = subprocess.run([sys.executable, "-c", code, tmp_path / name], capture_output=True, text=True, check=False)
        assert "cannot be written" in run.stdout, run.stdout + run.stderr[-1500:]
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]


def test_no_file_beside_is_left_by_a_save_that_is_interrupted(tmp_path, tinyvgg, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(tinyvgg), "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sg.save(tinyvgg, tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())
