"""Small files that describe much: what reading one costs is bounded by its size, and grows as its layers do."""

import itertools
import json
import struct
import subprocess
import sys
import time
import zipfile
import zlib

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import surgery as sg
from surgery.cli.main import main
from surgery.formats.budget import Budget
from surgery.formats.hdf5_file import joined
from surgery.formats.path_index import Below, Steps
from surgery.formats.weights_file import pieces_of_file

MEMORY = 500 * 2**20  # bytes, of a process that looks at a file under 5 MB
SECONDS = 10
LOOK = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (250 * 2**20,) * 2)
from click.testing import CliRunner
from surgery.cli.main import main
path, page = sys.argv[1:]
commands = [["inspect", path, "--columns", "all", "--nested"], ["weights", path], ["diff", path, path],
            ["inspect", path, "--plot", page, "--force"]]
said = []
for command in commands:
    result = CliRunner().invoke(main, command)
    odd = result.exception if not isinstance(result.exception, SystemExit) else None
    said.append([result.exit_code, result.output[-500:], repr(odd) if odd else ""])
own, below = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
try:  # ru_maxrss begins with that of the parent
    peak = int(dict(line.split(":", 1) for line in open("/proc/self/status"))["VmHWM"].split()[0])
except OSError:
    peak = own.ru_maxrss
