"""`load_weights` and `transfer`: every format, every way of naming, and the shift that must not happen.

The oracle is the network that the weights came from: after loading, the outputs are equal to the bit.
"""

import json

import h5py
import keras
import numpy as np
import pytest
from click.testing import CliRunner
from networks import arrays_for, assert_same, masked_network, outputs_of, random_network, siamese_network

import surgery as sg
from surgery.cli.main import main

MAKERS = {"masked": masked_network, "siamese": siamese_network} | {
    f"random {seed}": lambda seed=seed: random_network(seed) for seed in (1, 2, 5, 8)
}


def fresh(model):
    """The same network with other weights."""
    other = sg.build(model, copy=True)
    for number, variable in enumerate(other.weights):
        variable.assign(np.full(variable.shape, 0.01 * (number + 1), "float32"))
    return other


def saved(model, path):
    if path.suffix == ".safetensors":
        return sg.save(model, path)
    model.save_weights(path) if ".weights" in path.name else model.save(path)
    return path


@pytest.mark.parametrize("name", ["f.keras", "f.h5", "f.weights.h5", "f.safetensors", "shards.weights.json"])
@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.filterwarnings("ignore")  # Keras warns of its own .h5 format
def test_every_format_puts_every_weight_where_it_belongs(maker, name, tmp_path):
    model = MAKERS[maker]()
    if not model.weights:
        pytest.skip("no weights")
    if name == "shards.weights.json":
        model.save_weights(tmp_path / name, max_shard_size=1)
        path = tmp_path / name
    else:
        path = saved(model, tmp_path / name)
    other = fresh(model)
    report = sg.load_weights(other, path)
    assert report.loaded == len(other.weights) and not report.unused
    assert_same(other.get_weights(), model.get_weights())
    assert_same(outputs_of(other, arrays_for(model)), outputs_of(model, arrays_for(model)))


def chain(*names, width=4, last=2):
    layers = [keras.layers.Dense(width, name=name) for name in names]
    return keras.Sequential([keras.Input((width,)), *layers, keras.layers.Dense(last, name="scores")])


def test_the_layers_after_a_deleted_one_keep_their_own_weights(tmp_path):
    """Stock Keras shifts by one (trap 7): here names tell, and what is not used is listed."""
    model = chain("c1", "c2", "c3")
    model.save_weights(tmp_path / "m.weights.h5")
    shorter = chain("c1", "c3")
    report = sg.load_weights(shorter, tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(shorter.get_layer("c3").kernel, model.get_layer("c3").kernel)
    assert len(report.unused) == 2 and "unused in the file" in str(report)


def test_a_shift_that_names_do_not_decide_is_refused_with_both_readings(tmp_path):
    """Numbered names only count; one layer fewer, and there are two ways to read them."""
    keras.backend.clear_session()
    longer = keras.Sequential([keras.Input((4,)), *[keras.layers.Dense(4) for _ in range(3)]])
    longer.save_weights(tmp_path / "m.weights.h5")
    shorter = keras.Sequential([keras.Input((4,)), *[keras.layers.Dense(4) for _ in range(2)]])
    before = [weight.copy() for weight in shorter.get_weights()]
    with pytest.raises(sg.SurgeryError, match=r"(?s)dense -> .*\n  or dense_1 -> .*rename="):
        sg.load_weights(shorter, tmp_path / "m.weights.h5")
    assert_same(shorter.get_weights(), before)
    names = [layer.name for layer in shorter.layers]
    sg.load_weights(shorter, tmp_path / "m.weights.h5", rename={"dense": names[0], "dense_2": names[1]})
    np.testing.assert_array_equal(shorter.layers[1].kernel, longer.layers[2].kernel)


def test_numbered_names_of_another_session_are_read_by_position(tmp_path):
    keras.backend.clear_session()
    first = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(4)])
    first.save_weights(tmp_path / "m.weights.h5")
    second = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(4)])
    assert second.layers[0].name != first.layers[0].name
    report = sg.load_weights(second, tmp_path / "m.weights.h5")
    assert {origin.how for origin in report.origins} == {"structure"}
    assert_same(second.get_weights(), first.get_weights())


