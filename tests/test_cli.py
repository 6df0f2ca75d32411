"""The command line as a user meets it: processes of their own for what imports, the click runner for the rest."""

import json
import os
import re
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import click
import keras
import numpy as np
import pytest
from click.testing import CliRunner

import surgery as sg
from surgery.cli.main import COMMANDS, main
from surgery.core.errors import SurgeryError
from surgery.formats.atomic import folder_written_whole
from surgery.recipe import files as cookbook
from surgery.recipe import parameters


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def process(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "surgery", *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )


@pytest.fixture
def recipe(tmp_path):
    def write(text, name="mine.py"):
        (tmp_path / name).write_text(textwrap.dedent(text))
        return str(tmp_path / name)

    return write


HEAD = '''
    """A head on tinyvgg."""
    import keras
    import surgery as sg

    def recipe(
        classes: int = 3, at="block2_pool", names: tuple = (1,), fine: bool = False, rate=0.5, other: int | None = None
    ):
        """Grafts a head.

        Args:
            at: the tensor
                that the head takes.
        """
        graph = sg.cut(sg.open("tinyvgg", weights="pretrained"), outputs=at)
        return sg.graft(graph, [keras.layers.Flatten(), keras.layers.Dense(classes, name="head")])
'''


def test_inspect_prints_the_table_of_the_manual():
    shown = run("inspect", "vgg16", "block5_*")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines() == [
        "vgg16 · input (None, 224, 224, 3) · output (None, 1000) · 23 calls · 138,357,544 parameters · "
        "528 MB as float32",
        "",
        " call          class         output                 stride     params  trainable    from",
        " block5_conv1  Conv2D        (None, 14, 14, 512)        16  2,359,808  yes          block4_pool",
        " block5_conv2  Conv2D        (None, 14, 14, 512)        16  2,359,808  yes          block5_conv1",
        " block5_conv3  Conv2D        (None, 14, 14, 512)        16  2,359,808  yes          block5_conv2",
        " block5_pool   MaxPooling2D  (None, 7, 7, 512)          32          0  -            block5_conv3",
        "",
        "4 of 23 calls · 7,079,424 of 138,357,544 parameters",
    ]


def test_inspect_formats_agree():
    data = json.loads(run("inspect", "tinyvgg", "--format", "json").stdout)
    assert len(data["calls"]) == 23 and data["total"]["params"] == 128_981
    assert data["calls"][1] == {
        "call": "block1_conv1",
        "class": "Conv2D",
        "output": [[None, 32, 32, 16]],
        "dtype": ["float32"],
        "stride": "1",
        "field": {"size": [3, 3], "offset": [-1, -1], "all": False},
        "params": 448,
        "macs": 32 * 32 * 16 * 27,
        "memory": 32 * 32 * 16 * 4,
        "trainable": True,
        "weights": "fresh",
        "from": ["input_layer"],
    }
    csv = run("inspect", "tinyvgg", "--format", "csv").stdout.splitlines()
    markdown = run("inspect", "tinyvgg", "--format", "markdown").stdout.splitlines()
    assert len(csv) == 1 + 23 and len(markdown) == 2 + 23
    assert csv[2] == 'block1_conv1,Conv2D,"(None, 32, 32, 16)",1,448,yes,input_layer'


def test_inspect_of_a_cached_network_loads_no_keras_and_is_silent():
    run("inspect", "vgg16")
    code = (
        "import sys; from surgery.cli.main import main; main(['inspect', 'vgg16'], standalone_mode=False); "
        "print({'keras', 'tensorflow', 'h5py', 'numpy'} & set(sys.modules), file=sys.stderr)"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stderr == "set()\n"


def test_a_file_is_inspected_without_a_word_of_tensorflow(tmp_path, tinyvgg):
    path = sg.save(tinyvgg, tmp_path / "model.keras")
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-m", "surgery", "inspect", str(path)]
    seen = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert seen.stderr == ""
    assert seen.stdout.startswith("tinyvgg · input (None, 32, 32, 3)")


def test_a_graft_says_what_it_did_and_writes_what_stock_keras_opens(recipe, tmp_path):
    path = recipe(HEAD)
    out = str(tmp_path / "out.keras")
    done = process("graft", path, "--set", "classes=7", "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    for part in (
        "A head on tinyvgg.",
        " kept      6 calls",
        "tinyvgg: ..block2_pool",
        "largest difference 0",
        "wrote ",
    ):
        assert part in done.stdout
    assert keras.models.load_model(out).output_shape == (None, 7)
    again = run("graft", path, "-o", out)
    assert again.exit_code == 1 and "--force" in again.stderr
    assert run("graft", path, "-o", out, "--force").exit_code == 0
    assert keras.models.load_model(out).output_shape == (None, 3)


def test_a_dry_run_writes_nothing(recipe, tmp_path):
    done = run("graft", recipe(HEAD), "-o", str(tmp_path / "out.keras"), "--dry-run")
    assert done.exit_code == 0 and "no model written" in done.stdout
    assert not (tmp_path / "out.keras").exists()


def test_help_shows_the_recipes_own_parameters(recipe):
    text = run("graft", recipe(HEAD), "--help").stdout
    assert "A head on tinyvgg." in text
    assert "  classes: int, by default 3\n      number of classes\n" in text
    assert "  at: str, by default block2_pool\n      the tensor that the head takes\n" in text
    assert "  other: int or none, by default none" in text


@pytest.mark.parametrize("name", cookbook.shipped())
def test_help_tells_what_every_parameter_of_a_shipped_recipe_is_for(name):
    text = run("graft", name, "--help").stdout
    loaded = cookbook.load(name)
    assert set(parameters.describe_parameters(loaded)) == set(loaded.parameters)
    assert all(f"  {parameter}: " in text for parameter in loaded.parameters)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name):
    shown = run(name, "--help")
    assert shown.exit_code == 0 and f"surgery {name}" in shown.stdout


