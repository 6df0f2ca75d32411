"""Looking: columns, sorting, trees and stages, JSON as documented, weights, notebooks, feature maps."""

import csv
import html.parser
import io
import json
import pathlib

import click.testing
import keras
import numpy as np
import pytest
from networks import siamese_network

import surgery as sg
from surgery.cli.main import main
from surgery.compare.tensors import tensors_of
from surgery.recipe import files as cookbook
from surgery.selectors.select import selected
from surgery.view.columns import COLUMNS, metric
from surgery.view.table import View, text_of

layers = keras.layers
DOCS = pathlib.Path(__file__).parents[1] / "docs"


def run(*arguments):
    return click.testing.CliRunner().invoke(main, list(map(str, arguments)))


def rows_of(text):
    """The rows of a CSV as dictionaries."""
    return list(csv.DictReader(io.StringIO(text)))


def test_columns_are_chosen_added_and_refused():
    usual = run("inspect", "tinyvgg", "--format", "csv").stdout.splitlines()[0]
    assert usual == "call,class,output,stride,params,trainable,from"
    two = run("inspect", "tinyvgg", "--format", "csv", "--columns", "macs,call").stdout.splitlines()
    assert two[:3] == ["macs,call", "0,input_layer", "442368,block1_conv1"]
    more = run("inspect", "tinyvgg", "--format", "csv", "--columns", "+macs,field").stdout.splitlines()[0]
    assert more == "call,class,output,stride,field,params,macs,trainable,from"
    assert run("inspect", "tinyvgg", "--format", "csv", "--columns", "all").stdout.splitlines()[0] == ",".join(COLUMNS)
    wrong = run("inspect", "tinyvgg", "--columns", "call,macz")
    assert wrong.exit_code == 1 and wrong.stdout == ""
    assert wrong.stderr.startswith("Error: no column 'macz'. Did you mean 'macs'? There are call, class, output,")
    assert run("inspect", "tinyvgg", "--sort", "size").stderr.startswith("Error: no column 'size'.")


def test_every_column_sorts():
    for name, column in COLUMNS.items():
        rows = json.loads(text_of(sg.open("mobilenetv2"), View(format="json", sort=name)))["calls"]
        back = json.loads(text_of(sg.open("mobilenetv2"), View(format="json", sort=f"-{name}")))["calls"]
        source = "field" if name == "offset" else name
        keys = [column.key(row[source]) for row in rows]
        known = [key for key in keys if key is not None]
        assert keys[: len(known)] == known  # what is not known comes last
        assert known == sorted(known, reverse=column.number)
        assert [key for key in (column.key(row[source]) for row in back) if key is not None] == known[::-1] or len(
            set(map(str, known))
        ) < len(known)


def test_the_heaviest_calls_come_first():
    found = rows_of(run("inspect", "vgg16", "--format", "csv", "--columns", "call,macs", "--sort", "macs").stdout)
    counts = [int(row["macs"]) for row in found]
    assert counts == sorted(counts, reverse=True) and counts[0] == 1_849_688_064
    assert metric(counts[0]) == "1.85 G"
    assert [metric(count) for count in (None, 0, 999, 1000, 12_345, 999_600_000)] == [
        *("?", "0", "999", "1.00 k", "12.3 k"),
        "1,000 M",
    ]


def test_nested_models_are_a_tree_whose_addresses_select(tmp_path):
    graph = sg.open(siamese_network())
    names = [line.split()[0] for line in text_of(graph, View(nested=True)).splitlines()[3:-2]]
    inside = ["picture", "conv", "norm", "relu", "pool"]
    assert names == ["left", "trunk", *inside, "right", "trunk@1", *inside, "difference", "same"]
    text = text_of(graph, View(nested=True))
    assert "\n   conv " in text and "\n trunk " in text  # two spaces in, below it
    addresses = [row["call"] for row in json.loads(text_of(graph, View(nested=True, format="json")))["calls"]]
    assert "trunk/conv" in addresses and "trunk@1/conv" in addresses
    assert addresses.index("trunk") < addresses.index("trunk/conv")
    for address in addresses:
        assert address in selected(graph, f"'{address}'")
    picked = json.loads(text_of(graph, View(where="**/conv", nested=True, format="json")))["calls"]
    assert [row["call"] for row in picked] == ["trunk/conv", "trunk@1/conv"]


