"""Mutates model files and opens them: each is a model or one SurgeryError, in bounded time and memory, nothing else.

Usage: python scripts/fuzz_files.py [--count 20000] [--first 0] [--seconds 3600] [--build]. Mutants are drawn by number:
a failure is printed with its number, and its file is kept. Files are opened in a process with little memory that is
killed when one takes long, so that a crash or a hang of a library is seen too. `--build` also builds what opens.
"""

import argparse
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import zipfile

import h5py
import numpy as np

BATCH = 200
WORKER = """
import pathlib, resource, signal, sys
build, gigabytes = sys.argv[1] == "True", int(sys.argv[2])
import surgery as sg
from surgery.files import pieces_of_file
if build:
    import keras
    small = sg.build(sg.open("tinyvgg"))
resource.setrlimit(resource.RLIMIT_AS, (gigabytes * 2**30,) * 2)

def shown(path):
    sg.show(sg.open(path), file=sys.stderr)

works = [shown, pieces_of_file] + [lambda path: sg.build(sg.open(path))] * build
for path in map(pathlib.Path, sys.stdin.read().split()):
    print(path, flush=True)
    signal.alarm(30 if build else 10)
    for work in works:
        try:
            work(path)
        except sg.SurgeryError as error:
            raw = [char for char in str(error) if not (char.isprintable() or char == chr(10))]
            assert not raw, f"raw characters {raw} in the message"
assert build or "keras" not in sys.modules
print("done")
"""
WILD = (None, True, -1, 0, 3, 2**31, 10**15, 1e300, "", "x", "os.system", "Lambda", "\x1b[31m", [], {}, [[]], [None])


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """Returns a file with bits flipped, bytes overwritten, a range removed, doubled or cut off."""
    data = bytearray(content)
    for _ in range(int(random.integers(1, 6))):
        at = int(random.integers(0, max(len(data), 1)))
        kind = int(random.integers(0, 6))
        size = int(random.integers(1, 64))
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << int(random.integers(0, 8))
        elif kind == 1:
            data[at : at + size] = random.bytes(len(data[at : at + size]))
        elif kind == 2:
            del data[at : at + size]
        elif kind == 3:
            data[at:at] = data[at : at + size]
        elif kind == 4:
            data[at : at + 8] = [b"\xff" * 8, b"\x00" * 8, (2**40).to_bytes(8, "little")][int(random.integers(0, 3))]
        elif random.random() < 0.2:
            del data[at:]
    return bytes(data)


def reworded(text: bytes, random: np.random.Generator) -> bytes:
    """Returns JSON in which some values are wild ones, are gone, or stand in each other's place."""
    whole = json.loads(text)
    for _ in range(int(random.integers(1, 4))):
        places = [(whole, key) for key in whole]
        for holder, key in places:
            below = holder[key]
            if isinstance(below, (dict, list)):
                places += [(below, one) for one in (below if isinstance(below, dict) else range(len(below)))]
        holder, key = places[int(random.integers(0, len(places)))]
        kind = int(random.integers(0, 4))
        if kind < 2:
            holder[key] = WILD[int(random.integers(0, len(WILD)))]
        elif kind == 2:
            del holder[key]
        else:
            other, at = places[int(random.integers(0, len(places)))]
            holder[key] = json.loads(json.dumps(other[at])) if isinstance(other, dict) or at < len(other) else None
    return json.dumps(whole).encode()


def mutant(seeds: list[tuple[str, bytes]], number: int) -> tuple[str, bytes]:
    """Returns the mutant of a number: of the bytes of a file, of a member of its zip, or of the words in it."""
    random = np.random.default_rng(number)
    name, content = seeds[int(random.integers(0, len(seeds)))]
    words = random.random() < 0.5
    if name.endswith(".h5") and words:
        return name, _of_hdf5(content, random)
    if name.endswith(".safetensors") and words:
        length = 8 + int.from_bytes(content[:8], "little")
        header = reworded(content[8:length], random)
        return name, len(header).to_bytes(8, "little") + header + content[length:]
    if not name.endswith(".keras") or random.random() < 0.3:
        return name, mutated(content, random)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        chosen = "config.json" if words else old.namelist()[int(random.integers(0, len(old.namelist())))]
        for member in old.infolist():
            data = old.read(member)
            if member.filename == chosen:
                data = (reworded if words else mutated)(data, random)
            new.writestr(member.filename, data, member.compress_type)
    return name, out.getvalue()