BAD = {
    "unknown network": (["inspect", "vgg61"], r"no network or file called 'vgg61'. Did you mean 'vgg1"),
    "unknown option of Python": (["inspect", "vgg16", "blok5_pool"], "Did you mean 'block5_pool'"),
    "no selector": (["inspect", "vgg16", "a,,b"], "is not a selector"),
    "missing file": (["inspect", "nowhere.keras"], "no file 'nowhere.keras'"),
    "missing recipe": (["graft", "nowhere.py"], "no recipe 'nowhere.py'"),
    "misspelt recipe": (["graft", "transfr"], "Did you mean 'transfer'"),
    "unknown key": (["graft", "transfer", "--set", "shts=3"], "Did you mean 'shots'"),
    "no key": (["graft", "transfer", "--set", "shots"], "key=value"),
    "wrong type": (["graft", "transfer", "--set", "shots=many"], "shots is of type int"),
    "no place": (["graft", "transfer", "-o", "/nowhere/x.keras"], "cannot be written"),
    "no keras suffix": (["graft", "transfer", "-o", "x.h5"], "should end in .keras"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_message_and_exit_1(arguments, message):
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ") and message.replace("\\", "") in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def written(made):
    lines = [
        "import keras",
        "import surgery as sg",
        "def recipe():",
        "    graph = sg.open('tinyvgg', weights='pretrained')",
        f"    return {made}",
    ]
    return "\n".join(lines) + "\n"


RECIPES = {
    "raises": ("def recipe():\n    return 1 / 0\n", "mine.py, line 2, in recipe: return 1 / 0\n  ZeroDivisionError"),
    "raises ours": (
        "import surgery as sg\ndef recipe():\n    return sg.cut(sg.open('tinyvgg'), outputs='blok')\n",
        "mine.py, line 3, in recipe: return sg.cut(sg.open('tinyvgg'), outputs='blok')\n  while cutting 'tinyvgg'",
    ),
    "has none": ("x = 3\n", "mine.py has no recipe()"),
    "no Python": ("def recipe(:\n", "mine.py, line 1: SyntaxError"),
    "fails on import": ("import nowhere_to_be_found\n", "mine.py, line 1: ModuleNotFoundError"),
    "wrong rank": (
        written("sg.graft(graph, keras.layers.Conv2D(3, 3), at='fc1')"),
        "mine.py, line 5, in recipe: return sg.graft(graph, keras.layers.Conv2D(3, 3), at='fc1')",
    ),
    "wrong rank in a function": (
        written("sg.graft(graph, lambda x: keras.layers.Dense(3)(x + keras.ops.zeros((7, 7))), at='block3_pool')"),
        "does not take (None, 4, 4, 40)",
    ),
    "two heads of one name": (
        written(
            "sg.graft(graph, lambda x: [keras.layers.Dense(2, name='head')(x), keras.layers.Dense(3, name='head')(x)])"
        ),
        'The name "head" is used 2 times in the model. All operation names should be unique. Give each layer a name',
    ),
    "no such tap": (written("sg.graft(graph, keras.layers.Flatten(), at='block3_pol')"), "Did you mean 'block3_pool'"),
    "too shallow": (
        written("sg.parts.encoder('tinyvgg', stride=0)[0]"),
        "no feature map of stride 0 or finer; say a larger stride=",
    ),
    "no classes": (
        written("sg.graft(graph, sg.parts.linknet_decoder(0, [1, 2]), at=['block1_conv2', 'block2_conv2'])"),
        "classes must be at least 1, not 0",
    ),
    "sizes that do not meet": (
        written(
            "sg.graft(sg.resize(graph, (34, 34, 3)), lambda t: keras.layers.Add()([keras.layers.UpSampling2D(2)(t[0]), "
            "t[1]]), at=['block2_pool', 'block2_conv2'])"
        ),
        "does not take",
    ),
    "returns nothing": ("def recipe():\n    pass\n", "recipe() returned None; is a `return` missing?"),
    "returns a number": ("def recipe():\n    return 3\n", "recipe() should return a Graph or a keras.Model"),
    "returns no model": ("def recipe():\n    return {}\n", "recipe() returned no model"),
    "a name that leaves the folder": ("def recipe():\n    return {'../evil': 1}\n", "a model is called '../evil'"),
    "a name that is none": ("def recipe():\n    return {1: 1}\n", "a model is called 1;"),
    "ends the process": ("import sys\ndef recipe():\n    sys.exit(0)\n", "mine.py, line 3, in recipe: sys.exit(0)"),
    "ends on import": ("import sys\nsys.exit('bye')\n", "mine.py, line 2: SystemExit: bye"),
    "asks for a value": ("def recipe(units: int):\n    return units\n", "recipe() requires units: --set units=VALUE"),
    "an error that cannot be told": (
        "class E(Exception):\n    def __str__(self):\n        raise ValueError\ndef recipe():\n    raise E\n",
        "mine.py, line 5, in recipe: raise E",
    ),
}


@pytest.mark.parametrize(("text", "message"), RECIPES.values(), ids=RECIPES)
def test_bad_recipes_are_one_message_with_their_line(recipe, text, message):
    done = run("graft", recipe(text))
    assert done.exit_code == 1 and message in done.stderr and "Traceback" not in done.stderr
    assert "return sg." not in text or re.search(r"mine\.py, line \d, in recipe: return sg\.", done.stderr)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("classes=4", 4),
        ("at=block1_pool", "block1_pool"),
        ("names=(3, 4)", (3, 4)),
        ("names=[3]", (3,)),
        ("fine=yes", True),
        ("fine=false", False),
        ("rate=1e-3", 1e-3),
        ("other=none", None),
        ("other=5", 5),
    ],
)
def test_settings_take_the_type_of_the_parameter(recipe, given, value):
    (found,) = parameters.settings(cookbook.load(recipe(HEAD)), [given]).values()
    assert found == value and type(found) is type(value)


