"""Backbones as strangers bring them, as encoders of what recipes wire: strides, borders, sizes, channels."""

import keras
import numpy as np
import pytest
from networks import assert_same

import surgery as sg
from surgery.recipe import files as cookbook
from surgery.recipe import parameters

layers = keras.layers


def conv(x, filters, stride=1, name=None, padding="same"):
    return layers.Conv2D(filters, 3, stride, padding, activation="relu", name=name)(x)


def saved(tmp_path, make):
    """A network of one picture as a file."""
    x = keras.Input((48, 48, 3), name="image")
    return str(sg.save(keras.Model(x, make(x)), tmp_path / "backbone.keras"))


def wrapped(x):
    inner = keras.Input((24, 24, 8))
    y = layers.BatchNormalization(name="bn")(conv(inner, 8, 2, "in1"))
    return keras.Model(inner, conv(y, 8, 2, "in2"), name="inner")(conv(x, 8, 2, "out1"))


def hourglass(x):
    down = conv(conv(x, 8, 2, "down1"), 8, 2, "down2")
    return conv(layers.UpSampling2D(2, name="up")(down), 8, name="behind")


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5, 6, 7, 8, 12])
@pytest.mark.parametrize("backbone", ["tinyvgg", "threes"])
def test_levels_are_the_strides_that_the_encoder_has(tmp_path, backbone, stride):
    if backbone == "threes":
        backbone = saved(tmp_path, lambda x: conv(conv(conv(x, 4, 3, "a"), 4, 3, "b"), 4, 2, "c"))
    try:
        graph, levels = sg.parts.encoder(backbone, size=96, stride=stride, dilate=True)
    except sg.SurgeryError as error:
        assert "divides" in str(error) or "dilat" in str(error)
        return
    found = sg.feature_levels(graph)
    assert {step: found[step] for step in levels} == levels and max(levels) <= stride
    for step, tap in levels.items():
        assert 96 // step <= graph[tap].specs[0].sides[1] <= -(-96 // step)


def test_a_nested_backbone_is_dissolved_and_its_statistics_are_kept(tmp_path):
    path = saved(tmp_path, wrapped)
    graph, levels = sg.parts.encoder(path)
    assert list(levels) == [2, 4, 8] and levels[8] == "in2"
    live = keras.saving.load_model(path)
    x = np.random.default_rng(0).random((2, 48, 48, 3)).astype("float32")
    assert_same(sg.build(graph)(x), live(x))
    for name in ("unet", "pspnet", "detector"):
        settings = {"strides": (4, 8)} if name == "detector" else {}
        cookbook.load(name).wire({"backbone": path, "size": 48, **settings})
    critic = cookbook.load("wgan_gp").wire({"backbone": path, "stride": 8, "size": 32})["critic"]
    assert not critic["bn"].trainable


def test_a_nested_model_that_hides_no_stride_stays_as_it_is():
    assert sg.parts.encoder("alexnet", None)[1] == {4: "norm1", 8: "norm2", 16: "conv5", 32: "pool5"}
    assert sg.parts.encoder("convnexttiny", None)[1] == sg.feature_levels(sg.open("convnexttiny"))


def test_taps_lie_before_the_deepest(tmp_path):
    graph, levels = sg.parts.encoder(saved(tmp_path, hourglass))
    assert levels == {2: "down1", 4: "down2"} and "behind" not in graph


def test_a_dict_of_one_picture_is_a_picture(tmp_path):
    x = keras.Input((32, 32, 3), name="image")
    path = str(sg.save(keras.Model({"image": x}, hourglass(x)), tmp_path / "dict.keras"))
    model = sg.build(cookbook.load("unet").wire({"backbone": path}))
    assert model.output_shape == (None, 32, 32, 2) and isinstance(model.input, keras.KerasTensor)


