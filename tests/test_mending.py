"""Old files, written here as old Keras wrote them: what each rule mends, against numbers computed with NumPy."""

import keras
import numpy as np
import pytest
from networks import numpy_of
from old_files import correlate, functional, gru, layer, lstm, old_hard_sigmoid, sigmoid, write_h5

import surgery as sg

pytestmark = pytest.mark.filterwarnings("ignore:.*names hard_sigmoid of surgery")  # what is saved says what it needs


@pytest.fixture
def random():
    return np.random.default_rng(0)


def run(path, *arrays, rule=None, compiled=False):
    """Opens, says that a rule fired, builds, runs, and builds what was saved again.

    Compiled where TensorFlow has no such operation on some processors, and XLA has it on all.
    """
    graph = sg.open(path)
    if rule:
        assert any(rule in note for note in graph.notes), graph.notes
    model = sg.build(graph)
    given = keras.tree.pack_sequence_as(model.input, [array.astype("float32") for array in arrays])
    out = [numpy_of(one) for one in keras.tree.flatten(_applied(model, given, compiled))]
    again = sg.build(sg.open(sg.save(model, path.with_suffix(".keras"))))
    for mine, other in zip(out, keras.tree.flatten(_applied(again, given, compiled)), strict=True):
        np.testing.assert_allclose(mine, numpy_of(other), rtol=1e-5, atol=1e-7)  # `implementation` is not saved
    return out[0] if len(out) == 1 else out


def _applied(model, given, compiled):
    if not compiled:
        return model(given, training=False)
    model.compile(jit_compile=True)
    return model.predict(given, verbose=0)


def sequential(path, layers, weights, version="2.1.6", backend="tensorflow", as_list=False):
    stored = [{"class_name": kind, "config": {"name": name, **config}} for kind, name, config in layers]
    return write_h5(
        path, "Sequential", stored if as_list else {"name": "old", "layers": stored}, weights, version, backend
    )


@pytest.mark.parametrize("as_list", [False, True])
def test_a_sequential_without_input_layer(tmp_path, random, as_list):
    kernel, bias, x = random.normal(size=(4, 3)), random.normal(size=3), random.normal(size=(2, 5, 4))
    path = sequential(
        tmp_path / "old.h5",
        [("Dense", "d", {"units": 3, "batch_input_shape": [None, 5, 4], "dtype": "float32", "activation": "linear"})],
        {"d": [("kernel", kernel), ("bias", bias)]},
        as_list=as_list,
    )
    out = run(path, x, rule="an InputLayer of shape (None, 5, 4) put before it")
    assert out.shape == (2, 5, 3)  # stock Keras applies the batch dimension twice
    np.testing.assert_allclose(out, x @ kernel + bias, rtol=1e-4, atol=1e-5)


def test_hard_sigmoid_keeps_its_slope(tmp_path, random):
    x = random.normal(size=(3, 6)) * 3
    layers = [
        layer("InputLayer", "x", batch_input_shape=[None, 6], dtype="float32"),
        layer("Activation", "a", ["x"], activation="hard_sigmoid"),
    ]
    path = write_h5(tmp_path / "old.h5", "Model", functional(layers, ["x"], ["a"]), {})
    out = run(path, x, rule="hard sigmoid keeps its slope")
    np.testing.assert_allclose(out, old_hard_sigmoid(x), atol=1e-6)
    assert not np.allclose(out, numpy_of(keras.activations.hard_sigmoid(x)), atol=1e-2)


SEQUENCE = {"batch_input_shape": [None, 5, 3], "units": 2, "activation": "tanh", "recurrent_activation": "hard_sigmoid"}


def test_an_lstm_of_keras_2(tmp_path, random):
    kernel, recurrent, bias = random.normal(size=(3, 8)), random.normal(size=(2, 8)), random.normal(size=8)
    path = sequential(
        tmp_path / "old.h5",
        [("LSTM", "l", SEQUENCE | {"implementation": 1, "time_major": False})],
        {"l": [("kernel", kernel), ("recurrent_kernel", recurrent), ("bias", bias)]},
    )
    x = random.normal(size=(4, 5, 3))
    np.testing.assert_allclose(run(path, x, rule="time major dropped"), lstm(x, kernel, recurrent, bias), atol=1e-5)


def test_a_gru_that_is_older_than_reset_after(tmp_path, random):
    kernel, recurrent, bias = random.normal(size=(3, 6)), random.normal(size=(2, 6)), random.normal(size=6)
    path = sequential(
        tmp_path / "old.h5",
        [("GRU", "g", SEQUENCE)],
        {"g": [("kernel", kernel), ("recurrent_kernel", recurrent), ("bias", bias)]},
    )
    x = random.normal(size=(4, 5, 3))
    out = run(path, x, rule="gru without reset after")
    np.testing.assert_allclose(out, gru(x, kernel, recurrent, bias), atol=1e-5)