ANNOTATED = """
    import typing
    from pathlib import Path
    from typing import Any, Literal

    def recipe(a: tuple[int, int] = (1, 2), b: list[str] = ["x"], c: Literal["x", "y", 3] = "x", d: Path = Path("d"),
               e: Any = 0, f: tuple[int, ...] = (1,), g: typing.Optional[int] = 3, h: str = "h", *args, **kwargs):
        pass
"""


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("a=(3, 4)", (3, 4)),
        ("a=5", SurgeryError),
        ("a=(3, 4, 5)", SurgeryError),
        ("b=['p', 'q']", ["p", "q"]),
        ("b=abc", SurgeryError),
        ("b=[1]", SurgeryError),
        ("c=y", "y"),
        ("c=3", 3),
        ("c=z", SurgeryError),
        ("d=some/where", Path("some/where")),
        ("e=word", "word"),
        ("e=[1, 2]", [1, 2]),
        ("f=(1, 2, 3)", (1, 2, 3)),
        ("f=1", SurgeryError),
        ("g=none", None),
        ("g=7", 7),
        ("h=none", "none"),
        ("args=3", SurgeryError),
        ("kwargs=3", SurgeryError),
    ],
)
def test_annotations_say_what_a_setting_may_be(recipe, given, value):
    loaded = cookbook.load(recipe(ANNOTATED))
    if value is SurgeryError:
        with pytest.raises(SurgeryError, match=given.partition("=")[0]):
            parameters.settings(loaded, [given])
        return
    (found,) = parameters.settings(loaded, [given]).values()
    assert found == value and type(found) is type(value)


OF_TYPES = """
    import collections, dataclasses, enum
    from collections.abc import Iterable, Mapping, Sequence, Set
    from typing import Annotated, Literal, NamedTuple, NewType, TypedDict

    class Mode(enum.Enum):
        FAST = "quick"
        SLOW = 2

    class Kind(str, enum.Enum):
        A = "a"

    @dataclasses.dataclass
    class Size:
        height: int
        width: float = 3.0

    class Form(TypedDict):
        x: int

    class Pair(NamedTuple):
        a: int
        b: float = 1.0

    class Red(enum.Enum):
        RED = 1
        CRIMSON = 1

    @dataclasses.dataclass
    class Positive:
        a: dataclasses.InitVar[int]

        def __post_init__(self, a):
            assert a > 0, "a must be positive"

    @dataclasses.dataclass
    class Unread:
        a: "Nowhere"

    Count = NewType("Count", int)

    def recipe(mode: Mode = Mode.FAST, kind: Kind = Kind.A, size: Size | None = None, note: Annotated[int, "units"] = 1,
               rates: tuple[float, ...] = (1.0,), some: list[float] = [], table: dict[str, int] = {},
               modes: list[Mode] = [], seq: Sequence[float] = (), many: Mapping[str, float] = {},
               form: Form = None, pick: float | int = 1, pair: Pair = Pair(1), red: Red = Red.RED,
               positive: Positive = None, unread: Unread = None, count: Count = 1, names: str | list[str] = "a",
               shape: tuple[int, int] | tuple[int, int, int] = (1, 1), flag: bool | int = False,
               whole: Iterable[int] = (), unique: Set[int] = frozenset(), line: collections.deque[int] = None,
               literal: Literal[Red.RED] = Red.RED, pool: Literal["none", "max"] | None = None, plain="none",
               sets: set[list[int]] = (), rate: float = 0.1, many_rates: list[float] = ()):
        pass
"""


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("mode=SLOW", "<Mode.SLOW: 2>"),
        ("mode=quick", "<Mode.FAST: 'quick'>"),
        ("mode=2", "<Mode.SLOW: 2>"),
        ("mode=other", "mode must be FAST or SLOW (default FAST)."),
        ("kind=a", "<Kind.A: 'a'>"),
        ("kind=b", "kind must be A (default A)."),
        ("size={'height': 4}", "Size(height=4, width=3.0)"),
        ("size={'height': 4, 'width': 5}", "Size(height=4, width=5.0)"),
        ("size=none", "None"),
        ("size={'width': 5}", "size is of type Size ({'height': int, 'width': float}) or none"),
        ("size={'height': 4, 'depth': 1}", "size is of type"),
        ("note=3", "3"),
        ("note=x", "note is of type int"),
        ("rates=(1, 2.5)", "(1.0, 2.5)"),
        ("rates=(1, 'x')", "rates is of type"),
        ("rates={[1]}", "rates is of type"),
        ("some=[1, 2]", "[1.0, 2.0]"),
        ("some=[True]", "some is of type"),
        ("table={'a': 1}", "{'a': 1}"),
        ("table={'a': 'x'}", "table is of type"),
        ("modes=['SLOW', 'FAST']", "[<Mode.SLOW: 2>, <Mode.FAST: 'quick'>]"),
        ("seq=[1, 2]", "[1.0, 2.0]"),
        ("many={'a': 1}", "{'a': 1.0}"),
        ("form={'x': 1}", "{'x': 1}"),
        ("pick=3", "3"),
        ("pick=3.5", "3.5"),
        ("form={'x': 'y'}", "form is of type Form ({'x': int})"),
        ("form={}", "form is of type Form"),
        ("pair=(2, 3)", "Pair(a=2, b=3.0)"),
        ("pair={'a': 2}", "Pair(a=2, b=1.0)"),
        ("pair=(2, 'x')", "pair is of type Pair"),
        ("pair=()", "pair is of type Pair"),
        ("red=CRIMSON", "<Red.RED: 1>"),
        (
            "positive={'a': 0}",
            "positive is of type Positive ({'a': int}) (default none). AssertionError: a must be positive",
        ),
        ("positive={'a': 'x'}", "positive is of type Positive"),
        ("unread={'a': 1}", "unread is of type Unread (default none). NameError: name 'Nowhere' is not defined"),
        ("count=4", "4"),
        ("count=x", "count is of type int"),
        ("names=['a', 'b']", "['a', 'b']"),
        ("names=a", "'a'"),
        ("shape=(1, 2, 3)", "(1, 2, 3)"),
        ("flag=1", "1"),
        ("flag=yes", "True"),
        ("whole='abc'", "whole is of type"),
        ("whole=[1, 'a']", "whole is of type"),
        ("unique=[1, 2, 2]", "{1, 2}"),
        ("unique=['a']", "unique is of type"),
        ("line=[1]", "deque([1])"),
        ("literal=RED", "<Red.RED: 1>"),
        ("pool=none", "'none'"),
        ("plain=none", "'none'"),
        ("sets=[[1]]", "sets is of type"),
        ("many_rates=[1" + "0" * 400 + "]", "many_rates is of type"),
        ("rates=" + "(" * 5000, "rates is of type"),
    ],
)
def test_settings_of_types_of_the_users_own(recipe, given, value):
    loaded = cookbook.load(recipe(OF_TYPES))
    if " is of type" in value or " must be " in value:
        with pytest.raises(SurgeryError, match=re.escape(value)):
            parameters.settings(loaded, [given])
        return
    (found,) = parameters.settings(loaded, [given]).values()
    assert repr(found) == value


