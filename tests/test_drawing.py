"""SVG, PNG and PDF without any program: what is drawn, where it lies, and what is refused before long work."""

import io
import itertools
import os
import subprocess
import sys
import time
import xml.etree.ElementTree

import click.testing
import keras
import numpy as np
import pytest
from networks import encoder_network, random_network, siamese_network
from PIL import Image
from test_plotting import HOSTILE, chain, grafted, two_outputs

import surgery as sg
from surgery.cli.main import main
from surgery.core.specs import Ref, Spec
from surgery.formats import caches
from surgery.graph.calls import Call
from surgery.graph.graph import Graph
from surgery.graph.ops import StoredOp
from surgery.view import plot as drawing
from surgery.view.layout.layout import LETTERS, LINE, laid_out
from surgery.view.layout.ranks import assign_rows
from surgery.view.layout.text_width import width_of
from surgery.view.palette import FILLS
from surgery.view.provenance import scene_of_changes, scene_of_difference
from surgery.view.scene import scene_of
from surgery.view.sheets import sheet_of
from surgery.view.svg import svg

NAMESPACE = "{http://www.w3.org/2000/svg}"


def run(*arguments):
    return click.testing.CliRunner().invoke(main, list(map(str, arguments)))


def sides(box):
    return box.x, box.y, box.x + box.width, box.y + box.height


def overlap(one, other, by=0.01):
    a, b = sides(one), sides(other)
    return a[0] + by < b[2] and b[0] + by < a[2] and a[1] + by < b[3] and b[1] + by < a[3]


def encloses(outer, inner):
    a, b = sides(outer), sides(inner)
    return a[0] <= b[0] and a[1] <= b[1] and a[2] + 0.01 >= b[2] and a[3] + 0.01 >= b[3]


def models_around(scene, node):
    found = []
    while node.model:
        found.append(node.model)
        node = scene.by_address[node.model]
    return found


def check(scene, downward=True, bends=None):
    """The laws of a drawing."""
    layout = laid_out(scene) if bends is None else laid_out(scene, bends)
    boxes = {box.node.address: box for box in layout.boxes}
    frames = {box.node.address: box for box in layout.frames}
    assert len(boxes) == len(layout.boxes) and len(frames) == len(layout.frames)
    assert {*boxes, *frames} == {node.address for node in scene.nodes} and set(frames) == scene.open_models
    assert [(line.source, line.target) for line in layout.lines] == scene.drawn_edges
    x0, y0, x1, y1 = np.array([sides(box) for box in layout.boxes]).T
    x0, y0 = x0 + 0.01, y0 + 0.01
    both = (x0[:, None] < x1) & (x0 < x1[:, None]) & (y0[:, None] < y1) & (y0 < y1[:, None])
    assert both.sum() == len(layout.boxes)  # each with itself
    for node in scene.nodes:
        around = models_around(scene, node)
        box = boxes.get(node.address) or frames[node.address]
        assert min(box.x, box.y) > -0.01 and box.x + box.width <= layout.width + 0.01
        assert box.y + box.height <= layout.height + 0.01
        for address, frame in frames.items():
            if address in around:
                assert encloses(frame, box)
            elif address != node.address and node.address not in models_around(scene, scene.by_address[address]):
                assert not overlap(frame, box)
    for line in layout.lines:
        source, target = boxes[line.source], boxes[line.target]
        (x0, y0), (x1, y1) = line.points[0], line.points[-1]
        assert source.x < x0 < source.x + source.width and target.x < x1 < target.x + target.width
        heights = [y for _, y in line.points]
        assert heights == sorted(heights) or not downward
        if heights == sorted(heights):
            assert y0 == pytest.approx(source.y + source.height, abs=0.02) and y1 == pytest.approx(target.y, abs=0.02)
    return layout


def misses_boxes(layout):
    """Whether lines keep off the boxes and the names of frames: a curve lies between its two ends."""
    names = [(one.x + 8, one.y, one.x + 8 + width_of(one.lines[0], LETTERS), one.y + LINE) for one in layout.frames]
    corners = np.array([sides(box) for box in layout.boxes] + names)
    for line in layout.lines:
        for (xa, ya), (xb, yb) in itertools.pairwise(line.points):
            left, right = min(xa, xb) + 0.02, max(xa, xb) - 0.02
            hit = (corners[:, 0] < max(left, right)) & (corners[:, 2] > min(left, right))
            hit &= (corners[:, 1] < max(ya, yb) - 0.02) & (corners[:, 3] > min(ya, yb) + 0.02)
            if hit.any():
                return False
    return True


