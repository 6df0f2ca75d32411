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
    images_bhwc, _ = sg.digits([0])
    assert sg.verify(sg.cut(tinyvgg, outputs="fc2"), tinyvgg, inputs=images_bhwc[:2]).exact
    with pytest.raises(sg.SurgeryError, match="inputs="):
        sg.verify(tinyvgg, tinyvgg, inputs=np.zeros((1, 3)))


@pytest.mark.parametrize("seed", range(6))
def test_what_is_in_a_file_is_kept_of_the_network_it_was_written_from(tmp_path, seed):
    donor = random_network(seed)
    found = sg.verify(sg.open(sg.save(donor, tmp_path / "model.keras")), donor)
    assert found.exact and not found.new and not found.dropped and not found.shared
    assert ("weights equal to the bit" if donor.weights else "no weights") in str(found)


def test_layers_that_are_the_donors_own_are_told_for_what_trains_one_trains_both(tinyvgg):
    donor = sg.build(tinyvgg, copy=True)
    part = sg.cut(donor, outputs="block3_pool")
    found = sg.verify(part, donor)
    assert {call.name for call in found.shared} == {call.name for call in found.kept if call.weights}
    assert "the donor's own layers" in str(found) and "to the bit" not in str(found)
    mixed = sg.verify(sg.freeze(sg.open(part), "block1_*"), donor)
    assert "weights equal to the bit, 5 the donor's own layers" in str(mixed)
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