def test_an_annotation_that_cannot_be_read_is_one_message(recipe):
    text = "from __future__ import annotations\ndef recipe(b: Nope = 2):\n    pass\n"
    for options in (["--help"], ["--set", "b=3"], []):
        done = run("graft", recipe(text), *options)
        assert done.exit_code == 1 and "an annotation of recipe() cannot be read: name 'Nope'" in done.stderr


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("unet", "classes=0", "classes must be at least 1"),
        ("unet", "size=-3", "size must be at least 1"),
        ("unet", "filters=()", "entries like those of"),
        ("unet", "filters=('a',)", "entries like those of"),
        ("unet", "images=0", "images must be at least 1"),
        ("fcn", "taps=-1", "taps must be at least 1"),
        ("skip", "edges=('a', 'b')", "entries like those of"),
        ("srgan", "scale=3", "scale is 2 or 4"),
        ("srgan", "size=33", "2 does not divide 33"),
        ("deeplab", "fine=64", "no map finer than"),
        ("transfer", "seeds=0", "seeds must be at least 1"),
    ],
)
def test_settings_that_no_shipped_recipe_can_mean(name, given, message):
    done = run("graft", name, "--set", given, "--dry-run")
    assert done.exit_code == 1 and message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["transfer", "two_stage", "linear_probe", "middle", "unet"])
def test_a_fit_refuses_another_number_of_classes_than_its_samples_have(name):
    done = run("graft", name, "--set", "classes=3", "--set", "epochs=1", "--fit")
    assert done.exit_code == 1 and "your own" in done.stderr


def test_what_lies_beside_a_recipe_is_imported_and_its_folder_stays_the_users(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "helper_of_mine.py").write_text("UNITS = 7\n")
    text = HEAD.replace('"""A head', '"""A head', 1).replace("import keras\n", "import keras\n    import os\n", 1)
    text = text.replace(
        "graph = sg.cut", "os.chdir('/')\n        from helper_of_mine import UNITS\n        graph = sg.cut"
    )
    (tmp_path / "beside" / "mine.py").write_text(textwrap.dedent(text))
    done = run("graft", "beside/mine.py", "-o", "made.keras")
    assert done.exit_code == 0 and (tmp_path / "made.keras").is_file(), done.output
    missing = run("graft", "beside")
    assert "is a folder" in missing.stderr
    assert "Did you mean 'beside/mine.py'" in run("graft", "beside/mine").stderr


def test_fit_without_a_fit_is_an_error(recipe):
    done = run("graft", recipe(HEAD), "--fit")
    assert done.exit_code == 1 and "has no fit()" in done.stderr


def test_recipes_are_listed_and_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listed = run("recipes").stdout
    assert "transfer" in listed and "unet" in listed and "arXiv:1505.04597" in listed
    assert run("recipes", "unet").stdout.startswith('"""U-Net on any backbone.')


def test_the_zoo_is_listed():
    lines = run("zoo").stdout.splitlines()
    assert len(lines) == 1 + 43 + 2 and "43 networks" in lines[-1]
    assert len(json.loads(run("zoo", "--format", "json").stdout)) == 43


def test_usage_errors_exit_2():
    assert run("inspect").exit_code == 2
    assert run("graft").exit_code == 2
    assert run("nothing").exit_code == 2


