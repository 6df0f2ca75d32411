"""The Where grammar against a brute-force reading of it, its errors, and the page that documents it."""

import contextlib

import keras
import networkx
import numpy as np
import pytest
from networks import masked_network, random_network, siamese_network

import surgery as sg
from surgery.core.specs import Ref
from surgery.selectors.grammar import parse


@pytest.fixture(scope="module")
def vgg():
    return sg.open("tinyvgg")


@pytest.fixture(scope="module")
def siamese():
    return sg.open(siamese_network())


def names(x, where, **kwargs):
    return [call.name for call in sg.select(x, where, **kwargs)]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("block5_*", ["block5_conv1", "block5_conv2", "block5_conv3", "block5_pool"]),
        ("block?_pool & [stride=8]", ["block3_pool"]),
        (":Dense", ["fc1", "fc2", "predictions"]),
        (":Den*", ["fc1", "fc2", "predictions"]),
        (":Dense[units=64]", ["fc1", "fc2"]),
        (":Dense[units>=6]", ["fc1", "fc2"]),
        (":Dense[activation=softmax]", ["predictions"]),
        ("[params>14500]", []),
        ("..block1_pool", ["input_layer", "block1_conv1", "block1_conv2", "block1_pool"]),
        ("fc2..", ["fc2", "predictions"]),
        ("block5_pool..fc1", ["block5_pool", "flatten", "fc1"]),
        ("fc1, flatten", ["flatten", "fc1"]),
        ("!:Conv2D & !:MaxPooling2D & !:Dense", ["input_layer", "flatten"]),
        ("..block2_pool & :Conv2D, fc2", ["block1_conv1", "block1_conv2", "block2_conv1", "block2_conv2", "fc2"]),
        ("'fc1'", ["fc1"]),
        (":Conv2D[filters=16][kernel_size=3]", ["block1_conv1", "block1_conv2"]),
        ("block1_*[params>500]", ["block1_conv2"]),
    ],
)
def test_the_grammar(vgg, where, found):
    if found:
        assert names(vgg, where) == found
    else:
        with pytest.raises(sg.SurgeryError, match="no call matches"):
            sg.select(vgg, where)


def test_what_python_may_pass_besides_text(vgg, tinyvgg):
    layer = tinyvgg.get_layer("fc1")
    assert names(tinyvgg, layer) == ["fc1"]
    assert names(tinyvgg, keras.layers.Dense) == names(vgg, keras.layers.Dense) == ["fc1", "fc2", "predictions"]
    assert names(vgg, Ref("fc1")) == names(vgg, vgg["fc1"]) == ["fc1"]
    assert names(vgg, lambda call: call.params > 14_400 and call.class_name == "Conv2D") == names(
        vgg, ":Conv2D & [params>14400]"
    )
    assert names(vgg, ("fc1", keras.layers.Flatten)) == ["flatten", "fc1"]
    with pytest.raises(sg.SurgeryError, match="a selector was expected"):
        sg.select(vgg, 3)


def test_calls_of_a_shared_layer(siamese):
    assert names(siamese, "trunk") == ["trunk", "trunk@1"]
    assert names(siamese, "trunk@0") == ["trunk"]
    assert names(siamese, "trunk@1") == ["trunk@1"]
    with pytest.raises(sg.SurgeryError, match=r"trunk@0, trunk@1"):
        sg.graft(siamese, keras.layers.ReLU(), at="trunk")


def test_addresses_inside_nested_models(siamese):
    assert names(siamese, "trunk/conv") == ["trunk/conv", "trunk@1/conv"]
    assert names(siamese, "trunk@1/*") == [f"trunk@1/{name}" for name in ("picture", "conv", "norm", "relu", "pool")]
    assert names(siamese, ":BatchNormalization") == ["trunk/norm", "trunk@1/norm"]
    assert names(siamese, "..trunk@0/norm") == ["left", "trunk/picture", "trunk/conv", "trunk/norm"]
    assert names(siamese, "trunk@1/pool..") == ["trunk@1/pool", "trunk@1", "difference", "same"]
    assert names(siamese, "**/relu") == ["trunk/relu", "trunk@1/relu"]
    with pytest.raises(sg.SurgeryError, match="no call matches 'relu'"):
        sg.select(siamese, "relu")


