"""ARCHITECTURE.md and CONTRIBUTING.md: the rooms in their order, and every file and name that they mention."""

import re
from pathlib import Path

import pytest
from test_rooms import ROOMS

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")
QUESTIONS = {  # the page's word for a change -> what a change of this kind looks like in the file that it names
    "verb": r"\ndef substitute\(",
    "new name for a public name": r'"thaw": "unfreeze"',
    "layer of Keras": r'"[^"\n]*\bMaxPooling2D\b',
    "raw operation (`keras.ops`)": r'"[^"\n]*\bSoftsign\b',
    "MACs, or receptive field, of a layer": r"DepthwiseConv",
    "what makes two layers the same": r"\ndef same_",
    "file format to read": r"is_safetensors\(head\)",
    "file format to write": r'"\.safetensors": \(_write',
    "rule for files of Keras 1 or 2": r'"nb_filter": "filters"',
    "class or function that a file may name": r"\nMODULES|\ndef admitted",
    "measure of a call (a figure)": r'"stride": _strides',
    "preprocessing of images that a network expects": r'"caffe": Preprocessing',
    "column of `inspect`": r'Column\("params"',
    "selector term": r'name == "narrow"',
    "way to compare two networks": r"\ndef diff\(|\ndef align|\ndef changes",
    "text or JSON of a command": r"\n    def as_json",
    "image format of `plot`": r'path\.suffix == "\.mmd"',
    "image format to read": r'"\.webp"',
    "sample set": r"import digits",
    "zoo network": r'Network\("vgg16"',
    "part: decoder, head, generator": r"import unet_decoder",
    "loss": r"\nhinge = ",
    "metric, baseline": r"\ndef psnr",
    "type that `--set` understands": r"\bEnum\b",
    "command": r'"verify": "Compare',
    "cache on disk": r"\ndef cache_directory",
}


def files_named_in(line):
    """Returns the paths that a line names; a name without a folder lies in a folder that the same line names."""
    names = re.findall(r"`([\w.][\w./-]*(?:/|\.py|\.md|\.txt|\.cfg|\.toml|\.yml))`", line)
    names = [name for name in names if not re.search(r"NAME|FAMILY", name)]
    whole = [ROOT / name for name in names if "/" in name or (ROOT / name).exists()]
    folders = [path if path.suffix == "" else path.parent for path in whole]
    for name in names:
        places = [ROOT / name, *(folder / name for folder in folders)]
        yield name, next((place for place in places if place.exists()), None)


def test_the_page_lists_the_rooms_in_their_order():
    listed = re.findall(r"^\| `surgery/(\w+)(?:/|\.py)` \|", ARCHITECTURE, re.MULTILINE)
    assert tuple(listed) == ROOMS


def test_the_page_is_one_page():
    assert len(ARCHITECTURE.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_every_path_exists(page):
    lines = (ROOT / page).read_text("utf-8").splitlines()
    assert not [name for line in lines for name, path in files_named_in(line) if path is None]


@pytest.mark.parametrize("page", PAGES)
def test_every_name_is_in_the_file_that_it_is_said_to_be_in(page):
    found = re.findall(r"`(\w+)` of\s+`([\w./]+\.py)`", (ROOT / page).read_text("utf-8"))
    assert found or page != "ARCHITECTURE.md"
    for name, path in found:
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text("utf-8")), f"{name} of {path}"


@pytest.mark.parametrize("change", QUESTIONS)
def test_a_file_that_is_named_for_a_change_holds_others_of_its_kind(change):
    (row,) = (line for line in ARCHITECTURE.splitlines() if line.startswith(f"| {change} |"))
    paths = [path for _, path in files_named_in(row) if path is not None]
    files = [file for path in paths for file in ([path] if path.is_file() else path.glob("*.py"))]
    assert any(re.search(QUESTIONS[change], file.read_text("utf-8")) for file in files)