def test_a_table_fits_the_terminal(monkeypatch):
    from surgery.view.table import View, text_of

    graph = sg.open("mobilenetv2")
    for width in (80, 100, 140):
        lines = text_of(graph, View(width=width)).splitlines()[2:-2]
        assert max(map(len, lines)) <= width
    assert isinstance(main, click.Group)


def test_convert_takes_the_format_from_the_name_or_from_the_option(tmp_path, tinyvgg):
    path = sg.save(tinyvgg, tmp_path / "t.keras")
    for arguments, made in (
        ((tmp_path / "a.safetensors",), "a.safetensors"),
        ((tmp_path / "b", "--to", "safetensors"), "b.safetensors"),
    ):
        result = run("convert", str(path), *map(str, arguments))
        assert result.exit_code == 0 and "128,981 parameters" in result.output, result.output
        assert (tmp_path / made).stat().st_size > 4 * 128_981
    assert run("convert", str(path), str(tmp_path / "c")).exit_code == 1


TWO = '''"""Two models."""
import keras
import numpy as np
import numpy as np
import surgery as sg


def recipe(units: int = 3):
    x = keras.Input((4,))
    return {name: keras.Model(x, keras.layers.Dense(units, name=name)(x), name=name) for name in ("left", "right")}


def fit(models, shade: float = 0.5):
    return {"parts": float(len(models)), "image": np.full((4, 6, 3), shade)}
'''


def test_several_models_are_trained_and_go_into_a_folder_with_a_picture(recipe, tmp_path):
    import keras

    out, png = tmp_path / "models", tmp_path / "picture.png"
    done = run("graft", recipe(TWO), "--fit", "-o", out, "--plot", png, "--set", "shade=1.0")
    assert done.exit_code == 0 and "parts  2" in done.stdout and "6 x 4 pixels" in done.stdout, done.output
    assert sorted(one.name for one in out.iterdir()) == ["left.keras", "right.keras"]
    assert keras.models.load_model(out / "left.keras").output_shape == (None, 3)
    assert np.asarray(keras.utils.load_img(png)).shape == (4, 6, 3)
    again = run("graft", recipe(TWO), "-o", out)
    assert again.exit_code == 1 and "exists" in again.output


def test_of_several_models_all_are_written_or_none(recipe, tmp_path):
    mine = "class Mine(keras.layers.Layer):\n    def call(self, x):\n        return x\n\n\ndef recipe"
    text = TWO.replace("def recipe", mine, 1).replace(
        "name=name)(x), name=name)", "name=name)(Mine()(x) if name == 'right' else x), name=name)"
    )
    out = tmp_path / "models"
    for _ in range(2):
        done = run("graft", recipe(text), "-o", out)
        assert done.exit_code == 1 and f"'{out}/right.keras' was not written" in done.stderr, done.output
        assert [one.name for one in tmp_path.iterdir() if one.suffix != ".py"] == []
    out.mkdir()
    (out / "left.keras").write_bytes(b"old")
    (out / "notes.txt").write_bytes(b"mine")
    assert run("graft", recipe(text), "-o", out, "--force").exit_code == 1
    assert (out / "left.keras").read_bytes() == b"old"
    assert run("graft", recipe(TWO), "-o", out, "--force").exit_code == 0
    assert sorted(one.name for one in out.iterdir()) == ["left.keras", "notes.txt", "right.keras"]


def test_a_folder_that_is_there_takes_the_models_through_a_link_and_gives_all_back_or_none(recipe, tmp_path):
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "models"
    elsewhere.mkdir()
    out.symlink_to(elsewhere)
    assert run("graft", recipe(TWO), "-o", out, "--force").exit_code == 0
    assert out.is_symlink() and sorted(one.name for one in elsewhere.iterdir()) == ["left.keras", "right.keras"]
    (elsewhere / "right.keras").unlink()
    (elsewhere / "right.keras").mkdir()
    (elsewhere / "left.keras").write_bytes(b"old")
    done = run("graft", recipe(TWO), "--fit", "-o", out, "--force")
    assert done.exit_code == 1 and "right.keras' is a folder" in done.stderr and "parts" not in done.stdout
    with pytest.raises(SurgeryError, match="cannot be written"), folder_written_whole(out) as draft:
        for name in ("a.keras", "left.keras", "right.keras"):
            (draft / name).write_bytes(b"new")
    assert sorted(one.name for one in elsewhere.iterdir()) == ["left.keras", "right.keras"]
    assert (elsewhere / "left.keras").read_bytes() == b"old"


def test_names_that_no_file_can_have_are_refused_before_training(recipe, tmp_path):
    text = TWO.replace("for name in", "for name in ('l' * 260,) or", 1)
    for options in ([recipe(text), "--fit", "-o", tmp_path / "models"], ["linear", "-o", f"{'h' * 260}.keras"]):
        done = run("graft", *options)
        assert done.exit_code == 1 and "is too long for the name of a file" in done.stderr, done.output


ODD_RESULTS = """
import collections.abc
import keras

class Hidden:
    @property
    def history(self):
        raise RuntimeError("hidden")

class Torn(collections.abc.Mapping):
    def __getitem__(self, key):
        raise RuntimeError("torn")

    def __iter__(self):
        return iter("ab")

    def __len__(self):
        return 2

class TornInside(dict):
    def items(self):
        raise RuntimeError("torn inside")

def recipe():
    x = keras.Input((4,))
    return keras.Model(x, keras.layers.Dense(2)(x))

def fit(model, which: int = 0):
    return [Hidden(), Torn(), {"a": TornInside(b=1)}, {"a": "\\ud800"}, {1: 2, "1": 3}, {"image": "none"}][which]
"""