def test_strict_or_not(tmp_path):
    model = chain("c1", "c2")
    path = saved(model, tmp_path / "m.keras")
    other = chain("c1", "c2", "c3", last=7)
    before = [weight.copy() for weight in other.get_weights()]
    with pytest.raises(sg.SurgeryError, match=r"(?s)c3 \(Dense\).*strict=False"):
        sg.load_weights(other, path)
    assert_same(other.get_weights(), before)
    report = sg.load_weights(other, path, strict=False)
    by_name = {origin.weight: origin for origin in report.origins}
    assert by_name["c1/kernel"].source and by_name["c3/kernel"].source is None
    assert "(4, 2)" in by_name["scores/kernel"].how and by_name["scores/kernel"].source is None
    np.testing.assert_array_equal(other.get_layer("c3").kernel, before[4])
    np.testing.assert_array_equal(other.get_layer("c2").kernel, model.get_layer("c2").kernel)


def test_where_chooses_layers_and_rename_their_names(tmp_path):
    model = chain("c1", "c2")
    path = saved(model, tmp_path / "m.keras")
    other = chain("x1", "c2")
    kept = np.array(other.get_layer("scores").kernel)
    sg.load_weights(other, path, where="x1, c2", rename=lambda name: name.replace("c1", "x1"))
    np.testing.assert_array_equal(other.get_layer("x1").kernel, model.get_layer("c1").kernel)
    np.testing.assert_array_equal(other.get_layer("scores").kernel, kept)


def test_a_graph_in_gives_a_graph_out_and_leaves_the_first_alone(tmp_path):
    model = chain("c1", "c2")
    path = saved(model, tmp_path / "m.keras")
    other = chain("c1", "c2")
    before = [weight.copy() for weight in other.get_weights()]
    loaded = sg.load_weights(sg.open(other), path)
    assert_same(sg.build(loaded).get_weights(), model.get_weights())
    assert_same(other.get_weights(), before)
    assert "6 of 6 weights loaded" in loaded.notes[-1]


def test_transfer_between_networks(tinyvgg):
    trunk = sg.cut(sg.open("tinyvgg"), outputs="block3_pool")
    model = sg.build(trunk)
    report = sg.transfer(tinyvgg, model)
    assert report.loaded == len(model.weights)
    picture = np.random.default_rng(0).random((1, 32, 32, 3), "float32")
    ours = outputs_of(model, picture)
    assert_same(ours, outputs_of(sg.build(sg.cut(sg.open(tinyvgg), outputs="block3_pool")), picture))


def test_a_named_network_takes_the_weights_of_a_file_when_it_is_built(tmp_path, tinyvgg):
    for name in ("t.weights.h5", "t.safetensors", "t.keras"):
        path = saved(tinyvgg, tmp_path / name)
        model = sg.build(sg.open("tinyvgg", weights=path))
        assert_same(model.get_weights(), tinyvgg.get_weights())
    with pytest.raises(sg.SurgeryError, match="find no weights of their shapes"):
        sg.open("vgg16", weights=tmp_path / "t.keras")


def stem(channels):
    x = keras.Input((8, 8, channels))
    return keras.Model(x, keras.layers.Conv2D(5, 3, name="conv1")(x))


@pytest.mark.parametrize("channels", [1, 4, 6])
def test_a_stem_for_other_channels_answers_a_grey_picture_as_before(channels):
    """WISHES 13; the law: the same grey in all channels gives the same response, where they repeat evenly."""
    colour, other = stem(3), stem(channels)
    with pytest.raises(sg.SurgeryError, match=r"conv1/kernel is \(3, 3, "):
        sg.transfer(colour, other)
    report = sg.transfer(colour, other, adapt=True)
    assert "(1 adapted)" in repr(report) and f"3 -> {channels} input channels" in report.origins[0].how
    grey = np.random.default_rng(0).random((2, 8, 8, 1), "float32")
    expected = outputs_of(colour, grey.repeat(3, -1))[0]
    if channels == 4:  # red twice
        kernel = colour.get_layer("conv1").get_weights()[0]
        np.testing.assert_allclose(other.get_weights()[0], kernel[:, :, [0, 1, 2, 0]] * 0.75, rtol=1e-6)
    else:
        np.testing.assert_allclose(outputs_of(other, grey.repeat(channels, -1))[0], expected, rtol=1e-4, atol=1e-5)


