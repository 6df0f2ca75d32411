"""The shipped recipes: they build, on any backbone; a little of `fit` lowers the loss; what is frozen stays."""

import re

import keras
import numpy as np
import pytest
from networks import assert_same, outputs_of

import surgery as sg
from surgery.recipe import files as cookbook

BACKBONES = ("tinyvgg", "vgg16", "resnet50", "mobilenetv2", "efficientnetb0", "convnexttiny")


QUICK = {  # what makes a fit short; the full ones are measured by scripts/recipes_report.py
    "unet": {"epochs": 4, "images": 32},  # its loss rises in the first steps
    "fpn": {"epochs": 2, "images": 32},
    "linknet": {"epochs": 2, "images": 32},
    "pspnet": {"epochs": 2, "images": 32},
    "fcn": {"epochs": 2, "images": 32},
    "deeplab": {"epochs": 2, "images": 32},
    "autoencoder": {"epochs": 2},
    "detector": {"epochs": 2, "images": 32},
    "linear": {"epochs": 3},
    "two_branches": {"epochs": 3},
    "house_price": {"epochs": 2, "houses": 200},
    "shared_embedding": {"epochs": 2},
    "inception": {"epochs": 3},
    "skip": {"epochs": 3},
    "middle": {"epochs": 6},
    "siamese": {"epochs": 2, "pairs": 200, "episodes": 5},
    "ensemble": {"epochs": 10, "repeats": 1},
    "two_stage": {"epochs": 3, "shots": 4, "stages": ((0, "digits"), (1, "block3_*"))},
    "multitask": {"epochs": 3, "images": 64},
    "distill": {"epochs": 4, "pool": 100},
    "linear_probe": {"epochs": 4, "shots": 4},
    "gradcam": {"epochs": 3, "images": 200},
}


BASELINE_AS_UNET = ("linknet", "fpn", "pspnet", "fcn", "deeplab")  # one function trains them all, and their baseline


def built(made):
    """The models of a recipe, by name."""
    parts = cookbook.parts(made).items()
    return {name: part if isinstance(part, keras.Model) else sg.build(part) for name, part in parts}


def random_inputs(model):
    random = np.random.default_rng(0)

    def array(tensor):
        shape = [2 if side is None else side for side in tensor.shape]
        whole = "int" in str(tensor.dtype)
        return random.integers(0, 5, shape) if whole else random.random(shape).astype("float32")

    return keras.tree.map_structure(array, model.input)


@pytest.mark.parametrize("name", cookbook.shipped())
def test_a_recipe_builds_saves_and_reopens_in_stock_keras(name, tmp_path):
    recipe = cookbook.load(name)
    for part, model in built(recipe.wire({})).items():
        path = sg.save(model, tmp_path / f"{part or 'model'}.keras")
        arrays = random_inputs(model)
        assert_same(outputs_of(keras.models.load_model(path), arrays), outputs_of(model, arrays))
    assert re.search(r"\b(19|20)\d\d\b", recipe.title) and len(recipe.title) <= 120, "a source with its year"


@pytest.fixture
def few_to_test_on(monkeypatch):
    """Draws twelve pictures beside those to learn from; a hundred and more are measured by the report."""
    from surgery.recipe.tasks import segmenting

    def fewer(draw):
        return lambda size, seed, count: draw(size, seed, min(count, 44))

    monkeypatch.setattr(segmenting, "digit_segmentation", fewer(segmenting.digit_segmentation))
    monkeypatch.setattr(sg.samples, "digit_detection", fewer(sg.samples.digit_detection))


@pytest.mark.usefixtures("few_to_test_on")
@pytest.mark.parametrize("name", QUICK)
def test_a_little_of_fit_lowers_the_loss_and_moves_nothing_that_is_frozen(name, monkeypatch):
    recipe = cookbook.load(name)
    keras.utils.set_random_seed(0)  # new layers are drawn when they are wired, before fit() sets its seed
    models = built(recipe.wire({}))
    frozen = [(one, np.array(one)) for model in models.values() for one in model.non_trainable_variables]
    frozen = [(one, before) for one, before in frozen if "moving" not in one.path and "seed" not in one.path]
    own = {id(one) for model in models.values() for one in model.trainable_variables}
    losses, fit = {}, keras.Model.fit  # of the networks that the recipe made; the baselines may fail

    def watched(self, *args, **kwargs):
        ours = own & {id(one) for one in self.trainable_variables}
        if not ours and name in BASELINE_AS_UNET:
            return None
        history = fit(self, *args, **kwargs)
        if ours:
            losses.setdefault(self, []).extend(history.history["loss"])
        return history

    monkeypatch.setattr(keras.Model, "fit", watched)
    measured = recipe.fit(cookbook.whole(models), QUICK[name])
    assert [key for key, value in measured.items() if isinstance(value, float)]
    assert all(np.array_equal(before, one) for one, before in frozen)
    assert any(len(found) > 1 for found in losses.values())
    assert all(found[-1] < found[0] for found in losses.values() if len(found) > 1)