def test_ranges_are_reachability():
    """The oracle is networkx, on random DAGs."""
    for seed in range(30):
        graph = sg.open(random_network(seed))
        dag = networkx.DiGraph((ref.call, call.name) for call in graph for ref in call.parents)
        dag.add_nodes_from(call.name for call in graph)
        for call in graph:
            if "@" in call.name or f"{call.name}@1" in graph:
                continue
            top = {c.name for c in sg.select(graph, f"..{call.name}") if "/" not in c.name}
            assert top == networkx.ancestors(dag, call.name) | {call.name}
            top = {c.name for c in sg.select(graph, f"{call.name}..") if "/" not in c.name}
            assert top == networkx.descendants(dag, call.name) | {call.name}


def test_narrow_places_are_where_every_path_passes():
    """The oracle removes the call: no path from an input to an output may be left."""
    for seed in range(30):
        graph = sg.open(random_network(seed))
        narrow = set(names(graph, "[narrow]")) if _narrow(graph) else set()
        assert narrow == _narrow(graph)


def _narrow(graph):
    ends = {ref.call for ref in keras.tree.flatten(graph.outputs)}
    entries = {ref.call for ref in keras.tree.flatten(graph.inputs) if ref in graph.consumers or ref.call in ends}
    found = set()
    for call in graph:
        dag = networkx.DiGraph((ref.call, user) for ref, users in graph.consumers.items() for user in users)
        dag.add_nodes_from([*ends, *entries, call.name])
        dag.remove_node(call.name)
        cut_off = not any(
            entry == end or networkx.has_path(dag, entry, end)
            for entry in entries - {call.name}
            for end in ends - {call.name}
        )
        used = {ref for ref in call.refs if ref in graph.consumers or ref in keras.tree.flatten(graph.outputs)}
        outputs_beside = ends - {call.name} and call.name in ends
        alone = (
            ends == {call.name}
            or not outputs_beside
            or all(networkx.has_path(_whole(graph), call.name, e) for e in ends)
        )
        if cut_off and len(used) == 1 and alone and (call.name not in ends or ends == {call.name}):
            found.add(call.name)
    return found


def _whole(graph):
    return networkx.DiGraph((ref.call, user) for ref, users in graph.consumers.items() for user in users)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            "block5_pol",
            r"no call matches 'block5_pol' in 'tinyvgg'. Did you mean 'block5_pool'.*inspect --nested` lists all",
        ),
        ("fc1, fc9", "no call matches 'fc9'"),
        (":Conv3D", "Did you mean 'Conv2D'"),
        ("[stride=3]", "no call matches"),
        ("fc1 & fc2", "each part of it matches something"),
        ("fc2..fc1", "no path leads from fc2 to fc1"),
        ("", "is missing"),
        ("..", "needs a name on one side"),
        ("a,,b", "is missing before ','"),
        ("a &", "is missing before the end"),
        ("fc1 !fc2", "unexpected"),
        ("[", "cannot read"),
        ("[a b]", "cannot read"),
        ("'fc1", "cannot read"),
    ],
)
def test_errors_say_what_is_wrong(vgg, where, message):
    with pytest.raises(sg.SurgeryError, match=message):
        sg.select(vgg, where)


def test_expect_counts(vgg):
    assert len(sg.select(vgg, ":Conv2D", expect=13)) == 13
    with pytest.raises(sg.SurgeryError, match="matches 13 calls of 'tinyvgg', not 12"):
        sg.select(vgg, ":Conv2D", expect=12)


def test_one_output_of_several():
    graph = sg.open(masked_network())
    assert sg.tap(graph, "lstm#1").outputs == {"lstm#1": Ref("lstm", 1)}
    assert list(sg.tap(graph, "lstm").outputs) == ["lstm", "lstm#1", "lstm#2"]
    assert list(sg.tap(graph, "lstm#0, lstm#2").outputs) == ["lstm", "lstm#2"]
    with pytest.raises(sg.SurgeryError, match="3 outputs"):
        sg.tap(graph, "lstm#7")
    with pytest.raises(sg.SurgeryError, match="means 3 tensors"):
        sg.tap(graph, {"one": "lstm"})


def test_a_selector_reads_back_as_itself(vgg):
    for text in ("block5_*, fc1", "..a & !:Conv2D", "a..b", "x..", ":Dense[units=64]"):
        assert repr(parse(text)) == text
        assert repr(parse(repr(parse(text)))) == text


def test_random_text_is_a_selector_or_an_error(vgg):
    random = np.random.default_rng(0)
    for _ in range(2000):
        text = "".join(random.choice(list("fc1*?:.,&![]=> '\"#@/\\"), random.integers(0, 9)))
        with contextlib.suppress(sg.SurgeryError):
            sg.select(vgg, text)
