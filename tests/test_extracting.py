"""Features of pictures: those of the network itself, in one pass, whatever is wrong with some files."""

import json
import os
import signal
import struct
import subprocess
import sys
import zlib

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

import surgery as sg
from surgery.cli.main import main
from surgery.data.image_files import header_size
from surgery.zoo.tinyvgg import pretrained


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures of several formats and sizes, one of them in a folder below."""
    place = tmp_path / "photos"
    (place / "below").mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(12):
        image = random.integers(0, 255, (30 + number, 40, 3)).astype("uint8")
        name = f"below/{number:02}.png" if number == 5 else f"{number:02}.{'jpg' if number % 2 else 'png'}"
        encoded = tf.io.encode_jpeg(image) if name.endswith("jpg") else tf.io.encode_png(image)
        (place / name).write_bytes(encoded.numpy())
    return place


def spoil(folder):
    """Adds files that are no pictures, or claim to be enormous ones."""
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    (folder / "a_bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    (folder / "b_cut.jpg").write_bytes((folder / "01.jpg").read_bytes()[:60])
    (folder / "c_text.png").write_bytes(b"hello")
    (folder / "d_empty.gif").write_bytes(b"")
    return {"a_bomb.png", "b_cut.jpg", "c_text.png", "d_empty.gif"}


def expected(files, tap):
    """The oracle: stock Keras, one model for one tap, on pictures decoded one by one."""
    model = pretrained()
    images = [tf.image.resize(tf.io.decode_image(tf.io.read_file(file), 3), (32, 32)) for file in files]
    return keras.Model(model.input, model.get_layer(tap).output).predict(np.stack(images) / 255, verbose=0)


@pytest.mark.parametrize("out", [None, "features.h5"])
def test_features_are_those_of_the_network_and_bad_files_are_named(folder, out, tmp_path, tinyvgg):
    bad = spoil(folder)
    path = None if out is None else tmp_path / out
    found = sg.extract_features(tinyvgg, "block3_pool, fc1", folder, path, preprocess="unit", batch_size=5)
    assert len(found.names) == 12 and {os.path.basename(name) for name in found.unreadable} == bad
    assert "50,000 x 50,000 pixels" in next(why for name, why in found.unreadable.items() if "bomb" in name)
    features = found.features
    if path is not None:
        with h5py.File(path) as file:
            assert [name.decode() for name in file["names"]] == found.names
            features = {name: file[name][()] for name in ("block3_pool", "fc1")}
        assert [file.name for file in tmp_path.iterdir() if file.is_file()] == [out]
    for tap in ("block3_pool", "fc1"):
        np.testing.assert_allclose(features[tap], expected(found.names, tap), rtol=1e-4, atol=1e-5)


def test_one_tap_as_npy_and_other_sizes(folder, tmp_path, tinyvgg):
    trunk = sg.cut(tinyvgg, outputs="block4_pool")
    sg.extract_features(
        trunk, "block4_pool", folder, tmp_path / "f.npy", size=(48, 64), preprocess=lambda images: images / 255
    )
    assert np.load(tmp_path / "f.npy").shape == (12, 3, 4, 40)
    assert len((tmp_path / "f.txt").read_text().splitlines()) == 12
    with pytest.raises(sg.SurgeryError, match="takes one tap"):
        sg.extract_features(tinyvgg, "fc1, fc2", folder, tmp_path / "g.npy")


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_another_precision_computes_nearly_the_same(folder, tinyvgg, dtype):
    plain = sg.extract_features(tinyvgg, "block5_pool", folder, preprocess="unit").features["block5_pool"]
    other = sg.extract_features(tinyvgg, "block5_pool", folder, preprocess="unit", dtype=dtype).features["block5_pool"]
    assert other.dtype == np.float32
    a, b = plain.reshape(12, -1), other.reshape(12, -1)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosine.min() >= 0.999
    assert (np.abs(a - b).max() > 0) == (dtype == "bfloat16" or not np.array_equal(a, b))
    assert tinyvgg.get_layer("block1_conv1").compute_dtype == "float32"


def test_a_size_in_a_header_is_read_without_decoding():
    image = np.zeros((7, 9, 3), "uint8")
    for encoded in (tf.io.encode_png(image), tf.io.encode_jpeg(image)):
        assert header_size(encoded.numpy()) == (9, 7)
    assert header_size(b"GIF89a" + struct.pack("<HH", 9, 7) + b"0" * 20) == (9, 7)
    assert header_size(b"BM" + b"0" * 16 + struct.pack("<ii", 9, -7) + b"0" * 20) == (9, 7)


CHILD = """
import os, sys, time, surgery as sg
import surgery.training.extract
extracting = sys.modules["surgery.training.extract"]
plain = extracting.ExtractionRun._computed
def computed(self, images):
    time.sleep(float(sys.argv[3]))
    print("batch", flush=True)
    return plain(self, images)