def test_stages_add_up():
    data = json.loads(text_of(sg.open("resnet50"), View(format="json")))
    assert [stage["stride"] for stage in data["stages"]] == ["1", "2", "4", "8", "16", "32", "-"]
    for key in ("calls", "params", "macs", "memory"):
        assert sum(stage[key] for stage in data["stages"]) == data["total"][key]
    table = run("inspect", "resnet50", "[narrow]", "--stages").stdout.splitlines()
    assert table[-7].split()[:3] == ["1", "input_layer", "conv1_pad"]


def test_a_receptive_field_is_asked_for_by_either_name():
    asked = ["inspect", "tinyvgg", "--format", "csv", "--columns"]
    short = run(*asked, "call,field", "--sort", "field").stdout
    assert run(*asked, "call,receptive_field", "--sort", "receptive_field").stdout == short
    graph = sg.open("tinyvgg")
    assert sg.select(graph, "[receptive_field>=196]") == sg.select(graph, "[field>=196]")


def test_figures_are_found_under_their_former_names(tinyvgg):
    total = json.loads(text_of(sg.open(tinyvgg), View(format="json")))["total"]
    assert total["alive"] == total["peak"] > 0
    from surgery.core.tensors import Tensor
    from surgery.view.statistics import statistics

    values = json.loads(run("weights", "tinyvgg", "fc1", "--weights", "pretrained", "--format", "json").stdout)
    assert all(one["values"]["spread"] == one["values"]["std"] > 0 for one in values["tensors"])
    ones = statistics(Tensor("t", (2,), "float32", lambda: np.array([1, 3], "float32")))
    with pytest.warns(DeprecationWarning, match="spread of Statistics is deprecated. Use std") as said:
        assert ones.spread == ones.std == 1
    assert [one.filename for one in said] == [__file__]
    with pytest.warns(DeprecationWarning, match=r"sg\.analysis\.most_alive is deprecated"):
        assert sg.analysis.most_alive is sg.analysis.peak_memory


def test_memory_is_that_of_the_outputs_and_grows_with_the_batch(tinyvgg):
    one, many = (json.loads(text_of(sg.open(tinyvgg), View(format="json", batch=batch))) for batch in (1, 8))
    outputs = sg.build(sg.tap(sg.open(tinyvgg), "*"), copy=True)(np.zeros((1, 32, 32, 3), "float32"))
    assert one["total"]["memory"] == sum(np.asarray(value).nbytes for value in outputs.values())
    assert many["total"]["memory"] == 8 * one["total"]["memory"]
    assert one["total"]["peak"] == 2 * 32 * 32 * 16 * 4  # block1_conv1 and block1_conv2


def test_peak_memory_counts_a_skip_connection():
    x = keras.Input((10,), name="x")
    y = layers.Dense(20, name="a")(x)
    z = layers.Dense(30, name="b")(y)
    model = keras.Model(x, layers.Concatenate(name="c")([z, x]))
    assert sg.analysis.peak_memory(sg.open(model)) == 4 * max(10 + 20, 10 + 20 + 30, 10 + 30 + 40)


def test_an_open_size_is_asked_for():
    unknown = run("inspect", "mobilenetv3small", "--format", "json").stdout
    assert json.loads(unknown)["total"]["macs"] is None
    known = json.loads(run("inspect", "mobilenetv3small", "--size", 224, 224, "--format", "json").stdout)
    assert known["total"]["macs"] == pytest.approx(56e6, rel=0.05)  # Howard et al. 2019, arXiv:1905.02244, table 3
    fixed = run("inspect", "vgg16", "--size", 64, 64)
    assert fixed.exit_code == 1 and "no input of 'vgg16' is an image of open size" in fixed.stderr


def test_where_the_weights_come_from(tmp_path, tinyvgg):
    sg.save(tinyvgg, tmp_path / "m.keras")
    for graph, expected in (
        (sg.open("tinyvgg"), {"-", "fresh"}),
        (sg.open(tinyvgg), {"-", "memory"}),
        (sg.open(tmp_path / "m.keras"), {"-", "layers/conv2d/vars", "layers/dense/vars"}),
    ):
        texts = {row["weights"] or "-" for row in json.loads(text_of(graph, View(format="json")))["calls"]}
        assert expected <= texts


