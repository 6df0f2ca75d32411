"""`verify` tells the truth: what is equal, and what is not."""

import dataclasses

import keras
import numpy as np
import pytest
from networks import masked_network, random_network, siamese_network

import surgery as sg


def test_a_cut_and_a_graft_are_exact(tinyvgg):
    graph = sg.cut(sg.open(tinyvgg), outputs="block3_pool")
    grown = sg.graft(graph, [keras.layers.Flatten(name="flat"), keras.layers.Dense(5, name="digits")])
    found = sg.verify(grown, tinyvgg)
    assert found.exact and found.largest == 0
    assert [call.name for call in found.new] == ["flat", "digits"]
    assert [call.name for call in found.kept][-1] == "block3_pool" and len(found.differences) == 10
    assert "fc1" in {call.name for call in found.dropped}
    text = str(found)
    assert "..block3_pool; the donor's own layers" in text
    assert "10 kept tensors compared with tinyvgg on random input: largest difference 0" in text


def test_one_changed_weight_is_found(tinyvgg):
    model = sg.build(tinyvgg, copy=True)
    kernel, bias = model.get_layer("block2_conv1").get_weights()
    kernel[0, 0, 0, 0] = np.nextafter(kernel[0, 0, 0, 0], 1)
    model.get_layer("block2_conv1").set_weights([kernel, bias])
    found = sg.verify(model, tinyvgg)
    assert [call.name for call in found.changed] == ["block2_conv1"]
    assert not found.exact
    assert "weights of block2_conv1 differ" in str(found)


def test_a_changed_output_is_found(tinyvgg):
    model = sg.build(tinyvgg, copy=True)
    kernel, bias = model.get_layer("fc1").get_weights()
    model.get_layer("fc1").set_weights([kernel * 1.5, bias])
    found = sg.verify(model, tinyvgg)
    assert found.differences["flatten"] == 0 and found.differences["fc1"] > 0 and found.largest > 0


def test_a_network_cut_in_the_middle_is_fed_the_donors_tensors(tinyvgg):
    back = sg.cut(sg.open(tinyvgg), inputs="block4_pool")
    found = sg.verify(back, tinyvgg)
    assert found.exact
    assert next(iter(found.differences)) == "block5_conv1"


@pytest.mark.parametrize("make", [masked_network, siamese_network])
def test_integer_inputs_and_shared_trunks(make):
    model = make()
    assert sg.verify(sg.build(model, copy=True), model).exact


def test_frozen_copies_are_compared_too():
    donor = siamese_network()
    found = sg.verify(sg.build(sg.freeze(sg.open(donor))), donor)
    assert found.exact
    assert {call.name for call in found.frozen} == {"trunk", "trunk@1", "same"}


def test_the_users_own_arrays(tinyvgg):
    images_bhwc, _ = sg.samples.digits([0])
    assert sg.verify(sg.cut(tinyvgg, outputs="fc2"), tinyvgg, inputs=images_bhwc[:2]).exact
    with pytest.raises(sg.SurgeryError, match="inputs="):
        sg.verify(tinyvgg, tinyvgg, inputs=np.zeros((1, 3)))


@pytest.mark.parametrize("seed", range(6))
def test_what_is_in_a_file_is_kept_of_the_network_it_was_written_from(tmp_path, seed):
    donor = random_network(seed)
    found = sg.verify(sg.open(sg.save(donor, tmp_path / "model.keras")), donor)
    assert found.exact and not found.new and not found.dropped and not found.shared
    assert ("weights bit-identical" if donor.weights else "no weights") in str(found)


def test_layers_that_are_the_donors_own_are_told_for_what_trains_one_trains_both(tinyvgg):
    donor = sg.build(tinyvgg, copy=True)
    part = sg.cut(donor, outputs="block3_pool")
    found = sg.verify(part, donor)
    assert {call.name for call in found.shared} == {call.name for call in found.kept if call.weights}
    assert "the donor's own layers" in str(found) and "to the bit" not in str(found)
    mixed = sg.verify(sg.freeze(sg.open(part), "block1_*"), donor)
    assert "weights bit-identical, 5 the donor's own layers" in str(mixed)
    assert not sg.verify(sg.build(part, copy=True), donor).shared


