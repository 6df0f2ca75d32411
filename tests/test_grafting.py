"""`graft`: every kind of part, on one tensor and on several; names; and what is refused."""

import keras
import numpy as np
import pytest
from networks import arrays_for, assert_same, assert_unchanged, fingerprint, outputs_of

import surgery as sg


@pytest.fixture
def trunk():
    return sg.cut(sg.open("tinyvgg", weights="pretrained"), outputs="block3_pool")


def test_a_grafted_head_computes_head_of_trunk(trunk, tinyvgg):
    head = keras.layers.Dense(3, name="digits")
    model = sg.build(sg.graft(trunk, [keras.layers.GlobalAveragePooling2D(name="mean"), head]))
    arrays = arrays_for(tinyvgg)
    features = outputs_of(sg.tap(tinyvgg, "block3_pool"), arrays)[0]
    expected = features.mean(axis=(1, 2)) @ head.get_weights()[0]
    np.testing.assert_allclose(outputs_of(model, arrays)[0], expected, rtol=1e-5, atol=1e-5)
    assert model.get_layer("digits") is head


@pytest.mark.parametrize(
    "part",
    [
        keras.layers.GlobalMaxPooling2D(),
        [keras.layers.Flatten(), keras.layers.Dense(2)],
        lambda x: keras.ops.mean(x, axis=(1, 2)) * 2.0,
        keras.Sequential([keras.Input((4, 4, 40)), keras.layers.Flatten()], name="model_part"),
        sg.open(keras.Sequential([keras.Input((4, 4, 40)), keras.layers.Flatten(name="graph_part")])),
    ],
    ids=["layer", "list", "function", "model", "graph"],
)
def test_every_kind_of_part(trunk, part):
    grown = sg.graft(trunk, part)
    assert len(grown) > len(trunk)
    assert sg.verify(grown, trunk).exact
    assert outputs_of(sg.build(grown), np.zeros((1, 32, 32, 3), "float32"))[0].shape[0] == 1


def test_parts_on_several_tensors(trunk):
    at = ["block1_pool", "block2_pool"]
    both = sg.graft(trunk, lambda x: keras.layers.Add()([keras.ops.mean(one, axis=(1, 2, 3)) for one in x]), at=at)
    named = sg.graft(trunk, lambda x: keras.ops.mean(x["low"]), at={"low": "block1_pool"}, keep=True)
    assert [call.name for call in both if call.name.startswith("block3")] == []
    assert "block3_pool" in named


def test_keep_keeps_the_old_outputs():
    graph = sg.open("tinyvgg")
    two = sg.graft(graph, keras.layers.GlobalAveragePooling2D(name="code"), at="block5_pool", keep=True)
    assert [str(ref) for ref in two.outputs] == ["predictions", "code"]
    three = sg.graft(sg.tap(graph, "fc1, fc2"), keras.layers.ReLU(name="r"), at="fc1", keep=True)
    assert list(three.outputs) == ["fc1", "fc2", "r"]
    with pytest.raises(sg.SurgeryError, match="Say at="):
        sg.graft(two, keras.layers.ReLU())


def test_a_model_in_gives_a_model_out_and_the_donor_stays(tinyvgg):
    before = fingerprint(tinyvgg)
    model = sg.graft(tinyvgg, keras.layers.Dense(2, name="new"), at="fc2")
    assert isinstance(model, keras.Model) and not model.compiled
    assert model.get_layer("fc1") is tinyvgg.get_layer("fc1")
    assert_unchanged(tinyvgg, before)


def test_a_name_that_keras_gave_moves_aside_and_one_of_the_user_is_refused():
    keras.utils.clear_session()
    donor = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="dense")])
    part = keras.layers.Dense(2, name="dense")
    grown = sg.graft(sg.open(donor), part)
    assert str(grown.outputs) == "dense_1"
    model = sg.build(grown)
    assert [layer.name for layer in model.layers] == ["input_layer", "dense", "dense_1"]
    assert part.name == "dense"
    assert_same(model.get_layer("dense_1").get_weights(), part.get_weights())
    with pytest.raises(sg.SurgeryError, match="has a layer named 'fc1', and so has 'tinyvgg'"):
        sg.graft(sg.open("tinyvgg"), keras.layers.Dense(2, name="fc1"))


def test_a_layer_of_the_donor_grafted_again_is_a_second_call(tinyvgg):
    grown = sg.graft(sg.open(tinyvgg), tinyvgg.get_layer("fc2"), at="fc2")
    assert str(grown.outputs) == "fc2@1"
    assert grown.params == sg.cut(sg.open(tinyvgg), outputs="fc2").params


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (lambda x: None, "returned nothing"),
        (lambda x: 3, "returned a int"),
        (keras.layers.Conv3D(2, 3), "does not take"),
        (keras.layers.Dense, r"Did you mean Dense\(\)"),
        ("Dense", "a part is a layer"),
        (lambda x: 1 / 0, "division by zero"),
        (lambda x: keras.Input((3,)), "does not depend on its input alone"),
        (sg.open(keras.Sequential([keras.Input((9,)), keras.layers.ReLU()])), "expects"),
    ],
)
def test_parts_that_are_none(trunk, part, message):
    with pytest.raises(sg.SurgeryError, match=message) as caught:
        sg.graft(trunk, part)
    assert "block3_pool" in str(caught.value)