def nested_deeply():
    """Models in models, each called twice, with ends that leave and enter several at once."""
    i = keras.Input((4,), name="i")
    deep = keras.Model(i, keras.layers.Dense(4, name="k")(i), name="a_model_with_a_name_longer_than_its_calls")
    j, k = keras.Input((4,), name="j"), keras.Input((4,), name="k")
    ends = [keras.layers.Add(name="sum")([deep(j), deep(k)]), keras.layers.ReLU(name="relu")(k)]
    mid = keras.Model([j, k], ends, name="mid")
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    p, q = mid([x, y])
    r, s = mid([q, y])
    return keras.Model([x, y], [keras.layers.Concatenate(name="cat")([p, q, x]), r, s + y, deep(p)], name="net")


@pytest.mark.parametrize("seed", range(25))
def test_every_call_and_edge_is_drawn_once_and_in_its_place(seed):
    scene = scene_of(sg.open(random_network(seed)))
    assert misses_boxes(check(scene)) and misses_boxes(check(scene.outer()))
    check(scene, bends=0)


@pytest.mark.parametrize("seed", range(8))
def test_a_part_is_drawn_by_the_same_laws(seed):
    scene = scene_of(sg.open(random_network(seed)))
    random = np.random.default_rng(seed)
    addresses = {node.address for node in scene.nodes if random.random() < 0.6}
    check(scene.only(addresses))


@pytest.mark.parametrize("make", [siamese_network, two_outputs, nested_deeply])
def test_nested_models_are_frames_around_what_is_in_them(make):
    scene = scene_of(sg.open(make()))
    assert len(scene.open_models) > 1
    assert misses_boxes(check(scene))


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "nasnetmobile"])
def test_networks_with_many_skips_are_drawn(name):
    scene = scene_of(sg.open(name)).outer()
    assert misses_boxes(check(scene))


def test_lines_that_leave_a_call_share_their_way():
    x = keras.Input((4,), name="x")
    y = z = keras.layers.Dense(4, name="begin")(x)
    for number in range(6):
        y = keras.layers.Dense(4, name=f"d{number}")(y)
    ends = [keras.layers.Add(name="one")([y, z]), keras.layers.Multiply(name="two")([y, z])]
    layout = check(scene_of(sg.open(keras.Model(x, ends))))
    one, two = (set(line.points) for line in layout.lines if line.source == "begin" and line.target in ("one", "two"))
    assert len(one & two) > 6


def test_what_was_dropped_is_drawn_also_where_it_makes_a_cycle():
    x = keras.Input((4,), name="x")
    layers = {name: keras.layers.Dense(4, name=name) for name in "abc"}
    old = keras.Model(x, layers["c"](layers["b"](layers["a"](x))))
    new = keras.Model(x, layers["a"](layers["c"](x)))
    scene = scene_of_changes(sg.open(new), [sg.open(old)])
    assert {("a", "b"), ("b", "c"), ("c", "a")} <= set(scene.edges)
    layout = check(scene, downward=False)
    upward = [line for line in layout.lines if line.points[0][1] > line.points[-1][1]]
    assert len(upward) == 1 and [line.dropped for line in layout.lines] == [scene.is_dropped(e) for e in scene.edges]


@pytest.mark.parametrize("change", ["pr", "pqrs", "rqp"])
def test_comparisons_of_nested_models_are_drawn(change):
    found = sg.diff(encoder_network("enc", "pqr"), encoder_network("enc", change), weights=False)
    check(scene_of_difference(found), downward=False)


def test_an_input_that_joins_late_lies_beside_what_it_joins():
    layers = assign_rows(7, [(0, 1), (1, 2), (2, 3), (3, 4), (5, 6), (6, 4)])
    assert layers.row_of[:7] == [0, 1, 2, 3, 4, 2, 3]


def svg_of(scene):
    return xml.etree.ElementTree.fromstring(svg(sheet_of(scene)))


@pytest.mark.parametrize("seed", range(5))
def test_svg_has_what_the_scene_has(seed):
    scene = scene_of(sg.open(random_network(seed)))
    root = svg_of(scene)
    groups = {kind: [one for one in root.iter() if one.get("class") == kind] for kind in ("call", "model", "edge")}
    drawn = [group.find(f"{NAMESPACE}title").text for group in groups["call"]]
    assert drawn == [node.address for node in scene.nodes if node.address not in scene.open_models]
    assert len(groups["model"]) == len(scene.open_models) and len(groups["edge"]) == len(scene.drawn_edges)
    for group in groups["call"]:
        node = scene.by_address[group.find(f"{NAMESPACE}title").text]
        assert group.find(f"{NAMESPACE}rect").get("fill") == FILLS[node.role]
        assert [text.text for text in group.iter(f"{NAMESPACE}text")] == [
            node.name,
            f"{node.kind} {node.texts['output']}",
        ]