def test_json_has_the_documented_keys():
    """docs/json.md is the promise: every key of it is there, and none besides."""
    text = (DOCS / "json.md").read_text(encoding="utf-8")
    whole = json.loads(run("inspect", "tinyvgg", "--format", "json").stdout)
    weights = json.loads(run("weights", "tinyvgg", "--list", "--format", "json").stdout)
    other = json.loads(sg.diff(sg.open("vgg16"), sg.open("vgg19")).as_json())
    proof = json.loads(run("verify", "tinyvgg", "tinyvgg", "--weights", "pretrained", "--format", "json").stdout)
    grafted = json.loads(run("graft", "transfer", "--format", "json").stdout)
    listed = json.loads(run("recipes", "--format", "json").stdout)
    for section, values in (
        ("`surgery inspect", [whole, whole["total"], whole["stages"][0], whole["calls"][0]]),
        ("`surgery diff", [other, other["changed"][0], other["added"][0]]),
        ("`surgery weights", [weights, weights["tensors"][0]]),
        ("`surgery verify", [proof]),
        ("`surgery graft", [grafted, grafted["networks"][0]]),
        ("`surgery recipes", [listed, listed["recipes"][0]]),
    ):
        part = text[text.index(f"## {section}") :].split("\n## ")[0]
        documented = {key for line in part.splitlines() if line.startswith("| `") for key in [line.split("`")[1]]}
        assert {key for value in values for key in value} <= documented, section
    assert proof["exact"] and len(proof["kept"]) == 22 and proof["largest"] == 0
    assert grafted["networks"][0]["donors"][0]["exact"] and grafted["measured"] is None
    assert {one["name"] for one in listed["recipes"]} == set(cookbook.shipped())


# ---- weights ----


@pytest.fixture
def odd_weights(tmp_path):
    x = keras.Input((4,), name="x")
    dense = layers.Dense(4, name="dense")
    model = keras.Model(x, layers.Dense(2, name="clean")(dense(x)))
    kernel = np.zeros((4, 4), "float32")
    kernel[0] = [1, -3, np.nan, np.inf]
    dense.kernel.assign(kernel)
    sg.save(model, tmp_path / "odd.keras", verify=False)
    return model, tmp_path / "odd.keras"


def test_weights_are_described_as_numpy_has_them(tmp_path, tinyvgg):
    sg.save(tinyvgg, tmp_path / "m.keras")
    for source in (tmp_path / "m.keras",):
        found = json.loads(run("weights", source, "--format", "json").stdout)["tensors"]
        assert len(found) == len(tinyvgg.weights)
        for row, variable in zip(found, tinyvgg.weights, strict=True):
            values = np.asarray(variable, "float64")
            assert (row["tensor"], row["shape"]) == (variable.path.split("/")[-1], list(variable.shape))
            assert row["bytes"] == values.size * 4
            known = row["values"]
            assert known["mean"] == pytest.approx(values.mean(), abs=1e-9)
            assert known["std"] == pytest.approx(values.std(), rel=1e-6)
            assert (known["least"], known["most"]) == (values.min(), values.max())
            np.testing.assert_array_equal(known["histogram"], np.histogram(values, 16)[0])


@pytest.mark.parametrize(
    "values",
    [
        np.array([1, np.nextafter(1, 2)]),
        np.array([-1.7e308, 1.7e308, 0]),
        np.array([1e9, 1e9 + 1, 1e9 - 1]),
        np.full(1000, 0.1, "float32"),
        np.array([2**60, 2**60 + 256]),
        np.array([5e-324, 1e-323]),
        np.array([True, False, False]),
        np.zeros((0, 3), "float32"),
        np.float32(3.0),
    ],
)
def test_statistics_of_odd_values(values):
    from surgery.core.tensors import Tensor
    from surgery.view.statistics import statistics

    values = np.asarray(values)
    found = statistics(Tensor("t", values.shape, str(values.dtype), lambda: values))
    assert sum(found.histogram) == values.size
    if not values.size:
        assert found.sparkline == "" and np.isnan(found.mean)
        return
    exact = values.astype("float64")
    assert (found.least, found.most) == (exact.min(), exact.max())
    scale = max(1.0, np.abs(exact).max() / 1e100)  # the squares of the largest are no numbers
    small = exact / scale
    assert found.mean / scale == pytest.approx(small.mean(), rel=1e-12, abs=max(1e-12, 1e-15 * np.abs(small).max()))
    assert found.std / scale == pytest.approx((small - small.mean()).std(), rel=1e-6, abs=1e-17)