@pytest.mark.parametrize("side", [16, 40, 64])
def test_a_network_of_any_size_is_compared_at_the_size_it_was_given(side):
    x = keras.Input((None, None, 3))
    donor = keras.Model(x, keras.layers.Conv2D(4, 3, name="c")(x))
    found = sg.verify(sg.resize(donor, (side, side, 3)), donor)
    assert found.exact and len(found.differences) == 1


def test_inputs_in_another_order_are_given_the_same_arrays():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    donor = sg.open(keras.Model([a, b], keras.layers.Subtract(name="s")([a, b])))
    turned = dataclasses.replace(donor, inputs=donor.inputs[::-1])
    assert sg.verify(turned, donor).exact


def test_nothing_in_common_is_not_exact(tinyvgg):
    found = sg.verify(siamese_network(), tinyvgg)
    assert not found.kept and not found.exact
    assert "no tensor compared" in str(found)


@keras.saving.register_keras_serializable("verify")
class OnlyHalves(keras.layers.Layer):
    """Refuses whatever is not one half, as an operation that a machine lacks does."""

    def call(self, x):
        if keras.ops.is_tensor(x) and hasattr(x, "numpy"):
            raise ValueError("\x1b[1m{{function_node __wrapped__Half}} only halves\x1b[0m")
        return x


def test_a_network_that_does_not_run_is_told_with_its_reason():
    x = keras.Input((2,))
    model = keras.Model(x, OnlyHalves()(keras.layers.Dense(2, name="d")(x)))
    with pytest.raises(sg.SurgeryError, match=r"does not run on random inputs \(only halves\)"):
        sg.verify(model, model)


def nested(donor, inputs=None):
    """A network that calls the donor as one layer, as stock Keras teaches it."""
    x = keras.Input(inputs or donor.input_shape[1:], name="x")
    return keras.Model(x, keras.layers.Dense(3, name="digits")(donor(x)), name="around")


def test_a_donor_that_is_called_as_a_nested_model_is_kept(tinyvgg, tmp_path):
    network = sg.freeze(sg.open(nested(tinyvgg)), "tinyvgg/block1_*")
    sg.save(network, tmp_path / "n.keras")
    for one, words in ((network, "own layers"), (sg.open(tmp_path / "n.keras"), "bit-identical")):
        found = sg.verify(one, tinyvgg)
        assert found.exact and len(found.kept) == len(found.differences) == 22 and not found.dropped
        assert [call.name for call in found.new] == ["digits"]
        assert [call.name for call in found.frozen] == ["tinyvgg/block1_conv1", "tinyvgg/block1_conv2"]
        assert found.parameters["kept"] == tinyvgg.count_params() and found.parameters["new"] == 18
        assert "..predictions inside tinyvgg" in str(found) and words in str(found)
        assert found.pairs["tinyvgg/fc1"] == "fc1"


def test_a_change_inside_a_nested_donor_is_found(tinyvgg, tmp_path):
    copy = sg.build(tinyvgg, copy=True)
    network = nested(copy)
    layer = copy.get_layer("block2_conv1")
    layer.set_weights([2 * value for value in layer.get_weights()])
    found = sg.verify(network, tinyvgg)
    assert [call.name for call in found.changed] == ["tinyvgg/block2_conv1"] and not found.exact
    assert found.differences["tinyvgg/block1_pool"] == 0 < found.differences["tinyvgg/block2_conv1"]


