"""Pictures: what is drawn, names of strangers, what cannot be drawn or written; the page itself is in test_page."""

import json
import re
import subprocess
import sys
import zipfile

import click.testing
import keras
import pytest
from networks import encoder_network, siamese_network

import surgery as sg
from surgery.cli.main import main
from surgery.core.specs import Ref, Spec
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import StoredOp
from surgery.view import graphviz as dot
from surgery.view.provenance import scene_of_changes, scene_of_difference
from surgery.view.scene import scene_of
from surgery.view.stages import stages
from surgery.view.table import View, text_of

HOSTILE = [
    "</script><b>x",
    "\x1b[31mred\x07",
    'quote"back\\slash',
    "a`b;c--d]e}f",
    "<i>HTML</i>",
    "&amp;#lt;",
    "|pipe|",
]


def run(*arguments):
    return click.testing.CliRunner().invoke(main, list(map(str, arguments)))


def chain(names, kind="ReLU"):
    """Calls in a row, named as they are."""
    calls = [Call("in", None, output=Spec((None, 4)))]
    for name in names:
        op = StoredOp({"class_name": kind, "config": {"name": name}})
        calls.append(Call(name, op, (Ref(calls[-1].name),), output=Spec((None, 4))))
    return Graph("chain", tuple(calls), [Ref("in")], [Ref(calls[-1].name)])


def grafted():
    donor = sg.open("tinyvgg")
    graph = sg.freeze(sg.cut(donor, outputs="block3_pool"), "block1_*")
    return sg.graft(graph, [keras.layers.Flatten(), keras.layers.Dense(5, name="digits")]), donor


def test_origins_are_what_verify_says():
    graph, donor = grafted()
    origins = {node.address: node.origin for node in scene_of_changes(graph, [donor]).nodes}
    found = sg.verify(graph, donor)
    assert {name for name, origin in origins.items() if origin == "new"} == {call.name for call in found.new}
    dropped = {name.removesuffix(" (dropped)") for name, origin in origins.items() if origin == "dropped"}
    assert dropped == {call.name for call in found.dropped}
    frozen = {name for name, origin in origins.items() if origin == "frozen"}
    assert frozen == {"block1_conv1", "block1_conv2"}


def test_origins_of_a_difference():
    found = sg.diff(sg.open("vgg16"), sg.open("vgg19"))
    scene = scene_of_difference(found)
    by_origin = {origin: {node.address for node in scene.nodes if node.origin == origin} for origin in scene.legend}
    assert by_origin["new"] == set(found.added)
    assert by_origin["changed"] == {change.b for change in found.changed}
    assert "block3_conv3 -> block3_conv4" in scene.by_address["block3_pool"].note


@pytest.mark.parametrize("name", ["tinyvgg", "resnet50", "efficientnetb0", "nasnetmobile"])
def test_folded_stages_make_no_cycle(name):
    graph = sg.open(name)
    strides = {address: sg.analysis.stride_text(stride) for address, stride in sg.analysis.strides(graph).items()}
    numbers = stages(graph, strides)
    assert all(numbers[ref.call] <= numbers[call.name] for call in graph for ref in call.parents)
    assert len(set(numbers.values())) <= 8


def test_a_decoder_has_stages_of_its_own():
    from surgery.recipe import files as cookbook

    graph = sg.open(cookbook.load("unet").wire({}))
    strides = {address: sg.analysis.stride_text(stride) for address, stride in sg.analysis.strides(graph).items()}
    numbers = stages(graph, strides)
    by_stride = {}
    for call in graph:
        by_stride.setdefault(strides[call.name], set()).add(numbers[call.name])
    assert len(by_stride["2"]) == 2 and len(by_stride["4"]) == 2


def test_mermaid_has_every_call_and_edge_and_boxes(tmp_path):
    path = sg.plot(siamese_network(), tmp_path / "net.mmd", nested=True)
    text = path.read_text()
    assert text.count("subgraph sn") == 2
    assert text.count('["conv<br/>Conv2D') == 2
    flat = sg.plot(siamese_network(), tmp_path / "flat.mmd").read_text()
    assert "conv" not in flat and flat.count("-->") == 5


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_strangers_are_no_syntax(name, tmp_path):
    graph = chain([name, "end"], kind=name)
    mermaid = sg.plot(graph, tmp_path / "net.mmd").read_text()
    labels = re.findall(r'\["(.*?)"\]', mermaid)
    assert all(re.fullmatch(r"[\w ()./,·:+\-#;]*", label.replace("<br/>", "")) for label in labels)
    source = dot.source(scene_of(graph))
    assert "\x1b" not in mermaid + source
    page = sg.plot(graph, tmp_path / "net.html").read_text()
    data = page[page.index('id="data">') :].split("</script>")[0].partition(">")[2]
    assert "<" not in data and json.loads(data)["nodes"][1]["a"] == name
    assert "<b>x" not in graph._repr_html_() and "<i>HTML" not in graph._repr_html_()
    for format in ("table", "markdown", "csv", "json"):
        text = text_of(graph, View(format=format))
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


