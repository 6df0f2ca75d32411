"""Files of Keras 3.0 to 3.2.1, which name the first call of a nested model wherever one of its calls is taken.

Stock Keras computes a siamese network of them as f(a) - f(a). Files of today are rewritten as Keras 3.2.1 wrote them.
"""

import json
import re
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

import surgery as sg


def shared():
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(4, name="inner")(x), name="shared")


def sequential():
    return keras.Sequential([keras.Input((4,)), layers.Dense(4, name="inner")], name="shared")


def as_3_2_1_wrote(model, path):
    """Saves a model, with each history that names a call of the nested model naming its first call."""
    model.save(path)
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    text = members["config.json"].decode()
    members["config.json"] = re.sub(r'("keras_history": \["shared", )\d+', r"\g<1>0", text).encode()
    members["metadata.json"] = json.dumps({"keras_version": "3.2.1", "date_saved": ""}).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


A, B = (np.random.default_rng(seed).standard_normal((2, 4)).astype("float32") for seed in (0, 1))

TOLD = {
    "siamese": lambda f, a, b: layers.Subtract()([f(a), f(b)]),
    "distance": lambda f, a, b: keras.ops.absolute(f(a) - f(b)),
    "sum": lambda f, a, b: layers.Add()([f(a), f(b)]),
    "three": lambda f, a, b: layers.Concatenate()([f(a), f(b), f(layers.Rescaling(2.0)(a))]),
    "chain": lambda f, a, b: layers.Add()([f(f(a)), b]),
    "outputs": lambda f, a, b: [f(a), f(b)],
}


@pytest.mark.parametrize("make", [shared, sequential])
@pytest.mark.parametrize("name", TOLD)
def test_each_call_of_a_shared_model_is_taken(name, make, tmp_path):
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model([a, b], TOLD[name](make(), a, b))
    graph = sg.open(as_3_2_1_wrote(model, tmp_path / "m.keras"))
    for found, expected in zip(*(keras.tree.flatten(one([A, B])) for one in (sg.build(graph), model)), strict=True):
        np.testing.assert_array_equal(found, expected)
    notes = [note for note in graph.notes if "the file names the first alone" in note]
    assert len(notes) == (name != "outputs")
    assert all(("check what it computes" in note) == (name not in ("sum", "chain")) for note in notes)


AMBIGUOUS = {
    "taken by two layers": lambda f, a, b: layers.Subtract()([layers.Dense(4)(f(a)), layers.Dense(4)(f(b))]),
    "taken three times": lambda f, a, b: (lambda one: layers.Add()([one, f(b), one]))(f(a)),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_cannot_be_told_is_refused(name, tmp_path):
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model([a, b], AMBIGUOUS[name](shared(), a, b))
    with pytest.raises(sg.SurgeryError, match=r"'shared' is called 2 times.*is not known"):
        sg.open(as_3_2_1_wrote(model, tmp_path / "m.keras"))