def test_bidirectional_lstm_and_time_distributed(tmp_path, random):
    halves = [[random.normal(size=shape) for shape in ((3, 8), (2, 8), (8,))] for _ in range(2)]
    inner = {"class_name": "LSTM", "config": {**SEQUENCE, "name": "l", "return_sequences": False}}
    dense = {"class_name": "Dense", "config": {"name": "inner", "units": 3, "activation": "linear"}}
    kernel, bias = random.normal(size=(3, 3)), random.normal(size=3)
    both = [(f"w{number}", array) for number, array in enumerate([*halves[0], *halves[1]])]
    path = sequential(
        tmp_path / "old.h5",
        [
            ("TimeDistributed", "t", {"layer": dense, "batch_input_shape": [None, 5, 3]}),
            ("Bidirectional", "b", {"layer": inner, "merge_mode": "concat"}),
        ],
        {
            "t": [("kernel", kernel), ("bias", bias)],
            "b": both,
        },
    )
    x = random.normal(size=(4, 5, 3))
    y = x @ kernel + bias
    expected = np.concatenate([lstm(y, *halves[0]), lstm(y[:, ::-1], *halves[1])], axis=-1)
    np.testing.assert_allclose(run(path, x), expected, atol=1e-5)


def test_the_twelve_arrays_of_an_lstm_of_keras_1(tmp_path, random):
    gates = {gate: [random.normal(size=shape) for shape in ((3, 2), (2, 2), (2,))] for gate in "icfo"}
    config = {
        "batch_input_shape": [None, 5, 3],
        "output_dim": 2,
        "activation": "tanh",
        "inner_activation": "hard_sigmoid",
        "init": "glorot_uniform",
        "inner_init": "orthogonal",
        "forget_bias_init": "one",
        "consume_less": "cpu",
        "dropout_W": 0.0,
        "dropout_U": 0.0,
        "W_regularizer": None,
        "input_dim": 3,
        "input_length": None,
        "return_sequences": False,
    }
    weights = [(f"{kind}_{gate}", array) for gate in "icfo" for kind, array in zip("WUb", gates[gate], strict=True)]
    path = sequential(tmp_path / "old.h5", [("LSTM", "l", config)], {"l": weights}, version="1.2.2", as_list=True)
    kernel, recurrent, bias = (np.concatenate([gates[gate][kind] for gate in "ifco"], axis=-1) for kind in range(3))
    x = random.normal(size=(4, 5, 3))
    out = run(path, x, rule="keras 1 gates weights converted")
    np.testing.assert_allclose(out, lstm(x, kernel, recurrent, bias), atol=1e-5)


def test_the_nine_arrays_of_a_gru_of_keras_1(tmp_path, random):
    gates = [[random.normal(size=shape) for shape in ((3, 2), (2, 2), (2,))] for _ in "zrh"]
    config = {"batch_input_shape": [None, 5, 3], "output_dim": 2, "inner_activation": "hard_sigmoid"}
    weights = [(f"w{number}", array) for number, array in enumerate(array for gate in gates for array in gate)]
    path = sequential(tmp_path / "old.h5", [("GRU", "g", config)], {"g": weights}, version="1.0.8", as_list=True)
    kernel, recurrent, bias = (np.concatenate([gate[kind] for gate in gates], axis=-1) for kind in range(3))
    x = random.normal(size=(4, 5, 3))
    np.testing.assert_allclose(run(path, x), gru(x, kernel, recurrent, bias), atol=1e-5)


def test_cudnn_lstm(tmp_path, random):
    kernel, recurrent, bias = random.normal(size=(3, 8)), random.normal(size=(2, 8)), random.normal(size=16)
    config = {"batch_input_shape": [None, 5, 3], "units": 2}
    weights = {"l": [("kernel", kernel), ("recurrent_kernel", recurrent), ("bias", bias)]}
    path = sequential(tmp_path / "old.h5", [("CuDNNLSTM", "l", config)], weights)
    turned = np.hstack([one.T.reshape(one.shape, order="F") for one in np.split(kernel, 4, axis=1)])
    across = np.hstack([one.T for one in np.split(recurrent, 4, axis=1)])
    x = random.normal(size=(4, 5, 3))
    out = run(path, x, rule="cudnn weights converted")
    np.testing.assert_allclose(out, lstm(x, turned, across, bias[:8] + bias[8:], gate=sigmoid), atol=1e-5)


