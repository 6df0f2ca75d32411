"""The index that is read without the HDF5 library, against the library; and what is left to the library."""

import json
import os

import h5py
import keras
import numpy as np
import pytest
from networks import masked_network, random_network, siamese_network

import surgery as sg
from surgery.formats.budget import Budget
from surgery.formats.hdf5 import index
from surgery.formats.hdf5 import library as walking
from surgery.formats.hdf5.datatypes import Unusual
from surgery.formats.hdf5.subprocess import Place, Range


def both(path):
    """Returns what our own reader and the library say of a file; `None` where ours leaves it to the library."""
    with open(path, "rb") as file:
        place = Place(file.fileno(), 0, os.path.getsize(path))
        theirs = json.loads(json.dumps(walking.content(Range(place), "it", Budget(place.size)), default=str))
        try:
            ours = index.content(Range(place).part, Budget(place.size))
        except Unusual:
            return None, theirs
        return json.loads(json.dumps(ours)), theirs


@pytest.mark.parametrize("name", ["m.h5", "m.weights.h5"])
@pytest.mark.parametrize(
    "make", [masked_network, siamese_network, lambda: random_network(3), lambda: random_network(8)]
)
@pytest.mark.filterwarnings("ignore:You are saving")
def test_what_keras_writes_is_read_as_the_library_reads_it(make, name, tmp_path):
    model = make()
    model.save_weights(tmp_path / name) if "weights" in name else model.save(tmp_path / name)
    ours, theirs = both(tmp_path / name)
    assert ours is not None and ours == theirs
    assert (list(ours["groups"]), list(ours["tensors"])) == (list(theirs["groups"]), list(theirs["tensors"]))


def test_hundreds_of_layers_and_long_names(tmp_path):
    """Trees of several levels, heaps of several blocks, headers that go on elsewhere."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["layer_names"] = [f"layer_{number}".encode() for number in range(700)]
        file.attrs["text"], file.attrs["words"] = "é" * 5000, ["one", "", "zwölf"]
        file.attrs["count"], file.attrs["half"], file.attrs["grid"] = 7, 0.5, np.arange(6).reshape(2, 3)
        for number in range(700):
            group = file.create_group(f"layer_{number}/{'x' * 60}_{number}")
            for key in range(9):
                group.attrs[f"attribute_{key}"] = np.bytes_(b"value" * (key + 1))
            group["kernel"] = np.full((2, 3), number, "float16" if number % 2 else "int64")
    ours, theirs = both(tmp_path / "m.h5")
    assert ours is not None and ours == theirs
    assert list(ours["tensors"]) == list(theirs["tensors"])


@pytest.mark.parametrize(
    "odd",
    [
        lambda file: file.create_dataset("packed", data=np.ones((64, 64)), compression="gzip", chunks=(8, 8)),
        lambda file: file.create_dataset("big", data=np.ones(3, ">f4")),
        lambda file: file.create_dataset("flags", data=np.array([True, False])),
        lambda file: file.create_dataset("none", shape=(0,), dtype="f4"),
    ],
)
def test_what_is_otherwise_is_left_to_the_library(odd, tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        odd(file)
    ours, theirs = both(tmp_path / "m.h5")
    assert ours is None and len(theirs["tensors"]) == 1
    with h5py.File(tmp_path / "new.h5", "w", libver="latest") as file:
        file["a"] = np.ones(3)
    assert both(tmp_path / "new.h5")[0] is None


def test_a_file_of_the_newest_library_opens_all_the_same(tmp_path, tinyvgg):
    path = tmp_path / "t.weights.h5"
    tinyvgg.save_weights(path)
    with h5py.File(path) as old, h5py.File(tmp_path / "new.weights.h5", "w", libver="latest") as new:
        for name in old:
            old.copy(name, new)
    model = sg.build(sg.open("tinyvgg"))
    assert sg.load_weights(model, tmp_path / "new.weights.h5").loaded == len(model.weights)
    np.testing.assert_array_equal(model.get_weights()[0], tinyvgg.get_weights()[0])


def test_looking_at_a_file_needs_no_second_process(tmp_path):
    from surgery.formats.hdf5 import subprocess as process

    x = keras.Input((4,))
    path = sg.save(keras.Model(x, keras.layers.Dense(2)(x)), tmp_path / "m.keras")
    before = process._child
    sg.open(path)
    assert process._child is before