def test_slashes_in_the_names_of_old_weight_files_are_taken(tmp_path):
    """Trap 21: old files of SqueezeNet say `fire2/squeeze1x1`, which no layer of Keras 3 can be called."""
    donor = sg.build(sg.open("squeezenet", version="1.1", input_shape=(64, 64, 3)))
    path = tmp_path / "squeezenet.h5"
    with h5py.File(path, "w") as file:
        layers = {layer.name.replace("_", "/", 1): layer for layer in donor.layers if layer.weights}
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, layer in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}_W_1:0".encode(), f"{name}_b_1:0".encode()]
            for weight, value in zip(group.attrs["weight_names"], layer.get_weights(), strict=True):
                group[weight] = value
    assert "fire2/squeeze1x1" in layers
    model = sg.build(sg.open("squeezenet", weights=path, version="1.1", input_shape=(64, 64, 3)))
    assert_same(model.get_weights(), donor.get_weights())


@pytest.mark.parametrize(
    ("name", "top", "says"),
    [("vgg16", False, "26 of 26 tensors match vgg16 without top"), ("alexnet", True, "16 of 16 tensors match alexnet")],
)
def test_a_weights_file_says_which_networks_it_fits(tmp_path, name, top, says):
    graph = sg.open(name, include_top=top)
    header, at = {}, 0
    for weight in graph.weights:
        header[weight.name] = {"dtype": "F32", "shape": list(weight.shape), "data_offsets": [at, at + weight.bytes]}
        at += weight.bytes
    text = json.dumps(header).encode()
    path = tmp_path / "some.safetensors"
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)  # a hole: no byte of it is read
    assert says in CliRunner().invoke(main, ["weights", str(path)]).output
    with pytest.raises(sg.SurgeryError, match=f"{says}: open"):
        sg.open(path)


def test_a_dense_layer_becomes_a_convolution_that_computes_the_same():
    """Long et al. 2015, section 3.1: a Dense layer after Flatten is a convolution over the whole picture."""
    x = keras.Input((4, 5, 3))
    dense = keras.Model(x, keras.layers.Dense(6, name="fc6")(keras.layers.Flatten()(x)))
    conv = keras.Model(x, keras.layers.Conv2D(6, (4, 5), name="fc6")(x))
    report = sg.transfer(dense, conv, adapt=True)
    assert report.origins[0].how == "name; adapted: reshaped from (60, 6)"
    images = np.random.default_rng(0).random((2, 4, 5, 3), "float32")
    np.testing.assert_allclose(outputs_of(conv, images)[0][:, 0, 0], outputs_of(dense, images)[0], rtol=1e-5, atol=1e-6)
    back = sg.build(dense, copy=True)
    back.get_layer("fc6").kernel.assign(np.zeros((60, 6)))
    sg.transfer(conv, back, adapt=True)
    assert_same(back.get_weights(), dense.get_weights())


def test_transfer_names_the_network_and_no_file():
    def network(name, *sizes):
        x = y = keras.Input((4,), name="x")
        for letter, size in zip("abcdefg", sizes, strict=False):
            y = keras.layers.Dense(size, name=f"{name}_{letter}")(y)
        return keras.Model(x, y, name=name)

    donor, same, other, more = (
        network("donor", 4, 5),
        network("heir", 4, 5),
        network("odd", 3),
        network("more", 4, 4, 3),
    )
    said = []
    for dst, options in (
        (other, {}),
        (other, {"strict": False}),
        (network("three", 4, 4, 4), {}),
        (same, {"rename": 3}),
        (more, {"where": "more_c"}),
        (more, {"rename": {"donor_a": "more_a", "donor_b": "more_c"}}),
    ):
        with pytest.raises(sg.SurgeryError) as caught:
            sg.transfer(donor, dst, **options)
        said.append(str(caught.value))
    table = sg.transfer(donor, more, strict=False, rename={"donor_a": "more_a", "donor_b": "nothing"})
    said.append(str(table))
    assert (
        "'donor' has donor_a, donor_b." in said[0] and "not in 'donor'" in said[-1] and "unused in 'donor'" in said[-1]
    )
    assert not [text for text in said if "file" in text]
