"""`verify` finds what computes something else, and calls nothing changed that does not.

`scripts/sabotage.py` draws 500 of each; the seeds are the same.
"""

import keras
import numpy as np
import pytest
import sabotages
from networks import random_network, siamese_network

import surgery as sg
from surgery.graph.traversal import calls_at_every_depth


@pytest.mark.parametrize("seed", range(7))
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_sabotaged_network_is_found(seed, tmp_path):
    donor, graph, what = sabotages.sabotaged(seed, tmp_path)
    assert not sg.verify(graph, donor).exact, what


@pytest.mark.parametrize("seed", range(7))
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_an_untouched_network_is_exact(seed, tmp_path):
    donor, graph, what = sabotages.untouched(seed, tmp_path)
    assert sg.verify(graph, donor).exact, what


@pytest.mark.parametrize("seed", range(20, 28))
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_diff_and_verify_take_a_layer_for_the_same_one(seed, tmp_path):
    """Each asks its own question, and finds layers that the other does not; none says of a layer that it is another."""
    donor, graph, what = (sabotages.untouched if seed % 2 else sabotages.sabotaged)(seed, tmp_path)
    by_diff = {mine: theirs for theirs, mine in sg.diff(donor, graph).pairs.items()}
    by_verify = sg.verify(graph, donor).pairs
    weighted = {address for address, call in calls_at_every_depth(sg.open(graph)) if call.weights}
    for address in by_diff.keys() & by_verify.keys():
        if address in weighted:
            assert by_diff[address].partition("@")[0] == by_verify[address].partition("@")[0], (what, address)


def cloned(model, **changed):
    """A stock clone with equal weights and other values in the configurations of its layers."""

    def clone(layer):
        config = layer.get_config()
        return type(layer).from_config(config | {key: one for key, one in changed.items() if key in config})

    new = keras.models.clone_model(model, clone_function=clone)
    new.set_weights(model.get_weights())
    return new


def test_a_trunk_that_was_rewired_past_a_layer_is_found(tinyvgg):
    donor = sg.open(tinyvgg)
    found = sg.verify(sg.rewire(donor, "block3_conv1", into="block3_conv3", instead_of="block3_conv2"), donor)
    assert not found.exact and found.largest > 0 and len(found.differences) == 21
    assert [(cause.call, cause.kind) for cause in found.causes] == [("block3_conv3", "rewired")]
    assert found.causes[0].reaches == 14
    assert "block3_conv3 takes block3_conv1 where the donor's takes block3_conv2" in str(found)


def test_a_clone_with_a_regularizer_is_kept_and_its_weights_are_compared(tinyvgg):
    clone = cloned(tinyvgg, kernel_regularizer="l2", kernel_initializer="zeros", rate=0.9, momentum=0.1)
    assert sg.verify(clone, tinyvgg).exact and sg.verify(tinyvgg, clone).exact
    fresh = keras.models.clone_model(clone)
    found = sg.verify(fresh, tinyvgg)
    assert not found.exact and len(found.changed) == 16 and not found.new
    assert not sg.diff(clone, tinyvgg).equal and sg.open(clone) != sg.open(tinyvgg)


def layered(**changed):
    x = keras.Input((8, 8, 3), name="x")
    y = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
    y = keras.layers.MaxPooling2D(changed.get("pool", 2), strides=2, padding="same", name="pool")(y)
    y = keras.layers.BatchNormalization(epsilon=changed.get("epsilon", 1e-3), name="norm")(y)
    y = keras.layers.Conv2D(4, 3, padding="same", name="second", dilation_rate=changed.get("dilation", 1))(y)
    y = keras.layers.Dense(2, activation=changed.get("activation"), name="end")(y)
    model = keras.Model(x, y, name="layered")
    for number, weight in enumerate(model.weights):
        weight.assign(np.random.default_rng(number).uniform(0.1, 1, weight.shape))
    return model


@pytest.mark.parametrize(
    ("key", "value", "call"),
    [("pool", 3, "pool"), ("epsilon", 0.1, "norm"), ("dilation", 2, "second"), ("activation", "tanh", "end")],
)
def test_one_key_that_changes_the_output_is_found_wherever_it_is(key, value, call, tmp_path):
    donor, other = layered(), layered(**{key: value})
    for network in (sg.open(other), sg.open(sg.save(other, tmp_path / "m.keras"))):
        found = sg.verify(network, donor)
        assert not found.exact and found.altered == {call: call}
        assert found.causes[0].call == call and found.causes[0].kind == "configuration"
        assert [one.name for one in found.new] == [one.name for one in found.dropped] == [call]


