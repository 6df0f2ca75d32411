"""Messages name what the user named: never a tensor or a layer that Keras named and numbered on the way."""

import re
import warnings

import keras
import pytest
from keras import layers as L

import surgery as sg

NAMES = ("stem", "sum", "pool", "head", "side")


@pytest.fixture(scope="module")
def graph():
    photo = keras.Input((32, 32, 3), name="photo")
    stem = L.Conv2D(8, 3, name="stem")(photo)
    both = L.Add(name="sum")([stem, L.Conv2D(8, 3, padding="same", name="side")(stem)])
    head = L.Dense(4, name="head")(L.GlobalAveragePooling2D(name="pool")(both))
    return sg.open(keras.Model(photo, head, name="mine"))


def joined_shapes(tensor):
    return L.Concatenate()([tensor, L.Flatten()(tensor)])


def sum_of_two_shapes(tensor):
    return tensor + keras.ops.reshape(tensor, (-1, 2, 4, 30, 30))


def two_tensors(tensor):
    return L.Dense(2)(tensor), L.Dense(3)(tensor)


def of_numpy(tensor):
    return tensor.numpy()


def of_a_condition(tensor):
    return tensor if tensor > 0 else -tensor


def a_sequence(tensor):
    return L.LSTM(4)(tensor)


def attention(tensor):
    return L.MultiHeadAttention(2, 3)(tensor)


def parts():
    inner = keras.Sequential([L.Input((5,)), L.Dense(3)], name="inner")
    functions = joined_shapes, sum_of_two_shapes, two_tensors, of_numpy, of_a_condition, a_sequence, attention
    layers = L.LSTM(4, name="steps"), L.Conv2D(4, 40, name="large"), L.Dense(3, name="few"), L.Dot(1, name="product")
    return [*functions, inner, *layers, L.Conv1D(3, 3, name="line"), L.Concatenate(name="both")]


def requests(graph, part):
    for at in (*NAMES, ["stem", "pool"], ("pool", "sum")):
        yield lambda at=at: sg.graft(graph, part, at=at)
    for name in NAMES:
        yield lambda name=name: sg.insert(graph, part, after=name)
        yield lambda name=name: sg.insert(graph, part, after=name, adapt=True)
        yield lambda name=name: sg.replace(graph, name, part)
        yield lambda name=name: sg.rewire(graph, name, "head", merge=part)


def others(graph):
    yield lambda: sg.join(graph, graph)
    for name in NAMES:
        yield lambda name=name: sg.remove(graph, name)
        yield lambda name=name: sg.cut(graph, inputs=name, outputs="side")
        yield lambda name=name: sg.join(sg.cut(graph, outputs=name), graph, prefix="b_")


def test_refusals_hold_no_name_that_keras_gave(graph):
    said = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for request in [*others(graph), *(one for part in parts() for one in requests(graph, part))]:
            try:
                request()
            except sg.SurgeryError as error:
                said.append(str(error))
    assert len(said) > 150
    numbered = r"<KerasTensor|keras_tensor|input_layer|functional|Placed|\b[a-z]+(?:_[a-z0-9]+)*_\d+\b"
    assert not {line for line in said if re.search(numbered, line.replace("initial_state", ""))}


def test_a_function_of_tensors_is_refused_where_one_of_the_call_is_expected(graph):
    with pytest.raises(
        sg.SurgeryError, match=r"'two_tensors' .*is given the Call 'head', not tensors.*lambda call"
    ) as it:
        sg.replace(graph, "head", two_tensors)
    assert isinstance(it.value.__cause__, Exception)
