"""The shipped recipes: they build, on any backbone; a little of `fit` lowers the loss; what is frozen stays."""

import keras
import numpy as np
import pytest
from networks import assert_same, outputs_of

import surgery as sg
from surgery import cookbook

BACKBONES = ("tinyvgg", "vgg16", "resnet50", "mobilenetv2", "efficientnetb0", "convnexttiny")


@pytest.mark.parametrize("name", cookbook.shipped())
def test_a_recipe_builds_saves_and_reopens_in_stock_keras(name, tmp_path):
    recipe = cookbook.load(name)
    model = sg.build(recipe.wire({}))
    path = sg.save(model, tmp_path / "model.keras")
    arrays = np.random.default_rng(0).random((2, *model.input_shape[1:]), "float32")
    assert_same(outputs_of(keras.models.load_model(path), arrays), outputs_of(model, arrays))
    assert "arXiv" in recipe.title


def test_transfer_moves_the_head_alone_and_returns_both_accuracies():
    recipe = cookbook.load("transfer")
    model = sg.build(recipe.wire({}))
    donor = sg.open("tinyvgg", weights="pretrained")
    before = model.get_layer("digits").get_weights()
    measured = recipe.fit(model, {"shots": 2, "seeds": 1, "epochs": 100})
    found = sg.verify(model, donor)
    assert found.exact and len(found.frozen) == 7
    assert not np.array_equal(model.get_layer("digits").get_weights()[0], before[0])
    assert float(measured["accuracy"].split()[0]) > 0.5  # five classes: chance is 0.2
    assert {"accuracy", "from scratch", "won"} <= set(measured)


def test_unet_learns_to_find_digits_in_noise():
    recipe = cookbook.load("unet")
    model = sg.build(recipe.wire({"filters": (24, 16, 16, 8, 8)}))
    measured = recipe.fit(model, {"epochs": 6})
    assert measured["intersection over union"] > measured["best threshold"]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_unet_builds_on_any_backbone(backbone):
    recipe = cookbook.load("unet")
    graph = recipe.wire({"backbone": backbone, "weights": None, "classes": 3})
    size = sg.open(backbone)[str(sg.open(backbone).inputs)].specs[0].shape[1]
    model = sg.build(graph)
    assert model.output_shape == (None, size, size, 3)
    steps = [call.name for call in graph if call.name.endswith("_concat")]
    assert len(steps) == len(sg.pyramid(sg.open(backbone))) - 1 >= 3


@pytest.mark.parametrize("side", [33, 47, 95])
def test_unet_aligns_odd_sizes(side):
    graph = sg.open("mobilenetv2", include_top=False, input_shape=[side, side + 2, 3])
    levels = sg.pyramid(graph)
    decoder = sg.unet_decoder(2, list(levels), filters=(8,))
    model = sg.build(sg.graft(graph, decoder, at=[str(graph.inputs), *levels.values()]))
    assert model.output_shape == (None, side, side + 2, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0, "strides": [1, 2]}, "at least 1"),
        ({"classes": 2, "strides": [4]}, "at least two sizes"),
        ({"classes": 2, "strides": [2, 3]}, "multiple of the one before"),
        ({"classes": 2, "strides": [4, 2]}, "must ascend"),
    ],
)
def test_unet_refuses_what_makes_no_decoder(arguments, message):
    with pytest.raises(sg.SurgeryError, match=message):
        sg.unet_decoder(**arguments)


def test_the_pyramid_is_found_by_stride():
    assert sg.pyramid(sg.open("vgg16")) == {
        1: "block1_conv2",
        2: "block2_conv2",
        4: "block3_conv3",
        8: "block4_conv3",
        16: "block5_conv3",
        32: "block5_pool",
    }
    assert sg.pyramid(sg.open("resnet50")) == {
        2: "conv1_relu",
        4: "conv2_block3_out",
        8: "conv3_block4_out",
        16: "conv4_block6_out",
        32: "conv5_block3_out",
    }
    assert list(sg.pyramid(sg.open("convnexttiny"))) == [1, 4, 8, 16, 32]
    with pytest.raises(sg.SurgeryError, match="no feature maps"):
        sg.pyramid(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))


def test_the_digits_are_pictures():
    images_bhwc, labels = sg.digits((7, 8), size=16)
    assert images_bhwc.shape[1:] == (16, 16, 3) and images_bhwc.dtype == "float32"
    assert images_bhwc.min() >= 0 and images_bhwc.max() <= 1 and set(labels) == {7, 8}
