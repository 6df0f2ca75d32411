"""`load_weights` where the weights lie deeper than a layer: wrappers, cells, attention, models with code of their own.

The oracle is Keras' own `load_weights` where it reads the format, and the network that the weights came from.
"""

import h5py
import keras
import numpy as np
import pytest

import surgery as sg

layers = keras.layers


@keras.saving.register_keras_serializable("parts")
class Residual(layers.Layer):
    """A layer of layers, as tutorials write it."""

    def __init__(self, **config):
        super().__init__(**config)
        self.wide, self.back = layers.Dense(4), layers.Dense(4)

    def build(self, shape):
        self.wide.build(shape)
        self.back.build(shape)

    def call(self, x):
        return x + self.back(self.wide(x))


PARTS = {
    "Bidirectional": lambda: layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
    "TimeDistributed": lambda: layers.TimeDistributed(layers.Dense(4)),
    "TimeDistributed of a Bidirectional": lambda: layers.TimeDistributed(layers.Bidirectional(layers.LSTM(2))),
    "cells": lambda: layers.RNN([layers.LSTMCell(4), layers.LSTMCell(4)], return_sequences=True),
    "attention": lambda: Attending(),
    "SpectralNormalization": lambda: layers.SpectralNormalization(layers.Dense(4)),
    "a custom layer": Residual,
}


@keras.saving.register_keras_serializable("parts")
class Attending(layers.Layer):
    """Attention of a sequence to itself, with shared keys and values."""

    def __init__(self, **config):
        super().__init__(**config)
        self.attention = layers.GroupQueryAttention(2, 2, 1)

    def build(self, shape):
        self.attention.build(shape, shape)

    def call(self, x):
        return self.attention(x, x)


def network(name):
    """The same part twice, so that one could be taken for the other, with weights that differ everywhere."""
    x = keras.Input((2, 3, 4) if " of a " in name else (3, 4))
    y = PARTS[name]()(x)
    model = keras.Model(x, y if " of a " in name else PARTS[name]()(y))
    return shaken(model, 0)


def shaken(model, seed):
    random = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(random.standard_normal(variable.shape))
    return model


@pytest.mark.parametrize("suffix", [".safetensors", ".weights.h5", ".keras"])
@pytest.mark.parametrize("name", PARTS)
def test_the_weights_of_parts_go_where_they_belong_in_every_form_of_the_network(name, suffix, tmp_path):
    model, path = network(name), tmp_path / f"m{suffix}"
    if suffix == ".weights.h5":
        model.save_weights(path)
    else:
        sg.save(model, path)
    model.save(tmp_path / "other.keras")
    forms = [
        shaken(keras.models.clone_model(model), 1),
        shaken(keras.models.load_model(tmp_path / "other.keras"), 1),
        shaken(sg.build(sg.open(model), copy=True), 1),
        shaken(network(name), 1),
        sg.open(tmp_path / "other.keras"),
    ]
    for form in forms:
        loaded = sg.load_weights(form, path)
        found = sg.build(loaded) if isinstance(form, sg.Graph) else form
        for mine, theirs in zip(model.get_weights(), found.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    if suffix != ".safetensors":
        stock = shaken(keras.models.clone_model(model), 2)
        stock.load_weights(path)
        for mine, theirs in zip(stock.get_weights(), forms[0].get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)


class Attributes(keras.Model):
    """A model with code of its own, whose layers a file has by the names of attributes, here in reverse order."""

    def __init__(self):
        super().__init__()
        self.zeta, self.alpha = layers.Dense(4), layers.Dense(4)
        self.blocks = [Residual(), Residual()]
        self.both = layers.Bidirectional(layers.LSTM(2, return_sequences=True))

    def call(self, x):
        x = self.alpha(self.zeta(x))
        for block in self.blocks:
            x = block(x)
        return self.both(x)


class Swapped(keras.Model):
    """Layers are made in another order than they are called in, and have no other attributes before `layers`."""

    def __init__(self):
        super().__init__()
        self.second, self.zeroth = layers.Dense(4), layers.Dense(4)

    def call(self, x):
        return self.second(self.zeroth(x))


class Nested(keras.Model):
    """A model of layers, and another one with code of its own, inside."""

    def __init__(self):
        super().__init__()
        tensor = keras.Input((3, 4))
        self.encoder = keras.Model(tensor, layers.Dense(4)(layers.Dense(4)(tensor)), name="encoder")
        self.body, self.scores = Swapped(), layers.Dense(4)

    def call(self, x):
        return self.scores(self.body(self.encoder(x)))


def as_graph_of_layers(make):
    model = make()
    x = keras.Input((3, 4))
    model(x)
    return shaken(model, 0), keras.Model(x, model.call(x))


@pytest.mark.parametrize("make", [Attributes, Swapped, Nested])
def test_weights_of_a_model_with_code_of_its_own_are_loaded_by_its_layers(make, tmp_path):
    model, wired = as_graph_of_layers(make)
    model.save_weights(tmp_path / "m.weights.h5")
    before = wired.get_weights()
    for other in (shaken(sg.build(sg.open(wired), copy=make is Swapped), 1), shaken(as_graph_of_layers(make)[1], 1)):
        report = sg.load_weights(other, tmp_path / "m.weights.h5")
        assert report.loaded == len(before) and not report.unused
        for mine, theirs in zip(before, other.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("make", [Attributes, Swapped])
def test_where_such_a_file_says_no_names_layers_of_the_same_shapes_are_not_guessed(make, tmp_path):
    """Keras wrote no names of layers at first, and the order of attributes is not that of calls."""
    model, wired = as_graph_of_layers(make)
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)

    def forget(name, group):
        group.attrs.pop("name", None)

    with h5py.File(path, "r+") as file:
        file.visititems(forget)
    with pytest.raises(sg.SurgeryError, match="do not distinguish them"):
        sg.load_weights(shaken(wired, 1), path)


def test_loading_nothing_at_all_is_an_error_however_lenient(tmp_path):
    saved, other = (keras.Sequential([keras.Input((4,)), layers.Dense(size)]) for size in (3, 5))
    for path in (tmp_path / "m.weights.h5", tmp_path / "m.safetensors"):
        sg.save(saved, path) if path.suffix == ".safetensors" else saved.save_weights(path)
        with pytest.raises(sg.SurgeryError, match=r"(?s)none of 2 weights would be loaded.*The file has dense"):
            sg.load_weights(other, path, strict=False)