@pytest.mark.parametrize(
    ("which", "said"),
    [(0, "hidden"), (1, "torn"), (2, "torn inside"), (3, ""), (4, ""), (5, "fit() returned an image")],
)
@pytest.mark.parametrize("format", ["text", "json"])
def test_what_is_trained_is_written_whatever_fit_returns(recipe, tmp_path, which, said, format):
    out = tmp_path / "out.keras"
    options = ["--fit", "--set", f"which={which}", "-o", out, "--plot", tmp_path / "p.png", "--format", format]
    done = run("graft", recipe(ODD_RESULTS), *options)
    assert out.exists() and "Traceback" not in done.output, done.output
    assert said in done.stderr or (which == 2 and format == "text")  # a text says nothing of what is inside
    assert done.exit_code == (which == 5)
    if format == "json":
        told = json.loads(done.stdout)
        assert told["networks"][0]["file"] == str(out)
        assert which != 4 or told["measured"] == {"1": 2, "1 (str)": 3}


@pytest.mark.skipif(os.name != "posix", reason="descriptors are closed as POSIX shells close them")
def test_closed_streams_take_no_result_away(recipe, tmp_path):
    command = f"{sys.executable} -m surgery"
    for arguments in ("inspect tinyvgg", "verify tinyvgg tinyvgg", f"graft {recipe(TWO)} -o {tmp_path / 'a'}"):
        done = subprocess.run(f"{command} {arguments} >&-", shell=True, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 0 and not done.stderr.replace("noise", "").strip(), done.stderr
    noisy = f"{command} graft {recipe(NOISY)} --fit --format json -o {tmp_path / 'b'} 2>&-"
    done = subprocess.run(noisy, shell=True, stdout=subprocess.PIPE, text=True, check=True)
    assert json.loads(done.stdout)["measured"]["parts"] == 2.0
    assert len(list((tmp_path / "a").iterdir())) == len(list((tmp_path / "b").iterdir())) == 2


RESULTS = """
import keras
import numpy as np
import surgery as sg

DONOR = sg.open("tinyvgg", weights="pretrained")

def recipe(size=None, shape: tuple[int, int] = (1, 2)):
    assert size is None or size == 64, repr(size)
    return sg.cut(DONOR, outputs="block1_pool")

def fit(model, bytes: bool = False):
    picture = np.full((4, 6, 3), 51 if bytes else 0.2)
    if bytes:
        picture = picture.astype("uint8")
    return {"count": 12345678, "share": 0.123456, "right": True, "image": picture}
"""


def test_counts_are_told_whole_pictures_may_be_bytes_and_a_donor_may_be_opened_above_the_recipe(recipe, tmp_path):
    for bytes in (False, True):
        png = tmp_path / f"{bytes}.png"
        done = run("graft", recipe(RESULTS), "--fit", "--plot", png, "--set", f"bytes={bytes}", "--set", "size=64")
        assert done.exit_code == 0 and "12345678" in done.stdout and "0.1235" in done.stdout, done.output
        assert "True" in done.stdout and "kept" in done.stdout and "dropped" in done.stdout
        assert (np.asarray(keras.utils.load_img(png)) == 51).all()
    refused = run("graft", recipe(RESULTS), "--set", "shape=3")
    assert refused.exit_code == 1 and "It is written as in Python: [1, 2] or ['a']." in refused.stderr


NOISY = TWO.replace("import keras\n", "import os, subprocess\nimport keras\n", 1).replace(
    "    x = keras.Input", "    os.write(1, b'noise')\n    subprocess.run(['echo', 'more'])\n    x = keras.Input", 1
)


def test_what_a_recipe_and_its_subprocesses_print_goes_to_stderr(recipe):
    command = [sys.executable, "-m", "surgery", "graft", recipe(NOISY), "--fit", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["measured"]["parts"] == 2.0
    assert "noise" in done.stderr and "more" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full is Linux'")
def test_no_room_for_what_is_printed_is_told(recipe, tmp_path):
    with open("/dev/full", "w") as full:
        for arguments in (["inspect", "tinyvgg"], ["recipes"], ["zoo"]):
            command = [sys.executable, "-m", "surgery", *arguments]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
            assert done.returncode == 1 and done.stderr.count("\n") == 1 and "No space left" in done.stderr, done.stderr
        command = [sys.executable, "-m", "surgery", "graft", recipe(TWO), "-o", str(tmp_path / "models")]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0 and "is lost: No space left" in done.stderr
    assert len(list((tmp_path / "models").iterdir())) == 2


def test_a_recipe_is_a_text(tmp_path):
    (tmp_path / "net.keras").write_bytes(b"PK\xff\xfe")
    for arguments in (["recipes", tmp_path / "net.keras"], ["recipes", tmp_path / "net.keras", "--copy", "copy.py"]):
        done = run(*arguments)
        assert done.exit_code == 1 and "'net.keras' is not a Python file" in done.stderr


def test_a_folder_that_a_recipe_goes_to_is_not_where_results_go(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = recipe("import os\nos.chdir('/')\n" + TWO)
    assert run("graft", path, "-o", "models").exit_code == 0
    assert len(list((tmp_path / "models").iterdir())) == 2


def test_what_is_trained_is_written_where_nobody_reads_the_words(recipe, tmp_path):
    read, write = os.pipe()
    os.close(read)  # as `surgery graft ... | head -0` does
    command = [sys.executable, "-m", "surgery", "graft", recipe(TWO), "--fit", "-o", str(tmp_path / "models")]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=True)
    os.close(write)
    assert len(list((tmp_path / "models").iterdir())) == 2 and "Traceback" not in done.stderr


def test_a_setting_of_the_recipe_may_be_called_like_what_fit_is_given(recipe):
    done = run("graft", recipe(TWO.replace("units", "models")), "--fit", "--set", "models=2")
    assert done.exit_code == 0 and "parts  2" in done.stdout, done.output


def test_a_recipe_without_a_picture_keeps_what_it_trained(recipe, tmp_path):
    text = TWO.replace(', "image": np.full((4, 6, 3), shade)', "").replace('"parts": ', '"acc": None, "parts": ')
    done = run("graft", recipe(text), "--fit", "-o", tmp_path / "models", "--plot", tmp_path / "picture.png")
    assert "the network is drawn" in done.stderr and "drew" in done.stdout
    assert len(list((tmp_path / "models").iterdir())) == 2


def test_an_image_under_its_former_name_is_written_with_a_warning(recipe, tmp_path):
    png = tmp_path / "out.png"
    done = run("graft", recipe(RESULTS.replace('"image"', '"picture"')), "--fit", "--plot", png)
    assert done.exit_code == 0 and done.stderr.count('"picture" in what fit() returns is deprecated. Use "image"') == 1
    assert (np.asarray(keras.utils.load_img(png)) == 51).all() and "picture" not in done.stdout


def test_a_setting_under_its_former_name_is_taken_with_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        done = run("graft", "unet", "--set", "weights=none", "--set", "pictures=3", "--dry-run")
    assert done.exit_code == 0, done.output
    assert done.stderr.count("warning: pictures= of unet is deprecated. Use images= instead.") == 1


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        ("None", "trained"),
        ("[1.0, 0.25]", "measured  0.25"),
        ("0.5", "measured  0.5"),
        ("{'loss': [3, 2.0], 'matrix': np.eye(2), 'none': None}", "loss    2"),
        ("type('History', (), {'history': {'loss': [3, 2.5]}})()", "loss  2.5"),
        ("{'image': 'a word'}", "fit() returned an image ()"),
        ("{'large': 10**400}", "large  1000000"),
        ("{'larger': 10**9999}", "a number of more than 4,300 digits"),
        ("{'odd': Odd()}", "a Odd that cannot be printed"),
        ("{'itself': itself}", "[...]"),
    ],
)
def test_what_a_fit_returns_never_costs_what_was_trained(returned, shown, recipe, tmp_path):
    odd = "class Odd:\n    def __str__(self):\n        raise KeyError\n\n    __float__ = __str__\n\n\n"
    itself = "itself = []\nitself.append(itself)\n\n\n"
    text = TWO.partition("def fit")[0] + odd + itself + f"def fit(models):\n    return {returned}\n"
    out, png = tmp_path / "models", tmp_path / "learned.png"
    done = run("graft", recipe(text), "--fit", "-o", out, *(["--plot", png] if "image" in returned else []))
    assert shown in done.output and "Traceback" not in done.output and len(list(out.iterdir())) == 2
    assert not isinstance(done.exception, (TypeError, ValueError))
    if "image" not in returned:
        measured = json.loads(run("graft", recipe(text), "--fit", "--format", "json").stdout)["measured"]
        assert not measured or len(measured) == len(json.loads(json.dumps(measured)))