def refused(kind):
    x, other = keras.Input((32, 32, 3)), keras.Input((32, 32, 3))
    grey, vector, solid = keras.Input((32, 32, 1)), keras.Input((12,)), keras.Input((8, 8, 8, 1))
    return {
        "two inputs": (lambda: keras.Model([x, other], conv(layers.Add()([x, other]), 4, 2)), "takes one image"),
        "vectors": (lambda: keras.Model(vector, layers.Dense(3)(vector)), r"takes one image .* takes \(None, 12\)"),
        "solids": (lambda: keras.Model(solid, layers.Conv3D(2, 3)(solid)), "takes one image"),
        "channels first": (
            lambda: keras.Model(x, layers.MaxPooling2D(data_format="channels_first")(x)),
            "its channels first",
        ),
        "grey": (lambda: keras.Model(grey, conv(grey, 4, 2)), "takes images of 1 channels, and is given 3"),
    }[kind]


@pytest.mark.parametrize("kind", ["two inputs", "vectors", "solids", "channels first", "grey"])
def test_other_networks_are_refused(tmp_path, kind):
    make, message = refused(kind)
    path = str(sg.save(make(), tmp_path / "other.keras"))
    with pytest.raises(sg.SurgeryError, match=message):
        sg.parts.encoder(path, channels=3)
    if kind == "grey":
        for name in ("gan", "conditional_gan", "wgan_gp", "cyclegan", "pix2pix", "srgan"):
            settings = {"stride": 2, "size": 32}
            with pytest.raises(sg.SurgeryError, match="takes images of 1 channels"):
                cookbook.load(name).wire({"backbone": path, **settings})


def test_weights_of_a_file_are_its_own(tmp_path):
    path = saved(tmp_path, hourglass)
    for weights in ("pretrained", None):
        kernel = sg.build(sg.open(path, weights=weights)).get_layer("down1").kernel
        assert np.array_equal(kernel, keras.saving.load_model(path).get_layer("down1").kernel)
    with pytest.raises(sg.SurgeryError, match="only for a named network"):
        sg.open(path, weights="imagenet")


@pytest.mark.parametrize("size", [33, 47, 97, 130])
@pytest.mark.parametrize("name", ["fpn", "pspnet", "deeplab", "unet", "linknet"])
def test_no_pixel_at_the_border_is_a_constant(name, size):
    """What unpadded pooling cost is mirrored, not filled with zeros: every pixel depends on the picture."""
    recipe = cookbook.load(name)
    model = sg.build(recipe.wire({"backbone": "tinyvgg", "size": size}))
    random = np.random.default_rng(0)
    one, other = (model.predict(random.random((1, size, size, 3)) * 255, verbose=0) for _ in range(2))
    assert one.shape == (1, size, size, 2)
    assert np.mean(np.any(one != other, axis=-1)) > 0.999


def test_what_was_mirrored_reopens_in_stock_keras(tmp_path):
    model = sg.build(cookbook.load("fpn").wire({"backbone": "tinyvgg", "size": 97}))
    path = sg.save(model, tmp_path / "fpn.keras")
    x = np.random.default_rng(0).random((1, 97, 97, 3)).astype("float32")
    assert_same(keras.saving.load_model(path)(x), model(x))


@pytest.mark.parametrize("missing", [1, 5, 30])
def test_maps_are_cropped_and_mirrored_to_any_size(missing):
    x = keras.Input((6, 5, 2))
    model = keras.Model(x, sg.parts.crop_or_pad_to(x, keras.KerasTensor((None, 6 + missing, 3, 1)), "a"))
    given = np.random.default_rng(0).random((2, 6, 5, 2)).astype("float32")
    made = np.asarray(model(given))
    assert made.shape == (2, 6 + missing, 3, 2)
    if missing <= 6:
        before = missing // 2
        padded = np.pad(given, ((0, 0), (before, missing - before), (0, 0), (0, 0)), mode="symmetric")
        assert np.array_equal(made, padded[:, :, 1:4])


