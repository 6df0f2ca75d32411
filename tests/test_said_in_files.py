"""What a file does not say as a live model does: how many tensors a call makes, and what a custom model class is."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import surgery as sg

SEVERAL = {
    "split": lambda x: ops.split(x, 3, axis=1)[0],
    "split at": lambda x: ops.split(x, [2, 3], axis=1)[1],
    "array_split": lambda x: ops.array_split(x, 4, axis=1)[1],
    "top_k": lambda x: ops.top_k(x, 2)[0],
    "unstack": lambda x: ops.unstack(x, axis=1)[2],
    "moments": lambda x: ops.moments(x, axes=[1], keepdims=True)[0],
    "qr": lambda x: ops.qr(ops.reshape(x, (-1, 2, 3)))[0],
    "svd": lambda x: ops.svd(ops.reshape(x, (-1, 2, 3)))[1],
    "rfft": lambda x: ops.rfft(x)[1],
    "LSTM": lambda x: layers.LSTM(3, return_state=True)(ops.reshape(x, (-1, 2, 3)))[0],
    "cells": lambda x: layers.RNN([layers.LSTMCell(3), layers.GRUCell(3)], return_state=True)(
        ops.reshape(x, (-1, 2, 3))
    )[0],
    "scores": lambda x: layers.Attention()([ops.reshape(x, (-1, 2, 3))] * 2, return_attention_scores=True)[0],
    "heads": lambda x: layers.MultiHeadAttention(2, 2)(*[ops.reshape(x, (-1, 2, 3))] * 2, return_attention_scores=True)[
        0
    ],
}


@pytest.mark.parametrize("name", SEVERAL)
def test_a_tap_of_a_call_from_a_file_has_all_tensors_that_the_live_one_has(name, tmp_path):
    x = keras.Input((6,))
    model = keras.Model(x, SEVERAL[name](x))
    model.save(tmp_path / "m.keras")
    live, stored = sg.open(model), sg.open(tmp_path / "m.keras")
    several = max(live, key=lambda call: len(call.specs)).name
    assert len(live[several].specs) > 1
    assert [len(call.specs) for call in live] == [len(call.specs) for call in stored]
    array = np.random.default_rng(0).standard_normal((2, 6)).astype("float32")
    found, expected = (sg.build(sg.tap(graph, several))(array) for graph in (stored, live))
    assert list(found) == list(expected)
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)


@keras.saving.register_keras_serializable("said")
class Halves(layers.Layer):
    """Makes two tensors, of which a model may use one."""

    def call(self, x):
        return x / 2.0, x - x / 2.0


def test_of_a_custom_layer_a_tap_says_that_there_may_be_more_and_keras_can_be_asked(tmp_path):
    x = keras.Input((6,))
    keras.Model(x, Halves(name="halves")(x)[0]).save(tmp_path / "m.keras")
    tapped = sg.tap(sg.open(tmp_path / "m.keras"), "halves")
    assert "may make more tensors" in tapped.notes[0]
    assert list(sg.tap(sg.open(tmp_path / "m.keras", shapes=True), "halves").outputs) == ["halves", "halves#1"]


@keras.saving.register_keras_serializable("said")
class Titled(keras.Model):
    """A Functional model with a class of its own, which adds nothing to what it computes."""


@keras.saving.register_keras_serializable("said")
class Constructed(keras.Model):
    """The same, made by its constructor, as the backbones of KerasHub are."""

    def __init__(self, units=3, **config):
        x = keras.Input((4,))
        super().__init__(x, layers.Dense(units, name="last")(layers.Dense(units, name="first")(x)), **config)
        self.units = units

    def get_config(self):
        return {"units": self.units, "name": self.name}


@keras.saving.register_keras_serializable("said")
class Listed(keras.Sequential):
    """A Sequential with a class of its own."""


@keras.saving.register_keras_serializable("said")
class Doubled(keras.Model):
    """A Functional model whose class computes something else."""

    def call(self, x, training=False, mask=None):
        return 2 * super().call(x)


def of_class(kind):
    x = keras.Input((4,))
    return {
        Titled: lambda: Titled(x, layers.Dense(3)(x)),
        Doubled: lambda: Doubled(x, layers.Dense(3)(x)),
        Listed: lambda: Listed([x, layers.Dense(3)]),
        Constructed: lambda: Constructed(5),
    }[kind]()


@pytest.mark.parametrize("kind", [Titled, Listed, Constructed])
def test_a_registered_class_without_a_call_of_its_own_opens_from_its_file_as_live(kind, tmp_path):
    model = of_class(kind)
    model.save(tmp_path / "m.keras")
    live, stored = sg.open(model), sg.open(tmp_path / "m.keras")
    assert [call.class_name for call in live] == [call.class_name for call in stored]
    array = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(sg.build(stored)(array), model(array))


def test_a_class_with_a_call_of_its_own_is_refused_live_and_from_its_file(tmp_path):
    model = of_class(Doubled)
    model.save(tmp_path / "m.keras")
    for source in (model, tmp_path / "m.keras"):
        with pytest.raises(sg.SurgeryError, match="Doubled"):
            sg.open(source)