@pytest.fixture
def few_to_learn_from(monkeypatch, request):
    """Gives a recipe every fourth of the digits; the judge of what is drawn learns from all."""
    draw = sg.samples.digits
    if "cyclegan" not in request.node.name:  # which takes 1,400 of them
        monkeypatch.setattr(
            sg.samples, "digits", lambda *args, **kwargs: tuple(one[::4] for one in draw(*args, **kwargs))
        )


@pytest.mark.usefixtures("few_to_learn_from")
@pytest.mark.parametrize("name", ["gan", "conditional_gan"])
def test_the_players_of_a_gan_both_learn_and_the_judge_is_no_fool(name):
    recipe = cookbook.load(name)
    models = built(recipe.wire({"filters": 32}))
    before = {part: model.get_weights() for part, model in models.items()}
    measured = recipe.fit(models, {"epochs": 2, "samples": 60})
    assert measured["real digits"] > 0.9 and measured.get("noise", 0) < 0.05
    for part, model in models.items():
        assert any(not np.array_equal(old, new) for old, new in zip(before[part], model.get_weights(), strict=True))
        assert all(np.isfinite(one).all() for one in model.get_weights())


@pytest.mark.usefixtures("few_to_learn_from")
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("wgan_gp", {"samples": 60, "steps": 2}),
        ("pix2pix", {"images": 64}),
        ("cyclegan", {"epochs": 1}),
        ("srgan", {"images": 64}),
    ],
)
def test_players_learn_and_nothing_else_moves(name, settings):
    recipe = cookbook.load(name)
    keras.utils.set_random_seed(0)
    models = built(recipe.wire({"filters": (8,) if name == "pix2pix" else 8}))
    trains = {part: bool(model.trainable_variables) for part, model in models.items()}
    before = {part: model.get_weights() for part, model in models.items()}
    measured = recipe.fit(models, {"epochs": 2, **settings})
    assert {part for part, learns in trains.items() if not learns} == ({"eye"} if name == "srgan" else set())
    for part, model in models.items():
        moved = [not np.array_equal(old, new) for old, new in zip(before[part], model.get_weights(), strict=True)]
        assert any(moved) == trains[part] and all(np.isfinite(one).all() for one in model.get_weights())
    assert all(np.isfinite(value) for value in measured.values() if isinstance(value, float))


def test_a_step_is_traced_once_where_the_slots_are_made_before_it():
    """Without the callback Keras 3.15 traces it twice; the weights come out the same, to the bit."""

    class Counted(keras.layers.Layer):
        traced = 0

        def call(self, x):
            Counted.traced += 1
            return x

    def fitted(callbacks):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), Counted(), keras.layers.Dense(3), keras.layers.Dense(2)])
        model.compile("adam", "mse")
        Counted.traced = 0
        model.fit(np.ones((8, 4)), np.ones((8, 2)), epochs=2, verbose=0, callbacks=callbacks)
        return model.get_weights(), Counted.traced

    weights, traced = fitted([sg.tasks.EpochBar()])
    assert traced == 1
    assert_same(weights, fitted([])[0])


def test_a_critic_on_normalised_maps_does_not_mix_its_samples():
    critic = sg.build(cookbook.load("wgan_gp").wire({"backbone": "resnet50", "weights": None, "size": 32})["critic"])
    images_bhwc = np.random.default_rng(0).random((4, 32, 32, 3)).astype("float32")
    whole, alone = critic(images_bhwc, training=True), critic(images_bhwc[:1], training=True)
    np.testing.assert_allclose(whole[:1], alone, rtol=1e-5, atol=1e-5)