def test_a_part_of_a_donor_inside_and_its_own_calls_outside():
    donor = nested(siamese_network().get_layer("trunk"))
    assert sg.verify(sg.cut(donor, outputs="trunk"), donor).exact
    dissolved = sg.verify(sg.inline(donor), donor)
    assert dissolved.exact and not dissolved.dropped and not dissolved.new
    assert dissolved.parameters["kept"] == donor.count_params()
    back = sg.verify(donor, donor.get_layer("trunk"))
    assert back.exact and [call.name for call in back.new] == ["digits"]


def test_every_parameter_counts_once():
    donor = siamese_network().get_layer("trunk")
    twice = siamese_network()
    found = sg.verify(twice, twice.get_layer("trunk"))
    assert found.parameters["kept"] + found.parameters["new"] == twice.count_params()
    assert found.parameters["kept"] == donor.count_params()
    one, other = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    layer = keras.layers.Dense(4, name="d")
    small = sg.open(keras.Model(one, layer(one)))
    found = sg.verify(keras.Model([one, other], [layer(one), layer(other)]), small)
    assert found.parameters == {"kept": 20, "new": 0, "dropped": 0, "frozen": 0}
    assert [call.name for call in found.new] == ["d@1"]
    back = sg.verify(small, keras.Model([one, other], [layer(one), layer(other)]))
    assert [call.name for call in back.dropped] == ["d@1"] and back.parameters["dropped"] == 0


def test_a_layer_of_the_same_name_on_other_features_is_new():
    def made(width):
        x = keras.Input((width,), name="x")
        return keras.Model(x, keras.layers.Dense(10, name="digits")(x), name="n")

    found = sg.verify(made(4), made(8))
    assert [call.name for call in found.new] == [call.name for call in found.dropped] == ["digits"]
    assert not found.changed and found.parameters == {"kept": 0, "new": 50, "dropped": 90, "frozen": 0}


def test_a_nested_model_with_a_layer_of_the_same_name_is_not_the_donor(tinyvgg):
    x = keras.Input((24, 24, 3), name="x")
    y = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="block1_conv1")(x)
    other = keras.Model(x, keras.layers.Dense(3, name="o")(keras.layers.Flatten(name="f")(y)), name="critic")
    found = sg.verify(nested(other), tinyvgg)
    assert not found.kept and [call.name for call in found.new] == ["critic", "digits"]


def small(name="donor"):
    x = keras.Input((8,), name="i")
    y = keras.layers.ReLU(name="r")(keras.layers.Dense(8, name="a")(x))
    return keras.Model(x, keras.layers.Dense(3, name="c")(keras.layers.Dense(8, name="b")(y)), name=name)


@pytest.mark.parametrize("own", [False, True])
def test_a_layer_of_the_name_of_one_inside_the_donor_does_not_take_its_place(own):
    donor, x = small(), keras.Input((8,))
    layer = donor.get_layer("a") if own else keras.layers.Dense(8, name="a")
    wide = keras.layers.Concatenate(name="wide")([donor(x), keras.layers.Dense(5, name="five")(x)])
    found = sg.verify(keras.Model(x, layer(wide), name="n"), donor)
    assert found.exact and len(found.differences) == 4
    assert [call.name for call in found.kept] == ["donor/a", "donor/r", "donor/b", "donor/c"]
    assert found.parameters == {"kept": 171, "new": 45 + (0 if own else 72), "dropped": 0, "frozen": 0}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_copy_beside_the_donor_is_new_whoever_is_called_first(order):
    donor, x = small(), keras.Input((8,))
    copy = small("ema")
    both = [(copy, donor)[place](x) for place in order]
    found = sg.verify(keras.Model(x, keras.layers.Subtract(name="less")(both), name="n"), donor)
    assert found.exact and {call.name for call in found.new} == {"ema", "less"}
    assert found.parameters["kept"] == found.parameters["new"] == 171


