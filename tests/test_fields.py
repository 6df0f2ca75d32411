"""Receptive fields against gradients and responses: a pixel outside has none, the first and the last row have some."""

import importlib.util
import pathlib

import keras
import numpy as np
import pytest

import surgery as sg
from surgery import analysis

layers = keras.layers
PATH = pathlib.Path(__file__).parents[1] / "scripts" / "receptive_fields.py"
spec = importlib.util.spec_from_file_location("receptive_fields", PATH)
assert spec is not None and spec.loader is not None
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)


def rows_by_response(model, size, rows):
    """The rows of the input that some rows of a one-channel map depend on: each row of the input is lit alone.

    The network is linear and positive, so that a response is zero only where nothing arrives.
    """
    lit = np.zeros((size[0], *size, 1), "float32")
    lit[np.arange(size[0]), np.arange(size[0])] = 1
    made = np.asarray(model(lit, training=False))[..., 0].max(axis=2)  # (lit row, row)
    touched = [np.flatnonzero(made[:, row] > 0) for row in rows]
    return [(int(one[0]), int(one[-1])) if len(one) else None for one in touched]


def local_layer(random):
    """One local layer of one channel, with options drawn."""
    size, stride, dilation = (int(random.integers(1, high)) for high in (6, 4, 3))
    padding = str(random.choice(["same", "valid"]))
    kinds = [
        lambda: layers.Conv2D(1, size, strides=stride, padding=padding),
        lambda: layers.Conv2D(1, size, dilation_rate=dilation, padding=padding),
        lambda: layers.DepthwiseConv2D(size, padding=padding),
        lambda: layers.SeparableConv2D(1, size, strides=stride, padding=padding),
        lambda: layers.AveragePooling2D(max(size - 1, 1), strides=stride, padding=padding),
        lambda: layers.Conv2DTranspose(1, stride + size - 1, strides=stride, padding=padding),
        lambda: layers.Conv2DTranspose(1, size, strides=stride, padding=padding),  # may leave pixels between
        lambda: layers.UpSampling2D(stride),
        lambda: layers.UpSampling2D(stride, interpolation="bilinear"),
        lambda: layers.ZeroPadding2D(((size, 1), (2, 0))),
        lambda: layers.Cropping2D(((1, 2), (0, 1))),
        lambda: layers.Activation("relu"),
        lambda: layers.BatchNormalization(),
    ]
    return kinds[random.integers(0, len(kinds))]()


def random_chain(seed):
    """Local layers one after the other; some have a branch beside them that joins again."""
    gaps = False
    random = np.random.default_rng(seed)
    inputs = x = keras.Input((int(random.integers(200, 210)), 14, 1))
    for _ in range(random.integers(2, 7)):
        made = local_layer(random)
        kernel, stride, dilation = (getattr(made, key, (1,))[0] for key in ("kernel_size", "strides", "dilation_rate"))
        if (kernel - 1) * dilation >= min(x.shape[1:3]) or (gaps and dilation > 1):
            continue  # of a dilated window that meets gaps the field is an upper bound everywhere
        gaps = gaps or (isinstance(made, layers.Conv2DTranspose) and kernel < stride)
        if min(made.compute_output_shape(x.shape)[1:3]) < 2 or made.compute_output_shape(x.shape)[1] > 500:
            continue
        y = made(x)
        if random.random() < 0.3:
            y = layers.Add()([y, layers.Conv2D(1, 3, padding="same")(y)])
        x = y
    return keras.Model(inputs, layers.Identity(name="end")(x))


def has_gaps(model):
    transposed = [layer for layer in model.layers if isinstance(layer, layers.Conv2DTranspose)]
    return any(layer.kernel_size[0] < layer.strides[0] for layer in transposed)


