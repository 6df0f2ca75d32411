"""`resize`: weights stay, shapes follow; the oracle is a network that Keras makes at the new size."""

import keras
import numpy as np
import pytest
from networks import assert_unchanged, fingerprint, outputs_of, siamese_network

import surgery as sg


@pytest.mark.parametrize("maker", ["ConvNeXtTiny", "MobileNetV3Small", "EfficientNetV2B0", "NASNetMobile"])
def test_a_resized_network_is_the_one_that_keras_makes_at_that_size(maker):
    """ConvNeXt nests models of fixed size, MobileNetV3 has raw operations on the sizes, NASNet crops and pads."""
    make = getattr(keras.applications, maker)
    donor = make(weights=None, include_top=False, input_shape=(64, 64, 3))
    before = fingerprint(donor)
    larger = sg.resize(donor, (96, 64, 3))
    stock = make(weights=None, include_top=False, input_shape=(96, 64, 3))
    stock.set_weights(larger.get_weights())
    picture = np.random.default_rng(0).random((1, 96, 64, 3), "float32")
    np.testing.assert_array_equal(outputs_of(larger, picture)[0], outputs_of(stock, picture)[0])
    assert_unchanged(donor, before)


def test_sizes_that_vary():
    graph = sg.resize(sg.cut(sg.open("tinyvgg"), outputs="block2_pool"), (None, None, 3))
    assert graph.spec(graph.outputs).shape == (None, None, None, graph.spec(graph.outputs).shape[-1])
    assert sg.build(graph).output_shape == graph.spec(graph.outputs).shape


def test_specs_are_those_of_the_model_that_is_built():
    graph = sg.resize(sg.open(siamese_network()), {"left": (16, 12, 3), "right": (16, 12, 3)})
    assert sg.open(sg.build(graph)) == graph
    assert any("trunk was dissolved" in note for note in graph.notes)


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        ("vgg16", (96, 96, 3), r"'fc1' \(Dense\) does not take \(None, 4608\): its weights are for 25088 on axis -1"),
        ("tinyvgg", (32, 32, 1), "'block1_conv1' .* its weights are for 3 on axis -1"),
        ("tinyvgg", (32, 32), "2 axes besides the batch"),
        ("tinyvgg", {"picture": (32, 32, 3)}, "the inputs are input_layer"),
    ],
)
def test_what_weights_do_not_fit_is_named(network, shape, message):
    with pytest.raises(sg.SurgeryError, match=message):
        sg.resize(sg.open(network), shape)


def test_several_inputs_want_their_names():
    with pytest.raises(sg.SurgeryError, match="the inputs are left, right"):
        sg.resize(sg.open(siamese_network()), (16, 12, 3))


@keras.saving.register_keras_serializable(package="tests_of_resizing")
class Positions(keras.layers.Layer):
    """Patches, and a position embedding that is made for one number of them; its shape is what it was built for."""

    def build(self, shape):
        self.patches = keras.layers.Conv2D(3, 4, strides=4)
        self.patches.build(shape)
        self.count = (shape[1] // 4) * (shape[2] // 4)
        self.position = self.add_weight(name="position", shape=(1, self.count, 3))

    def call(self, x):
        patches = self.patches(x)
        return keras.ops.reshape(patches, (keras.ops.shape(x)[0], -1, 3)) + self.position

    def compute_output_shape(self, shape):
        return (shape[0], self.count, 3)


@keras.saving.register_keras_serializable(package="tests_of_resizing")
class Halves(keras.layers.Layer):
    """Every second row; the shape that it says is that of 8 rows."""

    def call(self, x):
        return x[:, ::2]

    def compute_output_shape(self, shape):
        return (shape[0], 4, *shape[2:])


@keras.saving.register_keras_serializable(package="tests_of_resizing")
class Counted(keras.layers.Layer):
    """A layer whose code runs on a known number of samples alone."""

    def call(self, x):
        return keras.ops.concatenate([x[:1] for _ in range(x.shape[0])], axis=0)

    def compute_output_shape(self, shape):
        return shape


def test_the_shape_that_a_custom_layer_says_is_asked_of_its_code():
    x = keras.Input((8, 8, 3))
    vit = keras.Model(x, Positions(name="embedding")(x))
    with pytest.raises(sg.SurgeryError, match=r"'embedding' \(Positions\) does not take .*its own code fails on it"):
        sg.resize(vit, (12, 12, 3))
    assert sg.resize(vit, (8, 8, 3)).output_shape == vit.output_shape
    for layer in (Halves(name="h"), keras.layers.Lambda(lambda y: y[:, ::2], output_shape=(4, 8, 3), name="h")):
        halves = keras.Model(x, layer(x))
        with pytest.raises(sg.SurgeryError, match=r"says that it returns \(2, 4, .* its own code returns \(2, 6, "):
            sg.resize(halves, (12, 8, 3))
    counted = keras.Model(x, Counted()(x))
    assert sg.resize(counted, (4, 4, 3)).output_shape == (None, 4, 4, 3)


def test_other_channels_are_pointed_to_the_verb_that_adapts_them():
    graph = sg.cut(sg.open("tinyvgg", weights="pretrained"), outputs="block2_pool")
    with pytest.raises(sg.SurgeryError, match=r"for 3 channels, not 1\. Make .*sg.transfer\(graph, new, adapt=True\)"):
        sg.resize(graph, (32, 32, 1))
    with pytest.raises(sg.SurgeryError, match=r"sg.open\('tinyvgg', input_shape=\(32, 32, 1\)\)"):
        sg.resize(sg.open("tinyvgg"), (32, 32, 1))
    new = sg.transfer(graph, sg.open("tinyvgg", input_shape=(32, 32, 1)), where="block1*, block2*", adapt=True)
    assert new["block1_conv1"].weights[0].shape == (3, 3, 1, 16)
    with pytest.raises(sg.SurgeryError, match="Cut the network before it") as caught:
        sg.resize(sg.open("tinyvgg"), (64, 64, 3))
    assert "transfer" not in str(caught.value)