def test_cudnn_gru(tmp_path, random):
    kernel, recurrent, bias = random.normal(size=(3, 6)), random.normal(size=(2, 6)), random.normal(size=12)
    config = {"batch_input_shape": [None, 5, 3], "units": 2}
    weights = {"g": [("kernel", kernel), ("recurrent_kernel", recurrent), ("bias", bias)]}
    path = sequential(tmp_path / "old.h5", [("CuDNNGRU", "g", config)], weights)
    turned = np.hstack([one.T.reshape(one.shape, order="F") for one in np.split(kernel, 3, axis=1)])
    across = np.hstack([one.T for one in np.split(recurrent, 3, axis=1)])
    x = random.normal(size=(4, 5, 3))
    expected = gru(x, turned, across, bias[:6], gate=sigmoid, recurrent_bias=bias[6:])
    np.testing.assert_allclose(run(path, x), expected, atol=1e-5)


@pytest.mark.parametrize("backend", ["tensorflow", "theano"])
def test_a_convolution_of_keras_1_with_channels_first(tmp_path, random, backend):
    kernel, bias = random.normal(size=(4, 2, 3, 3)), random.normal(size=4)  # filters, channels, rows, columns
    config = {
        "batch_input_shape": [None, 2, 6, 7],
        "nb_filter": 4,
        "nb_row": 3,
        "nb_col": 3,
        "border_mode": "valid",
        "subsample": [1, 1],
        "dim_ordering": "th",
        "bias": True,
        "activation": "linear",
        "init": "uniform",
    }
    weights = {"c": [("W", kernel), ("b", bias)]}
    path = sequential(
        tmp_path / "old.h5", [("Convolution2D", "c", config)], weights, version="1.2.2", backend=backend, as_list=True
    )
    x = random.normal(size=(2, 2, 6, 7))
    k = kernel.transpose(2, 3, 1, 0)
    expected = correlate(x.transpose(0, 2, 3, 1), k[::-1, ::-1] if backend == "theano" else k) + bias
    out = run(path, x, rule="keras 1 kernel weights converted", compiled=True).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(out, expected, atol=1e-4)


def test_conv1d_of_keras_1_in_both_its_layouts(tmp_path, random):
    k = random.normal(size=(3, 2, 4))  # length, channels, filters
    x = random.normal(size=(2, 6, 2))
    config = {"batch_input_shape": [None, 6, 2], "nb_filter": 4, "filter_length": 3, "border_mode": "valid"}
    expected = sum(x[:, step : step + 4] @ k[step] for step in range(3))
    for number, kernel in enumerate((k[:, None], k.transpose(2, 1, 0)[..., None])):
        weights = {"c": [("W", kernel), ("b", np.zeros(4))]}
        path = sequential(
            tmp_path / f"{number}.h5", [("Convolution1D", "c", config)], weights, version="1.1.0", as_list=True
        )
        np.testing.assert_allclose(run(path, x), expected, atol=1e-5)


def test_a_merge_of_keras_1(tmp_path, random):
    layers = [
        layer("InputLayer", "x", batch_input_shape=[None, 3], input_dtype="float32"),
        layer("Activation", "a", ["x"], activation="tanh"),
        layer("Merge", "m", ["x", "a"], mode="concat", concat_axis=-1, mode_type="raw"),
    ]
    path = write_h5(tmp_path / "old.h5", "Model", functional(layers, ["x"], ["m"]), {}, version="1.2.0")
    x = random.normal(size=(2, 3))
    np.testing.assert_allclose(run(path, x, rule="keras 1 merge"), np.concatenate([x, np.tanh(x)], -1), atol=1e-6)


def test_states_in_the_list_of_inputs_go_by_keyword(tmp_path, random):
    kernel, recurrent, bias = random.normal(size=(3, 8)), random.normal(size=(2, 8)), random.normal(size=8)
    layers = [
        layer("InputLayer", "x", batch_input_shape=[None, 5, 3], dtype="float32"),
        layer("InputLayer", "h", batch_input_shape=[None, 2], dtype="float32"),
        layer("InputLayer", "c", batch_input_shape=[None, 2], dtype="float32"),
        layer("LSTM", "l", ["x", "h", "c"], units=2, activation="tanh", recurrent_activation="hard_sigmoid"),
    ]
    weights = {"l": [("kernel", kernel), ("recurrent_kernel", recurrent), ("bias", bias)]}
    path = write_h5(tmp_path / "old.h5", "Model", functional(layers, ["x", "h", "c"], ["l"]), weights)
    x, h, c = random.normal(size=(4, 5, 3)), random.normal(size=(4, 2)), random.normal(size=(4, 2))
    out = run(path, x, h, c, rule="initial states passed by keyword")
    np.testing.assert_allclose(out, lstm(x, kernel, recurrent, bias, h=h, c=c), atol=1e-5)