def test_origins_legend_and_notes_are_in_the_image(tmp_path):
    graph, donor = grafted()
    text = sg.plot(graph, tmp_path / "net.svg", donor=donor).read_text()
    for word in ("kept from the donor", "kept and frozen", "new", "dropped", "block1_conv1", "digits"):
        assert f">{word}</text>" in text
    scene = scene_of_changes(graph, [donor])
    dropped = sum(node.origin == "dropped" for node in scene.nodes) + sum(map(scene.is_dropped, scene.edges))
    assert text.count("stroke-dasharray") == dropped + 1  # in the legend
    notes = sg.plot(sg.diff(sg.open("vgg16"), sg.open("vgg19")), tmp_path / "diff.svg").read_text()
    assert ">takes block3_conv3 -&gt; block3_conv4</text>" in notes


@pytest.mark.parametrize("name", [*HOSTILE, "\ud800\ufffe", "層" * 300])
def test_names_of_strangers_are_text_in_svg(name, tmp_path):
    root = xml.etree.ElementTree.fromstring(sg.plot(chain([name, "end"]), tmp_path / "net.svg").read_text())
    texts = [element.text for element in root.iter(f"{NAMESPACE}text")]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name)
    assert shown in texts or any(text.startswith(shown[:20]) and "…" in text for text in texts)
    assert {element.tag.removeprefix(NAMESPACE) for element in root.iter()} <= {
        *("svg", "title", "defs", "marker", "path", "rect", "text", "g"),
    }


def test_png_and_pdf_show_the_same_boxes(tmp_path):
    graph, donor = grafted()
    scene = scene_of_changes(graph, [donor]).outer()
    sheet = sheet_of(scene)
    assert sg.plot(graph, tmp_path / "net.pdf", donor=donor).read_bytes().startswith(b"%PDF")
    pixels = np.asarray(Image.open(sg.plot(graph, tmp_path / "net.png", donor=donor)).convert("RGB"))
    scale = pixels.shape[1] / sheet.width
    assert scale == pytest.approx(110 / 72, rel=0.01) and pixels.shape[0] / sheet.height == pytest.approx(
        scale, rel=0.01
    )
    for box in sheet.layout.boxes:
        x, y = sheet.x + box.x + 5, sheet.y + box.y + box.height / 2
        found = "#{:02X}{:02X}{:02X}".format(*pixels[int(y * scale), int(x * scale)])
        assert found == FILLS[box.node.role], box.node.address


def random_graph(calls, parents, seed=0):
    random = np.random.default_rng(seed)
    made = [Call("in", None, output=Spec((None, 4)))]
    for number in range(calls - 1):
        refs = [Ref(made[place].name) for place in random.integers(0, len(made), parents)]
        op = StoredOp({"class_name": "Add", "config": {"name": f"r{number}"}})
        made.append(Call(f"r{number}", op, (refs,), output=Spec((None, 4))))
    return Graph("random", tuple(made), [Ref("in")], [Ref(made[-1].name)])


@pytest.mark.parametrize("graph", [chain([f"r{number}" for number in range(2999)]), random_graph(3000, 6)])
def test_three_thousand_calls_take_seconds(graph, tmp_path):
    """The docstring of plot() says 15; on two quiet cores it is 3."""
    start = time.process_time()
    text = sg.plot(graph, tmp_path / "net.svg").read_text()
    assert text.count('class="call"') == 3000 and time.process_time() - start < 15


def test_the_bends_of_long_edges_are_bounded():
    edges = [(a, b) for a in range(300) for b in range(a + 1, 300)]
    layers = assign_rows(300, edges, bends=2000)
    assert len(layers.row_of) <= 2300 and [path[0] for path in layers.paths] == [a for a, _ in edges]
    assert layers.row_of[:300] == list(range(300))


def test_a_png_of_any_network_can_be_opened():
    scene = scene_of(chain([f"r{number}" for number in range(400)]))
    image = Image.open(io.BytesIO(drawing._bytes_of(scene, drawing.Path("x.png"), False)))
    assert max(image.size) <= 30_000