def test_activation_maps_of_a_pooled_head_are_those_of_cam():
    """Grad-CAM is CAM where pooled maps feed one Dense layer (Selvaraju et al. 2017, section 3.1)."""
    graph = sg.cut(sg.open("tinyvgg", weights="pretrained"), outputs="block3_conv3")
    head = [keras.layers.GlobalAveragePooling2D(name="gap"), keras.layers.Dense(5, name="head")]
    front, back = map(sg.build, sg.split(sg.graft(graph, head), "block3_conv3"))
    images_bhwc, labels = sg.samples.digits(range(5))
    images_bhwc, labels = images_bhwc[:40], labels[:40]
    maps_bhwc, kernel = front.predict(images_bhwc, verbose=0), back.get_layer("head").get_weights()[0]
    cam_bhw = np.maximum(np.einsum("bhwc,cb->bhw", maps_bhwc, kernel[:, labels]), 0)
    wanted = np.asarray(keras.ops.image.resize(cam_bhw[..., None], (32, 32)))[..., 0]
    wanted = wanted / np.maximum(wanted.max(axis=(1, 2), keepdims=True), 1e-12)
    found = sg.tasks.gradcam(front, back, images_bhwc, labels, batch_size=16)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert found.shape == (40, 32, 32) and found.max() == 1.0
    strongest = back.predict(maps_bhwc, verbose=0).argmax(axis=-1)
    assert np.array_equal(
        sg.tasks.gradcam(front, back, images_bhwc, strongest), sg.tasks.gradcam(front, back, images_bhwc)
    )
    whole = keras.Model(front.input, back(front.output))
    same = keras.Sequential([keras.Input(front.output_shape[1:]), keras.layers.ReLU()])
    for halves, classes, message in [
        ((front, back), [5] * 40, "from 0 to 4"),
        ((front, back), [1], "one class for each of 40"),
        ((front, same), None, "should make scores"),
        ((whole, back), None, "should make one map"),
    ]:
        with pytest.raises(sg.SurgeryError, match=message):
            sg.tasks.gradcam(*halves, images_bhwc, classes)


def test_a_painted_picture_nears_the_style_and_the_network_stays():
    recipe = cookbook.load("style_transfer")
    model = sg.build(recipe.wire({"height": 48, "width": 64}))
    before = model.get_weights()
    measured = recipe.fit(model, {"steps": 30})
    assert measured["distance to the style"] < measured["of the content photograph"] / 10
    assert measured["image"].shape[-1] == 3 and np.isfinite(measured["image"]).all()
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


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


def test_unet_learns_to_find_digits_on_photographs():
    recipe = cookbook.load("unet")
    measured = recipe.fit(sg.build(recipe.wire({"filters": (24, 16, 16, 8, 8)})), {"epochs": 8})
    assert measured["intersection over union"] > measured["best threshold"]


@pytest.mark.parametrize("name", ["inception", "skip"])
def test_what_starts_at_zero_leaves_the_network_as_it_was(name):
    donor = sg.build(sg.open("tinyvgg", weights="pretrained"))
    model = sg.build(cookbook.load(name).wire({}))
    images_bhwc, _ = sg.samples.digits(range(5))
    ours, theirs = (one.predict(images_bhwc[:64], verbose=0) for one in (model, donor))
    assert np.array_equal(ours, theirs) and len(model.layers) > len(donor.layers)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_unet_builds_on_any_backbone(backbone):
    recipe = cookbook.load("unet")
    graph = recipe.wire({"backbone": backbone, "weights": None, "classes": 3})
    size = sg.open(backbone)[str(sg.open(backbone).inputs)].specs[0].shape[1]
    model = sg.build(graph)
    assert model.output_shape == (None, size, size, 3)
    steps = [call.name for call in graph if call.name.endswith("_concat")]
    assert len(steps) == len(sg.feature_levels(sg.open(backbone))) - 1 >= 3


@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        ("fpn", "nasnetmobile"),
        ("fpn", "densenet121"),
        ("linknet", "densenet121"),
        ("linknet", "inceptionv3"),
        ("pspnet", "efficientnetv2b0"),
        ("pspnet", "nasnetmobile"),
        ("fcn", "inceptionv3"),
        ("fcn", "efficientnetv2b0"),
        ("deeplab", "nasnetmobile"),
        ("deeplab", "densenet121"),
    ],
)
def test_decoders_build_on_odd_backbones_and_sizes(name, backbone):
    """Each is built on all 40 by scripts/backbones.py."""
    recipe = cookbook.load(name)
    size = {} if name == "fcn" else {"size": 97}
    model = sg.build(recipe.wire({"backbone": backbone, "weights": None, "classes": 3, **size}))
    assert model.output_shape == (*model.input_shape[:3], 3)