@pytest.mark.needs_graphviz
def test_images_through_graphviz(tmp_path):
    graph, donor = grafted()
    for suffix, start in ((".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        path = sg.plot(graph, tmp_path / f"net{suffix}", donor=donor, graphviz=True)
        assert path.read_bytes().startswith(start)
    text = (tmp_path / "net.svg").read_text()
    assert "Generated by graphviz" in text
    for word in ("kept from the donor", "kept and frozen", "new", "dropped", "block1_conv1", "digits"):
        assert f">{word}</text>" in text
    nested = sg.plot(siamese_network(), tmp_path / "nested.svg", nested=True, graphviz=True).read_text()
    assert nested.count(">conv</text>") == 2
    done = run("inspect", "tinyvgg", "--plot", tmp_path / "told.svg", "--graphviz")
    assert done.exit_code == 0 and "Generated by graphviz" in (tmp_path / "told.svg").read_text()


def test_without_graphviz_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(sg.SurgeryError, match="apt install graphviz"):
        sg.plot(sg.open("tinyvgg"), tmp_path / "net.svg", graphviz=True)
    assert list(tmp_path.iterdir()) == []


def test_without_pydot_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(sg.SurgeryError, match=re.escape("pip install 'surgery[plot]'")):
        sg.plot(sg.open("tinyvgg"), tmp_path / "net.svg", graphviz=True)


def test_graphviz_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    slow = tmp_path / "dot"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(dot, "SECONDS", 0.3)
    with pytest.raises(sg.SurgeryError, match="did not end within"):
        sg.plot(sg.open("tinyvgg"), tmp_path / "net.svg", graphviz=True)
    assert not (tmp_path / "net.svg").exists()


def test_a_part_is_drawn(tmp_path):
    text = sg.plot(sg.open("vgg16"), tmp_path / "part.mmd", where="block2_*").read_text()
    assert text.count("block2") == 3 and "block1" not in text
    page = sg.plot(sg.open("vgg16"), tmp_path / "part.html", where="block2_*").read_text()
    assert '"where":"block2_*"' in page and "block1_conv1" in page


def test_ten_thousand_calls_are_drawn_told_and_compared(tmp_path):
    names = [f"r{number}" for number in range(10_000)]
    graph, other = chain(names), chain([*names[:5_000], *names[5_001:]])
    assert sg.plot(graph, tmp_path / "net.mmd").read_text().count("-->") == 10_000
    assert sg.plot(graph, tmp_path / "net.html").stat().st_size > 10**6
    with pytest.raises(sg.SurgeryError, match="10,001 calls and 10,000 edges is more than is drawn"):
        sg.plot(graph, tmp_path / "net.svg")
    assert not (tmp_path / "net.svg").exists()
    found = sg.diff(graph, other)
    assert list(found.removed) == ["r5000"] and len(found.changed) == 1
    text = text_of(graph, View(columns="all", stages=True))
    assert "10,001 calls" in text


@pytest.mark.parametrize("command", [("inspect", "tinyvgg"), ("diff", "tinyvgg", "tinyvgg"), ("graft", "linear")])
def test_a_picture_that_cannot_be_written_is_refused_first(command, tmp_path):
    for name, message in (("net.gif", "should end in"), ("no/such/net.html", "cannot be written")):
        result = run(*command, "--plot", tmp_path / name)
        assert result.exit_code in (1, 2) and message in result.stderr and result.stdout == ""
    (tmp_path / "old.html").write_text("old")
    assert "exists. --force overwrites it" in run(*command, "--plot", tmp_path / "old.html").stderr
    assert (tmp_path / "old.html").read_text() == "old"
    assert run(*command, "--plot", tmp_path / "old.html", "--force").exit_code == 0
    assert (tmp_path / "old.html").read_text().startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir()] == ["old.html"]


@pytest.mark.skipif(not hasattr(__import__("os"), "geteuid"), reason="a disk that is full is made of /dev/full")
def test_a_disk_that_is_full_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(sg.SurgeryError, match="No space left"):
        sg.plot(sg.open("tinyvgg"), tmp_path / "net.html")
    assert list(tmp_path.iterdir()) == []


def two_outputs():
    """A nested model with two outputs, each with a use of its own; a model in it is nested twice."""
    i = keras.Input((4,), name="i")
    inner = keras.Model(i, keras.layers.Dense(4, name="k")(i), name="inner")
    j = keras.Input((4,), name="j")
    mid = keras.Model(j, [keras.layers.Dense(4, name="a")(inner(j)), keras.layers.Dense(4, name="b")(j)], name="mid")
    x = keras.Input((4,), name="x")
    p, q = mid(x)
    outputs = [keras.layers.Dense(2, name="on_a")(p), keras.layers.Dense(2, name="on_b")(q)]
    return keras.Model(x, outputs, name="net")


def edges_of(text):
    """The edges of a Mermaid flowchart, by names."""
    names = {number: label.split("<br/>")[0] for number, label in re.findall(r'(n\d+)\["(.*?)"\]', text)}
    return {(names[a], names[b]) for a, b in re.findall(r"(n\d+) -->? ?(n\d+)", text)}


def test_every_output_of_a_nested_model_has_its_own_edge(tmp_path):
    text = sg.plot(two_outputs(), tmp_path / "net.mmd", nested=True).read_text()
    assert edges_of(text) == {
        *(("x", "j"), ("j", "i"), ("i", "k"), ("k", "a"), ("j", "b"), ("a", "on_a"), ("b", "on_b")),
    }


def test_a_part_inside_a_nested_model_is_drawn(tmp_path):
    graph = sg.open(two_outputs())
    assert '"mid/inner/k<br/>' in sg.plot(graph, tmp_path / "a.mmd", where="mid/inner/k").read_text()
    text = sg.plot(graph, tmp_path / "b.mmd", where=":Dense").read_text()
    assert text.count("<br/>Dense") == 5 and ("mid/a", "on_a") in edges_of(text)


def test_a_nested_model_in_which_something_changed_is_changed(tmp_path):
    found = sg.diff(encoder_network("enc", "pqr"), encoder_network("enc", "pr"), weights=False)
    text = sg.plot(found, tmp_path / "d.mmd").read_text()
    assert '["enc<br/>Functional (None, 4)"]:::changed' in text
    inside = sg.plot(found, tmp_path / "n.mmd", nested=True).read_text()
    assert '["q<br/>Dense (None, 4)"]:::dropped' in inside


def test_what_a_renamed_model_lost_is_drawn_in_it(tmp_path):
    found = sg.diff(encoder_network("enc", "pqr"), encoder_network("enc2", "pr"), weights=False)
    assert list(found.removed) == ["enc/q"]
    scene = scene_of_difference(found)
    assert scene.by_address["enc/q"].model == "enc2"
    assert ("enc2/p", "enc/q") in scene.edges and ("enc/q", "enc2/r") in scene.edges


def test_an_input_in_the_place_of_a_layer_is_new():
    donor = sg.open("tinyvgg")
    scene = scene_of_changes(sg.cut(donor, inputs="block3_pool"), [donor])
    assert scene.by_address["block3_pool"].origin == "new"
    assert scene.by_address["block3_pool (dropped)"].kind == "MaxPooling2D"


def test_numbers_that_json_has_not_are_drawn(tmp_path):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.layers.ReLU(max_value=float("inf"), name="relu")(x))
    page = sg.plot(model, tmp_path / "net.html").read_text()
    assert "Infinity" not in page and '"max_value":"inf"' in page


