"""Memory that a backend takes over begins where it wants: TensorFlow aborts in a matrix product otherwise."""

import keras
import numpy as np
import pytest
from networks import numpy_of
from old_files import functional, layer, write_h5

import surgery as sg
from surgery.core.tensors import ALIGNMENT, to_hand_over
from surgery.keras_bridge.fill import _as_tensor

layers = keras.layers
DTYPES = ("float16", "bfloat16", "float32", "float64", "int8", "uint8", "int32", "int64")


def at_offset(values, offset):
    """The same values in memory that begins `offset` bytes behind an aligned address."""
    raw = np.empty(values.nbytes + 2 * ALIGNMENT, "uint8")
    start = -raw.ctypes.data % ALIGNMENT + offset
    array = raw[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    array[...] = values
    return array


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_is_taken_over_where_it_is_aligned_and_copied_once_elsewhere(dtype):
    values = np.array(keras.ops.convert_to_numpy(keras.ops.cast(np.arange(300).reshape(12, 25) % 100, dtype)))
    for offset in range(0, ALIGNMENT, 8):
        array = at_offset(values, offset)
        assert (to_hand_over(array) is array) == (offset == 0)
        tensor = _as_tensor(array, dtype)
        assert address_of(tensor) % ALIGNMENT == 0
        np.testing.assert_array_equal(numpy_of(tensor), values)


@pytest.mark.parametrize(
    "odd",
    [
        lambda values: values.T,
        lambda values: values[::-1],
        lambda values: values.astype(values.dtype.newbyteorder()),
        lambda values: np.lib.stride_tricks.as_strided(values, values.shape, values.strides, writeable=False),
        lambda values: values[:, :0],
        lambda values: values[0, 0].reshape(()),
    ],
)
def test_memory_that_a_backend_cannot_read_as_it_lies_is_copied(odd):
    values = odd(np.arange(32, dtype="float32").reshape(8, 4))
    array = to_hand_over(values)
    assert array.flags.carray and array.dtype.isnative and (not array.size or array.ctypes.data % ALIGNMENT == 0)
    np.testing.assert_array_equal(array, values)
    np.testing.assert_array_equal(numpy_of(_as_tensor(values, "float32")), values)


def address_of(tensor):
    """Where the memory of a tensor begins; `numpy()` would copy it."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow takes memory over as it lies")
    import tensorflow as tf

    tensor = tf.bitcast(tensor, "uint16") if tensor.dtype == "bfloat16" else tensor
    return np.from_dlpack(tensor).ctypes.data


def network():
    x = keras.Input((4, 6))
    y = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(layers.BatchNormalization()(x))
    return keras.Model(x, layers.Dense(3, name="head")(layers.MultiHeadAttention(2, 3)(y, y)))


def mended(path):
    """A file of Keras 1 from Theano: kernels are mirrored, gates are put together, all in memory that NumPy chose."""
    random = np.random.default_rng(0)
    stored = [
        layer("InputLayer", "x", batch_input_shape=[None, 9, 7], dtype="float32"),
        *(
            layer("Conv1D", f"c{n}", [f"c{n - 1}" if n else "x"], filters=7, kernel_size=3, padding="same")
            for n in range(6)
        ),
        layer("CuDNNLSTM", "l", ["c5"], units=5),
        layer("Dense", "d", ["l"], units=3),
    ]
    weights = {f"c{n}": [("kernel", random.normal(size=(3, 7, 7))), ("bias", random.normal(size=7))] for n in range(6)}
    weights["l"] = [(name, random.normal(size=shape)) for name, shape in (("k", (7, 20)), ("r", (5, 20)), ("b", 40))]
    weights["d"] = [("kernel", random.normal(size=(5, 3))), ("bias", random.normal(size=3))]
    weights = {name: [(one, array.astype("float32")) for one, array in arrays] for name, arrays in weights.items()}
    return write_h5(path, "Model", functional(stored, ["x"], ["d"]), weights, "2.0.8", "theano")


@pytest.mark.parametrize("form", [".keras", ".h5", ".safetensors", ".weights.h5", "mended"])
def test_every_variable_of_a_build_is_aligned(form, tmp_path):
    path = tmp_path / f"net{form}"
    if form == "mended":
        model = sg.build(sg.open(mended(tmp_path / "old.h5")))
    elif form in (".keras", ".h5"):
        network().save(path)
        model = sg.build(sg.open(path))
    else:
        tinyvgg = sg.build(sg.open("tinyvgg"))
        tinyvgg.save_weights(path) if form == ".weights.h5" else sg.save(tinyvgg, path)
        model = sg.build(sg.open("tinyvgg", weights=path))
    assert len(model.weights) > 9
    odd = {one.path: at for one in model.variables if (at := address_of(one.value.read_value()) % ALIGNMENT)}
    assert not odd
