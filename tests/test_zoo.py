"""The named networks: the laws on eight real architectures, cards, and what the catalogue claims."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from networks import arrays_for, assert_same, assert_unchanged, fingerprint, outputs_of

import surgery as sg
from surgery import analysis
from surgery.zoo import cards, networks
from surgery.zoo.alexnet import response_normalized
from surgery.zoo.catalogue import NETWORKS
from surgery.zoo.keras_settings import keras_version

EIGHT = (
    "convnexttiny",
    "efficientnetv2b0",
    "inceptionv3",
    "mobilenetv2",
    "mobilenetv3small",
    "nasnetmobile",
    "resnet50",
    "vgg16",
)
PIXELS = {"inceptionv3": 75}


def network(name):
    pixels = PIXELS.get(name, 64)
    maker = getattr(keras.applications, NETWORKS[name].keras_name)
    keras.utils.set_random_seed(1)
    return maker(weights=None, include_top=False, input_shape=(pixels, pixels, 3))


@pytest.fixture(params=EIGHT, scope="module")
def donor(request):
    made = network(request.param)
    before = fingerprint(made)
    yield made
    assert_unchanged(made, before)


@pytest.fixture(scope="module")
def graph(donor):
    return sg.open(donor)


@pytest.fixture(scope="module")
def arrays(donor):
    return arrays_for(donor, batch=2)


@pytest.fixture(scope="module")
def expected(donor, arrays):
    return outputs_of(donor, arrays)


def test_build_of_open_computes_the_same(donor, graph, arrays, expected):
    rebuilt = sg.build(graph)
    assert_same(outputs_of(rebuilt, arrays), expected)
    assert sg.open(rebuilt) == graph


def test_every_tensor_tapped_in_one_model_is_the_donors(donor, graph, arrays):
    together = sg.build(sg.tap(graph, "*"))(arrays, training=False)
    stock = keras.Model(donor.input, [op.output for op in donor.operations])(arrays, training=False)
    for op, value in zip(donor.operations, stock, strict=True):
        np.testing.assert_array_equal(np.asarray(value), np.asarray(together[op.name]))


def test_front_then_back_is_the_whole_at_narrow_and_other_places(graph, arrays, expected):
    narrow = [call.name for call in sg.select(graph, "[narrow]") if call.op is not None][:-1]
    random = np.random.default_rng(0)
    others = [call.name for call in graph if call.name not in narrow and call.op is not None][:-1]
    places = [*random.choice(narrow, 2, replace=False), *random.choice(others, min(2, len(others)), replace=False)]
    for place in places:
        crossing = sg.crossing_tensors(graph, str(place))
        assert (len(crossing) == 1) == (place in narrow)
        front, back = sg.split(graph, list(crossing))
        middle = outputs_of(sg.build(front), arrays)
        assert_same(outputs_of(sg.build(back), middle), expected)


def test_inlined_computes_the_same(graph, arrays, expected):
    if not any(call.op is not None and call.op.inner is not None for call in graph):
        pytest.skip("no nested model in this network")
    flat = sg.inline(graph)
    assert flat.params == graph.params
    assert_same(outputs_of(sg.build(flat), arrays), expected)


def test_save_then_open_computes_the_same(donor, graph, arrays, expected, tmp_path):
    path = sg.save(donor, tmp_path / "network.keras")
    assert_same(outputs_of(sg.build(sg.open(path)), arrays), expected)


def test_one_hundred_builds_leave_the_donor_as_fast(donor, graph):
    """The donor runs the same nodes however often it was built from: its graph does not grow."""
    operations = len(donor.operations)
    for _ in range(3):
        sg.build(graph)
    assert len(donor.operations) == operations
    assert sg.open(donor) == graph


# ---- cards ----


def test_the_catalogue_names_all_of_keras_applications():
    functions = {name for name in dir(keras.applications) if name[0].isupper()}
    assert {network.keras_name for network in NETWORKS.values()} - {None} == functions
    assert len(functions) == 40
    assert all(network.keras_name in (None, keras_name(network)) for network in NETWORKS.values())
    assert {name for name, network in NETWORKS.items() if not network.keras_name} == {
        "alexnet",
        "squeezenet",
        "tinyvgg",
    }


def keras_name(network):
    return next((name for name in dir(keras.applications) if name.lower() == network.name), None)


def test_response_normalization_of_alexnet_is_that_of_the_paper():
    """Section 3.3, summed by hand: over five neighbouring channels, fewer at the ends."""
    images_bhwc = np.random.default_rng(0).normal(size=(2, 3, 4, 7)).astype("float32") * 30
    x = keras.Input(images_bhwc.shape[1:])
    ours = outputs_of(keras.Model(x, response_normalized(x, "norm")), images_bhwc)[0]
    for channel in range(7):
        energy = np.square(images_bhwc[..., max(0, channel - 2) : channel + 3]).sum(-1)
        expected = images_bhwc[..., channel] / (2 + 1e-4 * energy) ** 0.75
        np.testing.assert_allclose(ours[..., channel], expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["tinyvgg", "alexnet", "squeezenet", "mobilenetv2", "convnexttiny"])
def test_a_card_has_the_graph_and_the_figures_of_the_network(name):
    graph = sg.open(name)
    live = sg.open(sg.build(graph))
    assert [call.name for call in graph] == [call.name for call in live]
    assert [call.specs for call in graph] == [call.specs for call in live]
    assert (graph.params, len(graph)) == (NETWORKS[name].params, NETWORKS[name].calls)
    assert analysis.strides(graph) == analysis.strides(live)


def test_a_stored_network_computes_what_stock_keras_computes():
    keras.utils.set_random_seed(3)
    stock = keras.applications.MobileNetV3Small(weights=None, input_shape=(64, 64, 3), include_top=False)
    ours = sg.build(sg.open("mobilenetv3small", input_shape=[64, 64, 3], include_top=False))
    ours.set_weights(stock.get_weights())
    arrays = arrays_for(stock)
    assert_same(outputs_of(ours, arrays), outputs_of(stock, arrays))


def test_builds_of_a_stored_network_share_their_layers_and_copies_do_not():
    graph = sg.open("tinyvgg")
    one, two, copy = sg.build(graph), sg.build(sg.cut(graph, outputs="block2_pool")), sg.build(graph, copy=True)
    assert one.get_layer("block1_conv1") is two.get_layer("block1_conv1")
    assert copy.get_layer("block1_conv1") is not one.get_layer("block1_conv1")
    assert_same(copy.get_weights(), one.get_weights())


def test_looking_imports_neither_keras_nor_tensorflow():
    sg.open("vgg16")
    code = (
        "import sys, surgery as sg; graph = sg.open('vgg16'); sg.show(sg.cut(graph, outputs='block4_pool')); "
        "sg.select(graph, ':Conv2D & [stride=16]'); sg.feature_levels(graph); sg.freeze(graph, '..block3_pool'); "
        "loaded = {'keras', 'tensorflow', 'h5py', 'numpy'} & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_corrupt_card_is_made_again_and_an_unwritable_cache_is_done_without(tmp_path, monkeypatch):
    monkeypatch.setenv("SURGERY_CACHE", str(tmp_path))
    graph = sg.open("tinyvgg", include_top=False)
    (file,) = (tmp_path / "cards").iterdir()
    whole = file.read_bytes()
    made = whole.partition(b"\n")[2]  # after the checksum
    monkeypatch.setattr(cards, "made_now", lambda *_: made)  # which takes seconds, and was done above
    for broken in (b"", b"{", whole[:1000], b"[1]", made, json.dumps({**json.loads(made), "calls": []}).encode()):
        file.write_bytes(broken)
        with pytest.warns(UserWarning, match="changed since it was written; it is made again"):
            assert sg.open("tinyvgg", include_top=False) == graph
        assert file.read_bytes() == whole
    monkeypatch.setenv("SURGERY_CACHE", os.devnull)
    assert sg.open("tinyvgg", include_top=False) == graph


def test_fresh_weights_differ_and_pretrained_ones_do_not(tinyvgg):
    again = sg.build(sg.open("tinyvgg", weights="pretrained"))
    assert_same(again.get_weights(), tinyvgg.get_weights())
    kernel = tinyvgg.get_layer("fc1").get_weights()[0]
    assert not np.array_equal(sg.build(sg.open("tinyvgg")).get_layer("fc1").get_weights()[0], kernel)


def test_tinyvgg_is_a_small_vgg16_that_knows_the_digits(tinyvgg):
    vgg16 = [call.name for call in sg.open("vgg16")]
    assert [call.name for call in sg.open(tinyvgg)] == vgg16
    assert tinyvgg.count_params() <= 150_000
    images_bhwc, labels = sg.samples.digits(range(5))
    held_out = np.arange(len(labels)) % 5 == 0
    guesses = tinyvgg.predict(images_bhwc[held_out], verbose=0).argmax(axis=-1)
    assert np.mean(guesses == labels[held_out]) >= 0.98


def test_pretrained_names_do_not_depend_on_what_ran_before():
    keras.layers.Conv2D(1, 1)
    one = sg.open("tinyvgg", weights="pretrained")
    keras.layers.Conv2D(1, 1)
    two = sg.open("tinyvgg", weights="pretrained")
    assert one == two == sg.open("tinyvgg")


def test_published_weights_may_bring_a_layer_that_fresh_ones_do_not(monkeypatch):
    """EfficientNet has a second Rescaling with the weights of ImageNet only."""

    def made(extra):
        x = picture = keras.Input((8, 8, 3), name="input_layer")
        x = keras.layers.Rescaling(1 / 255)(x)
        x = keras.layers.Rescaling([1.0, 2.0, 3.0])(x) if extra else x
        return keras.Model(picture, keras.layers.Conv2D(2, 3, name="stem_1")(x), name="efficientnetb0")

    keras.layers.Rescaling(1.0)
    card = sg.open(made(False))
    monkeypatch.setattr(networks, "card", lambda *_: card)
    monkeypatch.setattr(networks, "_pretrained", lambda *_: made(True))
    names = [call.name for call in sg.open("efficientnetb0", weights="imagenet")]
    first = card.calls[1].name
    assert names == ["input_layer", first, "rescaling_1" if first != "rescaling_1" else "rescaling_2", "stem_1"]


def test_weights_of_a_file(tmp_path, tinyvgg):
    path = tmp_path / "mine.weights.h5"
    tinyvgg.save_weights(path)
    assert_same(sg.build(sg.open("tinyvgg", weights=path)).get_weights(), tinyvgg.get_weights())
    with pytest.raises(sg.SurgeryError, match="no weights file"):
        sg.open("tinyvgg", weights="pretraind")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "vgg61"}, r"no network or file called 'vgg61'. Did you mean 'vgg1[69]' or 'vgg1[69]'\?"),
        ({"source": "vgg16", "include_tap": False}, "include_tap"),
        ({"source": ""}, "no network or file called ''"),
        ({"source": "tinyvgg", "weights": "imagenet"}, "weights='pretrained'"),
        ({"source": "tinyvgg", "weights": "pretrained", "classes": 7}, "graft"),
    ],
)
def test_what_cannot_be_opened_says_why(arguments, message):
    with pytest.raises(sg.SurgeryError, match=message):
        sg.open(**arguments)


def test_a_download_that_fails_names_the_file_and_the_alternatives(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise OSError("URL fetch failure on https://example.org/vgg16/vgg16_weights.h5: None -- unreachable")

    monkeypatch.setattr(keras.applications, "VGG16", refuse)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(sg.SurgeryError) as caught:
        sg.open("vgg16", weights="imagenet")
    for part in ("vgg16_weights.h5", str(tmp_path / "models"), "weights=PATH", "weights=None", "unreachable"):
        assert part in str(caught.value)


def test_the_version_of_keras_is_known_without_importing_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras")
    assert keras_version() == keras.__version__
