"""Layers made anew, from a file or from another layer: each variable has the value that it should, in every order."""

import dataclasses

import keras
import numpy as np
import pytest
from networks import numpy_of

import surgery as sg
from surgery.graph.ops import LiveOp
from surgery.keras_bridge.copy import renewed

layers = keras.layers
VERBS = {
    "build": sg.build,
    "freeze": lambda graph: sg.build(sg.freeze(graph, "outer")),
    "freeze one": lambda graph: sg.build(sg.freeze(graph, "outer/middle/inner/a")),
    "fixed": lambda graph: sg.build(sg.freeze(graph, "outer", bn="stats")),
    "copy": lambda graph: sg.build(graph, copy=True),
    "frozen copy": lambda graph: sg.build(sg.freeze(graph, "outer"), copy=True),
    "thaw": lambda graph: sg.build(sg.unfreeze(graph)),
    "inline": lambda graph: sg.build(sg.inline(graph)),
}


def nested_network():
    """Three models deep, the outermost called twice; a layer inside is also used outside; a wrapped model; an operation
    without a layer of its own inside."""
    shared = layers.Dense(6, name="shared")
    x = keras.Input((6,))
    norm = layers.BatchNormalization(name="norm")(layers.Dense(6, activation="tanh", name="a")(x))
    inner = keras.Model(x, norm + x, name="inner")
    x = keras.Input((6,))
    middle = keras.Model(x, layers.Dense(6, name="b")(inner(x)), name="middle")
    x = keras.Input((6,))
    outer = keras.Model(x, layers.Dropout(0.5, name="drop")(shared(middle(x))), name="outer")
    x = keras.Input((6,))
    steps = layers.RepeatVector(2, name="steps")(outer(outer(shared(x))))
    wrapped = keras.Sequential(
        [keras.Input((6,)), layers.Dense(6, name="w1"), layers.BatchNormalization(name="w2"), layers.Dense(6)], name="w"
    )
    back = layers.Bidirectional(layers.GRU(3, name="gru"), name="both")(
        layers.TimeDistributed(wrapped, name="td")(steps)
    )
    model = keras.Model(x, layers.Dense(2, name="head")(back), name="net")
    random = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(random.uniform(0.1, 0.6, variable.shape))
    return model


@pytest.mark.parametrize("form", [".keras", ".h5"])
def test_every_build_of_a_file_has_its_weights_and_its_own_flags_whatever_was_built_before(form, tmp_path):
    model = nested_network()
    path = tmp_path / f"net{form}"
    model.save(path)
    x = np.random.default_rng(1).normal(size=(3, 6)).astype("float32")
    flags = {}
    for order in (list(VERBS), list(reversed(VERBS))):
        graph, built = sg.open(path), []
        for verb in order:
            built.append(VERBS[verb](graph))
            np.testing.assert_allclose(
                numpy_of(built[-1](x)), numpy_of(model(x)), atol=1e-5, err_msg=f"{verb} in {order}"
            )
        for verb, one in zip(order, built, strict=True):
            found = [variable.trainable for variable in one.weights]
            assert flags.setdefault(verb, found) == found, f"{verb} in {order}"
    assert flags["build"] == flags["copy"]
    assert sum(flags["freeze"]) < sum(flags["fixed"]) < sum(flags["freeze one"]) < sum(flags["build"])


def test_copies_share_no_variable_with_what_is_built_later(tmp_path):
    path = tmp_path / "net.keras"
    nested_network().save(path)
    graph = sg.open(path)
    copied, built, again = sg.build(graph, copy=True), sg.build(graph), sg.build(graph)
    assert not {id(one) for one in copied.variables} & {id(one) for one in built.variables}
    assert {id(one) for one in again.variables} == {id(one) for one in built.variables}


def test_a_build_with_a_layer_that_was_made_anew_and_got_no_weights_is_refused():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="a"), layers.Dense(2, name="b")])
    graph = sg.open(model)
    anew = LiveOp(renewed(model.get_layer("a"), "a"))
    calls = tuple(dataclasses.replace(call, op=anew) if call.name == "a" else call for call in graph)
    with pytest.raises(sg.SurgeryError, match="'a' was made again, and a did not get the values"):
        sg.build(dataclasses.replace(graph, calls=calls))


def test_a_built_layer_that_replaces_several_brings_its_weights_to_each():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="a"), layers.Dense(4, name="b")])
    part = layers.Dense(4, name="part")
    part.build((None, 4))
    new = sg.replace(model, ":Dense", part)
    for name in ("a", "b"):
        np.testing.assert_array_equal(numpy_of(new.get_layer(name).kernel), numpy_of(part.kernel))
    assert new.get_layer("a").kernel is not new.get_layer("b").kernel