def test_what_is_in_front_of_a_trunk_is_reported_and_the_trunk_is_given_the_donors_tensors(tinyvgg):
    trunk = sg.build(sg.cut(tinyvgg, outputs="block2_pool"))
    small, large = keras.Input((32, 32, 3), name="pixels"), keras.Input((48, 40, 3), name="images")
    scaled = sg.inline(keras.Model(small, trunk(keras.layers.Rescaling(2.0, name="twice")(small))))
    for network in (scaled, sg.resize(sg.cut(tinyvgg, outputs="block2_pool"), (64, 64, 3))):
        found = sg.verify(network, tinyvgg)
        assert found.exact and len(found.differences) == 6 and len(found.fed) == 1
    assert "in front of what is kept" in str(sg.verify(scaled, tinyvgg)) and "twice for" in str(
        sg.verify(scaled, tinyvgg)
    )
    resized = sg.build(sg.resize(sg.cut(tinyvgg, outputs="block2_pool"), (48, 40, 3)))
    assert sg.verify(keras.Model(large, resized(large)), tinyvgg).exact
    broken = sg.replace(scaled, "block1_pool", keras.layers.AveragePooling2D(2, name="block1_pool"))
    found = sg.verify(broken, tinyvgg)
    assert not found.exact and [cause.call for cause in found.causes] == ["block1_pool"]


def test_behind_an_inserted_part_everything_is_compared(tinyvgg):
    def adapter(x):
        return x + keras.layers.Conv2D(x.shape[-1], 1, kernel_initializer="zeros", name="side")(x)

    inserted = sg.insert(tinyvgg, adapter, after="block3_pool")
    found = sg.verify(inserted, tinyvgg)
    assert found.exact and len(found.differences) == 22
    found = sg.verify(sg.insert(tinyvgg, keras.layers.Rescaling(1.01, name="more"), after="block3_pool"), tinyvgg)
    assert not found.exact and found.differences["block3_pool"] == 0 < found.differences["block4_conv1"]
    assert [(cause.call, cause.kind) for cause in found.causes] == [("block4_conv1", "new")]
    assert "takes more, which is new, where the donor's takes block3_pool" in str(found)


def test_an_inserted_layer_in_a_skip_from_the_input_is_found():
    x = keras.Input((4,), name="x")
    y = keras.layers.Add(name="sum")([x, keras.layers.Dense(4, name="d")(x)])
    donor = sg.open(keras.Model(x, keras.layers.Dense(2, name="e")(y)))
    broken = sg.insert(donor, keras.layers.Rescaling(3.0, name="more"), between=("x", "sum"))
    assert not sg.verify(broken, donor).exact
    assert sg.verify(sg.insert(donor, keras.layers.Dropout(0.5), between=("x", "sum")), donor).exact


@pytest.mark.parametrize("seed", range(3))
def test_calls_of_a_shared_layer_are_told_apart_by_what_they_take(seed, tmp_path):
    donor = siamese_network()
    for network in (sg.inline(donor), sg.cut(donor, outputs="trunk@1"), sg.inline(sg.cut(donor, outputs="trunk@1"))):
        reopened = sg.open(sg.save(network, tmp_path / f"{seed}.keras"))
        assert sg.verify(network, donor).exact and sg.verify(reopened, donor).exact
    left, right = donor.inputs
    trunk, end = donor.get_layer("trunk"), donor.get_layer("same")
    turned = keras.layers.Subtract(name="difference")([trunk(right), trunk(left)])
    found = sg.verify(sg.inline(keras.Model([left, right], end(turned))), sg.inline(donor))
    assert not found.exact and found.causes[0].call == "difference"


def test_a_donor_that_was_joined_under_a_prefix_is_kept(tmp_path):
    donor, other = random_network(3), siamese_network()
    both = sg.join(sg.open(other), donor, connections={}, prefix="mine_")
    assert sg.verify(both, donor).exact and sg.verify(both, other).exact
    assert sg.verify(sg.open(sg.save(both, tmp_path / "both.keras")), donor).exact
    whole = sg.open("tinyvgg")
    late = sg.join(sg.open(other), sg.cut(whole, inputs="block4_pool"), connections={}, prefix="mine_")
    found = sg.verify(sg.open(sg.save(late, tmp_path / "late.keras")), whole)
    assert found.exact and len(found.kept) == 8 and found.pairs["mine_fc1"] == "fc1"