def test_a_graft_tells_programs_what_it_did(recipe, tmp_path):
    text = TWO.partition("def fit")[0] + (
        "def fit(models):\n    print('learning')\n"
        "    return {'loss': [3, float('nan')], 'matrix': np.eye(2), 'accuracy': np.float32(0.5), 'how': 'well'}\n"
    )
    out, page = tmp_path / "models", tmp_path / "net.html"
    done = run("graft", recipe(text), "--format", "json", "--fit", "-o", out, "--plot", page)
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and "learning" in done.stderr
    assert told["measured"] == {"loss": [3, None], "matrix": [[1, 0], [0, 1]], "accuracy": 0.5, "how": "well"}
    assert [Path(one["file"]).name for one in told["networks"]] == ["left.keras", "right.keras"]
    assert [one["part"] for one in told["networks"]] == ["left", "right"]
    assert all(Path(one).is_file() for one in told["drawn"]) and len(told["drawn"]) == 2
    written = keras.saving.load_model(out / "left.keras")
    assert told["networks"][0]["params"] == told["networks"][0]["trainable"] == written.count_params()


def test_a_grey_picture_is_drawn(recipe, tmp_path):
    import keras

    png = tmp_path / "grey.png"
    done = run("graft", recipe(TWO.replace("(4, 6, 3)", "(4, 6)")), "--fit", "--plot", png)
    assert done.exit_code == 0 and np.asarray(keras.utils.load_img(png)).shape == (4, 6, 3), done.output


def test_nothing_is_overwritten_unasked(recipe, tmp_path):
    for name in ("net-left.mmd", "net-left.png"):
        (tmp_path / name).write_text("precious")
    (tmp_path / "models").write_text("a file")
    (tmp_path / "x.keras").mkdir()
    drawn = run("graft", recipe(TWO), "--plot", tmp_path / "net.mmd")
    assert drawn.exit_code == 1 and "exists" in drawn.stderr
    assert (tmp_path / "net-left.mmd").read_text() == "precious" and not (tmp_path / "net-right.mmd").exists()
    unseen = TWO.replace(', "image": np.full((4, 6, 3), shade)', "")
    learned = run("graft", recipe(unseen), "--fit", "--plot", tmp_path / "net.png")
    assert learned.exit_code == 1 and "parts" not in learned.stdout and "exists" in learned.stderr
    assert (tmp_path / "net-left.png").read_text() == "precious" and not (tmp_path / "net.png").exists()
    assert "is a file" in run("graft", recipe(TWO), "-o", tmp_path / "models", "--force").stderr
    assert "is a folder" in run("graft", recipe(HEAD), "-o", tmp_path / "x.keras", "--force").stderr


