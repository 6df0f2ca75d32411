"""Freezing that holds: what a training step moves, inside nested models too, and every flag restored."""

import keras
import numpy as np
import pytest
from networks import assert_same, outputs_of, siamese_network

import surgery as sg


def classifier():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.GlobalAveragePooling2D(name="pool"),
            keras.layers.Dense(2, name="head"),
        ],
        name="classifier",
    )


def moved(model, steps=2):
    """Trains a few steps and returns the paths of the variables that moved."""
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = {id(variable): variable.numpy().copy() for variable in model.weights}
    random = np.random.default_rng(0)
    for _ in range(steps):
        shape = (4, *model.input_shape[1:])
        model.train_on_batch(random.normal(3, 2, shape).astype("float32"), np.array([0, 0, 0, 1]))
    return names([one for one in model.weights if not np.array_equal(one.numpy(), before[id(one)])])


def names(variables):
    """`layer/kernel` of each variable, without the models around it."""
    return {"/".join(variable.path.split("/")[-2:]) for variable in variables}


@pytest.mark.parametrize("as_graph", [True, False])
def test_a_step_moves_the_head_alone_and_no_statistic(as_graph):
    model = classifier()
    frozen = sg.build(sg.freeze(sg.open(model), "..norm")) if as_graph else sg.freeze(model, "..norm")
    assert moved(frozen) == {"head/kernel", "head/bias"}


@pytest.mark.parametrize("name", ["efficientnetv2b0", "convnexttiny"])
def test_a_step_on_a_real_network_moves_the_head_alone(name):
    graph = sg.open(name, include_top=False, input_shape=[32, 32, 3])
    last = graph.calls[-1].name
    head = [keras.layers.GlobalAveragePooling2D(name="mean"), keras.layers.Dense(2, name="head")]
    model = sg.build(sg.graft(sg.freeze(graph, f"..{last}"), head))
    assert moved(model, steps=1) == {"head/kernel", "head/bias"}


def test_a_frozen_graph_leaves_the_flags_of_its_donor_alone():
    donor = classifier()
    model = sg.build(sg.freeze(sg.open(donor), "conv"))
    assert donor.get_layer("conv").trainable and not model.get_layer("conv").trainable
    assert model.get_layer("head") is donor.get_layer("head")
    arrays = np.ones((2, 8, 8, 3), "float32")
    assert_same(outputs_of(model, arrays), outputs_of(donor, arrays))
    again = sg.build(sg.freeze(sg.open(donor), "conv"))
    assert_same(outputs_of(again, arrays), outputs_of(donor, arrays))


def test_a_stored_network_keeps_its_flags_whichever_graph_is_built_first():
    graph = sg.open("tinyvgg")
    marked = sg.build(sg.freeze(graph, "..block3_pool"))
    plain = sg.build(graph)
    assert not marked.get_layer("block1_conv1").trainable and plain.get_layer("block1_conv1").trainable
    assert_same(marked.get_weights(), plain.get_weights())


def test_freezing_inside_nested_models():
    model = siamese_network()
    sg.freeze(model, "trunk/norm")
    trunk = model.get_layer("trunk")
    assert trunk.trainable and not trunk.get_layer("norm").trainable and trunk.get_layer("conv").trainable
    sg.freeze(model, "trunk")
    assert not trunk.trainable_variables and model.get_layer("same").trainable
    graph = sg.freeze(sg.open(siamese_network()), "trunk/conv")
    built = sg.build(graph)
    assert names(built.trainable_variables) == {"norm/gamma", "norm/beta", "same/kernel", "same/bias"}
    assert [call.name for call in graph if call.trainable] == ["trunk", "trunk@1", "same"]


def test_unfreezing_one_layer_of_a_frozen_model_unfreezes_that_layer():
    """Trap 11: in stock Keras the flag of the container wipes, or hides, the flags of its layers."""
    model = classifier()
    model.trainable = False
    sg.unfreeze(model, "head")
    assert names(model.trainable_variables) == {"head/kernel", "head/bias"}
    assert moved(model) == {"head/kernel", "head/bias"}


def test_flags_changed_after_a_fit_take_effect():
    """Trap 2: stock Keras goes on with the train function it traced."""
    model = classifier()
    assert "conv/kernel" in moved(model)
    sg.freeze(model, "conv")
    before = model.get_layer("conv").get_weights()
    model.train_on_batch(np.ones((2, 8, 8, 3), "float32"), np.array([0, 1]))
    assert_same(model.get_layer("conv").get_weights(), before)


def test_frozen_restores_a_mixture_of_flags_also_after_an_error():
    model = siamese_network()
    model.get_layer("trunk").get_layer("conv").trainable = False
    flags = [variable.trainable for variable in model.variables]
    with pytest.raises(RuntimeError), sg.frozen(model, "trunk, same"):
        assert not model.trainable_variables
        raise RuntimeError
    assert [variable.trainable for variable in model.variables] == flags
    assert model.get_layer("trunk").trainable


def test_marks_show_in_the_table_and_travel_through_edits(capsys):
    graph = sg.freeze(sg.open("tinyvgg"), "..block1_pool")
    grown = sg.graft(sg.cut(graph, outputs="block2_pool"), keras.layers.Flatten(name="flatten"))
    assert grown["block1_conv2"].frozen and grown["block2_conv1"].trainable
    sg.show(grown, "block1_conv1, block2_conv1, flatten")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-2] for line in lines[3:6]] == ["no", "yes", "-"]


def test_freezing_nothing_is_an_error():
    with pytest.raises(sg.SurgeryError, match="has weights"):
        sg.freeze(classifier(), "pool")
    with pytest.raises(sg.SurgeryError, match="no call matches"):
        sg.freeze(classifier(), "hed")
    with pytest.raises(sg.SurgeryError, match="live models"), sg.frozen(sg.open("tinyvgg")):
        pass
