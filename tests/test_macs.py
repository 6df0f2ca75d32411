"""Multiply-accumulates: by a count in NumPy that computes the layer, and by published figures."""

import keras
import numpy as np
import pytest

import surgery as sg
from surgery import analysis
from surgery.analysis.mac_rules import RULES
from surgery.layers.facts import Trait
from surgery.layers.table import has

layers = keras.layers


class Tally:
    """Multiplies matrices, and counts what it multiplies."""

    def __init__(self):
        self.macs = 0

    def product(self, a, b):
        self.macs += a.shape[0] * a.shape[1] * b.shape[1]
        return a @ b


def sliding(tally, x, kernel, strides, dilation, padding, groups=1):
    """Convolves (positions..., channels) with a kernel (window..., channels / groups, filters), patch by patch."""
    axes = kernel.ndim - 2
    reach = [(kernel.shape[a] - 1) * dilation[a] + 1 for a in range(axes)]
    if padding != "valid":
        need = [max((-(-x.shape[a] // strides[a]) - 1) * strides[a] + reach[a] - x.shape[a], 0) for a in range(axes)]
        before = [reach[a] - 1 if padding == "causal" else need[a] // 2 for a in range(axes)]
        after = [0 if padding == "causal" else need[a] - before[a] for a in range(axes)]
        x = np.pad(x, [*zip(before, after, strict=True), (0, 0)])
    counts = [(x.shape[a] - reach[a]) // strides[a] + 1 for a in range(axes)]
    out = np.zeros((*counts, kernel.shape[-1]))
    inward, outward = x.shape[-1] // groups, kernel.shape[-1] // groups
    for place in np.ndindex(*counts):
        window = tuple(slice(place[a] * strides[a], place[a] * strides[a] + reach[a], dilation[a]) for a in range(axes))
        for group in range(groups):
            patch = x[(*window, slice(group * inward, (group + 1) * inward))].reshape(1, -1)
            filters = slice(group * outward, (group + 1) * outward)
            out[(*place, filters)] = tally.product(patch, kernel[..., filters].reshape(-1, outward))[0]
    return out


def convolved(tally, layer, x):
    kernel = np.asarray(layer.kernel)
    return sliding(tally, x, kernel, layer.strides, layer.dilation_rate, layer.padding, layer.groups) + layer.bias


def depthwise(tally, layer, x, kernel):
    """One convolution for each channel."""
    outs = [
        sliding(tally, x[..., c : c + 1], kernel[..., c : c + 1, :], layer.strides, layer.dilation_rate, layer.padding)
        for c in range(x.shape[-1])
    ]
    return np.concatenate(outs, axis=-1)


def depthwise_with_bias(tally, layer, x):
    return depthwise(tally, layer, x, np.asarray(layer.kernel)) + layer.bias


def separable(tally, layer, x):
    middle = depthwise(tally, layer, x, np.asarray(layer.depthwise_kernel))
    ones = (1,) * (x.ndim - 1)
    return sliding(tally, middle, np.asarray(layer.pointwise_kernel), ones, ones, "valid") + layer.bias


def transposed(tally, layer, x):
    """Every input pixel lays the kernel, times its value, onto the output; `valid` padding."""
    kernel = np.asarray(layer.kernel)  # window..., filters, channels
    window, axes = kernel.shape[:-2], x.ndim - 1
    out = np.zeros((*((x.shape[a] - 1) * layer.strides[a] + window[a] for a in range(axes)), kernel.shape[-2]))
    for place in np.ndindex(*x.shape[:-1]):
        flat = tally.product(x[place].reshape(1, -1), kernel.reshape(-1, x.shape[-1]).T)
        here = tuple(slice(place[a] * layer.strides[a], place[a] * layer.strides[a] + window[a]) for a in range(axes))
        out[here] += flat.reshape(kernel.shape[:-1])
    return out + layer.bias


def dense(tally, layer, x):
    return tally.product(x.reshape(-1, x.shape[-1]), np.asarray(layer.kernel)).reshape(*x.shape[:-1], -1) + layer.bias


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(tally, layer, query, value):
    return tally.product(softmax(tally.product(query, value.T)), value)


def additive(tally, layer, query, value):
    scale = np.asarray(layer.scale).reshape(-1, 1)
    scores = np.stack([tally.product(np.tanh(one + value), scale)[:, 0] for one in query])
    return tally.product(softmax(scores), value)


def multi_head(tally, layer, query, value):
    def projected(dense, x):
        kernel, bias = np.asarray(dense.kernel), np.asarray(dense.bias)
        flat = tally.product(x, kernel.reshape(x.shape[-1], -1))
        return flat.reshape(x.shape[0], *kernel.shape[1:]) + bias

    q, k, v = (
        projected(dense, x)
        for dense, x in zip(
            (layer._query_dense, layer._key_dense, layer._value_dense), (query, value, value), strict=True
        )
    )
    few = k.shape[1]
    made = []
    for head in range(q.shape[1]):
        own = head * few // q.shape[1]
        scores = tally.product(q[:, head], k[:, own].T) / np.sqrt(q.shape[-1])
        made.append(tally.product(softmax(scores), v[:, own]))
    kernel = np.asarray(layer._output_dense.kernel)
    together = np.stack(made, axis=1).reshape(query.shape[0], -1)
    return tally.product(together, kernel.reshape(-1, kernel.shape[-1])) + np.asarray(layer._output_dense.bias)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def recurrent(tally, cell, x):
    """Steps through a sequence (steps, features): SimpleRNN, GRU with its reset after the product, LSTM."""
    kernel, below, bias = (np.asarray(one) for one in (cell.kernel, cell.recurrent_kernel, cell.bias))
    h = c = np.zeros((1, cell.units))
    for step in x:
        given, kept = tally.product(step.reshape(1, -1), kernel), tally.product(h, below)
        if isinstance(cell, layers.GRUCell):
            gates = [np.split(one, 3, axis=-1) for one in (given + bias[0], kept + bias[1])]
            z, r = (sigmoid(a + b) for a, b in zip(gates[0][:2], gates[1][:2], strict=True))
            h = z * h + (1 - z) * np.tanh(gates[0][2] + r * gates[1][2])
        elif isinstance(cell, layers.LSTMCell):
            i, f, g, o = np.split(given + kept + bias, 4, axis=-1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            h = np.tanh(given + kept + bias)
    return h[0]


def convolutional_lstm(tally, layer, x):
    cell = layer.cell
    ones = (1,) * (x.ndim - 2)
    h = c = None
    for step in x:
        given = (
            sliding(tally, step, np.asarray(cell.kernel), cell.strides, cell.dilation_rate, cell.padding) + cell.bias
        )
        h = np.zeros((*given.shape[:-1], cell.filters)) if h is None else h
        c = np.zeros_like(h) if c is None else c
        given = given + sliding(tally, h, np.asarray(cell.recurrent_kernel), ones, ones, "same")
        i, f, g, o = np.split(given, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def rnn(tally, layer, x):
    return recurrent(tally, layer.cell if hasattr(layer, "cell") else layer, x)


def both_ways(tally, layer, x):
    ways = (layer.forward_layer.cell, x), (layer.backward_layer.cell, x[::-1])
    return np.concatenate([recurrent(tally, cell, steps) for cell, steps in ways])


def each_step(tally, layer, x):
    return np.stack([dense(tally, layer.layer, one) for one in x])


def stacked(tally, layer, x):
    states = [x]
    for cell in layer.cell.cells:
        states.append(np.stack([recurrent(tally, cell, states[-1][: step + 1]) for step in range(len(x))]))
    tally.macs = 0  # the line above goes through the beginnings again and again
    for cell, given in zip(layer.cell.cells, states, strict=False):
        recurrent(tally, cell, given)
    return states[-1][-1]


def einsum(tally, layer, x):
    flat = tally.product(x, np.asarray(layer.kernel).reshape(x.shape[-1], -1))
    return flat.reshape(x.shape[0], *layer.kernel.shape[1:])


MAP, LINE, BOX = (6, 5, 4), (7, 4), (4, 5, 3, 2)
CASES = {
    "dense": (layers.Dense(3), [(5,)], dense),
    "dense on a map": (layers.Dense(3), [MAP], dense),
    "conv1d": (layers.Conv1D(6, 3, strides=2, padding="same"), [LINE], convolved),
    "conv1d causal": (layers.Conv1D(6, 3, dilation_rate=2, padding="causal"), [LINE], convolved),
    "conv2d": (layers.Conv2D(6, (3, 2), padding="valid"), [MAP], convolved),
    "conv2d strided": (layers.Conv2D(6, 3, strides=2, padding="same"), [MAP], convolved),
    "conv2d in groups": (layers.Conv2D(6, 3, groups=2), [MAP], convolved),
    "conv2d dilated": (layers.Conv2D(6, 2, dilation_rate=2), [MAP], convolved),
    "conv3d": (layers.Conv3D(3, 2, strides=(1, 2, 1), padding="same"), [BOX], convolved),
    "depthwise1d": (layers.DepthwiseConv1D(3, depth_multiplier=2), [LINE], depthwise_with_bias),
    "depthwise2d": (
        layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2),
        [MAP],
        depthwise_with_bias,
    ),
    "separable1d": (layers.SeparableConv1D(5, 3, padding="same"), [LINE], separable),
    "separable2d": (layers.SeparableConv2D(5, 3, depth_multiplier=2), [MAP], separable),
    "transposed1d": (layers.Conv1DTranspose(3, 3, strides=2), [LINE], transposed),
    "transposed2d": (layers.Conv2DTranspose(3, (3, 2), strides=2), [MAP], transposed),
    "transposed3d": (layers.Conv3DTranspose(2, 2, strides=2), [BOX], transposed),
    "einsum dense": (layers.EinsumDense("ab,bcd->acd", output_shape=(2, 3)), [(5,)], None),
    "attention": (layers.Attention(), [(5, 4), (3, 4)], attention),
    "additive attention": (layers.AdditiveAttention(), [(5, 4), (3, 4)], additive),
    "multi-head attention": (layers.MultiHeadAttention(2, 3, value_dim=5), [(5, 4), (3, 6)], multi_head),
    "grouped-query attention": (layers.GroupQueryAttention(3, 4, 2), [(5, 4), (3, 4)], multi_head),
    "simple rnn": (layers.SimpleRNN(3), [LINE], rnn),
    "gru": (layers.GRU(3), [LINE], rnn),
    "lstm": (layers.LSTM(3), [LINE], rnn),
    "rnn of a cell": (layers.RNN(layers.GRUCell(3)), [LINE], rnn),
    "rnn of two cells": (layers.RNN([layers.LSTMCell(3), layers.SimpleRNNCell(2)]), [LINE], stacked),
    "bidirectional": (layers.Bidirectional(layers.LSTM(3)), [LINE], both_ways),
    "time-distributed": (layers.TimeDistributed(layers.Dense(3)), [LINE], each_step),
    "convolutional lstm 1d": (layers.ConvLSTM1D(2, 3, padding="same"), [(3, 5, 2)], convolutional_lstm),
    "convolutional lstm 2d": (layers.ConvLSTM2D(2, 3, strides=2), [(3, *MAP)], convolutional_lstm),
    "spectral normalization": (layers.SpectralNormalization(layers.Dense(3)), [(5,)], None),
}


def network_of(layer, shapes):
    inputs = [keras.Input(shape, name=f"in{place}") for place, shape in enumerate(shapes)]
    attends = isinstance(layer, (layers.MultiHeadAttention, layers.GroupQueryAttention))
    made = layer(inputs[0], inputs[1]) if attends else layer(inputs if len(inputs) > 1 else inputs[0])
    return keras.Model(inputs, made)


@pytest.mark.parametrize("case", CASES)
def test_the_count_is_that_of_a_computation_in_numpy(case):
    layer, shapes, naive = CASES[case]
    model = network_of(layer, shapes)
    random = np.random.default_rng(1)
    for variable in model.weights:
        variable.assign(random.uniform(-1, 1, variable.shape))
    count = analysis.macs(sg.open(model))[layer.name]
    if naive is None:
        assert count == {"einsum dense": 5 * 2 * 3, "spectral normalization": 5 * 3}[case]
        return
    arrays = [random.uniform(-1, 1, shape).astype("float32") for shape in shapes]
    tally = Tally()
    ours = naive(tally, layer, *arrays)
    theirs = model([array[None] for array in arrays])[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)  # it is the layer that is counted
    assert count == tally.macs


@pytest.mark.parametrize(
    ("made", "count"),
    [
        (lambda a, b: keras.ops.matmul(a, keras.ops.transpose(b, (0, 2, 1))), 4 * 5 * 3),
        (lambda a, b: keras.ops.einsum("bij,bkj->bik", a, b), 4 * 5 * 3),
        (lambda a, b: keras.ops.einsum("b...j,bkj->b...k", a, b), 4 * 5 * 3),
        (lambda a, b: layers.Dot(axes=2)([a, b]), 4 * 5 * 3),
        (lambda a, b: keras.ops.relu(a) + 1.0, 0),
        (lambda a, b: layers.LayerNormalization()(layers.Add()([a, a])), 0),
    ],
)
def test_operations_without_a_layer_are_counted(made, count):
    a, b = keras.Input((4, 3)), keras.Input((5, 3))
    graph = sg.open(keras.Model([a, b], made(a, b)))
    assert sum(analysis.macs(graph)[call.name] for call in graph) == count


def test_what_is_not_known_is_never_nothing():
    x = keras.Input((8, 8, 3))
    custom = layers.Lambda(lambda value: value * 2.0, name="lambda")(x)
    spectrum = keras.ops.fft2((custom, custom))[0]
    graph = sg.open(keras.Model(x, spectrum))
    counts = analysis.macs(graph)
    assert counts["lambda"] is None
    assert counts[next(call.name for call in graph if call.class_name == "FFT2")] is None
    open_size = sg.open(
        keras.Model(*(lambda x: (x, layers.Conv2D(2, 3, name="conv")(x)))(keras.Input((None, None, 3))))
    )
    assert analysis.macs(open_size)["conv"] is None


def test_a_nested_model_is_counted_at_the_size_that_it_is_called_with():
    """The usual trunk is made for open sizes, and called on pictures of one."""
    x = inside = keras.Input((None, None, 3))
    for number in range(2):
        x = layers.Conv2D(4, 3, strides=2, padding="same", name=f"conv{number}")(x)
    trunk = keras.Model(inside, layers.GlobalAveragePooling2D()(x), name="trunk")
    small, large = keras.Input((16, 16, 3)), keras.Input((32, 32, 3))
    counts = analysis.macs(sg.open(keras.Model([small, large], trunk(small) + trunk(large))))
    assert counts["trunk"] == 8 * 8 * 4 * 27 + 4 * 4 * 4 * 36
    assert counts["trunk@1"] == 4 * counts["trunk"]
    assert counts["trunk@1/conv0"] == 16 * 16 * 4 * 27


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("vgg16", 15.3e9),  # He et al. 2015, arXiv:1512.03385, section 4.1; 15.5e9 with its Dense layers
        ("vgg19", 19.6e9),  # the same
        ("resnet50", 3.8e9),  # the same, table 1; 4.1e9 where the stride is in the 3 x 3, as in torchvision
        ("resnet101", 7.6e9),  # the same
        ("mobilenet", 569e6),  # Howard et al. 2017, arXiv:1704.04861, table 4
        ("mobilenetv2", 300e6),  # Sandler et al. 2018, arXiv:1801.04381, table 4
        ("nasnetmobile", 564e6),  # Zoph et al. 2018, arXiv:1707.07012, table 2
        ("efficientnetb0", 0.39e9),  # Tan & Le 2019, arXiv:1905.11946, table 2
        ("convnexttiny", 4.5e9),  # Liu et al. 2022, arXiv:2201.03545, table 1
    ],
)
def test_counts_agree_with_published_figures(name, published):
    """The convention is theirs: products of convolutions and dense layers, no biases, no activations."""
    graph = sg.open(name)
    counts = analysis.macs(graph)
    assert sum(counts[call.name] for call in graph) == pytest.approx(published, rel=0.035)


def test_every_layer_and_operation_of_keras_is_counted_or_said_to_be_unknown():
    """A class that comes with a new Keras belongs into one of these lists, on purpose."""
    aliases = {name for name in dir(layers) if getattr(getattr(layers, name), "__name__", name) != name}
    names = {name for name in dir(layers) if isinstance(getattr(layers, name), type)} - aliases
    assert {name for name in names if name not in RULES and not has(name, Trait.NO_PRODUCTS)} == {
        *("AugMix", "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "CutMix", "Equalization", "MixUp"),
        *("RandAugment", "RandomElasticTransform", "RandomGaussianBlur", "RandomSharpness", "Solarization"),
        *("FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper", "Lambda", "Pipeline"),  # code of others
        *("MelSpectrogram", "STFTSpectrogram", "MaxNumBoundingBoxes"),
        *("Layer", "Wrapper", "InputSpec", "GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"),  # never a call
    }