def test_a_freeze_that_a_file_cannot_keep_writes_none(tmp_path):
    x, frames = keras.Input((5, 4)), keras.Input((3, 4, 4, 2))
    attention = keras.layers.MultiHeadAttention(2, 2, name="still")(x, x)
    convolution = keras.layers.ConvLSTM2D(2, 2, name="still")(frames)
    for model in (keras.Model(x, attention), keras.Model(frames, convolution)):
        model.save(tmp_path / "m.keras")
        done = run("freeze", tmp_path / "m.keras", "still", "-o", tmp_path / "still.keras")
        assert done.exit_code == 1 and not (tmp_path / "still.keras").exists()
        assert "nothing was written: 'still.keras' cannot keep still" in done.stderr
        assert "sg.freeze(model, where)" in done.stderr


def test_cut_freeze_and_verify_write_and_prove(tmp_path):
    trunk, still = tmp_path / "trunk.keras", tmp_path / "still.keras"
    done = run("cut", "tinyvgg", "--to", "block3_pool", "-o", trunk)
    assert done.exit_code == 0 and "..block3_pool; weights bit-identical" in done.stdout, done.output
    assert keras.saving.load_model(trunk).output_shape == (None, 4, 4, 40)
    middle = run("cut", str(trunk), "--from", "block2_pool", "-o", tmp_path / "middle.keras")
    assert middle.exit_code == 0 and "dropped  6 calls" in middle.stdout, middle.output
    done = run("freeze", trunk, "block1_*", "--bn", "stats", "-o", still)
    assert done.exit_code == 0 and "frozen    2 calls" in done.stdout, done.output
    assert [layer.trainable for layer in keras.saving.load_model(still).layers if layer.weights] == [False] * 2 + [
        True
    ] * 5
    proved = run("verify", still, "tinyvgg")
    assert proved.exit_code == 0 and "kept     10 calls" in proved.stdout and "largest difference 0" in proved.stdout
    other = run("verify", trunk, tmp_path / "middle.keras")
    assert other.exit_code == 0 and "kept     4 calls" in other.stdout, other.output
    changed = keras.saving.load_model(trunk)
    changed.layers[1].kernel.assign_add(changed.layers[1].kernel * 0 + 1e-6)
    changed.save(tmp_path / "changed.keras")
    assert run("verify", tmp_path / "changed.keras", trunk).exit_code == 1
    assert run("verify", "nowhere.keras", trunk).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["cut", "tinyvgg", "-o", "x.keras"], 2, "--from WHERE, --to WHERE or both"),
        (["cut", "tinyvgg", "--to", "blok", "-o", "x.keras"], 1, "no call matches 'blok'"),
        (["cut", "resnet50", "--from", "conv3_block1_1_relu", "-o", "x.keras"], 1, '--from "conv2_block3_out, conv3'),
        (["cut", "tinyvgg", "--to", "fc1", "-o", "x.h5"], 1, "should end in .keras"),
        (["freeze", "tinyvgg", "flatten", "-o", "x.keras"], 1, "nothing that matches 'flatten' has weights"),
        (["freeze", "vgg16", "blok*", "-o", "x.keras"], 1, "no call matches"),
    ],
)
def test_what_cannot_be_cut_or_frozen_is_said_before_any_weight_is_read(
    arguments, code, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == code and message in done.stderr, done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (TWO, ["-o", "{}/one.keras"], "left, right: a folder"),
        (HEAD, ["-o", "{}/folder"], "one model: OUT.keras"),
        (TWO, ["--fit", "--plot", "{}/x.jpg"], "should end in .svg or .png"),
    ],
)
def test_what_goes_where_is_checked(text, options, message, recipe, tmp_path):
    done = run("graft", recipe(text), *(one.format(tmp_path) for one in options))
    assert done.exit_code == 1 and message in done.output
    assert not [one for one in tmp_path.iterdir() if one.suffix in (".keras", ".png", ".jpg", "")]


def test_a_recipe_leaves_no_bytecode_in_its_folder(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert run("graft", recipe(TWO), "--dry-run").exit_code == 0
    assert not (tmp_path / "__pycache__").exists() and sys.dont_write_bytecode is False


def test_recipes_tell_their_sources_and_parameters_and_can_be_copied(tmp_path):
    listed = run("recipes").stdout
    assert "decoders\n" in listed and "arXiv:1505.04597" in listed and "backbone classes weights stride" in listed
    copy = tmp_path / "mine.py"
    assert run("recipes", "unet", "--copy", copy).exit_code == 0
    assert copy.read_text() == run("recipes", "unet").stdout
    assert "exists" in run("recipes", "fpn", "--copy", copy).output
    assert "which recipe" in run("recipes", "--copy", tmp_path / "other.py").output


def test_a_weights_file_without_tensors_is_called_one(tmp_path):
    path = tmp_path / "empty.safetensors"
    path.write_bytes((2).to_bytes(8, "little") + b"{}")
    done = run("weights", path)
    assert done.exit_code == 1 and "has no tensors" in done.stderr and "None" not in done.stderr