# ---- layers of users ------------------------------------------------------------------------------------------------


class Gain(layers.Layer):
    """As tutorials write a layer: what add_weight returned is an attribute; also in a list, a dict, by two names."""

    def build(self, shape):
        self.gain = self.add_weight(shape=shape[-1:], initializer="uniform", name="gain")
        self.alias = self.gain
        self.pair = [self.add_weight(shape=(), initializer="uniform", name=f"pair{number}") for number in range(2)]
        self.named = {"bias": self.add_weight(shape=(), initializer="uniform", name="bias")}
        self.below = layers.Dense(shape[-1])
        self.below.build(shape)
        self.seed = keras.random.SeedGenerator(3)
        self.table = np.arange(4.0)

    def call(self, x):
        return self.below(x * self.gain + self.pair[0] - self.pair[1] + self.named["bias"])


class Holder:
    def __init__(self):
        self.table = np.zeros(3)


class Hidden(layers.Layer):
    """Keeps values that neither its variables nor its configuration have."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.holder = Holder()
        self.later = []
        object.__setattr__(self, "unknown", keras.Variable([1.0]))

    def call(self, x):
        return x + self.unknown + float(self.holder.table.sum())


def around(layer, width=5):
    x = keras.Input((width,))
    return keras.Model(x, layer(x))


def test_a_layer_that_keeps_its_variables_as_attributes_is_copied_and_frozen():
    model = around(Gain(name="own"))
    x = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    for new in (sg.build(sg.open(model), copy=True), sg.build(sg.freeze(sg.open(model), "own"))):
        np.testing.assert_array_equal(numpy_of(new(x)), numpy_of(model(x)))
        own = new.get_layer("own")
        assert own.alias is own.gain is not model.get_layer("own").gain


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda layer: layer.unknown.assign([2.0]), "unknown"),
        (lambda layer: setattr(layer.holder, "table", np.ones(3)), "holder"),
        (lambda layer: layer.later.append(np.ones(3)), "later"),
    ],
)
def test_a_value_that_a_copy_would_lose_is_refused(spoil, name):
    model = around(Hidden(name="own"))
    sg.build(sg.open(model), copy=True)  # has_variables: it has none, so it is shared
    spoil(model.get_layer("own"))
    with pytest.raises(sg.SurgeryError, match=f"keeps Hidden.{name} apart from its weights"):
        renewed(model.get_layer("own"), "own")


# ---- what was done to a layer after it was made ---------------------------------------------------------------------


class Block(layers.Layer):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.first, self.second = layers.Dense(8), layers.EinsumDense("abc,cd->abd", (None, 8))

    def build(self, shape):
        self.first.build(shape)
        self.second.build(shape)

    def call(self, x):
        return self.second(self.first(x))


COMPOSITE = {
    "attention": lambda x: layers.MultiHeadAttention(2, 4, name="own")(x, x),
    "grouped": lambda x: layers.GroupQueryAttention(4, 2, 2, name="own")(x, x),
    "custom": lambda x: Block(name="own")(x),
    "dense": lambda x: layers.Dense(8, name="own")(x),
    "steps": lambda x: layers.TimeDistributed(layers.Dense(8), name="own")(x),
}


def with_lora(layer):
    for part in layer._flatten_layers():
        if hasattr(part, "enable_lora"):
            part.enable_lora(3, lora_alpha=7)  # rank and alpha differ; no configuration holds alpha
    random = np.random.default_rng(0)
    for variable in layer.weights:
        if "lora" in variable.name:
            variable.assign(random.normal(size=variable.shape))


def with_codes(layer):
    for part in layer._flatten_layers():
        if type(part) in (layers.Dense, layers.EinsumDense):
            part.quantize("int8")


CHANGES = {
    "lora": [with_lora],
    "int8": [with_codes],
    "int8, lora": [with_codes, with_lora],
    "lora, int8": [with_lora, with_codes],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", COMPOSITE)
def test_lora_and_quantization_are_copied_and_frozen_also_in_what_a_layer_makes_in_itself(kind, change):
    x = keras.Input((5, 8))
    model = keras.Model(x, COMPOSITE[kind](x))
    for step in CHANGES[change]:
        step(model.get_layer("own"))
    array = np.random.default_rng(1).normal(size=(2, 5, 8)).astype("float32")
    expected, flags = numpy_of(model(array)), [one.trainable for one in model.variables]
    copied = sg.build(sg.open(model), copy=True)
    frozen = sg.build(sg.freeze(sg.open(model), "own"))
    for new in (copied, frozen):
        np.testing.assert_array_equal(numpy_of(new(array)), expected)
        assert not {id(one) for one in new.variables} & {id(one) for one in model.variables}
    assert flags == [one.trainable for one in copied.variables] == [one.trainable for one in model.variables]
    assert not any(one.trainable for one in frozen.variables)


class Lazy(layers.Layer):
    """Makes a layer that only a real call builds: it has no build(), and says its own shape."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.below = layers.Dense(5)

    def call(self, x):
        return self.below(x)

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.filterwarnings("ignore:`build\\(\\)` was called on layer")
def test_a_layer_inside_that_only_a_real_call_builds_is_copied():
    model = around(Lazy(name="own"))
    array = np.random.default_rng(0).normal(size=(2, 5)).astype("float32")
    expected = numpy_of(model(array))
    for new in (sg.build(sg.open(model), copy=True), sg.build(sg.freeze(sg.open(model), "own"))):
        np.testing.assert_array_equal(numpy_of(new(array)), expected)


