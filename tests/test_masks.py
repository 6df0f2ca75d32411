"""Masks of files of Keras 1 and 2: passed by name where Keras 3 would drop or change them.

The oracle is NumPy for what Keras 2 computed, and Keras 3 with each mask passed by hand.
"""

import keras
import numpy as np
import pytest
from keras import layers
from old_files import functional, layer, sigmoid, write_h5

import surgery as sg

WORDS = np.array([[0, 0, 3, 4, 0, 5], [2, 0, 0, 4, 5, 0]], "float32")
STATE = np.random.default_rng(3).standard_normal((2, 3)).astype("float32")


def masked_lstm(x, mask, kernel, recurrent, bias, h, c):
    """All outputs: a masked step keeps the states, and repeats the output before it."""
    outputs, last = [], np.zeros_like(h)
    for step in range(x.shape[1]):
        i, f, g, o = np.split(x[:, step] @ kernel + h @ recurrent + bias, 4, axis=1)
        c_new = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h_new = sigmoid(o) * np.tanh(c_new)
        on = mask[:, step : step + 1]
        last = np.where(on, h_new, last)
        h, c = np.where(on, h_new, h), np.where(on, c_new, c)
        outputs.append(last)
    return np.stack(outputs, 1)


def old(path, calls, inputs, output, model):
    """A file of Keras 2 with the weights of the layers of a live model, by their names."""
    names = [one["name"] for one in calls]
    arrays = {
        name: [(one.name, one.numpy()) for one in model.get_layer(name).weights]
        for name in names
        if name not in inputs and model.get_layer(name).weights
    }
    return write_h5(path, "Model", functional(calls, inputs, [output]), arrays)


def entry(name, *shape):
    return layer("InputLayer", name, batch_input_shape=[None, *shape], dtype="float32", sparse=False)


EMBEDDING = {"input_dim": 9, "output_dim": 4, "mask_zero": True}
SEQUENCES = {
    "LSTM": (layers.LSTM, 2, {}),
    "GRU": (layers.GRU, 1, {"reset_after": False}),
    "SimpleRNN": (layers.SimpleRNN, 1, {}),
}


@pytest.mark.parametrize("kind", SEQUENCES)
@pytest.mark.parametrize("between", [None, "Dropout", "Dense"])
def test_a_mask_reaches_a_recurrent_layer_that_is_given_states(kind, between, tmp_path):
    make, count, further = SEQUENCES[kind]
    words, state = keras.Input((6,), name="words"), keras.Input((3,), name="state")
    embed = layers.Embedding(9, 4, mask_zero=True, name="embed")
    y = embed(words)
    settings = {"Dropout": {"rate": 0.5}, "Dense": {"units": 4}}
    if between is not None:
        y = getattr(layers, between)(name="between", **settings[between])(y)
    made = make(3, return_sequences=True, name="rnn", **further)
    model = keras.Model([words, state], made(y, initial_state=[state] * count, mask=embed.compute_mask(words)))
    read = "embed" if between is None else "between"
    calls = [
        entry("words", 6),
        entry("state", 3),
        layer("Embedding", "embed", ["words"], **EMBEDDING),
        *([] if between is None else [layer(between, "between", ["embed"], **settings[between])]),
        layer(
            kind, "rnn", [read] + ["state"] * count, units=3, return_sequences=True,
            **({} if kind == "SimpleRNN" else {"recurrent_activation": "sigmoid"}),
        ),
    ]  # fmt: skip
    path = old(tmp_path / "old.h5", calls, ["words", "state"], "rnn", model)
    graph = sg.open(path)
    assert any("rnn: its mask passed by name" in note for note in graph.notes)
    found = sg.build(graph)
    np.testing.assert_allclose(
        found.predict([WORDS, STATE], verbose=0), model.predict([WORDS, STATE], verbose=0), atol=1e-6
    )
    if kind == "LSTM" and between is None:
        table, *arrays = model.get_weights()
        expected = masked_lstm(table[WORDS.astype(int)], WORDS != 0, *arrays, STATE, STATE)
        np.testing.assert_allclose(found.predict([WORDS, STATE], verbose=0), expected, atol=1e-6)
        sg.save(found, tmp_path / "new.keras")  # the mask is a tensor of the network: stock Keras keeps it
        stock = keras.models.load_model(tmp_path / "new.keras")
        np.testing.assert_allclose(stock.predict([WORDS, STATE], verbose=0), expected, atol=1e-6)
        assert [call.name for call in sg.open(tmp_path / "new.keras")] == [call.name for call in sg.open(path)]


