"""Named networks are made under the global settings of Keras, as Keras itself makes them."""

import json
import sys

import keras
import pytest

import surgery as sg
from surgery.zoo import cards
from surgery.zoo.keras_settings import Settings, settings

STOCK = {"convnexttiny": "ConvNeXtTiny", "efficientnetb0": "EfficientNetB0", "mobilenetv3small": "MobileNetV3Small"}
OPTIONS = {"include_top": False, "input_shape": [32, 32, 3]}


@pytest.fixture
def keras_settings():
    """Lets a test change them."""
    policy, floatx, order = keras.config.dtype_policy(), keras.config.floatx(), keras.config.image_data_format()
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)
    keras.config.set_image_data_format(order)


def stock(name):
    return getattr(keras.applications, STOCK[name])(weights=None, include_top=False, input_shape=(32, 32, 3))


def types_of(model):
    layers = [
        (type(layer).__name__, getattr(layer, "dtype_policy", None), [weight.dtype for weight in layer.weights])
        for layer in model._flatten_layers()
    ]
    return layers, [str(tensor.dtype) for tensor in (*model.inputs, *model.outputs)]


@pytest.fixture
def made_in_this_process(monkeypatch, tmp_path):
    """Makes cards here: importing Keras once for each card would take most of the time of these tests."""
    from surgery.keras_bridge.trace import trace
    from surgery.zoo.graph_json import encode
    from surgery.zoo.keras_settings import under
    from surgery.zoo.make_card import _described
    from surgery.zoo.networks import make

    def made(name, options, made_under):
        with under(made_under.policy):
            return json.dumps(encode(trace(make(name, json.loads(options))), _described)).encode()

    monkeypatch.setenv("SURGERY_CACHE", str(tmp_path))
    monkeypatch.setattr(cards, "made_now", made)


@pytest.mark.parametrize(
    ("name", "policy", "floatx"),
    [
        ("convnexttiny", "mixed_float16", "float32"),
        ("efficientnetb0", "mixed_bfloat16", "float32"),
        ("mobilenetv3small", "bfloat16", "float32"),
        ("mobilenetv3small", "float64", "float64"),
    ],
)
def test_every_layer_has_the_policy_and_variables_that_stock_keras_gives_it(
    name, policy, floatx, keras_settings, made_in_this_process
):
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)
    graph, model = sg.open(name, **OPTIONS), stock(name)
    assert types_of(sg.build(graph)) == types_of(model)
    assert [call.specs for call in graph] == [call.specs for call in sg.open(model)]


def test_a_card_of_a_process_of_its_own_follows_the_policy(keras_settings):
    keras.config.set_dtype_policy("mixed_float16")
    assert types_of(sg.build(sg.open("mobilenetv3small", **OPTIONS))) == types_of(stock("mobilenetv3small"))


def test_dtype_goes_before_the_global_policy_and_leaves_it(made_in_this_process, tinyvgg):
    for dtype in ("bfloat16", keras.DTypePolicy("bfloat16")):
        model = sg.build(sg.open("tinyvgg", weights="pretrained", dtype=dtype))
        assert {weight.dtype for weight in model.weights} == {"bfloat16"}
    assert keras.config.dtype_policy().name == "float32"
    assert {weight.dtype for weight in sg.open("tinyvgg", dtype="mixed_float16").weights} == {"float32"}
    assert sg.open("tinyvgg")["fc1"].specs[0].dtype == "float32"
    assert sg.open("tinyvgg", dtype="mixed_float16")["fc1"].specs[0].dtype == "float16"
    for wrong, why in (("float12", "no dtype policy 'float12'"), (16, "not 16")):
        with pytest.raises(sg.SurgeryError, match=why):
            sg.open("tinyvgg", dtype=wrong)


def test_channels_come_first_where_keras_says_so(keras_settings, made_in_this_process):
    keras.config.set_image_data_format("channels_first")
    graph = sg.open("vgg16", include_top=False, input_shape=[3, 32, 32])
    assert graph["block1_conv1"].specs[0].shape == (None, 64, 32, 32)


def test_without_keras_its_configuration_file_is_read(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert settings() == Settings()
    (tmp_path / "keras.json").write_text('{"floatx": "float64", "image_data_format": "channels_first"}')
    assert settings() == Settings("float64", "float64", "channels_first")
    assert settings("mixed_float16").policy == "mixed_float16"
    (tmp_path / "keras.json").write_text("{")
    assert settings() == Settings()
