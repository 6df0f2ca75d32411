"""`dilate` and `fully_convolutional`: the donor itself is the oracle."""

import keras
import numpy as np
import pytest

import surgery as sg


def outputs_of(model, images_bhwc):
    return np.asarray(model(images_bhwc, training=False))


@pytest.mark.parametrize(
    ("name", "stride"), [("tinyvgg", 8), ("resnet50", 8), ("mobilenetv2", 16), ("mobilenet", 8), ("resnet50v2", 16)]
)
def test_every_second_pixel_of_a_dilated_network_is_the_donors(name, stride):
    donor = sg.cut(sg.open("tinyvgg", weights="pretrained"), outputs="block5_conv3")
    if name != "tinyvgg":
        donor = sg.open(name, include_top=False, input_shape=(64, 64, 3))
    images_bhwc = np.random.default_rng(0).random((2, *donor.spec(donor.inputs).shape[1:]), "float32")
    ours, theirs = (outputs_of(sg.build(one), images_bhwc) for one in (sg.dilate(donor, stride), donor))
    step = ours.shape[1] // theirs.shape[1]
    assert step > 1 and ours.shape[1] == images_bhwc.shape[1] // stride
    np.testing.assert_allclose(ours[:, ::step, ::step], theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())


def test_a_same_padded_convolution_with_steps_keeps_the_pixels_that_it_was_laid_on():
    x = keras.Input((12, 12, 3))
    y = keras.layers.Conv2D(4, 3, 2, "same", activation="relu")(x)
    y = keras.layers.SeparableConv2D(4, 3, padding="same")(y)
    donor = keras.Model(x, keras.layers.Conv2D(5, 3, 2, "same")(y))
    images_bhwc = np.random.default_rng(0).random((2, 12, 12, 3), "float32")
    dilated = sg.dilate(donor, 1)
    assert dilated.output_shape == (None, 12, 12, 5)
    np.testing.assert_allclose(
        outputs_of(dilated, images_bhwc)[:, ::4, ::4], outputs_of(donor, images_bhwc), rtol=1e-4, atol=1e-5
    )


def test_dilate_refuses_what_it_cannot_do():
    with pytest.raises(sg.SurgeryError, match="nothing in it is coarser"):
        sg.dilate(sg.cut(sg.open("tinyvgg"), outputs="block1_pool"), 2)
    with pytest.raises(sg.SurgeryError, match="at least 1, not 0"):
        sg.dilate(sg.open("tinyvgg"), 0)


def test_dense_layers_as_convolutions_compute_the_same():
    graph = sg.open("tinyvgg", weights="pretrained")
    images_bhwc, _ = sg.samples.digits(range(5))
    ours, theirs = (outputs_of(sg.build(one), images_bhwc[:64]) for one in (sg.fully_convolutional(graph), graph))
    assert ours.shape == (64, 1, 1, 5)
    np.testing.assert_allclose(ours[:, 0, 0], theirs, rtol=1e-5, atol=1e-6)


def test_a_flattened_map_with_more_than_one_pixel_becomes_a_kernel_of_its_size():
    x = keras.Input((6, 8, 3))
    y = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, 2, "same")(x))
    y = keras.layers.Dropout(0.5)(keras.layers.Dense(7, activation="relu")(y))
    y = keras.layers.BatchNormalization()(y)
    donor = keras.Model(x, keras.layers.Dense(3, activation="softmax")(y))
    images_bhwc = np.random.default_rng(0).random((2, 6, 8, 3), "float32")
    ours = sg.fully_convolutional(donor)
    np.testing.assert_allclose(outputs_of(ours, images_bhwc)[:, 0, 0], outputs_of(donor, images_bhwc), rtol=1e-5)
    larger = sg.resize(ours, (12, 16, 3))
    assert larger.output_shape == (None, 4, 5, 3)
    assert sg.fully_convolutional(donor, padding="same").output_shape == (None, 3, 4, 3)


def test_fully_convolutional_refuses_what_is_behind_flatten():
    with pytest.raises(sg.SurgeryError, match="no Flatten of a feature map"):
        sg.fully_convolutional(sg.open("resnet50"))
    x = keras.Input((4, 4, 2))
    y = keras.layers.Reshape((8, 4))(keras.layers.Flatten()(x))
    with pytest.raises(sg.SurgeryError, match="does not work on feature maps"):
        sg.fully_convolutional(keras.Model(x, y))