def test_values_whose_squares_are_no_numbers_come_as_json(tmp_path):
    model = keras.Sequential([keras.Input((3,), dtype="float64"), layers.Dense(2, name="d", dtype="float64")])
    model.set_weights([np.array([[1.7e308, -1.7e308], [1e308, 0], [3, 1e-308]]), np.zeros(2)])
    sg.save(model, tmp_path / "m.keras")
    kernel = json.loads(run("weights", tmp_path / "m.keras", "--format", "json").stdout)["tensors"][0]
    assert kernel["values"]["std"] == pytest.approx(1.04e308, rel=0.01) and kernel["values"]["mean"] < 1e308


def test_floats_of_eight_bits_are_read(tmp_path):
    import ml_dtypes

    kernel = np.arange(-8, 8).astype(ml_dtypes.float8_e4m3fn).reshape(4, 4)
    bias = np.full(4, 0.5).astype(ml_dtypes.float8_e5m2)
    header = {
        "d/kernel": {"dtype": "F8_E4M3", "shape": [4, 4], "data_offsets": [0, 16]},
        "d/bias": {"dtype": "F8_E5M2", "shape": [4], "data_offsets": [16, 20]},
    }
    text = json.dumps(header).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + kernel.tobytes() + bias.tobytes())
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="d")])
    sg.load_weights(model, path)
    np.testing.assert_array_equal(model.get_weights()[0], kernel.astype("float32"))
    np.testing.assert_array_equal(model.get_weights()[1], np.full(4, 0.5, "float32"))
    assert "float8_e4m3fn" in run("weights", path).stdout
    path.write_bytes(path.read_bytes().replace(b"F8_E5M2", b"F6_E5M2"))
    with pytest.raises(sg.SurgeryError, match="F6_E5M2, a type of numbers that is not read"):
        sg.load_weights(model, path)


def test_an_output_of_a_nested_model_that_nothing_takes_has_its_size(tmp_path):
    i = keras.Input((None, None, 3), name="i")
    outputs = [layers.Conv2D(5, 3, name="a")(i), layers.Conv2D(6, 3, strides=2, name="b")(i)]
    x = keras.Input((32, 32, 3), name="x")
    one, other = keras.Model(i, outputs, name="enc")(x)
    model = keras.Model(x, [one, layers.ReLU(name="r")(other)], name="n")
    model.save(tmp_path / "m.keras")
    assert sg.open(tmp_path / "m.keras")["enc"].output == sg.open(model)["enc"].output
    text = run("inspect", tmp_path / "m.keras").stdout
    assert "(None, 30, 30, 5), (None, 15, 15, 6)" in text and "?" not in text


def test_a_layer_inside_and_outside_of_a_nested_model_counts_once(tmp_path):
    i = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="dense")], name="inner")
    mid = keras.Model(i, inner(i), name="mid")
    x = keras.Input((4,))
    model = keras.Model(x, inner(mid(x)))
    for where in (None, "*"):
        assert "20 parameters" in text_of(sg.open(model), View(where=where)).splitlines()[-1]
    total = json.loads(text_of(sg.open(model), View(format="json")))["total"]
    assert (total["params"], total["trainable"]) == (20, 20)
    frozen = text_of(sg.freeze(sg.open(model), "mid"), View(format="json"))
    assert json.loads(frozen)["total"]["trainable"] in (0, 20)


def test_cells_are_no_formulas_and_no_markdown(tmp_path):
    from surgery.core.specs import Ref, Spec
    from surgery.graph.calls import Call
    from surgery.graph.graph import Graph
    from surgery.graph.ops import StoredOp

    calls = [Call("x", None, output=Spec((None, 4)))]
    for name in ("-1+2", "=1", "a\\|b", "[l](http:e)"):
        op = StoredOp({"class_name": "ReLU", "config": {"name": name}})
        calls.append(Call(name, op, (Ref("x"),), output=Spec((None, 4))))
    graph = Graph("n", tuple(calls), [Ref("x")], [Ref(calls[-1].name)])
    cells = [row["call"] for row in rows_of(text_of(graph, View(format="csv")))]
    assert cells == ["x", "'-1+2", "'=1", "a\\|b", "[l](http:e)"]
    lines = text_of(graph, View(format="markdown")).splitlines()
    assert "a\\\\\\|b" in lines[5] and "\\[l\\](http:e)" in lines[6]