@pytest.mark.parametrize("size", [33, 50, 97])
def test_sizes_that_strides_do_not_divide(size):
    autoencoder = sg.build(cookbook.load("autoencoder").wire({"backbone": "tinyvgg", "size": size}))
    assert autoencoder.output_shape == (None, size, size, 3)
    generator = cookbook.load("cyclegan").wire({"size": size})["to_board"]
    assert generator.output_shape == (None, size, size, 3)
    detector = sg.build(cookbook.load("detector").wire({"backbone": "tinyvgg", "size": size}))
    assert detector.output_shape[1] == len(sg.parts.anchor_points((size, size), (4, 8))[0])


@pytest.mark.parametrize("backbone", ["inceptionv3", "xception", "squeezenet"])
def test_places_of_unpadded_networks(backbone):
    wired = cookbook.load("detector").wire({"backbone": backbone, "weights": None, "size": 96})
    assert wired["detections"].specs[0].sides[1] == len(sg.parts.anchor_points((96, 96), (4, 8))[0])


def test_suppression_keeps_the_surest_of_those_that_overlap():
    random = np.random.default_rng(0)
    centres, steps = sg.parts.anchor_points((64, 64), (4, 8))
    output = random.normal(size=(3, len(centres), 7))
    for (frames, names, scores), one in zip(
        sg.parts.decode_detections(output, 3, centres, steps, 0.2), output, strict=True
    ):
        best = 1 / (1 + np.exp(-one[:, :3].max(-1)))
        reach = np.exp(one[:, 3:]) * steps[:, None]
        every = np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], -1)
        kept = []
        for place in np.argsort(-best):  # one by one, as the papers tell it
            if best[place] >= 0.2 and all(sg.parts.box_iou(every[place], every[other]) <= 0.5 for other in kept):
                kept.append(place)
        assert np.array_equal(frames, every[kept]) and np.array_equal(scores, best[kept])
        assert np.array_equal(names, one[kept, :3].argmax(-1))


def test_the_old_name_of_the_output_stride_is_taken_with_a_warning():
    with pytest.warns(DeprecationWarning, match=r"depth= of encoder\(\) is deprecated. Use stride= instead"):
        old = sg.parts.encoder("tinyvgg", None, depth=8)
    assert old == sg.parts.encoder("tinyvgg", None, stride=8) == sg.parts.encoder("tinyvgg", None, 8)
    assert list(old[1]) == [1, 2, 4, 8]
    with pytest.warns(DeprecationWarning, match="stride="):
        both = sg.parts.encoder("tinyvgg", None, depth=16, stride=8)  # which cut at 16, and dilated to 8
    kept = sg.parts.encoder("tinyvgg", None, stride=8, dilate=True)
    assert max(both[1]) == max(kept[1]) == 8 and len(both[0]) > len(old[0])
    with pytest.raises(sg.SurgeryError, match="dilate= is True or False, not 8"):
        sg.parts.encoder("tinyvgg", None, 32, None, False, 8)


def test_recipes_take_the_old_name_with_a_warning():
    recipe = cookbook.load("ensemble")
    with pytest.warns(FutureWarning, match="depth= of ensemble is deprecated. Use stride= instead"):
        assert parameters.settings(recipe, ["depth=4"]) == {"stride": 4}
    with pytest.warns(FutureWarning, match="other_depth= of ensemble is deprecated. Use other_stride="):
        assert parameters.settings(recipe, ["other_depth=4"]) == {"other_stride": 4}
    with pytest.warns(FutureWarning, match="pictures= of unet is deprecated. Use images= instead"):
        assert parameters.settings(cookbook.load("unet"), ["pictures=4"]) == {"images": 4}
    with pytest.raises(sg.SurgeryError, match="gradcam has no parameter 'depth'"):
        parameters.settings(cookbook.load("gradcam"), ["depth=4"])
