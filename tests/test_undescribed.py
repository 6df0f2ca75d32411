"""Layers that cannot describe themselves: their get_config() raises anything, or returns what is not a dict."""

import io

import keras
import numpy as np
import pytest
from networks import numpy_of

import surgery as sg

layers = keras.layers


def fails(error):
    def get_config(self):
        raise error

    return get_config


FAULTS = {
    "attribute": fails(AttributeError("no such attribute")),
    "own": fails(type("Odd", (Exception,), {})("first line\nsecond line")),
    "stop": fails(StopIteration()),
    "depth": fails(RecursionError("deep")),
    "none": lambda self: None,
    "list": lambda self: [("name", "own")],
    "numbers": lambda self: {1: 2, None: 3},
}


def network(get_config, base=layers.Dense, **settings):
    """A layer of the user's own, by itself, in a wrapper of Keras (which then cannot describe itself), and nested."""
    own = type("Own", (base,), {"get_config": get_config, "__module__": "mine"})
    x = keras.Input((4,))
    nested = keras.Model(x, own(4, name="inside")(x), name="nested")
    x = keras.Input((3, 4))
    y = layers.TimeDistributed(own(4, name="wrapped"), name="wrapper")(own(4, name="own")(x))
    return keras.Model(x, layers.Dense(2, name="head")(nested(layers.Flatten()(y)[:, :4])), name="net")


@pytest.mark.parametrize("fault", FAULTS)
def test_they_can_be_looked_at_compared_verified_drawn_and_frozen(fault, tmp_path):
    model, other = network(FAULTS[fault]), network(FAULTS[fault])
    out = io.StringIO()
    sg.show(model, columns="all", nested=True, stages=True, file=out)
    lines = {line.split()[0]: line for line in out.getvalue().splitlines() if line.strip()}
    known = fault == "numbers"  # an odd dict is a dict: nothing is missed
    assert ("settings of these layers are not known" in out.getvalue()) == (not known)
    assert " ? " in lines["own"] and "head" in lines
    difference = sg.diff(model, other)
    assert ("settings not known, hence not compared" in str(difference)) == (not known)
    assert sg.diff(model, model).equal
    assert sg.verify(sg.cut(model, outputs="wrapper"), model).exact
    assert sg.layer_groups(model)
    sg.plot(model, tmp_path / "net.html")
    assert sg.select(model, "[params>1]")
    before = numpy_of(model(np.ones((2, 3, 4), "float32")))
    sg.freeze(model, "!head")
    assert [one.path.rpartition("/")[0] for one in model.weights if one.trainable] == ["head", "head"]
    sg.unfreeze(model)
    assert all(one.trainable for one in model.weights)
    np.testing.assert_array_equal(numpy_of(model(np.ones((2, 3, 4), "float32"))), before)


def test_what_needs_a_description_is_refused_in_one_message(tmp_path):
    model = network(FAULTS["attribute"])
    for refused in (
        lambda: sg.build(sg.open(model), copy=True),
        lambda: sg.build(sg.freeze(sg.open(model), "own")),
        lambda: sg.save(model, tmp_path / "net.keras"),
    ):
        with pytest.raises(sg.SurgeryError, match="no such attribute"):
            refused()


def test_a_wrapper_that_cannot_describe_itself_is_no_way_round_a_flag_that_does_not_hold():
    own = type("Own", (layers.SpectralNormalization,), {"get_config": FAULTS["attribute"], "__module__": "mine"})
    x = keras.Input((3, 4))
    wrapper = layers.TimeDistributed(layers.SpectralNormalization(layers.Dense(2)), name="wrapper")
    model = keras.Model(x, layers.TimeDistributed(own(layers.Dense(2)), name="own")(wrapper(x)))
    for name in ("wrapper", "own"):
        with pytest.raises(sg.SurgeryError, match="changes its kernel in training"):
            sg.freeze(model, name)
