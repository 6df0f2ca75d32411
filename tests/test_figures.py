"""What calls and graphs answer in Python: their figures, as the table has them, and what they say where they cannot."""

import copy
import dataclasses
import json
import math
from fractions import Fraction

import keras
import numpy as np
import pytest
from networks import masked_network, random_network, siamese_network

import surgery as sg
from surgery import analysis
from surgery.view.table import View, text_of

L = keras.layers


def nested_network():
    """A nested model called at two sizes, upsampling, a side per axis, and a custom operation's reshape."""
    photo = keras.Input((32, 64, 3), name="photo")
    x = keras.Input((None, None, 8), name="x")
    inner = keras.Model(x, L.MaxPooling2D((2, 4), name="pool")(L.Conv2D(8, 3, name="conv")(x)), name="inner")
    y = inner(L.UpSampling2D(name="up")(L.Conv2D(8, 3, strides=2, padding="same", name="stem")(photo)))
    z = L.GlobalAveragePooling2D(name="gap")(inner(y))
    return keras.Model(photo, L.Dense(2, name="end")(z), name="nested")


NETWORKS = {
    "vgg16": lambda: sg.open("vgg16"),
    "convnext_tiny": lambda: sg.open("convnexttiny"),
    "nested": lambda: sg.open(nested_network()),
    "siamese": lambda: sg.open(siamese_network()),
    "masked": lambda: sg.open(masked_network()),
    **{f"random {seed}": lambda seed=seed: sg.open(random_network(seed)) for seed in range(4)},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_figures_are_those_of_the_table(name):
    graph = NETWORKS[name]()
    table = json.loads(text_of(graph, View(format="json", columns="all", nested=True)))
    calls = {call.name: call for call in sg.select(graph, "**")}
    rows = {row["call"]: row for row in table["calls"]}
    assert calls.keys() == rows.keys()
    for address, row in rows.items():
        call = calls[address]
        assert (call.macs, call.memory) == (row["macs"], row["memory"])
        assert as_text(call.stride) == row["stride"]
        field = row["field"]
        assert call.field == (None if field is None else math.inf if field["all"] else number(field["size"]))
        if address in graph:
            same = graph[address]
            figures = (same.macs, same.memory, same.stride, same.field)
            assert figures == (call.macs, call.memory, call.stride, call.field)
    assert (graph.macs, graph.memory) == (table["total"]["macs"], table["total"]["memory"])
    assert [call.macs for call in graph] == [graph[call.name].macs for call in graph]


def number(axes):
    return axes[0] if len(set(axes)) == 1 else tuple(axes)


def as_text(stride):
    axes = stride if isinstance(stride, tuple) else (stride,)
    return analysis.stride_text(None if stride is None else tuple(map(Fraction, axes)))


def test_a_call_has_the_figures_of_the_graph_that_it_was_taken_from():
    graph = sg.cut(sg.open("tinyvgg"), outputs="block3_pool")
    larger = sg.resize(graph, (64, 64, 3))
    small, large = graph["block2_conv1"], larger["block2_conv1"]
    assert large.macs == 4 * small.macs and small.stride == large.stride == 2 and small.field == large.field
    assert sg.cut(graph, inputs="block1_pool")["block2_conv1"].stride == 1
    assert small.macs * 4 == large.macs  # whatever was asked since
    nested = sg.open(nested_network())
    once, twice = sg.select(nested, "inner*/conv")
    assert once.macs > twice.macs and once.stride == 1 and twice.stride == (2, 4)
    assert nested["inner"].inner["conv"].stride == 1


def test_predicates_and_sorting_see_the_figures():
    graph = sg.open(nested_network())
    costly = sg.select(graph, lambda call: (call.macs or 0) > 100_000)
    assert {call.name for call in costly} == {
        row["call"]
        for row in json.loads(text_of(graph, View(format="json", columns="call,macs", nested=True)))["calls"]
        if (row["macs"] or 0) > 100_000
    }
    assert max(sg.open("vgg16"), key=lambda call: call.macs).name.startswith("block")
    assert sg.open(nested_network())["end"].macs == 16  # its graph is kept


def test_a_call_that_is_in_no_graph_says_so():
    graph = sg.open("tinyvgg")
    call = dataclasses.replace(graph["block1_conv1"], name="mine")
    for figure in ("macs", "memory", "stride", "field"):
        with pytest.raises(sg.SurgeryError, match=rf"{figure} depends on the network .*graph\['mine'\].{figure}"):
            getattr(call, figure)


def test_a_call_that_was_taken_from_a_graph_is_the_call():
    graph = sg.open("tinyvgg")
    call = graph["block1_conv1"]
    assert call == graph["block1_conv1"] and hash(call) == hash(graph["block1_conv1"]) and call in list(graph)
    assert call != graph["block1_conv2"] and call != "block1_conv1"
    assert call != sg.open("tinyvgg")["block1_conv1"]
    copied = copy.copy(call)
    assert (copied.name, copied.output, type(copied)) == (call.name, call.output, sg.Call)


def test_an_edited_graph_does_not_keep_the_one_before():
    import gc
    import weakref

    graph = sg.open("tinyvgg")
    new = dataclasses.replace(graph, calls=tuple(graph))
    assert new == graph and new.calls == graph.calls
    gone = weakref.ref(graph)
    del graph
    gc.collect()
    assert gone() is None and new["block1_conv1"].macs


def test_a_graph_that_is_called_says_what_to_do():
    graph = sg.open("tinyvgg")
    images_bhwc = np.zeros((1, 32, 32, 3), "float32")
    with pytest.raises(TypeError, match=r"a Graph is not called; sg.build\(graph\) makes a keras.Model"):
        graph(images_bhwc)
    with pytest.raises(sg.SurgeryError, match=r"sg.build\(graph\) makes a keras.Model"):
        sg.graft(graph, lambda tensor: graph(tensor))
    with pytest.raises(sg.SurgeryError, match="a selector was expected, not <Graph"):
        sg.select(graph, graph)
    with pytest.raises(sg.SurgeryError, match="neither a layer nor a function"):
        sg.build(graph, replacements={"block1_conv1": graph})