def test_models_nested_twice_are_found_where_they_are_dissolved_or_taken_out():
    donor, x, y = small(), keras.Input((8,)), keras.Input((8,))
    middle = keras.Model(x, keras.layers.Dense(2, name="h")(donor(x)), name="middle")
    outer = keras.Model(y, middle(y), name="outer")
    for network, kept, dropped in ((sg.inline(outer), 179, 0), (donor, 171, 8), (middle, 179, 0), (outer, 179, 0)):
        found = sg.verify(network, outer)
        assert found.exact and not found.new
        assert (found.parameters["kept"], found.parameters["dropped"]) == (kept, dropped)
    replaced = sg.verify(sg.replace(outer, "middle/donor/b", keras.layers.Dense(8, name="b")), outer)
    assert {call.name.rpartition("/")[2] for call in replaced.new} <= {"b"} and len(replaced.changed) <= 1


def test_a_donor_without_weights_is_kept_inside():
    i, x = keras.Input((8,), name="i"), keras.Input((8,))
    donor = keras.Model(i, keras.layers.ReLU(name="q")(i), name="donor")
    assert sg.verify(keras.Model(x, keras.layers.Dense(2)(donor(x))), donor).exact


def attended():
    x = keras.Input((7, 16))
    return keras.Model(x, keras.layers.GroupQueryAttention(8, 4, 2, name="odd")(x, x))


def at_each_step():
    x, y = keras.Input((3, 8, 8, 2)), keras.Input((8, 8, 2))
    z = keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Conv2D(4, 3)(y)))
    return keras.Model(x, keras.layers.TimeDistributed(keras.Model(y, z), name="odd")(x))


@pytest.mark.parametrize("make", [attended, at_each_step])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_layer_of_another_format_is_the_same_layer_and_its_values_are_compared(make, tmp_path):
    model = make()
    graphs = [sg.open(model)]
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        graphs.append(sg.open(tmp_path / name))
    for one in graphs:
        for other in graphs:
            found = sg.verify(one, other)
            assert found.exact and not found.new and "odd" in {call.name for call in found.kept}
    weight = model.get_layer("odd").weights[0]
    weight.assign(weight + 1.0)
    for other in graphs[1:]:
        assert [call.name for call in sg.verify(model, other).changed] == ["odd"]


def test_a_clone_computes_the_same_though_keras_names_its_input_otherwise():
    x = keras.Input((8,))
    model = keras.Model(x, keras.layers.Dense(2, name="d")(x))
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert sg.open(clone).inputs != sg.open(model).inputs
    found = sg.verify(clone, model)
    assert found.exact and found.differences == {"d": 0.0}
    assert sg.diff(clone, model).equal and sg.diff(model, clone).equal


def test_texts_and_numbers_together_are_drawn_at_random():
    text, number = keras.Input((1,), dtype="string"), keras.Input((3,), dtype="int64")
    embed = [keras.layers.Embedding(5, 2, name=name) for name in "ab"]
    found = [embed[0](keras.layers.StringLookup(vocabulary=["a", "word"])(text)), embed[1](number)]
    model = keras.Model([text, number], keras.layers.Concatenate(axis=1, name="both")(found))
    assert sg.verify(model, model).differences["both"] == 0.0


@pytest.mark.parametrize("nested", [False, True])
def test_batch_normalization_with_fixed_statistics_is_kept(nested, tmp_path):
    x = keras.Input((8, 8, 3))
    y = keras.layers.BatchNormalization(name="bn")(keras.layers.Conv2D(4, 3, name="c")(x))
    donor = keras.Model(x, keras.layers.GlobalAveragePooling2D(name="g")(y), name="donor")
    still = sg.build(sg.freeze(sg.open(donor), "bn", bn="stats"))
    if nested:
        z = keras.Input((8, 8, 3))
        still = keras.Model(z, keras.layers.Dense(2, name="head")(still(z)))
    sg.save(still, tmp_path / "m.keras")
    for network in (still, sg.open(tmp_path / "m.keras")):
        found = sg.verify(network, donor)
        assert found.exact and not found.dropped and found.parameters["kept"] == donor.count_params()
        assert [call.name for call in found.new] == (["head"] if nested else [])
        assert any(name.endswith("bn") for name in found.differences)