@keras.saving.register_keras_serializable("test")
class Renaming(layers.Dense):
    """Makes a name of its own of the one that it is given, as some published layers do."""

    def __init__(self, units, name="own", **settings):
        super().__init__(units, name=f"{name}_0", **settings)


def test_a_layer_that_changes_its_name_when_it_is_made_keeps_its_address_in_copies():
    x = keras.Input((5,))
    inner = keras.Model(x, Renaming(5)(x) + x, name="inner")
    model = keras.Model(x, layers.Dense(2, name="head")(inner(x)))
    array = np.random.default_rng(0).normal(size=(2, 5)).astype("float32")
    for new in (sg.build(sg.open(model), copy=True), sg.build(sg.freeze(sg.open(model), "inner"))):
        assert new.get_layer("inner").get_layer("own_0") is not inner.get_layer("own_0")
        np.testing.assert_array_equal(numpy_of(new(array)), numpy_of(model(array)))


@keras.saving.register_keras_serializable("copies")
class Backbone(keras.Model):
    """A model that wires layers in its constructor, with attributes and a method beside them."""

    def __init__(self, width=5, **kwargs):
        x = keras.Input((6,), name="entry")
        hidden = layers.Dense(width, activation="tanh", name="one")(x)
        super().__init__(x, layers.Dense(width, name="two")(hidden), **kwargs)
        self.width, self.features = width, {"one": hidden}

    def get_config(self):
        return {"name": self.name, "width": self.width}

    def widest(self):
        return self.width


def with_backbone():
    x = keras.Input((6,))
    steps = keras.Sequential([keras.Input((5,)), layers.Dense(3, name="s1"), layers.Dense(4, name="s2")], name="steps")
    return keras.Model(x, layers.Dense(2, name="head")(steps(Backbone(name="backbone")(x))), name="net")


@pytest.mark.parametrize("verb", ["freeze", "copy", "frozen copy", "frozen after copy"])
def test_a_nested_model_keeps_its_class(verb):
    model = with_backbone()
    x = np.random.default_rng(0).normal(size=(3, 6)).astype("float32")
    graph = sg.open(model)
    if verb == "frozen after copy":
        sg.build(graph, copy=True)
    built = sg.build(sg.freeze(graph, "backbone, steps") if "fr" in verb else graph, copy=verb[-4:] == "copy")
    backbone = built.get_layer("backbone")
    assert type(backbone) is Backbone and type(built.get_layer("steps")) is keras.Sequential
    assert backbone.widest() == 5 and list(backbone.features) == ["one"]
    assert len(built.trainable_variables) == (2 if "fr" in verb else 10)
    assert len(model.trainable_variables) == 10
    assert not {id(one) for one in backbone.variables} & {id(one) for one in model.variables}
    np.testing.assert_array_equal(numpy_of(built(x)), numpy_of(model(x)))
    inner = keras.Model(backbone.input, backbone.features["one"])
    theirs = keras.Model(model.get_layer("backbone").input, model.get_layer("backbone").features["one"])
    np.testing.assert_array_equal(numpy_of(inner(x)), numpy_of(theirs(x)))


def test_a_nested_model_some_of_whose_layers_stay_shared_says_that_it_loses_its_class():
    model = with_backbone()
    x = np.random.default_rng(0).normal(size=(3, 6)).astype("float32")
    graph = sg.freeze(sg.open(model), "backbone/one")
    with pytest.warns(UserWarning, match="'backbone' is a plain keras.Model in what is built, not a Backbone"):
        built = sg.build(graph)
    np.testing.assert_array_equal(numpy_of(built(x)), numpy_of(model(x)))
    ours, theirs = built.get_layer("backbone"), model.get_layer("backbone")
    assert ours.get_layer("two") is theirs.get_layer("two") and ours.get_layer("one") is not theirs.get_layer("one")