def test_wrappers_and_a_masking_layer_pass_theirs_too(tmp_path):
    x, state = keras.Input((5, 4), name="x"), keras.Input((3,), name="state")
    masking = layers.Masking(-1.0, name="masking")
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True, name="lstm"), name="both")
    model = keras.Model([x, state], both(masking(x), initial_state=[state] * 4, mask=masking.compute_mask(x)))
    inner = {
        "class_name": "LSTM",
        "config": {"name": "lstm", "units": 3, "return_sequences": True, "recurrent_activation": "sigmoid"},
    }
    calls = [
        entry("x", 5, 4),
        entry("state", 3),
        layer("Masking", "masking", ["x"], mask_value=-1.0),
        layer("Bidirectional", "both", ["masking"] + ["state"] * 4, layer=inner, merge_mode="concat"),
    ]
    arrays = [("forward_lstm/" + one.name, one.numpy()) for one in both.forward_layer.weights]
    arrays += [("backward_lstm/" + one.name, one.numpy()) for one in both.backward_layer.weights]
    path = write_h5(tmp_path / "old.h5", "Model", functional(calls, ["x", "state"], ["both"]), {"both": arrays})
    data = np.random.default_rng(0).standard_normal((2, 5, 4)).astype("float32")
    data[0, 2], data[1, 3:] = -1.0, -1.0
    found = sg.build(sg.open(path)).predict([data, STATE], verbose=0)
    np.testing.assert_allclose(found, model.predict([data, STATE], verbose=0), atol=1e-6)


def merged_network(merge, tmp_path):
    """A masked and an unmasked sequence, merged, then read: Keras 2 keeps the mask there is, Keras 3 keeps none."""
    words, further = keras.Input((6,), name="words"), keras.Input((6, 4), name="further")
    embed = layers.Embedding(9, 4, mask_zero=True, name="embed")
    joined = getattr(layers, merge)(name="joined")([embed(words), further])
    pool = layers.GlobalAveragePooling1D(name="pool")
    model = keras.Model([words, further], pool(joined, mask=embed.compute_mask(words)))
    calls = [
        entry("words", 6),
        entry("further", 6, 4),
        layer("Embedding", "embed", ["words"], **EMBEDDING),
        layer(merge, "joined", ["embed", "further"]),
        layer("GlobalAveragePooling1D", "pool", ["joined"]),
    ]
    return old(tmp_path / "old.h5", calls, ["words", "further"], "pool", model), model


@pytest.mark.parametrize("merge", ["Add", "Concatenate"])
def test_a_merge_of_a_masked_and_an_unmasked_sequence_stays_masked(merge, tmp_path):
    path, model = merged_network(merge, tmp_path)
    further = np.random.default_rng(0).standard_normal((2, 6, 4)).astype("float32")
    found = sg.build(sg.open(path)).predict([WORDS, further], verbose=0)
    table, on = model.get_weights()[0], (WORDS != 0)[..., None]
    read = table[WORDS.astype(int)]
    joined = read + further if merge == "Add" else np.concatenate([read, further], -1)
    np.testing.assert_allclose(found, (joined * on).sum(1) / on.sum(1), atol=1e-6)


def test_a_mask_that_comes_through_a_nested_model_is_refused_not_dropped(tmp_path):
    inner = functional(
        [entry("inner_words", 6), layer("Embedding", "embed", ["inner_words"], **EMBEDDING)], ["inner_words"], ["embed"]
    )
    calls = [
        entry("words", 6),
        entry("state", 3),
        {**layer("Model", "encoder", ["words"]), "config": {**inner, "name": "encoder"}},
        layer("GRU", "rnn", ["encoder", "state"], units=3, reset_after=False),
    ]
    path = write_h5(tmp_path / "old.h5", "Model", functional(calls, ["words", "state"], ["rnn"]), {})
    with pytest.raises(sg.SurgeryError, match=r"'rnn' was given a mask by the Keras that wrote the file"):
        sg.open(path)


def test_a_live_model_stays_as_it_computes_and_its_note_warns(tmp_path):
    words, state = keras.Input((6,)), keras.Input((3,))
    y = layers.Embedding(9, 4, mask_zero=True)(words)
    model = keras.Model([words, state], layers.GRU(3, name="rnn")(layers.Dropout(0.1)(y), initial_state=state))
    model.save(tmp_path / "m.keras")
    for source in (model, tmp_path / "m.keras"):
        graph = sg.open(source)
        assert any("rnn: Keras 3 drops the mask" in note for note in graph.notes)
        np.testing.assert_array_equal(sg.build(graph)([WORDS, STATE]), model([WORDS, STATE]))
    plain = keras.Model([words, state], layers.GRU(3)(layers.Embedding(9, 4)(words), initial_state=state))
    assert not sg.open(plain).notes