@pytest.mark.parametrize("first", [0, 1])
def test_a_nested_model_counts_its_calls_from_0_or_from_1(tmp_path, random, first):
    kernel = random.normal(size=(3, 3))
    inner = functional(
        [
            layer("InputLayer", "in", batch_input_shape=[None, 3], dtype="float32"),
            layer("Dense", "d", ["in"], units=3, use_bias=False),
        ],
        ["in"],
        ["d"],
        name="inner",
    )
    layers = [
        layer("InputLayer", "a", batch_input_shape=[None, 3], dtype="float32"),
        layer("InputLayer", "b", batch_input_shape=[None, 3], dtype="float32"),
        {
            "class_name": "Model",
            "name": "inner",
            "config": inner,
            "inbound_nodes": [[["a", 0, 0, {}]], [["b", 0, 0, {}]]],
        },
        layer("Subtract", "s", [("inner", first, 0, {}), ("inner", first + 1, 0, {})]),
    ]
    weights = {"inner": [("d/kernel", kernel)]}
    path = write_h5(tmp_path / "old.h5", "Model", functional(layers, ["a", "b"], ["s"]), weights)
    a, b = random.normal(size=(2, 3)), random.normal(size=(2, 3))
    np.testing.assert_allclose(run(path, a, b), (a - b) @ kernel, atol=1e-5)


def test_small_settings(tmp_path, random):
    """Batch normalization over a list of one axis, with old keys; LeakyReLU's alpha; regularizers and initializers."""
    gamma, beta, mean, variance = (random.uniform(0.5, 1.5, 3) for _ in range(4))
    kernel, bias = random.normal(size=(3, 3)), random.normal(size=3)
    initializer = {
        "class_name": "VarianceScaling",
        "config": {"scale": 1.0, "mode": "fan_avg", "seed": None, "dtype": "float32"},
    }
    regularizer = {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01, "name": "old"}}
    layers = [
        layer("InputLayer", "x", batch_input_shape=[None, 3], dtype="float32", sparse=False),
        layer("Dense", "d", ["x"], units=3, kernel_initializer=initializer, kernel_regularizer=regularizer),
        layer("BatchNormalization", "n", ["d"], axis=[1], momentum=0.99, epsilon=1e-3, fused=True, renorm=False),
        layer("LeakyReLU", "r", ["n"], alpha=0.2),
    ]
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = {
        "d": [("kernel", kernel), ("bias", bias)],
        "n": list(zip(names, (gamma, beta, mean, variance), strict=True)),
    }
    path = write_h5(tmp_path / "old.h5", "Model", functional(layers, ["x"], ["r"]), weights)
    x = random.normal(size=(4, 3))
    y = (x @ kernel + bias - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    np.testing.assert_allclose(run(path, x), np.where(y > 0, y, 0.2 * y), atol=1e-5)


def test_an_embedding_of_integers_and_spatial_dropout(tmp_path, random):
    table = random.normal(size=(7, 3))
    path = sequential(
        tmp_path / "old.h5",
        [
            ("Embedding", "e", {"batch_input_shape": [None, 4], "input_dim": 7, "output_dim": 3, "dtype": "int32"}),
            ("SpatialDropout1D", "s", {"rate": 0.5, "trainable": True, "noise_shape": None, "seed": None}),
        ],
        {"e": [("embeddings", table)]},
    )
    x = random.integers(0, 7, (2, 4))
    np.testing.assert_allclose(run(path, x, rule="embedding of integers"), table[x], atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("LSTM", {**SEQUENCE, "time_major": True}, "'l' .LSTM. was saved with time_major=True"),
        ("DepthwiseConv2D", {"batch_input_shape": [None, 8, 8, 4], "kernel_size": [3, 3], "groups": 2}, "groups=2"),
        ("BatchNormalization", {"batch_input_shape": [None, 4], "renorm": True}, "renorm=True"),
        ("BatchNormalization", {"batch_input_shape": [None, 4, 4], "axis": [1, 2]}, r"axis=\[1, 2\]"),
        ("Attention", {"batch_input_shape": [None, 4, 4], "causal": True}, "causal=True"),
    ],
)
def test_what_has_no_successor_is_refused(tmp_path, kind, config, message):
    path = sequential(tmp_path / "old.h5", [(kind, "l", config)], {})
    with pytest.raises(sg.SurgeryError, match=message):
        sg.open(path)


def test_groups_of_one_are_dropped(tmp_path, random):
    kernel = random.normal(size=(1, 1, 2, 1))
    config = {
        "batch_input_shape": [None, 3, 3, 2],
        "kernel_size": [1, 1],
        "groups": 1,
        "use_bias": False,
        "filters": None,
    }
    path = sequential(tmp_path / "old.h5", [("DepthwiseConv2D", "c", config)], {"c": [("depthwise_kernel", kernel)]})
    x = random.normal(size=(2, 3, 3, 2))
    np.testing.assert_allclose(run(path, x, rule="groups dropped"), x * kernel[0, 0, :, 0], atol=1e-6)
