"""Broken and hostile model files, drawn by number from sound ones: bytes, and each format by its structure."""

import io
import json
import pathlib
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

Random = np.random.Generator
WILD = (
    None, True, -1, 0, 3, 0.5, 2**31, 2**63, 10**15, 10**30, -(10**18), 1e300, float("nan"), float("inf"), "", "x",
    "os.system", "Lambda", "\x1b[31m", "é" * 5000, [], {}, [[]], [None], [0], [-1, 10**18], [1] * 70, "None",
    {"class_name": "Dense"},
    {"class_name": "__tuple__", "items": [1]}, {"class_name": "function", "config": "relu", "module": "os"}, "float99",
)  # fmt: skip
NUMBERS = (0, 1, 2**15, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 8, 2**64 - 1)
SIGNATURES = (b"GCOL", b"TREE", b"SNOD", b"HEAP", b"OHDR", b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")


def pick(random: Random, values: Any) -> Any:
    return values[int(random.integers(0, len(values)))]


def mutated(content: bytes, random: Random) -> bytes:
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
            data[at : at + 8] = pick(random, NUMBERS).to_bytes(8, "little")
        elif random.random() < 0.2:
            del data[at:]
    return bytes(data)


def marked(content: bytes, random: Random) -> bytes:
    """Returns a file in which numbers that follow a signature are others: those of HDF5's heaps, B-trees and headers,
    and those of a zip's directory; some are addresses of other parts of the file."""
    data = bytearray(content)
    places = [at for one in SIGNATURES for at in _all(content, one)]
    for _ in range(int(random.integers(1, 4)) if places else 0):
        at = pick(random, places) + int(random.integers(0, 20)) * pick(random, (1, 2, 4, 8))
        width = pick(random, (1, 2, 4, 8))
        number = pick(random, places) if random.random() < 0.4 else pick(random, NUMBERS)
        data[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, "little")[: len(data[at : at + width])]
    return bytes(data)


def _all(content: bytes, part: bytes) -> Iterator[int]:
    at = content.find(part)
    while at >= 0:
        yield at
        at = content.find(part, at + 1)


def with_zip64(content: bytes, random: Random) -> bytes:
    """Returns an archive of which one member has sizes and an offset of 64 bits, of numbers that may be wild."""
    at = pick(random, list(_all(content, b"PK\x01\x02")))
    head = bytearray(content[at : at + 46])
    name, extra = struct.unpack_from("<HH", head, 28)
    numbers = [pick(random, NUMBERS) if random.random() < 0.6 else len(content) // 2 for _ in range(3)]
    more = struct.pack("<HHQQQ", 1, 24, *numbers)
    head[20:28], head[42:46] = b"\xff" * 8, b"\xff" * 4
    head[30:32] = (extra + len(more)).to_bytes(2, "little")
    split = at + 46 + name + extra
    end = content.rfind(b"PK\x05\x06")
    tail = bytearray(content[end:])
    tail[12:16] = (int.from_bytes(tail[12:16], "little") + len(more)).to_bytes(4, "little")
    return content[:at] + bytes(head) + content[at + 46 : split] + more + content[split:end] + bytes(tail)


def reworded(text: bytes, random: Random) -> bytes:
    """Returns JSON in which some values are wild ones, are gone, or stand in each other's place."""
    whole = json.loads(text)
    for _ in range(int(random.integers(1, 4))):
        places = [(whole, key) for key in whole]
        for holder, key in places:
            below = holder[key]
            if isinstance(below, (dict, list)):
                places += [(below, one) for one in (below if isinstance(below, dict) else range(len(below)))]
        holder, key = pick(random, places)
        kind = int(random.integers(0, 6))
        if kind < 2:
            holder[key] = pick(random, WILD)
        elif kind == 2:
            del holder[key]
        elif kind == 3:
            holder[key] = _retyped(holder[key], random)
        elif kind == 4 and isinstance(holder, list):
            holder.insert(key, json.loads(json.dumps(holder[key])))
        else:
            other, at = pick(random, places)
            holder[key] = json.loads(json.dumps(other[at])) if isinstance(other, dict) or at < len(other) else None
    return _written(whole, random)


def _retyped(value: Any, random: Random) -> Any:
    """Returns what is nearly a value: another type, a neighbour, one more around it."""
    if isinstance(value, (int, float)):
        return pick(random, (float(value), str(value), [value], -value, value * 10**12, bool(value), [value] * 40))
    if isinstance(value, str):
        return pick(random, (value.upper(), value + "\0", [value], value * 400, {"name": value}, value[:-1], 7))
    return pick(random, ([value], {"config": value}, str(value), list(value) * 3 if value else 0))


def rewired(text: bytes, random: Random) -> bytes:
    """Returns the configuration of a model in which layers are called otherwise: cycles, twice, with other tensors."""
    whole = json.loads(text)
    layers = whole.get("config", {}).get("layers") if isinstance(whole.get("config"), dict) else None
    if not layers:
        return reworded(text, random)
    for _ in range(int(random.integers(1, 3))):
        one, other = pick(random, layers), pick(random, layers)
        kind = int(random.integers(0, 6))
        if kind == 0:
            one["inbound_nodes"] = other.get("inbound_nodes", [])
        elif kind == 1 and one.get("inbound_nodes"):
            one["inbound_nodes"] = one["inbound_nodes"] * int(pick(random, (2, 50)))
        elif kind == 2:
            layers.insert(0, json.loads(json.dumps(one)))
        elif kind == 3:
            layers.remove(one)
        elif kind == 4:
            said = json.dumps(one).replace(json.dumps(one.get("name")), json.dumps(other.get("name")))
            layers[layers.index(one)] = json.loads(said)
        else:
            one["class_name"] = other.get("class_name")
            one["config"] = {**other.get("config", {}), "name": one.get("name")}
        if not layers:
            break
    return _written(whole, random)


def _written(whole: Any, random: Random) -> bytes:
    text = json.dumps(whole)
    if random.random() < 0.05:
        text = text.replace(": 3", f": {pick(random, ('9' * 5000, '1e400', '-1e400', 'NaN'))}", 1)
    if random.random() < 0.05:
        text = text.replace("{", '{"name": "twice", "name": [], ', int(random.integers(1, 3)))
    return text.encode("utf-8", "surrogatepass")


def mutant(seeds: list[tuple[str, bytes]], number: int) -> tuple[str, bytes]:
    """Returns the mutant of a number: of the bytes of a file, of the parts of its format, or of the words in it."""
    random = np.random.default_rng(number)
    name, content = pick(random, seeds)
    draw = random.random()
    if draw < 0.1:
        return name, mutated(content, random)
    if draw < 0.25 and not name.endswith(".safetensors"):
        zip64 = name.endswith(".keras") and random.random() < 0.5
        return name, with_zip64(content, random) if zip64 else marked(content, random)
    words = rewired if draw < 0.5 else reworded
    if name.endswith(".h5"):
        return name, _of_hdf5(content, random, words)
    if name.endswith(".safetensors"):
        length = 8 + int.from_bytes(content[:8], "little")
        header = reworded(content[8:length], random)
        return name, len(header).to_bytes(8, "little") + header + content[length:]
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        chosen = "config.json" if draw < 0.9 else pick(random, old.namelist())
        for member in old.infolist():
            data = old.read(member)
            if member.filename == chosen:
                change = words if chosen == "config.json" else pick(random, (mutated, marked))
                data = change(data, random)
            new.writestr(member.filename, data, member.compress_type)
    return name, out.getvalue()


def _of_hdf5(content: bytes, random: Random, words: Any) -> bytes:
    memory = io.BytesIO(content)
    with h5py.File(memory, "r+") as file:
        owners = [file]
        file.visititems(lambda _, item: owners.append(item))
        texts = [(one, key) for one in owners for key in one.attrs if len(one.attrs[key]) > 0]
        if not texts:
            return marked(content, random)
        owner, key = texts[0 if random.random() < 0.7 else int(random.integers(0, len(texts)))]
        value = owner.attrs[key]
        text = value.encode() if isinstance(value, str) else value
        if isinstance(text, bytes) and text.startswith(b"{"):
            owner.attrs[key] = words(text, random)[:60_000]
        else:
            odd = [b"", b"\x1b[31m", 7, np.arange(3), [b"a", b"a"], b"x" * 999, np.nan, [b"x" * 60, b"../y", b"a//b"]]
            owner.attrs[key] = pick(random, odd)
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
        "q = keras.ops.reshape(keras.layers.UpSampling2D()(q), (-1, 4, 4, 16))\n"
        "q = keras.layers.Flatten()(q); keras.Model(p, keras.layers.Dense(2)(q)).save('g.keras')\n"
        "s = keras.Input((5,), dtype='int32'); e = keras.layers.Embedding(9, 4, mask_zero=True)(s)\n"
        "a = keras.layers.MultiHeadAttention(2, 2)(e, e); t = keras.layers.TimeDistributed(inner)(e + a)\n"
        "keras.Model(s, [inner(keras.layers.GlobalAveragePooling1D()(e)), t]).save('h.keras')\n"
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