@pytest.mark.parametrize("masked", ["embedding", "masking"])
def test_a_mask_that_is_dropped_is_found(masked):
    def made(drops):
        x = keras.Input((7,), dtype="int32", name="x") if masked == "embedding" else keras.Input((7, 4), name="x")
        if masked == "embedding":
            y = keras.layers.Embedding(10, 4, mask_zero=not drops, name="embedding")(x)
        else:
            y = x if drops else keras.layers.Masking(name="masking")(x)
        y = keras.layers.LSTM(3, return_sequences=True, name="lstm")(y)
        return keras.Model(x, keras.layers.GlobalAveragePooling1D(name="mean")(y), name="n")

    donor, other = made(False), made(True)
    other.set_weights(donor.get_weights())
    found = sg.verify(other, donor)
    assert not found.exact and found.differences["lstm"] > 0
    assert masked in {cause.call for cause in found.causes} or "lstm" in {cause.call for cause in found.causes}


def test_a_file_with_lora_holds_the_merged_kernel_and_is_exact(tmp_path):
    x = keras.Input((7, 8), name="x")
    attention, end = keras.layers.MultiHeadAttention(2, 4, name="attention"), keras.layers.Dense(3, name="end")
    model = keras.Model(x, end(attention(x, x)))
    for layer in (attention._query_dense, end):
        layer.enable_lora(2)
    for variable in model.weights:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    model.save(tmp_path / "m.keras")
    graph = sg.open(tmp_path / "m.keras")
    assert sg.verify(graph, model).exact and sg.verify(model, graph).exact
    model.get_layer("end").lora_kernel_b.assign(np.ones((2, 3)))
    assert [call.name for call in sg.verify(graph, model).changed] == ["end"]


class Noise(keras.layers.Layer):
    """Random at inference, as the sampling of a variational autoencoder."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(3)

    def call(self, x):
        Noise.calls += hasattr(x, "numpy")  # eager
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seed_generator)


def test_each_side_runs_once_and_leaves_states_as_they_are():
    x = keras.Input(batch_shape=(2, 5, 3), name="x")
    y = keras.layers.LSTM(4, stateful=True, return_sequences=True, name="lstm")(x)
    Noise.calls = 0
    model = keras.Model(x, Noise(name="noise")(y))
    before, Noise.calls = [np.array(variable) for variable in model.variables], 0
    found = sg.verify(sg.tap(model, "**"), model)
    assert found.exact and len(found.differences) == 2 and Noise.calls == 2
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


@keras.saving.register_keras_serializable("sabotage")
class Dense(keras.layers.Dense):
    """Of the name of Keras' own, with another `call`."""

    def call(self, x, training=None):
        return 2 * super().call(x)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_graphs_are_equal_as_diff_and_verify_have_it(tmp_path):
    x = keras.Input((5, 8), name="x")
    y = keras.layers.GroupQueryAttention(4, 4, 2, name="query")(x, x)
    y = keras.layers.Bidirectional(keras.layers.LSTM(2), name="both")(y)
    model = keras.Model(x, keras.layers.Dense(3, name="d")(y), name="n")
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.h5")
    graphs = [sg.open(model), sg.open(tmp_path / "m.keras"), sg.open(tmp_path / "m.h5")]
    for one in graphs:
        for other in graphs:
            assert one == other and sg.diff(one, other).equal and sg.verify(one, other).exact
    mine = sg.open(keras.Model(x, Dense(3, name="d")(y), name="n"))
    for one in graphs:
        assert mine != one and not sg.diff(one, mine).equal and not sg.verify(mine, one).exact
    frozen = sg.freeze(graphs[0], "d")
    assert frozen != graphs[0] and frozen == sg.open(sg.save(frozen, tmp_path / "f.keras"))


OLD = [
    "KonduitAI__cnn_tf_model.h5",
    "KonduitAI__bidirectional_lstm_tensorflow_2.h5",
    "KonduitAI__lstm_tf_model.h5",
    "ionut-girla__siamese_model.h5",
]


@pytest.mark.parametrize("name", OLD)
@pytest.mark.filterwarnings("ignore:.*opens it after")
def test_an_old_file_and_what_it_was_converted_to_are_the_same(name, shared_zoo, tmp_path):
    old = sg.open(shared_zoo / name)
    new = sg.open(sg.save(old, tmp_path / "new.keras"))
    assert sg.diff(old, new).equal
    for found in (sg.verify(new, old), sg.verify(old, new)):
        assert found.exact and not found.new and not found.dropped and found.differences