BAD = {
    "classes": ({"classes": 0}, "classes must be at least 1, not 0"),
    "too shallow": ({"stride": 1}, "at least two sizes"),
    "no such network": ({"backbone": "vgg61"}, "Did you mean 'vgg1"),
    "size": ({"size": -3}, "is not a shape"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_a_recipe_cannot_make_is_said_with_its_line(what):
    settings, message = BAD[what]
    with pytest.raises(sg.SurgeryError, match=r"(?s)unet\.py, line \d+, in recipe: .*" + message):
        cookbook.load("unet").wire(settings)


@pytest.mark.parametrize("side", [33, 47, 95])
def test_unet_aligns_odd_sizes(side):
    graph = sg.open("mobilenetv2", include_top=False, input_shape=[side, side + 2, 3])
    levels = sg.feature_levels(graph)
    decoder = sg.parts.unet_decoder(2, list(levels), filters=(8,))
    model = sg.build(sg.graft(graph, decoder, at=[str(graph.inputs), *levels.values()]))
    assert model.output_shape == (None, side, side + 2, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0, "strides": [1, 2]}, "at least 1"),
        ({"classes": 2, "strides": [4]}, "at least two sizes"),
        ({"classes": 2, "strides": [2, 3]}, "multiple of the one before"),
        ({"classes": 2, "strides": [4, 2]}, "must ascend"),
        ({"classes": 2, "strides": [0, 4]}, "at least 1; they are"),
        ({"classes": 2, "strides": [-1, -2]}, "at least 1; they are"),
        ({"classes": 2, "strides": [2.0, 4.0]}, "whole numbers"),
    ],
)
@pytest.mark.parametrize("part", ["unet_decoder", "linknet_decoder", "fpn_decoder", "deeplab_decoder"])
def test_a_decoder_refuses_what_makes_none(part, arguments, message):
    with pytest.raises(sg.SurgeryError, match=message):
        getattr(sg.parts, part)(**arguments)


def test_deeplab_takes_two_maps_and_says_so():
    with pytest.raises(sg.SurgeryError, match="takes feature maps of two sizes"):
        sg.parts.deeplab_decoder(2, [4, 8, 16])


@pytest.mark.parametrize("part", ["unet_decoder", "linknet_decoder", "fpn_decoder", "fcn_decoder", "deeplab_decoder"])
def test_strides_may_be_the_keys_of_a_pyramid(part):
    x = [keras.Input((32, 32, 3)), keras.Input((8, 8, 8)), keras.Input((2, 2, 8))]
    strides = {4: "fine", 16: "deep"}.keys()
    assert keras.Model(x, getattr(sg.parts, part)(3, strides)(x)).output_shape == (None, 32, 32, 3)


def test_every_box_has_a_place_and_the_smallest_wins():
    centres, steps = sg.parts.anchor_points((128, 128), (4, 16))
    boxes = [np.array([[64 - side / 2, 64 - side / 2, 64 + side / 2, 64 + side / 2]]) for side in range(8, 128, 4)]
    found = sg.parts.detection_targets(boxes, [np.array([1])] * len(boxes), 2, centres, steps)
    assert (found[..., 1].sum(axis=1) > 0).all() and not found[..., 0].any()
    coarse = steps[None] * found[..., 1]
    assert coarse.max(axis=1)[0] == 4 and coarse.max(axis=1)[-1] == 16
    wide, narrow = [48, 60, 80, 68], [58, 40, 70, 88]  # 32 x 8 = 256, 12 x 48 = 576 pixels
    found = sg.parts.detection_targets(
        [np.array([wide, narrow])], [np.array([0, 1])], 2, *sg.parts.anchor_points((128,) * 2, (8,))
    )
    at_the_middle = found[0, np.abs(sg.parts.anchor_points((128,) * 2, (8,))[0] - 64).max(-1) < 6]
    assert at_the_middle[:, 0].all() and not at_the_middle[:, 1].any()


