"""Labelled images of folders and tables: splits, labels, pixels, and what is said of bad data before any training."""

import os
import re
import struct
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import surgery as sg
from surgery.core.errors import SurgeryError, SurgeryWarning
from surgery.data import image_files

SPLITS = ("train", "validation", "test")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "data.md"


def picture(file, seed=0, sides=(8, 6)):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*sides, 3), "uint8")).save(file)
    return file


def folder_of(root, counts, prefix="", suffix="png"):
    for place, (name, count) in enumerate(counts.items()):
        (root / prefix / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture(root / prefix / name / f"{number:03}.{suffix}", 1000 * place + number)
    return root


@pytest.fixture
def flowers(tmp_path):
    return folder_of(tmp_path / "flowers", {"rose": 23, "daisy": 40, "aster": 3})


def split_of(data):
    return {split: [str(file) for file in data.files(split)] for split in data.counts}


# ---- splits ----


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.6, 0.4, 0), (0.34, 0.33, 0.33), (1, 0, 0)])
def test_splits_are_disjoint_complete_and_stratified_within_one_image(flowers, shares):
    data = sg.data.images(flowers, split=shares)
    files = [file for split in split_of(data).values() for file in split]
    assert sorted(files) == sorted(map(str, flowers.glob("*/*")))
    totals = {"aster": 3, "daisy": 40, "rose": 23}
    assert list(data.counts) == [split for split, share in zip(SPLITS, shares, strict=True) if share]
    for split, share in list(zip(SPLITS, shares, strict=True))[1:]:
        for name, count in data.counts.get(split, {}).items():
            assert abs(count - share * totals[name]) < 1 and count >= 1
    for split in data.counts:
        found = Counter(file.parent.name for file in data.files(split))
        assert found == data.counts[split]


def test_the_same_seed_gives_the_same_splits_wherever_the_folder_lies(flowers, tmp_path):
    def names(data):
        return {split: ["/".join(Path(file).parts[-2:]) for file in files] for split, files in split_of(data).items()}

    first, again, other = (sg.data.images(flowers, seed=seed) for seed in (1, 1, 2))
    assert split_of(first) == split_of(again) != split_of(other)
    flowers.rename(tmp_path / "moved")
    assert names(sg.data.images(tmp_path / "moved", seed=1)) == names(first)


def test_a_further_class_moves_no_image_to_another_split(flowers):
    before = split_of(sg.data.images(flowers))
    folder_of(flowers, {"tulip": 10})
    after = split_of(sg.data.images(flowers))
    assert all({*before[split]} <= {*after[split]} for split in before)