def test_stages_fit_the_terminal():
    for width in (60, 80, 100):
        text = text_of(sg.open("mobilenetv3small"), View(stages=True, width=width)).split("\n\n")[-1]
        assert max(map(len, text.splitlines())) <= width


def test_a_file_of_weights_alone_says_what_cannot_be_asked_of_it(tmp_path, tinyvgg):
    tinyvgg.save_weights(tmp_path / "w.weights.h5")
    assert "2 tensors of 1 layer " in run("inspect", tmp_path / "w.weights.h5", "fc1").stdout
    for options in (("--format", "json"), ("--plot", tmp_path / "n.html"), ("--columns", "macs")):
        result = run("inspect", tmp_path / "w.weights.h5", *options)
        assert result.exit_code == 1 and "weights without an architecture" in result.stderr and not result.stdout


def test_what_is_no_number_is_flagged(odd_weights):
    path = odd_weights[1]
    text = run("weights", path).stdout
    assert "1 NaN, 1 Inf" in text
    assert "1 tensor holds values that are not numbers: dense/kernel" in text
    row = json.loads(run("weights", path, "dense", "--format", "json").stdout)["tensors"][0]["values"]
    assert (row["nan"], row["infinite"], row["least"], row["most"]) == (1, 1, -3.0, 1.0)
    assert row["zeros"] == 12 / 16
    assert "NaN" not in run("weights", path, "clean").stdout


def test_a_layer_is_listed_once_however_often_it_is_called(tmp_path):
    siamese_network().save(tmp_path / "m.keras")
    layers_of_it = [
        row["layer"] for row in json.loads(run("weights", tmp_path / "m.keras", "--format", "json").stdout)["tensors"]
    ]
    assert sorted(set(layers_of_it)) == ["same", "trunk/conv", "trunk/norm"] and len(layers_of_it) == 2 + 2 + 4


def test_statistics_do_not_depend_on_the_pieces(monkeypatch, tmp_path):
    from surgery.view import statistics as room

    x = keras.Input((50,))
    model = keras.Model(x, layers.Dense(300, name="dense")(x))
    sg.save(model, tmp_path / "m.keras")
    tensor = tensors_of(sg.open(tmp_path / "m.keras")["dense"])[0]
    whole = room.statistics(tensor)
    monkeypatch.setattr(room, "CHUNK", 1000)
    pieces = room.statistics(tensor)
    assert pieces.histogram == whole.histogram
    assert pieces.mean == pytest.approx(whole.mean) and pieces.std == pytest.approx(whole.std)
    assert sum(whole.histogram) == 15_000


def test_weights_of_other_sources(tmp_path, tinyvgg):
    tinyvgg.save_weights(tmp_path / "w.weights.h5")
    listed = run("weights", tmp_path / "w.weights.h5", "fc*")
    assert listed.exit_code == 0 and len(listed.stdout.splitlines()) == 7
    assert run("weights", tmp_path / "w.weights.h5", "nothing").stderr.startswith("Error: no layer matches 'nothing'.")
    fresh = run("weights", "tinyvgg", "fc1")
    assert "mean" not in fresh.stdout and "the weights are fresh" in fresh.stderr
    pretrained = run("weights", "tinyvgg", "fc1", "--weights", "pretrained")
    assert "mean" in pretrained.stdout and pretrained.exit_code == 0
    assert run("weights", "tinyvgg", "fc9").stderr.startswith("Error: no call matches 'fc9'")


def test_histograms_are_drawn_whole_or_not_at_all(tmp_path, odd_weights):
    path = tmp_path / "w.svg"
    assert "drew" in run("weights", odd_weights[1], "--plot", path).stderr
    assert path.read_text().lstrip().startswith("<?xml")
    assert "exists. --force" in run("weights", odd_weights[1], "--plot", path).stderr
    none = run("weights", "tinyvgg", "--plot", tmp_path / "n.png")
    assert none.exit_code == 1 and "no values to draw" in none.stderr
    assert not (tmp_path / "n.png").exists()