@pytest.mark.parametrize("seed", range(60))
def test_the_field_of_every_row_is_where_it_responds(seed):
    """To the pixel, where no border is near; at the borders, where maps end, it is an upper bound."""
    model = random_chain(seed)
    script.positive(model)
    field = analysis.receptive_fields(sg.open(model))["end"]
    size = model.input_shape[1:3]
    assert field is not None and not field.everything
    rows = range(0, model.output_shape[1], max(1, model.output_shape[1] // 25))
    said = [field.at((row, 0))[0] for row in rows]
    for (first, last), found in zip(said, rows_by_response(model, size, rows), strict=True):
        if found is None:  # all of it is padding, or between the taps of a transposed convolution
            assert first < 60 or last > size[0] - 60 or has_gaps(model)
        elif first >= 60 and last < size[0] - 60:
            assert (first, last) == found
        else:
            assert first <= found[0] and found[1] <= last


@pytest.mark.parametrize(("name", "pixels"), [("tinyvgg", 32), ("mobilenet", 96), ("squeezenet", 96)])
def test_fields_of_real_networks_are_those_of_their_gradients(name, pixels):
    """All networks, at 224 pixels: scripts/receptive_fields.py."""
    graph = sg.open(name, **({} if name == "tinyvgg" else {"input_shape": (pixels, pixels, 3), "include_top": False}))
    rows = script.compared(graph, list(sg.feature_levels(graph).values()), pixels)
    assert len(rows) >= 4
    assert [row.address for row in rows if not row.agrees] == []


@pytest.mark.parametrize(
    ("name", "size"),
    [("vgg16", 212), ("resnet50", 483), ("inceptionv3", 1311), ("mobilenet", 315), ("alexnet", 195)],
)
def test_fields_agree_with_published_figures(name, size):
    """Araujo, Norris & Sim 2019, table 1, at the end of the feature maps."""
    graph = sg.open(name)
    last = next(call for call in reversed(graph.calls) if len(call.specs[0].sides) == 4 and call.specs[0].sides[1] > 1)
    field = analysis.receptive_fields(graph)[last.name]
    assert field is not None and field.size == (size, size)


def test_global_branches_are_told():
    x = keras.Input((8, 8, 4))
    y = layers.Conv2D(4, 3, name="conv")(x)
    squeezed = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(y)
    z = layers.Multiply(name="excite")([y, layers.Dense(4, activation="sigmoid", name="gate")(squeezed)])
    fields = analysis.receptive_fields(sg.open(keras.Model(x, layers.Flatten(name="flat")(z))))
    texts = {name: analysis.field_text(field) for name, field in fields.items()}
    assert [texts[name] for name in ("conv", "squeeze", "gate", "excite", "flat")] == ["3", "all", "all", "all", "all"]
    excite = fields["excite"]
    assert excite is not None and excite.size == (3, 3)  # by way of local operations


def test_what_is_not_known_is_said():
    x = keras.Input((8, 8, 4))
    y = layers.Reshape((4, 16, 4), name="reshape")(x)
    numbers = keras.Input((5,))
    model = keras.Model([x, numbers], [layers.Conv2D(2, 3, name="conv")(y), layers.Dense(3, name="dense")(numbers)])
    fields = analysis.receptive_fields(sg.open(model))
    texts = {name: analysis.field_text(field) for name, field in fields.items()}
    assert [texts[name] for name in ("reshape", "conv", "dense")] == ["?", "?", "-"]


def test_the_field_goes_through_nested_models():
    inner_in = keras.Input((None, None, 3))
    trunk = keras.Model(inner_in, layers.Conv2D(4, 5, strides=2, name="conv")(inner_in), name="trunk")
    x = keras.Input((32, 32, 3))
    model = keras.Model(x, layers.Conv2D(2, 3, name="last")(trunk(layers.Conv2D(3, 3, name="first")(x))))
    fields = analysis.receptive_fields(sg.open(model))
    assert [analysis.field_text(fields[name]) for name in ("first", "trunk/conv", "trunk", "last")] == [
        *("3", "7", "7"),
        "11",
    ]