def test_no_group_is_in_two_splits(tmp_path):
    folder_of(tmp_path, {"a": 60, "b": 40})
    data = sg.data.images(tmp_path, group=lambda path: int(path.stem) // 3)
    groups = [{int(file.stem) // 3 for file in data.files(split)} for split in SPLITS]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 20
    assert 10 <= sum(data.counts["test"].values()) + sum(data.counts["validation"].values()) <= 30


def test_a_class_of_three_groups_is_in_each_split(tmp_path):
    folder_of(tmp_path, {"a": 9, "b": 90})
    data = sg.data.images(tmp_path, group=lambda path: f"{path.parent.name}{int(path.stem) // 3}")
    assert {split: data.counts[split]["a"] for split in SPLITS} == dict.fromkeys(SPLITS, 3)


def test_folders_of_splits_stay_and_what_is_missing_is_taken_from_train(tmp_path):
    folder_of(tmp_path, {"a": 20, "b": 10}, "Train")
    folder_of(tmp_path, {"a": 5, "b": 4}, "val")
    data = sg.data.images(tmp_path)
    assert {file.parent.parent.name for file in data.files("validation")} == {"val"}
    assert data.counts["validation"] == {"a": 5, "b": 4}
    assert data.counts["test"] == {"a": 2, "b": 1} and data.counts["train"] == {"a": 18, "b": 9}


def test_a_class_may_be_called_train(tmp_path):
    data = sg.data.images(folder_of(tmp_path, {"bus": 5, "train": 5}))
    assert data.classes == ("bus", "train")


# ---- labels and pixels ----


def test_labels_are_the_places_of_the_sorted_names_and_follow_the_files(flowers):
    data = sg.data.images(flowers, batch_size=4)
    assert data.classes == ("aster", "daisy", "rose")
    found = np.concatenate([labels.numpy() for _, labels in data.validation])
    wanted = [data.classes.index(file.parent.name) for file in data.files("validation")]
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(data.labels("validation"), wanted)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "webp", "tif"])
def test_pixels_are_those_of_the_file_resized(tmp_path, suffix):
    data = sg.data.images(folder_of(tmp_path, {"a": 4, "b": 4}, suffix=suffix), size=(5, 7), split=(0.5, 0.5, 0))
    images_bhwc = np.concatenate([images.numpy() for images, _ in data.validation])
    assert images_bhwc.dtype == "float32" and images_bhwc.shape == (4, 5, 7, 3)
    for image, file in zip(images_bhwc, data.files("validation"), strict=True):
        if suffix == "jpg":
            pixels = tf.io.decode_jpeg(file.read_bytes(), channels=3)
        else:
            with Image.open(file) as opened:
                pixels = np.asarray(opened.convert("RGB"))
        np.testing.assert_array_equal(image, tf.image.resize(pixels, (5, 7)))


def test_train_is_shuffled_anew_each_epoch_and_the_same_again_by_seed(flowers):
    def epochs(data):
        dataset = data.train
        return [np.concatenate([images.numpy() for images, _ in dataset]) for _ in range(2)]

    one, two = epochs(sg.data.images(flowers, seed=3))
    again, _ = epochs(sg.data.images(flowers, seed=3))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(np.sort(one.sum((1, 2, 3))), np.sort(two.sum((1, 2, 3))))


def test_the_size_is_the_median_by_headers_and_bounded(tmp_path):
    for number, sides in enumerate([(10, 20), (12, 20), (14, 30), (40, 26)]):
        picture(tmp_path / "ab"[number % 2] / f"{number}.png", number, sides)
    data = sg.data.images(tmp_path, split=(0.5, 0.5, 0))
    assert data.sizes == {"min": (10, 20), "median": (13, 23), "max": (40, 30)} and data.size == (13, 23)
    for name in "ab":
        for number in range(9):
            picture(tmp_path / name / f"large{number}.png", number, (448, 300))
    assert sg.data.images(tmp_path).size == (224, 150)


def test_links_are_followed_and_a_circle_of_folders_ends(flowers, tmp_path):
    data = folder_of(tmp_path / "linked", {"a": 4})
    (data / "b").symlink_to(flowers / "rose")
    (data / "a" / "again").symlink_to(data)
    found = sg.data.images(data, split=(0.5, 0.5, 0))
    assert sum(map(len, split_of(found).values())) == 4 + 23 + 23  # `a` holds `again/b`, but not itself once more


# ---- tables ----


def test_a_table_is_read_with_its_columns_splits_and_groups(flowers, tmp_path):
    files = sorted(flowers.glob("[rd]*/*"))
    lines = [f"{os.path.relpath(file, tmp_path)};{file.parent.name};{int(file.stem) // 4}" for file in files]
    (tmp_path / "list.csv").write_text("\ufeffFile Name;Species;plant\n" + "\n".join(lines) + "\n", "utf-8")
    data = sg.data.images(tmp_path / "list.csv", group="plant")
    assert data.classes == ("daisy", "rose")
    plants = [{int(file.stem) // 4 for file in data.files(split)} for split in SPLITS]
    assert sum(map(len, plants)) == len(set.union(*plants))
    rows = [f"{file},{file.parent.name},{['train', 'val', 'test'][place % 3]}" for place, file in enumerate(files)]
    (tmp_path / "said.csv").write_text("x,kind,split\n" + "\n".join(rows))
    data = sg.data.images(tmp_path / "said.csv", columns={"file": "x", "label": "kind"})
    assert data.files("test") == files[2::3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,kind\na.png,x\n", "no column is known to hold the label. It has the columns 'file', 'kind'"),
        ("file,label\n", "holds no line but its header"),
        ("file,label\na.png,x\na.png,y\n", "line 3: lists 'a.png' again, after line 2"),
        ("file,label\na.png\n", "line 2: 1 values, but the header has 2"),
        ("file,label\na.png,\n", "line 2: no label"),
        ("file,label,split\na.png,x,dev\n", "the split is 'dev'; expected one of train"),
        ("file,path,label\n", "has 'file', 'path': which is the file?"),
        ("file,label\na.png,x\nb.png,y\n", "2 of 2 images cannot be read"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    Path("list.csv").write_text(text)
    with pytest.raises(SurgeryError, match=re.escape(said)):
        sg.data.images("list.csv")


# ---- bad data ----


def bomb():
    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def refused(path, said, **options):
    with pytest.raises(SurgeryError, match=said) as error:
        sg.data.images(path, **options)
    assert str(error.value).isprintable() or "\n  " in str(error.value)


def test_each_kind_of_bad_folder_ends_in_one_message(tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds no images")
    refused(tmp_path / "absent", "no such folder")
    refused("https://example.com/flowers", "is a URL")
    refused(7, "expected a folder of images or a .csv file, got 7")
    refused(picture(tmp_path / "alone" / "one.png"), "is a file")
    refused(tmp_path / "alone", "no folder for each class")
    refused(folder_of(tmp_path / "one", {"rose": 5}), "found one class, 'rose'")
    refused(folder_of(tmp_path / "each", {"a": 1, "b": 1}), "one image of each of 2 classes")
    refused(folder_of(tmp_path / "few", {"a": 9, "b\n\x1b[31m": 2}), "in train there is no image of")
    folder_of(tmp_path / "splits", {"a": 5, "b": 5}, "train")
    refused(folder_of(tmp_path / "splits", {"a": 5}, "test"), "in test there is no image of 'b'")
    refused(folder_of(tmp_path / "splits", {"a": 5}), "are splits, next to a")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"task": "clasification"}, "expected 'classification'. Did you mean"),
        ({"split": (0.8, 0.1)}, "three shares"),
        ({"split": (0.8, 0.1, 0.2)}, "three shares"),
        ({"split": (0, 0.5, 0.5)}, "leaves no image to train on"),
        ({"size": 0}, "size=0"),
        ({"size": (3, 4, 5)}, r"size=\(3, 4, 5\)"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"seed": "x"}, "seed='x'"),
        ({"group": "plant"}, "a function from the path"),
        ({"columns": {"file": "x"}}, "is for a .csv file"),
    ],
)
def test_an_odd_argument_is_named(flowers, options, said):
    refused(flowers, said, **options)


def test_one_broken_file_is_skipped_and_named_and_many_stop(flowers):
    good = sorted((flowers / "daisy").iterdir())
    good[0].write_text("no image")
    data = sg.data.images(flowers)
    assert data.problems == {str(good[0]): "it is not a PNG, JPEG, GIF, BMP, WebP or TIFF image"}
    assert data.counts["train"]["daisy"] + data.counts["test"]["daisy"] + data.counts["validation"]["daisy"] == 39
    assert "1 skipped" in repr(data) and good[0].name in data._repr_html_()
    good[1].write_bytes(bomb())
    refused(flowers, r"2 of 66 images cannot be read.*\n.*000.png: it is not.*\n.*it claims 60,000 x 60,000 pixels")


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp"])
def test_a_file_that_is_cut_off_is_a_problem_before_it_is_used(flowers, suffix):
    file = picture(flowers / "rose" / f"cut.{suffix}", sides=(64, 64))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert list(sg.data.images(flowers).problems) == [str(file)]


def test_bytes_after_the_end_of_an_image_do_not_break_it(flowers):
    file = picture(flowers / "rose" / "long.jpg")
    file.write_bytes(file.read_bytes() + b"a film, as some phones add it")
    assert not sg.data.images(flowers).problems


def test_a_file_that_vanishes_or_breaks_later_is_left_out_and_named(flowers):
    data = sg.data.images(flowers)
    gone = data.files("train")[0]
    gone.unlink()
    assert not data.problems
    assert sum(len(labels) for _, labels in data.train) == len(data.files("train")) - 1
    assert data.problems == {str(gone): "no such file or directory"}
    data.files("train")[1].write_text("no image")
    with pytest.raises(tf.errors.InvalidArgumentError, match="too many images cannot be decoded"):
        list(data.train)
    assert len(data.problems) == 2


def test_a_folder_that_cannot_be_read_is_named(flowers, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "rose":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    refused(flowers, "rose' cannot be read: Permission denied")


def test_a_folder_that_vanishes_while_it_is_read_is_no_crash(flowers, monkeypatch):
    monkeypatch.setattr("surgery.data.survey.measured", lambda file: image_files.measured(file.with_name("gone")))
    refused(flowers, "66 of 66 images cannot be read.*\n.*no such file or directory")


def test_what_is_passed_over_is_said(flowers):
    (flowers / "rose" / "._000.png").write_text("of a Mac")
    (flowers / "notes").mkdir()
    picture(flowers / "loose.png")
    with pytest.warns(SurgeryWarning) as said:
        assert len(sg.data.images(flowers).classes) == 3
    assert [re.sub(f"{flowers}/", "", str(one.message)) for one in said] == [
        "not used, because in no folder of a class: loose.png",
        "no class, because it holds no images: notes",
    ]


def test_too_many_classes_are_refused_before_they_are_entered(tmp_path, monkeypatch):
    monkeypatch.setattr("surgery.data.folders.CLASSES", 5)
    refused(folder_of(tmp_path, {f"{number}": 0 for number in range(6)}), "holds 6 folders. A folder is a class")


def test_names_with_control_characters_and_markup_reach_nothing_raw(tmp_path):
    data = sg.data.images(folder_of(tmp_path / "a\x1b[31mb", {"<b>\n": 4, "x\x07": 4}))
    assert repr(data).isprintable() and "<b>" not in data._repr_html_() and "\x07" not in data._repr_html_()


def test_a_split_without_images_is_named(flowers):
    data = sg.data.images(flowers, split=(0.8, 0.2, 0))
    with pytest.raises(SurgeryError, match="there are no test images"):
        _ = data.test
    with pytest.raises(SurgeryError, match="expected train, validation or test"):
        data.files("val")


def test_the_code_of_the_page_runs(flowers, monkeypatch, capsys):
    monkeypatch.chdir(flowers.parent)
    scope = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for code in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
            exec(code, scope)
    assert "66 images of 3 classes" in capsys.readouterr().out and scope["images_bhwc"].shape == (32, 96, 96, 3)