print(json.dumps([said, peak * 1024, own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime]))
"""


def layer(kind, name, takes=(), calls=1, **config):
    node = [[[one, call, 0, {}] for one, call in takes]] * calls if takes else []
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": node}


def network(layers, output, call=0, name="m"):
    entry = layer("InputLayer", "x", batch_input_shape=[None, 4])
    config = {"name": name, "layers": [entry, *layers], "input_layers": [["x", 0, 0]]}
    return {"class_name": "Functional", "name": name, "config": {**config, "output_layers": [[output, call, 0]]}}


def chain(count):
    names = ["x", *(f"r{number}" for number in range(count))]
    return network([layer("ReLU", b, [(a, 0)]) for a, b in itertools.pairwise(names)], names[-1])


def archive(path, config, weights=None, **members):
    """Writes a `.keras` file of Keras 2, whose members are deflated."""
    if weights is None:
        with h5py.File(path.with_suffix(".tmp"), "w") as file:
            file.create_group("layers")
        weights = path.with_suffix(".tmp").read_bytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "2.12.0"}))
        file.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        file.writestr("model.weights.h5", weights)
        for name, content in members.items():
            file.writestr(name, content)
    return path


def one_text_for_many(folder):
    """An attribute that lists one text of the heap 4,000 times."""
    path = folder / "heap.weights.h5"
    with h5py.File(path, "w") as file:
        file.attrs["names"] = ["x" * 2_000_000, *["y"] * 3999]
        file["layers/dense/vars/0"] = np.ones(3)
    content = bytearray(path.read_bytes())
    at = content.find(struct.pack("<I", 2_000_000))
    content[at : at + 16 * 4000] = bytes(content[at : at + 16]) * 4000
    path.write_bytes(content)
    return path


def weights_of_zeros(folder):
    """A member that unpacks to 700 times its size, onto the disk."""
    with h5py.File(folder / "zeros.h5", "w") as file:
        file.create_dataset("layers/dense/vars/0", data=np.zeros((4096, 8192), "float32"))
    return archive(folder / "zeros.keras", chain(1), (folder / "zeros.h5").read_bytes())


def packed_tensors(folder):
    """Tensors of 640 MB in HDF5 of 640 KB: each chunk is packed."""
    packed = zlib.compress(bytes(4 * 1000 * 8000), 9)
    path = folder / "packed.weights.h5"
    with h5py.File(path, "w") as file:
        for number in range(20):
            made = file.create_dataset(
                f"layers/dense_{number}/vars/0", (1000, 8000), "float32", chunks=(1000, 8000), compression="gzip"
            )
            made.id.write_direct_chunk((0, 0), packed)
    return path


def models_in_models(folder):
    """Each model calls the one inside it twice: four million calls in 22 levels."""
    whole = network([layer("ReLU", "r", [("x", 0)])], "r")
    for _ in range(22):
        inner = {**whole, "name": "n", "inbound_nodes": [[["x", 0, 0, {}]], [["n", 1, 0, {}]]]}
        whole = network([inner], "n", call=2)
    return archive(folder / "models.keras", whole)


def calls_of_a_large_model(folder):
    inner = {**chain(2000), "name": "n", "inbound_nodes": [[["x", 0, 0, {}]]] * 2000}
    return archive(folder / "calls.keras", network([inner], "n"))


def many_outputs(folder):
    """Layers that are said to make 10,000 tensors each."""
    layers = [layer("Mine", f"c{number}", [("x" if not number else f"c{number - 1}", 0)]) for number in range(5000)]
    for one in layers[1:]:
        one["inbound_nodes"][0][0][2] = 9999
    return archive(folder / "outputs.keras", network(layers, "c4999"))


def more_calls_than_any_network(folder):
    return archive(folder / "calls.keras", chain(70_000))


def objects_in_a_configuration(folder):
    text = json.dumps(chain(1)).replace('"name": "r0"', '"name": "r0", "more": [' + "{}," * 1_500_000 + "{}]", 1)
    return archive(folder / "objects.keras", text)


def odd_sizes(folder):
    """Receptive fields whose pattern repeats itself after thousands of pixels, each another."""
    layers = [layer("Resizing", f"r{n}", [("x", 0)], height=7000 + n, width=8000 + n) for n in range(100)]
    whole = network([*layers, layer("Custom", "c", [(one["name"], 0) for one in layers])], "c")
    whole["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 9973, 9967, 3]
    return archive(folder / "sizes.keras", whole)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (one_text_for_many, "attribute of the HDF5 would take more memory"),
        (weights_of_zeros, "would unpack to more"),
        (packed_tensors, "would unpack to more"),
        (models_in_models, "calls layers more than 65,536 times"),
        (calls_of_a_large_model, "calls of its layers would take more memory"),
        (more_calls_than_any_network, "calls layers more than 65,536 times"),
        (many_outputs, "outputs of its layers would take more memory"),
        (objects_in_a_configuration, "more than half the memory"),
        (odd_sizes, None),
    ],
)
def test_memory_time_and_disk_are_bounded(make, match, tmp_path):
    path = make(tmp_path)
    assert path.stat().st_size < 5 * 2**20
    command = [sys.executable, "-c", LOOK, path, tmp_path / "page.html"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    said, memory, seconds = json.loads(run.stdout)
    for code, output, odd in said:
        assert not odd, odd
        assert (match in output) if match else code == 0, output
        assert code == 0 or len(output) < 1000
    assert memory < MEMORY, f"{memory / 2**20:,.0f} MB"
    assert seconds < SECONDS


def test_opening_is_linear_in_layers(tmp_path):
    small, large = (archive(tmp_path / f"{count}.keras", chain(count)) for count in (2000, 20_000))
    took = {}
    for path in (small, large, small, large):
        start = time.process_time()
        sg.open(path)
        took[path] = min(time.process_time() - start, took.get(path, 1e9))
    assert took[large] < 14 * took[small], took


def test_a_budget_is_a_multiple_of_the_size():
    base, more = Budget(0), Budget(2**20)
    assert more.memory - base.memory == 8 * 2**20
    assert more.tensors - base.tensors == 16 * 2**20
    more.take(more.memory, "all")
    with pytest.raises(sg.SurgeryError, match=r"^one more would take more memory than a file of 1.0 MB may"):
        more.take(1, "one more")


def test_paths_are_found_as_a_walk_over_all_finds_them():
    random = np.random.default_rng(0)
    words = ["a", "b", "a_1", "b0", "layers", "a-", "vars"]
    paths = list(dict.fromkeys("/".join(random.choice(words, random.integers(1, 5))) for _ in range(400)))
    below, steps = Below(paths), Steps(paths)
    for group in [*words, "a/b", "layers/a", "b/"]:
        start = group if group.endswith("/") else f"{group}/"
        assert below.of(group) == [path for path in paths if path.startswith(start)]
    for name in [*words, "a/b", "vars/a"]:
        wanted = name.split("/")
        found = []
        for row, path in enumerate(paths):
            parts = path.split("/")
            at = [at for at in range(len(parts) - len(wanted)) if parts[at : at + len(wanted)] == wanted]
            found += [(row, at[0])] if at else []
        assert steps.of(name) == found


# ---- safetensors ----


def safetensors(path, header, size):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))
    return path


def test_safetensors_over_one_another_and_named_twice(tmp_path):
    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    path = safetensors(tmp_path / "over.safetensors", {"a": one, "b": {**one, "data_offsets": [4, 12]}}, 12)
    with pytest.raises(sg.SurgeryError, match="'a' and 'b' lie over one another"):
        pieces_of_file(path)
    twice = b'{"a": %s, "a": %s}' % ((json.dumps(one).encode(),) * 2)
    with pytest.raises(sg.SurgeryError, match="it has 'a' twice"):
        pieces_of_file(safetensors(tmp_path / "twice.safetensors", twice, 8))
    beside = safetensors(tmp_path / "beside.safetensors", {"a": one, "b": {**one, "data_offsets": [8, 16]}}, 16)
    assert [piece.name for piece in pieces_of_file(beside)] == ["model"]


# ---- one error ----


def odd(**config):
    return lambda whole: whole["config"]["layers"][1]["config"].update(config)


def zip64(path, number):
    """Gives the configuration an offset of 64 bits."""
    content = path.read_bytes()
    at = content.find(b"PK\x01\x02", content.find(b"PK\x01\x02") + 1)
    name, extra = struct.unpack_from("<HH", content, at + 28)
    head = bytearray(content[at : at + 46])
    head[42:46] = b"\xff" * 4
    more = struct.pack("<HHQ", 1, 8, number)
    head[30:32] = (extra + len(more)).to_bytes(2, "little")
    split, end = at + 46 + name + extra, content.rfind(b"PK\x05\x06")
    tail = bytearray(content[end:])
    tail[12:16] = (int.from_bytes(tail[12:16], "little") + len(more)).to_bytes(4, "little")
    path.write_bytes(content[:at] + head + content[at + 46 : split] + more + content[split:end] + tail)


def said_of(path, tmp_path):
    """Returns the messages of all that looks at a file; asserts that nothing else ends a command."""
    found = []
    for more in (["--columns", "all", "--nested", "--stages"], ["--format", "json"], ["--plot", tmp_path / "p.html"]):
        result = CliRunner().invoke(main, ["inspect", str(path), "--force", *map(str, more)])
        assert isinstance(result.exception, (SystemExit, type(None))), repr(result.exception)
        assert result.exit_code in (0, 1)
        found += [result.output] if result.exit_code else []
    assert all(len(text) < 1100 and "where the results should go" not in text for text in found)
    return found


@pytest.mark.parametrize("number", [2**64 - 1, 2**63 - 1, 2**63, 2**40])
def test_offsets_of_64_bits_that_lead_out_of_the_archive(number, tmp_path):
    path = archive(tmp_path / "zip64.keras", chain(1))
    zip64(path, number)
    assert len(said_of(path, tmp_path)) == 3


@pytest.mark.parametrize(
    "change",
    [
        odd(max_value=float("nan")),
        odd(max_value=float("inf"), activation=[float("-inf")]),
        odd(max_value=10**39, negative_slope=True),
        odd(dtype="float32\0"),
        odd(dtype={"class_name": ["Policy"], "config": 3}),
        odd(layer={"class_name": 7, "config": {"x": [1]}, "module": [2]}),
        odd(name=["r0"]),
        lambda whole: whole["config"]["layers"][0]["config"].update(batch_input_shape=[None, 10**18]),
        lambda whole: whole["config"]["layers"][0]["config"].update(batch_input_shape=[None, -4]),
        lambda whole: whole["config"]["layers"][0]["config"].update(batch_input_shape=[None, 4.5]),
        lambda whole: whole["config"]["layers"][0]["config"].update(batch_input_shape=[None, True]),
        lambda whole: whole["config"]["layers"][0]["config"].update(batch_input_shape=[None, *[2**20] * 20]),
        lambda whole: whole["config"]["layers"][1].update(inbound_nodes=[[["r0", 0, 0, {}]]]),
        lambda whole: whole["config"]["layers"][1].update(inbound_nodes={"a": 1}),
        lambda whole: whole["config"]["layers"][1].update(class_name="C" * 10**6),
        lambda whole: whole["config"]["layers"][1].update(class_name="Conv2D", config={"kernel_size": [3] * 10**5}),
        lambda whole: whole["config"]["layers"][1].update(class_name="Dense", config={"name": "r0", "units": 10**39}),
    ],
)
def test_a_configuration_that_no_keras_writes_is_looked_at_or_refused(change, tmp_path):
    whole = chain(2)
    change(whole)
    said_of(archive(tmp_path / "odd.keras", whole), tmp_path)


def test_numbers_of_thousands_of_digits(tmp_path):
    path = archive(tmp_path / "digits.keras", json.dumps(chain(1)).replace("4]", "9" * 5000 + "]"))
    assert all("a number of 5,000 digits" in text for text in said_of(path, tmp_path))
    long = archive(tmp_path / "version.keras", chain(1))
    content = {name: zipfile.ZipFile(long).read(name) for name in zipfile.ZipFile(long).namelist()}
    with zipfile.ZipFile(long, "w") as file:
        for name, data in content.items():
            file.writestr(name, data if name != "metadata.json" else json.dumps({"keras_version": "3" * 5000}))
    said_of(long, tmp_path)


def test_a_path_of_hdf5_may_have_empty_steps(tmp_path):
    """`a//b` is `a/b` to HDF5; the list of weights of an old file may write either."""
    assert joined("model_weights", "d", "d//kernel:0") == "model_weights/d/d/kernel:0"
    assert joined("model_weights", "d", "./k/") == "model_weights/d/k"
    assert joined("model_weights", "d", "/k") == "k"
    path = tmp_path / "slashes.h5"
    kernel = np.arange(8, dtype="float32").reshape(4, 2)
    layers = [layer("Dense", "d", [("x", 0)], units=2, use_bias=False)]
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(network(layers, "d"))
        file.attrs["keras_version"] = "2.2.4"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"d"]
        below = group.create_group("d")
        below.attrs["weight_names"] = [b"d//kernel:0"]
        below["d//kernel:0"] = kernel
    (piece,) = pieces_of_file(path)
    np.testing.assert_array_equal(piece.tensors[0].load(), kernel)