# ---- notebooks ----


class Reader(html.parser.HTMLParser):
    """Counts the tags and gathers the text."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_a_graph_shows_itself_in_a_notebook():
    reader = Reader()
    reader.feed(sg.open("resnet50")._repr_html_())
    assert reader.tags.count("rect") == 177
    assert reader.tags.count("tr") == 178
    assert {"details", "summary", "svg", "table"} <= set(reader.tags)
    assert any(text.startswith("resnet50 · input (None, 224, 224, 3)") for text in reader.texts)


# ---- feature maps ----


def test_feature_maps_of_one_picture(tmp_path):
    keras.utils.save_img(tmp_path / "picture.png", np.random.default_rng(0).uniform(0, 255, (40, 40, 3)))
    arguments = ("tap", "tinyvgg", "block2_pool, fc1", "--image", tmp_path / "picture.png")
    result = run(*arguments, "--plot", tmp_path / "maps.png")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")
    assert run(*arguments).exit_code == 2  # nothing says what to write
    assert "should end in" in run(*arguments, "--plot", tmp_path / "maps.gif").stderr
    (tmp_path / "broken.png").write_bytes(b"no picture")
    broken = run(*arguments[:-1], tmp_path / "broken.png", "--plot", tmp_path / "b.png")
    assert broken.exit_code == 1 and not (tmp_path / "b.png").exists()


def test_odd_feature_maps_are_drawn_or_refused(tmp_path):
    tall = {"$a_b$ \\frac{": np.random.default_rng(0).random((4000, 2, 16))}
    assert sg.tasks.feature_maps(tall, tmp_path / "tall.png").stat().st_size < 2 * 2**20
    for shape in ((4, 4, 0), (0, 4, 3), (0,)):
        with pytest.raises(sg.SurgeryError, match="no image can be drawn"):
            sg.tasks.feature_maps({"map": np.zeros(shape)}, tmp_path / "no.png")


def test_feature_maps_show_first_what_varies_most(tmp_path):
    from surgery.view.feature_maps import _grid

    maps = np.zeros((4, 4, 2), "float32")
    maps[..., 1] = np.arange(16).reshape(4, 4)
    sg.tasks.feature_maps({"map": maps, "steps": np.ones((3, 5)), "vector": np.arange(4.0)}, tmp_path / "m.svg")
    assert "channels 1, 0" in (tmp_path / "m.svg").read_text()
    grid = _grid(maps)
    assert grid.max() == 1.0 and grid[2:66, 2:66].max() == 0.0  # the first tile does not vary: black
    with pytest.raises(sg.SurgeryError, match="no image can be drawn of"):
        sg.tasks.feature_maps({"odd": np.zeros((1, 2, 3, 4))}, tmp_path / "o.png")


def test_a_size_is_given_to_open_sides_alone(tmp_path):
    x = keras.Input((3, None, None))
    y = layers.Conv2D(4, 3, data_format="channels_first", name="c")(x)
    first = sg.analysis.at_size(sg.open(keras.Model(x, y)), (32, 48))
    assert first.calls[0].output.sides == (None, 3, 32, 48) and first["c"].output.sides == (None, 4, 30, 46)
    x = keras.Input((None, 64, 3))
    half = sg.open(keras.Model(x, layers.Conv2D(4, 3, name="c")(x)))
    assert sg.analysis.at_size(half, (32, 64))["c"].output.sides == (None, 30, 62, 4)
    with pytest.raises(sg.SurgeryError, match="only its open side may be chosen, not 32 x 48"):
        sg.analysis.at_size(half, (32, 48))


def test_feature_maps_of_a_nested_model_for_open_sizes(tmp_path):
    inner = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3), layers.ReLU(name="r")], name="inner")
    x = keras.Input((24, 20, 3))
    keras.Model(x, layers.GlobalAveragePooling2D()(inner(x))).save(tmp_path / "m.keras")
    keras.utils.save_img(tmp_path / "p.png", np.zeros((24, 20, 3)))
    drawn = run("tap", tmp_path / "m.keras", "inner/r", "--image", tmp_path / "p.png", "--plot", tmp_path / "maps.png")
    assert drawn.exit_code == 0 and "(22, 18, 4)" in drawn.output, drawn.output