def test_a_place_of_a_box_lies_in_it_or_is_the_nearest():
    """FCOS, section 3.1: a place outside of a box is none of its."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 100, (300, 2))
    frames = np.concatenate([corners, corners + rng.uniform(0.5, 40, (300, 2))], -1)
    for strides in ((4, 16), (8,)):
        centres, steps = sg.parts.anchor_points((144, 144), strides)
        found = sg.parts.detection_targets([frame[None] for frame in frames], [[0]] * 300, 1, centres, steps)
        for frame, target in zip(frames, found, strict=True):
            taken = target[:, 0] > 0
            inside = ((centres >= frame[:2]) & (centres <= frame[2:])).all(-1)
            assert taken.any() and (inside[taken].all() or taken.sum() == 1)
            if inside[taken].all():
                reach = np.exp(target[taken, 1:]) * steps[taken, None]
                made = np.concatenate([centres[taken] - reach[:, :2], centres[taken] + reach[:, 2:]], -1)
                assert np.abs(made - frame).max() <= 1.0 + 1e-3  # no distance is less than a pixel
    whole = sg.parts.detection_targets([np.array([[10, 20, 210, 120]], "uint8")], [[0]], 1, centres, steps)
    assert np.array_equal(whole, sg.parts.detection_targets([[[10.0, 20, 210, 120]]], [[0]], 1, centres, steps))
    assert not sg.parts.detection_targets([[]], [[]], 1, centres, steps).any()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: sg.parts.detection_targets([[[1, 1, 5, 5]]], [[3]], 3, *GRID), "is 3; the classes are 0 to 2"),
        (lambda: sg.parts.detection_targets([[[1, 1, 5, 5]]], [[-1]], 3, *GRID), "is -1; the classes are 0 to 2"),
        (lambda: sg.parts.detection_targets([[[5, 1, 1, 5]]], [[0]], 3, *GRID), r"is \[5.0, 1.0, 1.0, 5.0\]"),
        (lambda: sg.parts.detection_targets([[[1, 1, np.nan, 5]]], [[0]], 3, *GRID), "right of left"),
        (lambda: sg.parts.detection_targets([[[1, 1, 5]]], [[0]], 3, *GRID), r"boxes \(1, 3\)"),
        (lambda: sg.parts.detection_targets([[[1, 1, 5, 5]]], [[0, 1]], 3, *GRID), "and 2 labels"),
        (lambda: sg.parts.detection_targets([[]], [], 3, *GRID), "of 1 images, and labels of 0"),
        (lambda: sg.parts.decode_detections(np.zeros((2, 5, 7)), 3, *GRID), r"is \(images, 80, 7\), not \(2, 5, 7\)"),
        (lambda: sg.parts.anchor_points((32, 32), []), "at least 1 sizes"),
        (lambda: sg.parts.anchor_points((32, 32), [0]), r"they are \[0\]"),
        (lambda: sg.parts.anchor_points((32, 32), None), r"they are \[None\]"),
        (lambda: sg.parts.anchor_points((32, -1), [4]), "the width must be a whole number"),
        (lambda: sg.parts.pyramid_pooling_decoder(3, -1), "the stride of the tap"),
        (lambda: sg.parts.pyramid_pooling_decoder(3, True), "not True"),
        (lambda: sg.parts.dcgan_generator(16.0), "size must be a whole number"),
        (lambda: sg.parts.super_resolution_generator(2.0), "scale must be a whole number"),
        (lambda: sg.parts.projection_score(3, 8)([keras.Input((8,))]), "takes two tensors"),
        (lambda: sg.parts.unet_decoder(True, (2, 4)), "classes must be at least 1, not True"),
    ],
)
def test_what_parts_are_asked_wrongly_is_said(ask, message):
    with pytest.raises(sg.SurgeryError, match=message):
        ask()


GRID = sg.parts.anchor_points((32, 32), (4, 8))
DECODERS = ["unet_decoder", "linknet_decoder", "fpn_decoder", "fcn_decoder", "deeplab_decoder", "anchor_free_head"]


@pytest.mark.parametrize("part", DECODERS)
def test_taps_are_of_the_strides_that_are_said(part):
    picture, fine, deep = keras.Input((64, 64, 3)), keras.Input((16, 16, 8), name="fine"), keras.Input((8, 8, 8))
    for strides, taps in (((4, 8), [deep, fine]), ((2, 8), [fine, deep]), ((4, 32), [fine, deep])):
        with pytest.raises(sg.SurgeryError, match="takes a map of stride"):
            getattr(sg.parts, part)(3, strides)([picture, *taps])
    open_sides = [keras.Input((None, None, 3)), keras.Input((None, None, 8)), keras.Input((None, None, 8))]
    open_sides = [keras.Input((None, None, 3)), keras.Input((None, None, 8)), keras.Input((None, None, 8))]
    with pytest.warns(UserWarning, match="serves those whose sides 8 divides"):
        getattr(sg.parts, part)(3, np.array([4, 8]))(open_sides)


def test_a_projection_scores_each_picture_by_its_own_label():
    """Miyato & Koyama 2018, equation 3."""
    x = keras.Input((8,))
    for shape in ((), (1,)):
        label = keras.Input(shape, dtype="int32")
        model = keras.Model([x, label], sg.parts.projection_score(4, 8)([x, label]))
        features = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")
        names = np.array([0, 1, 2, 3, 3])
        score, table = model.get_layer("score"), model.get_layer("label_features").get_weights()[0]
        wanted = features @ score.get_weights()[0] + (features * table[names]).sum(-1, keepdims=True)
        np.testing.assert_allclose(model([features, names.reshape(5, *shape)]), wanted, atol=1e-5)
    for features, label in ((1, keras.Input(())), (4, keras.Input(())), (8, keras.Input((3,)))):
        with pytest.raises(sg.SurgeryError, match=r"takes features \(batch, "):
            sg.parts.projection_score(4, features)([x, label])


def test_classes_may_be_counted_by_numpy(tmp_path):
    x = [keras.Input((32, 32, 3)), keras.Input((16, 16, 8)), keras.Input((8, 8, 8))]
    model = keras.Model(x, sg.parts.unet_decoder(np.int64(3), [2, 4])(x))
    model.save(tmp_path / "net.keras")
    assert keras.models.load_model(tmp_path / "net.keras").output_shape == (None, 32, 32, 3)


def test_the_pyramid_is_found_by_stride():
    assert sg.feature_levels(sg.open("vgg16")) == {
        1: "block1_conv2",
        2: "block2_conv2",
        4: "block3_conv3",
        8: "block4_conv3",
        16: "block5_conv3",
        32: "block5_pool",
    }
    assert sg.feature_levels(sg.open("resnet50")) == {
        2: "conv1_relu",
        4: "conv2_block3_out",
        8: "conv3_block4_out",
        16: "conv4_block6_out",
        32: "conv5_block3_out",
    }
    assert list(sg.feature_levels(sg.open("convnexttiny"))) == [1, 4, 8, 16, 32]
    with pytest.raises(sg.SurgeryError, match="no feature maps"):
        sg.feature_levels(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))


def test_the_digits_are_pictures():
    images_bhwc, labels = sg.samples.digits((7, 8), size=16)
    assert images_bhwc.shape[1:] == (16, 16, 3) and images_bhwc.dtype == "float32"
    assert images_bhwc.min() >= 0 and images_bhwc.max() <= 1 and set(labels) == {7, 8}


def test_accuracy_takes_labels_as_datasets_have_them():
    x = keras.Input((3,))
    model, images = keras.Model(x, keras.layers.Softmax()(x)), np.eye(3, dtype="float32")[[0, 1, 2, 1]] * 9
    labels = np.array([0, 1, 2, 0])
    for told in (labels, labels[:, None], np.eye(3)[labels], labels.astype("uint8")):
        assert sg.tasks.accuracy(model, images, told) == 0.75
    one = keras.Model(x, keras.layers.Activation("sigmoid")(x[:, :1] - 4.5))
    assert sg.tasks.accuracy(one, images, [1, 0, 0, 0]) == 1.0
    for odd in (np.array(list("abca")), np.zeros((4, 2)), labels[:3]):
        with pytest.raises(sg.SurgeryError, match=r"\(n,\)|labels"):
            sg.tasks.accuracy(model, images, odd)


def test_a_fresh_network_keeps_what_its_preprocessing_learned():
    words, numbers = keras.Input((1,), dtype="string"), keras.Input((2,))
    lookup, scale = keras.layers.StringLookup(output_mode="one_hot"), keras.layers.Normalization()
    lookup.adapt([["b"], ["a"], ["b"]])
    scale.adapt(np.random.default_rng(0).normal(5, 3, (100, 2)))
    joined = keras.layers.Concatenate()([lookup(words), scale(numbers)])
    model = keras.Model([words, numbers], [joined, keras.layers.Dense(2, name="d")(joined)])
    new = sg.tasks.reinitialized(model, seed=1)
    given = [np.array([["a"], ["b"]]), np.ones((2, 2), "float32")]
    given = [keras.ops.convert_to_tensor(one) for one in given]
    np.testing.assert_array_equal(new(given)[0], model(given)[0])
    assert not np.array_equal(new.get_layer("d").kernel, model.get_layer("d").kernel)