def _of_hdf5(content: bytes, random: np.random.Generator) -> bytes:
    memory = io.BytesIO(content)
    with h5py.File(memory, "r+") as file:
        owners = [file]
        file.visititems(lambda _, item: owners.append(item))
        texts = [(one, key) for one in owners for key in one.attrs if len(one.attrs[key]) > 0]
        if not texts:
            return mutated(content, random)
        owner, key = texts[0 if random.random() < 0.5 else int(random.integers(0, len(texts)))]
        value = owner.attrs[key]
        text = value.encode() if isinstance(value, str) else value
        if isinstance(text, bytes) and text.startswith(b"{"):
            owner.attrs[key] = reworded(text, random)
        else:
            owner.attrs[key] = [b"", b"\x1b[31m", 7, np.arange(3), [b"a", b"a"], b"x" * 999][int(random.integers(0, 6))]
    return memory.getvalue()


def seeds(folder: pathlib.Path) -> list[tuple[str, bytes]]:
    """Returns small files of every format, as stock Keras and older ones write them."""
    code = (
        "import sys, keras, surgery as sg\n"
        "x = keras.Input((6, 4)); y = keras.layers.Bidirectional(keras.layers.LSTM(2))(x)\n"
        "inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])\n"
        "m = keras.Model(x, inner(y) * 2)\n"
        "m.save('f.keras'); m.save('f.h5'); m.save_weights('f.weights.h5'); sg.save(m, 'f.safetensors')\n"
        "p = keras.Input((8, 8, 3)); q = keras.layers.Conv2D(2, 3, padding='same')(p)\n"
        "q = keras.layers.Concatenate()([q, keras.layers.ReLU()(q)]); q = keras.layers.MaxPooling2D()(q)\n"
        "q = keras.layers.Flatten()(q); keras.Model(p, keras.layers.Dense(2)(q)).save('g.keras')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
    with zipfile.ZipFile(folder / "g.keras") as old, zipfile.ZipFile(folder / "d.keras", "w") as new:
        for member in old.namelist():
            new.writestr(member, old.read(member), zipfile.ZIP_DEFLATED)
    layers = [
        {"class_name": "Convolution2D", "config": {"name": "c", "nb_filter": 2, "nb_row": 3, "nb_col": 3,
         "border_mode": "same", "dim_ordering": "tf", "batch_input_shape": [None, 6, 6, 3], "activation": "relu"}},
        {"class_name": "Flatten", "config": {"name": "f"}},
        {"class_name": "Dense", "config": {"name": "d", "output_dim": 2, "activation": "linear"}},
    ]  # fmt: skip
    arrays = {"c": [(3, 3, 3, 2), (2,)], "f": [], "d": [(72, 2), (2,)]}
    with h5py.File(folder / "one.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": layers}).encode()
        file.attrs["keras_version"] = b"1.2.2"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in arrays]
        for name, shapes in arrays.items():
            below = group.create_group(name)
            below.attrs["weight_names"] = [f"{name}_{number}".encode() for number in range(len(shapes))]
            for number, shape in enumerate(shapes):
                packed = {"compression": "gzip"} if len(shape) > 1 else {}
                below.create_dataset(f"{name}_{number}", data=np.ones(shape, "float32"), **packed)
    return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]


def tried(paths: list[pathlib.Path], build: bool) -> list[str]:
    """Opens files in a process of their own, going on in a new one after each failure; returns what failed."""
    failures = []
    while paths:
        command = [sys.executable, "-c", WORKER, str(build), "16" if build else "3"]
        run = subprocess.run(command, input="\n".join(map(str, paths)), capture_output=True, text=True, check=False)
        lines = run.stdout.splitlines()
        if run.returncode == 0 and lines[-1:] == ["done"]:
            break
        if not lines or lines[-1] == "done":
            failures.append(
                f"at the end of {paths[0].name} ... {paths[-1].name} ({run.returncode}): {run.stderr[-300:]}"
            )
            break
        path = pathlib.Path(lines[-1])
        kept = pathlib.Path(tempfile.gettempdir()) / path.name
        kept.write_bytes(path.read_bytes())
        how = "took too long" if run.returncode == -14 else (run.stderr.strip().splitlines() or [""])[-1]
        failures.append(f"{kept} (exit {run.returncode}): {how[:300]}")
        paths = paths[paths.index(path) + 1 :]
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--build", action="store_true")
    asked = parser.parse_args()
    start, failed, done = time.perf_counter(), 0, 0
    with tempfile.TemporaryDirectory() as place:
        files = seeds(pathlib.Path(place))
        last = asked.first + asked.count
        for first in range(asked.first, last, BATCH):
            if time.perf_counter() - start > asked.seconds:
                break
            paths = []
            for number in range(first, min(first + BATCH, last)):
                name, content = mutant(files, number)
                paths.append(pathlib.Path(place) / f"{number}-{name}")
                paths[-1].write_bytes(content)
            for failure in tried(paths, asked.build):
                failed += 1
                print(f"FAILED {failure}", flush=True)
            for path in paths:
                path.unlink()
            done += len(paths)
    print(f"{done:,} mutants, {failed} failures, {time.perf_counter() - start:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