def test_what_needs_matplotlib_says_so_first(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    png, svg_file = tmp_path / "net.png", tmp_path / "net.svg"
    with pytest.raises(sg.SurgeryError, match=r"pip install 'surgery\[plot\]'.*\.svg"):
        sg.plot(None, png)  # before anything is looked at
    assert sg.plot(sg.open("tinyvgg"), svg_file).exists()
    for command in (
        ("inspect", "tinyvgg", "--plot", png),
        ("diff", "tinyvgg", "tinyvgg", "--plot", png),
        ("graft", "linear", "--fit", "--plot", png),
        ("weights", "tinyvgg", "--weights", "pretrained", "--plot", png),
        ("tap", "tinyvgg", "block1_pool", "--image", "none.png", "--plot", png),
        ("graft", "linear_probe", "--fit"),
    ):
        done = run(*command)
        assert done.exit_code in (1, 2) and "pip install 'surgery[" in done.stderr, command
        assert "epoch" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["net.svg"]


RECIPE = '''"""Two layers."""
import pathlib
import keras
def recipe():
    x = keras.Input((4,))
    return keras.Model(x, keras.layers.Dense(2)(keras.layers.Dense(2)(x)))
def fit(model):
    pathlib.Path("trained").touch()
'''


def test_a_network_too_large_for_an_image_is_refused_before_it_is_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.py").write_text(RECIPE)
    done = run("graft", "two.py", "--fit", "--plot", "net.png")
    assert done.exit_code == 0 and (tmp_path / "trained").exists() and (tmp_path / "net.png").exists()
    (tmp_path / "trained").unlink()
    monkeypatch.setattr(drawing, "CALLS", 2)
    for suffix in ("png", "svg", "pdf"):
        done = run("graft", "two.py", "--fit", "--plot", f"large.{suffix}", "-o", "net.keras")
        assert done.exit_code == 1 and "3 calls and 2 edges is more than is drawn" in done.stderr
        assert run("diff", "tinyvgg", "tinyvgg", "--plot", f"large.{suffix}").exit_code == 2
    assert not (tmp_path / "trained").exists() and not (tmp_path / "net.keras").exists()
    assert run("graft", "two.py", "--plot", "large.html").exit_code == 0


def test_what_cannot_be_drawn_of_a_tap_is_said_before_it_is_computed(tmp_path, monkeypatch):
    x = keras.Input((8, 8, 3), name="x")
    sg.save(keras.Model(x, keras.layers.Reshape((2, 2, 4, 12), name="five")(x)), tmp_path / "net.keras")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr("surgery.training.extract.ExtractionRun", None)
    done = run("tap", tmp_path / "net.keras", "five", "--image", tmp_path / "a.png", "--plot", tmp_path / "b.png")
    assert done.exit_code == 1 and "no image can be drawn of five (None, 2, 2, 4, 12)" in done.stderr
    assert run("weights", "tinyvgg", "--list", "--plot", tmp_path / "b.png").exit_code == 2


def test_graphviz_is_asked_for_by_name(tmp_path):
    for command in (("inspect", "tinyvgg", "--graphviz"), ("inspect", "tinyvgg", "--graphviz", "--plot", "net.html")):
        assert run(*command).exit_code == 1


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="a temporary folder is the user's own on Windows")
def test_a_cache_in_the_temporary_folder_is_the_users_own(tmp_path, monkeypatch):
    for name in ("SURGERY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/dev/null/home")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = caches.cache_directory()
    assert own.parent == tmp_path and own.stat().st_mode & 0o777 == 0o700 and caches.cache_directory() == own
    own.chmod(0o777)
    assert caches.cache_directory().parent != tmp_path
    own.rmdir()
    (tmp_path / "others").mkdir(0o700)
    own.symlink_to(tmp_path / "others")
    assert caches.cache_directory().parent != tmp_path
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert (tmp_path / "home") in caches.cache_directory().parents and caches.cache_directory().is_dir()


def test_without_a_home_images_are_made_all_the_same(tmp_path):
    """Nothing is said of it, and what is kept is found again."""
    home = "/dev/null/home" if sys.platform != "win32" else str(tmp_path / "file" / "home")
    environment = {"PATH": "", "HOME": home, "TMPDIR": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "surgery", "inspect", "tinyvgg", "--plot", str(tmp_path / "net.png")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == f"drew {tmp_path / 'net.png'}\n"
    (own,) = tmp_path.glob("surgery-*")
    assert own.stat().st_mode & 0o077 == 0
    assert list(own.glob("matplotlib/*.json"))
    assert list(tmp_path.glob("matplotlib-*")) == []
