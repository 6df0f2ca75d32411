"""Networks deeper than Python's stack: Keras gets the room, through every function that calls it, or one error is
raised before it recurses."""

import sys

import keras
import numpy as np
import pytest
from networks import numpy_of

import surgery as sg
from surgery.core.recursion import MOST, room_for
from surgery.core.specs import Ref, Spec
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import LiveOp

layers = keras.layers
DEEP = 250


def steps(count=DEEP):
    return [layers.Identity(name=f"step{number}") for number in range(count)]


def chain(count, op):
    calls = [Call("x", None, (), {}, Spec((None, 2)))]
    for number in range(count):
        calls.append(Call(f"step@{number}" if number else "step", op, (Ref(calls[-1].name),), {}, Spec((None, 2))))
    return Graph("deep", tuple(calls), Ref("x"), Ref(calls[-1].name))


@pytest.fixture
def shallow():
    """Leaves Python less room than the networks here are deep, as its own limit does for networks of a thousand."""
    before, depth, frame = sys.getrecursionlimit(), 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    sys.setrecursionlimit(depth + DEEP - 20)
    yield
    assert sys.getrecursionlimit() == depth + DEEP - 20
    sys.setrecursionlimit(before)


def test_a_part_that_is_deeper_than_pythons_stack(shallow, tmp_path):
    """Grafted, nested, copied, saved, opened."""
    x = keras.Input((2,))
    small = keras.Model(x, layers.Dense(2, name="first")(x), name="small")
    deep = sg.graft(small, [*steps(), layers.Dense(2, name="last")])
    array = np.ones((1, 2), "float32")
    new = sg.build(sg.open(sg.save(deep, tmp_path / "deep.keras")))
    np.testing.assert_array_equal(numpy_of(new(array)), numpy_of(deep(array)))
    nested = sg.build(sg.graft(sg.open(keras.Model(x, layers.Dense(2, name="own")(x))), deep), copy=True)
    assert len(sg.open(nested)) == 3 and nested.count_params() == 3 * 6


def test_what_is_too_deep_is_refused_before_keras_recurses():
    graph = chain(MOST, LiveOp(layers.Identity(name="step")))
    before = sys.getrecursionlimit()
    with pytest.raises(sg.SurgeryError, match=f"{MOST + 1:,} calls, and Keras wires at most {MOST:,}"):
        sg.build(graph)
    with pytest.raises(sg.SurgeryError, match="deeper than Keras can follow"), room_for(0):
        _endless()
    assert sys.getrecursionlimit() == before


def _endless():
    return _endless()