def config_with(tmp_path, change):
    """A file of two layers whose configuration was changed."""
    x = keras.Input((4,), name="x")
    y = keras.layers.Dense(4, name="a")(x)
    sg.save(keras.Model(x, keras.layers.Dense(4, name="b")(y), name="net"), tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    stored = json.loads(content["config.json"])
    change({layer["name"]: layer for layer in stored["config"]["layers"]})
    content["config.json"] = json.dumps(stored).encode()
    with zipfile.ZipFile(tmp_path / "bad.keras", "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return tmp_path / "bad.keras"


def inbound(layer, source):
    layer["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = source


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda layers: inbound(layers["a"], "b"), "cycle"),
        (lambda layers: inbound(layers["a"], "a"), "cycle"),
        (lambda layers: inbound(layers["b"], "gone"), "gone"),
    ],
)
def test_a_wiring_that_cannot_be_is_told(change, message, tmp_path):
    path = config_with(tmp_path, change)
    for command in (("inspect", path), ("inspect", path, "--plot", tmp_path / "n.html"), ("diff", path, path)):
        result = run(*command)
        assert result.exit_code in (1, 2) and message in result.stderr and result.stdout == ""
    assert not (tmp_path / "n.html").exists()


def test_drawing_a_named_network_needs_no_keras(tmp_path):
    code = (
        "import sys, surgery as sg; sg.plot(sg.open('tinyvgg'), sys.argv[1]); "
        "sg.diff(sg.open('tinyvgg'), sg.open('tinyvgg')); sys.exit('keras' in sys.modules)"
    )
    sg.open("tinyvgg")
    command = [sys.executable, "-c", code, str(tmp_path / "net.html")]
    assert subprocess.run(command, check=False).returncode == 0


def test_several_networks_are_drawn_each_into_its_own_file(tmp_path):
    result = run("graft", "distill", "--plot", tmp_path / "net.html", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"net-student.html", "net-teacher.html"}
