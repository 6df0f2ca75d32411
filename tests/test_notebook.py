"""Results as the last line of a notebook cell: short text, and tables of bounded HTML in which nothing runs."""

import dataclasses
import html.parser
import inspect
import re
import sys
import types
import typing

import keras
import numpy as np
import pytest
from test_plotting import chain as stored_chain

import surgery as sg

TEXT = 4_000  # characters of text/plain
HTML = 256_000
NAME = "<script>alert({})<script> & \"'x\x1b"
LAYERS = 120
TAGS = ["details", "div", "p", "rect", "strong", "summary", "svg", "table", "tbody", "td", "th", "thead", "title", "tr"]
ROOMS = (sg, sg.tasks, sg.parts, sg.samples, sg.losses)


def chain(activation=None, layers=LAYERS):
    """A network of many layers, with names that are markup."""
    x = inputs = keras.Input((4,), name="x")
    for number in range(layers):
        x = keras.layers.Dense(4, activation, name=NAME.format(number))(x)
    return keras.Model(inputs, x, name=NAME.format("net"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Images that can be read, and more that cannot."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(3):
        keras.utils.save_img(folder / f"{number}.png", np.zeros((32, 32, 3)))
    for number in range(LAYERS):
        (folder / f"<script>{number} & {'x' * 150}.png").write_text("not an image")
    return folder


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Images of many classes with odd names, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("labelled")
    for number in range(LAYERS):
        for name in "abc":
            (folder / NAME.format(number)).mkdir(exist_ok=True)
            keras.utils.save_img(folder / NAME.format(number) / f"{name}.png", np.zeros((4, 4, 3)))
    (folder / NAME.format(0) / "a.png").write_text("not an image")
    return sg.data.images(folder, split=(0.5, 0.5, 0))


def cached():
    """What `fit_cached` says; TensorFlow traces no network of odd names, so that its tensors get theirs here."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="trunk"), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    data = np.zeros((8, 4)), np.zeros((8, 2))
    found = sg.fit_cached(sg.freeze(model, "trunk"), *data, verbose=0).cached
    return dataclasses.replace(found, boundary=(NAME,) * LAYERS)


@pytest.fixture(scope="module")
def results(pictures, labelled, tinyvgg):
    """What public functions return, of networks with many layers and odd names."""
    one, other, shaken, named = chain(), chain("tanh"), chain(), sg.open("tinyvgg")
    graph, ends = sg.open(one), sg.tap(one, "**")
    found = [graph, sg.open(ends), named, sg.tap(named, "**"), graph[NAME.format(3)], sg.select(one, "**")]
    for difference in (sg.diff(one, other), sg.diff(one, shaken), sg.diff(one, one), sg.diff(named, sg.open("vgg16"))):
        found += [difference, difference.changed, difference.weights, *difference.changed[:1], *difference.weights[:1]]
    for verification in (sg.verify(other, one), sg.verify(shaken, one), sg.verify(tinyvgg, named)):
        found += [verification, verification.kept, verification.new, verification.causes, *verification.causes[:1]]
    for loaded in (sg.transfer(one, other), sg.transfer(one, other, where=lambda call: "(0)" in call.name)):
        found += [loaded, *loaded.origins[:1], *loaded.unused[:1]]
    found += [
        sg.layer_groups(one),
        sg.layer_groups(tinyvgg),
        cached(),
        sg.extract_features(tinyvgg, "block*_pool, fc1", pictures),
    ]
    predicted = sg.predict(tinyvgg, pictures)
    found += [predicted, predicted[0], sg.About(classes=[NAME.format(one) for one in range(1_000)], task="<b>")]
    found += [*sg.parts.gan_players(sg.losses.hinge, names=("<b>d", "<b>g")).values(), sg.losses.hinge]
    found += [
        named.preprocessing,
        named.weights[0],
        graph.outputs,
        graph.spec(graph.outputs),
        sg.feature_levels(tinyvgg),
    ]
    return [*found, labelled, sg.FreezeCheck(tinyvgg, "fc1"), sg.layerwise_learning_rates("adam", one)]


def test_each_result_is_short_text(results):
    for result in results:
        assert len(repr(result)) <= TEXT, type(result)
        assert repr(result).replace("\n", "").isprintable(), type(result)


class Reader(html.parser.HTMLParser):
    """Refuses what is not well-formed, and counts the tags."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS
        assert not any(name.startswith("on") or name in ("href", "src") for name, _ in attrs)
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(result):
    reader = Reader()
    reader.feed(result._repr_html_())
    reader.close()
    assert not reader.open
    return reader


def test_the_html_of_each_result_is_bounded_and_nothing_in_it_runs(results):
    shown = [result for result in results if hasattr(result, "_repr_html_")]
    assert len(shown) > 20
    for result in shown:
        assert len(result._repr_html_()) <= HTML, type(result)
        assert {"div"} <= set(read(result).tags), type(result)


def test_the_html_of_a_large_network_is_bounded():
    reader = read(graph := stored_chain([f"{NAME}{number}" for number in range(3_000)]))
    assert len(graph._repr_html_()) <= HTML
    assert "and 2,8" in reader.text and "3,001 calls" in reader.text


def test_tables_are_where_tables_are_meant(results):
    tables = {
        type(result).__name__ for result in results if hasattr(result, "_repr_html_") and "table" in read(result).tags
    }
    assert tables >= {
        "Graph",
        "Difference",
        "Verification",
        "Groups",
        "Extracted",
        "Loaded",
        "Cached",
        "Calls",
        "Listed",
    }


# ---- that no result is left out ----


def dataclasses_in(annotation):
    """The dataclasses of this package in an annotation, at every depth."""
    if inspect.isclass(annotation) and dataclasses.is_dataclass(annotation):
        yield annotation
    for one in typing.get_args(annotation):
        yield from dataclasses_in(one)


def returned(function):
    """The dataclasses that a function returns, as its annotation or its docstring says."""
    known = {
        name: value
        for module in [module for name, module in sys.modules.items() if name.startswith("surgery")]
        for name, value in vars(module).items()
        if inspect.isclass(value) and dataclasses.is_dataclass(value)
    }
    returns = re.search(r"^Returns:\n(.*?)(^\w+:|\Z)", inspect.getdoc(function) or "", re.DOTALL | re.MULTILINE)
    function = inspect.unwrap(function)
    alone = types.SimpleNamespace(__annotations__={"return": function.__annotations__.get("return")})
    yield from dataclasses_in(typing.get_type_hints(alone, vars(sys.modules[function.__module__])).get("return"))
    yield from (known[word] for word in re.findall(r"`(\w+)`", returns[1] if returns else "") if word in known)


def public_results():
    """The dataclasses that public functions return, and those in their fields."""
    found, waiting = [], []
    for room in ROOMS:
        names = getattr(room, "__all__", [name for name in vars(room) if name.islower()])
        waiting += [
            one for name in names if inspect.isfunction(function := getattr(room, name)) for one in returned(function)
        ]
    while waiting:
        kind = waiting.pop()
        if kind not in found and not kind.__name__.startswith("_"):
            found.append(kind)
            waiting += [one for hint in typing.get_type_hints(kind).values() for one in dataclasses_in(hint)]
    return found


def test_every_dataclass_that_a_public_function_returns_is_among_them(results):
    kinds = public_results()
    assert {"Graph", "Call", "Difference", "Verification", "Loaded", "Groups", "Extracted", "Cached", "Player"} <= {
        kind.__name__ for kind in kinds
    }
    assert not {kind.__name__ for kind in {*kinds} - {kind for result in results for kind in type(result).__mro__}}


# ---- what they say ----


def test_a_network_says_its_outputs():
    graph = sg.open("tinyvgg")
    ends = "input (None, 32, 32, 3) · output (None, 5)"
    for text in (str(graph), repr(graph), read(graph).text):
        assert ends in text
    tapped = sg.tap(graph, "block1_pool, block2_pool")
    assert "outputs block1_pool (None, 16, 16, 16), block2_pool (None, 8, 8, 24) ·" in str(tapped)
    assert "and 20 more ·" in str(sg.tap(graph, "**"))
    assert "fc2(None, 64)" in read(sg.tap(graph, "block1_pool, fc2")).text


def test_the_text_of_a_result_says_what_matters(tinyvgg):
    assert (
        repr(sg.diff(tinyvgg, tinyvgg))
        == "<Difference tinyvgg -> tinyvgg: equal: 23 calls · 32 of 32 tensors bit-identical>"
    )
    assert repr(sg.verify(tinyvgg, tinyvgg)).startswith(
        "<Verification exact: 22 kept, 0 new, 0 dropped, 0 frozen; 22 kept tensors"
    )
    assert repr(sg.layer_groups(tinyvgg)).startswith("<Groups group (layers): stem (")
    assert repr(sg.select(tinyvgg, "fc1, fc2")).count("\n") == 1
    calls = sg.select(tinyvgg, "fc*")
    assert calls == [*calls] and isinstance(calls, list)