extracting.ExtractionRun._computed = computed
graph = sg.open("tinyvgg", weights="pretrained")
print(sg.extract_features(graph, "block3_pool", sys.argv[1], sys.argv[2], preprocess="unit", batch_size=2))
"""


def test_a_kill_costs_one_batch_and_the_result_is_the_same(folder, tmp_path):
    def child(out, pause):
        command = [sys.executable, "-c", CHILD, str(folder), str(out), pause]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        )

    with child(tmp_path / "killed.h5", "0.3") as run:
        for _ in range(3):
            assert run.stdout.readline() == "batch\n"
        os.kill(run.pid, signal.SIGKILL)
    assert not (tmp_path / "killed.h5").exists()
    done = json.loads((tmp_path / ".killed.h5.partial" / "progress.json").read_text())["done"]
    assert done in (4, 6)
    with child(tmp_path / "killed.h5", "0") as resumed, child(tmp_path / "whole.h5", "0") as whole:
        lines = [one.stdout.read().splitlines() for one in (resumed, whole)]
    assert (lines[0].count("batch"), lines[1].count("batch")) == (6 - done // 2, 6)
    with h5py.File(tmp_path / "killed.h5") as one, h5py.File(tmp_path / "whole.h5") as two:
        np.testing.assert_array_equal(one["block3_pool"][()], two["block3_pool"][()])
    assert not list(tmp_path.glob(".*partial"))


FORMATS = {
    "plain.tif": ("RGB", "TIFF", {}),
    "packed.tiff": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "sheer.tiff": ("RGBA", "TIFF", {}),
    "grey.TIF": ("L", "TIFF", {}),
    "palette.tif": ("P", "TIFF", {}),
    "lossless.webp": ("RGB", "WEBP", {"lossless": True}),
    "sheer.webp": ("RGBA", "WEBP", {"lossless": True}),
    "moving.webp": ("RGB", "WEBP", {"lossless": True, "save_all": True}),
    "palette.bmp": ("P", "BMP", {}),
    "by_content": ("RGB", "WEBP", {"lossless": True}),
}


@pytest.mark.parametrize("channels", [1, 3])
def test_webp_and_tiff_are_images(channels, tmp_path):
    image = pytest.importorskip("PIL.Image")
    coarse = np.random.default_rng(0).integers(0, 4, (9, 7, 3)).astype("uint8") * 85
    folders = tmp_path / "odd", tmp_path / "png"
    for folder in folders:
        folder.mkdir()
    for name, (mode, kind, options) in FORMATS.items():
        made = image.fromarray(coarse).convert(mode)
        more = {"append_images": [made.rotate(90, expand=False)]} if "save_all" in options else {}
        made.save(folders[0] / name, kind, **options, **more)
        made.convert("L" if mode == "L" else "RGB").save(folders[1] / f"{name}.png")
    wide = np.arange(63, dtype="uint16").reshape(9, 7) * 1000
    image.fromarray(wide).save(folders[0] / "wide.tif")
    image.fromarray((wide >> 8).astype("uint8")).save(folders[1] / "wide.tif.png")
    model = keras.Sequential([keras.Input((9, 7, channels)), keras.layers.Flatten(name="flat")])
    odd, png = (sg.extract_features(model, "flat", folder, preprocess=None) for folder in folders)
    assert not odd.unreadable and [f"{os.path.basename(name)}.png" for name in odd.names] == [
        os.path.basename(name) for name in png.names
    ]
    np.testing.assert_array_equal(odd.features["flat"], png.features["flat"])


def test_images_of_formats_that_are_not_decoded_are_named_and_other_files_are_not_images(folder, tinyvgg, monkeypatch):
    for name in ("a.heic", "b.svg", "c.dng"):
        (folder / name).write_bytes(b"II*\0" + b"0" * 40)
    (folder / "labels.csv").write_text("a,b")
    (folder / "broken.tiff").write_bytes(b"II*\0" + b"0" * 40)
    (folder / "broken.webp").write_bytes(b"RIFF0000WEBPVP8 " + b"0" * 40)
    found = sg.extract_features(tinyvgg, "fc1", folder, preprocess="unit").unreadable
    said = {os.path.basename(name): why for name, why in found.items()}
    assert set(said) == {"a.heic", "b.svg", "c.dng", "broken.tiff", "broken.webp"}
    assert said["a.heic"] == ".heic files are not decoded; convert it to PNG, JPEG or TIFF"
    assert said["broken.tiff"].startswith("Pillow cannot decode it as TIFF") and "WebP" in said["broken.webp"]
    monkeypatch.setitem(sys.modules, "PIL", None)
    found = sg.extract_features(tinyvgg, "fc1", folder, preprocess="unit").unreadable
    assert found[str(folder / "broken.webp")] == "it is a WebP image, which Pillow decodes: pip install pillow"


@pytest.mark.parametrize("last", [False, True])
def test_strict_makes_an_error_of_what_would_be_skipped(last, folder, tmp_path, tinyvgg):
    assert not sg.extract_features(tinyvgg, "fc1", folder, preprocess="unit", strict=True).unreadable
    bad = {"z.png"} if last else spoil(folder)
    (folder / "z.png").write_bytes((folder / "00.png").read_bytes()[:200])  # whose header is whole
    with pytest.raises(sg.SurgeryError, match="cannot be read, and none may be skipped") as refused:
        sg.extract_features(tinyvgg, "fc1", folder, tmp_path / "f.h5", preprocess="unit", strict=True, batch_size=2)
    assert any(name in str(refused.value) for name in bad)
    skipped = sg.extract_features(tinyvgg, "fc1", folder, tmp_path / "f.h5", preprocess="unit", batch_size=2)
    assert len(skipped.unreadable) == len(bad | {"z.png"})


# ---- the command ----


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_the_command_writes_features_and_extractors(folder, tmp_path):
    spoil(folder)
    result = run("tap", "tinyvgg", "block3_pool, fc1", "--images", folder, "-o", tmp_path / "f.h5")
    assert result.exit_code == 0 and "12 images, 4 skipped: block3_pool (4, 4, 40), fc1 (64,)" in result.output
    assert "skipped 4 images:\n  " in result.stderr and "50,000 x 50,000" in result.stderr
    strict = run("tap", "tinyvgg", "fc1", "--images", folder, "-o", tmp_path / "strict.h5", "--strict")
    assert strict.exit_code == 1 and "of 16 images cannot be read, and none may be skipped" in strict.stderr
    result = run("tap", "tinyvgg", "block3_pool", "-o", tmp_path / "e.keras")
    assert result.exit_code == 0 and "15" not in result.output.split("calls")[0][-4:]
    assert list(keras.models.load_model(tmp_path / "e.keras").output) == ["block3_pool"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tinyvgg", "fc1", "-o", "{out}/f.h5", "--images", "{out}/none"], "is not a folder"),
        (["tinyvgg", "fc1", "-o", "{out}/f.h5", "--images", "{out}"], "holds no images"),
        (["tinyvgg", "fc9", "-o", "{out}/f.h5", "--images", "{photos}"], "no call matches 'fc9'"),
        (["tinyvgg", "fc1", "-o", "{out}/f.txt", "--images", "{photos}"], "should end in .h5 or .hdf5 or .npy"),
        (["tinyvgg", "fc1", "-o", "{out}/no/f.h5", "--images", "{photos}"], "not a directory that can be written"),
        (["tinyvgg", "fc1", "-o", "{out}/f.h5", "--images", "{photos}", "--preprocess", "vgg61"], "Did you mean 'vgg1"),
        (["tinyvgg", "fc1", "-o", "{out}/f.h5", "--images", "{photos}", "--size", "64", "64"], "does not take"),
    ],
)
def test_bad_input_is_one_message_and_leaves_nothing(arguments, message, folder, tmp_path):
    (tmp_path / "out").mkdir()
    result = run("tap", *(one.format(out=tmp_path / "out", photos=folder) for one in arguments))
    assert result.exit_code == 1 and message in result.output, result.output
    assert not list((tmp_path / "out").iterdir())


def test_a_full_disk_leaves_the_old_file(folder, tmp_path, tinyvgg, monkeypatch):
    out = tmp_path / "f.h5"
    sg.extract_features(tinyvgg, "fc1", folder, out, preprocess="unit")
    whole = out.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(sg.SurgeryError, match="No space left on device"):
        sg.extract_features(tinyvgg, "fc2", folder, out, preprocess="unit")
    assert out.read_bytes() == whole
