"""`sg.tasks.gradcam` on whole networks: live, graphs and files, nested, with and without a softmax."""

import keras
import numpy as np
import pytest

import surgery as sg

L = keras.layers


@pytest.fixture(scope="module")
def images_bhwc():
    return np.random.default_rng(0).uniform(0, 255, (5, 32, 32, 3)).astype("float32")


@pytest.fixture(scope="module")
def classifier():
    """A pretrained trunk, nested, and a head with a softmax."""
    trunk = sg.build(sg.cut(sg.open("tinyvgg", weights="pretrained"), outputs="block4_pool"))
    trunk = keras.Model(trunk.input, trunk.output, name="trunk")
    keras.utils.set_random_seed(0)
    photo = keras.Input((32, 32, 3), name="photo")
    y = L.GlobalAveragePooling2D(name="gap")(trunk(L.Rescaling(1 / 255)(photo)))
    return keras.Model(photo, L.Dense(4, activation="softmax", name="scores")(y), name="classifier")


def by_hand(classifier, layer, images_bhwc):
    """The two halves that `gradcam` took before, with the scores before the softmax."""
    graph = sg.inline(sg.unfuse(sg.open(classifier), "scores"), "trunk")
    return tuple(map(sg.build, sg.split(sg.cut(graph, outputs="scores_logits"), layer.rpartition("/")[2])))


@pytest.mark.parametrize("kind", ["live", "graph", "file"])
def test_one_call_is_the_two_halves(kind, classifier, images_bhwc, tmp_path):
    x = {
        "live": lambda: classifier,
        "graph": lambda: sg.open(classifier),
        "file": lambda: sg.save(classifier, tmp_path / "classifier.keras"),
    }[kind]()
    before = classifier.get_weights()
    front, back = by_hand(classifier, "trunk/block3_conv3", images_bhwc)
    expected = sg.tasks.gradcam(front, back, images_bhwc)
    found = sg.tasks.gradcam(x, "trunk/block3_conv3", images_bhwc, batch_size=2)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found.shape == (5, 32, 32) and found.max() == 1.0
    top = classifier.predict(images_bhwc, verbose=0).argmax(-1)
    np.testing.assert_array_equal(sg.tasks.gradcam(x, "trunk/block3_conv3", images_bhwc, top, batch_size=2), found)
    other = sg.tasks.gradcam(x, "trunk/block3_conv3", images_bhwc, (top + 1) % 4, batch_size=2)
    assert not np.allclose(other, found)
    assert all(map(np.array_equal, before, classifier.get_weights())) and classifier.get_layer("trunk").name == "trunk"


def test_a_frozen_network_and_one_of_logits_are_explained_alike(classifier, images_bhwc):
    found = sg.tasks.gradcam(classifier, "trunk/block4_pool", images_bhwc)
    linear = sg.cut(sg.unfuse(sg.open(classifier), "scores"), outputs="scores_logits")
    layered = sg.graft(linear, [L.Softmax(name="soft"), L.Activation("linear", dtype="float32", name="last")])
    for other in (linear, layered, sg.freeze(sg.open(classifier), "**"), sg.build(layered)):
        np.testing.assert_allclose(sg.tasks.gradcam(other, "trunk/block4_pool", images_bhwc), found, atol=1e-4)


def test_a_skip_edge_around_the_layer_is_part_of_the_gradient():
    """A layer that cannot be the one place of a split: its maps and what goes around them reach the scores."""
    keras.utils.set_random_seed(1)
    photo = keras.Input((8, 8, 3), name="photo")
    stem = L.Conv2D(4, 3, padding="same", name="stem")(photo)
    y = L.Add(name="sum")([stem, L.Conv2D(4, 3, padding="same", name="branch")(stem)])
    model = keras.Model(photo, L.Dense(2, name="scores")(L.GlobalAveragePooling2D()(y)))
    images_bhwc = np.random.default_rng(1).normal(size=(3, 8, 8, 3)).astype("float32")
    kernel, maps_bhwc = model.layers[-1].get_weights()[0], sg.build(sg.tap(sg.open(model), "branch"))(images_bhwc)
    cam_bhw = np.maximum(np.einsum("bhwc,c->bhw", np.asarray(maps_bhwc["branch"]), kernel[:, 1]), 0)
    most = cam_bhw.max(axis=(1, 2), keepdims=True)
    found = sg.tasks.gradcam(model, "branch", images_bhwc, [1, 1, 1])
    np.testing.assert_allclose(found, cam_bhw / np.where(most > 0, most, 1), atol=1e-4)


def test_images_are_prepared_as_the_network_expects():
    graph = sg.open("tinyvgg", weights="pretrained")
    images_bhwc = np.random.default_rng(2).integers(0, 256, (2, 32, 32, 3)).astype("uint8")
    assert graph.preprocessing.name == "unit"
    expected = sg.tasks.gradcam(graph, "block3_conv3", images_bhwc / np.float32(255), preprocess=None)
    np.testing.assert_allclose(sg.tasks.gradcam("tinyvgg", "block3_conv3", images_bhwc), expected, atol=1e-5)
    with pytest.raises(sg.SurgeryError, match=r"images of 0 to 255 were expected.*preprocess=None"):
        sg.tasks.gradcam(graph, "block3_conv3", images_bhwc / np.float32(255))


def test_what_cannot_be_explained_is_refused(classifier, images_bhwc, tmp_path):
    two = keras.Model(classifier.input, [classifier.output, classifier.output])
    for x, at, images, message in (
        (classifier, "nothing", images_bhwc, "no call matches 'nothing'"),
        (classifier, "gap", images_bhwc, "should make one map"),
        (classifier, "trunk/block4_pool", images_bhwc[0], "images .batch, height, width, channels. were expected"),
        (
            classifier,
            "trunk/block4_pool",
            images_bhwc[:, :16],
            r"takes \(None, 32, 32, 3\), not images \(5, 16, 32, 3\)",
        ),
        (two, "trunk/block4_pool", images_bhwc, "one output"),
        (classifier.get_layer("trunk"), "block3_pool", images_bhwc, "one output, scores"),
        (tmp_path / "none.keras", "gap", images_bhwc, "no file"),
    ):
        with pytest.raises(sg.SurgeryError, match=message):
            sg.tasks.gradcam(x, at, images)
