"""What a user reads: help texts are whole, short lines; nothing is said in the words of Python's own types."""

import json
import textwrap
from pathlib import Path

import click
import h5py
import keras
import numpy as np
import pytest
from click.testing import CliRunner

import surgery as sg
from surgery.cli.main import main
from surgery.core.errors import SurgeryError
from surgery.recipe import files as cookbook
from surgery.recipe import parameters

NAMES = (
    "inspect",
    "diff",
    "tap",
    "cut",
    "freeze",
    "graft",
    "verify",
    "convert",
    "weights",
    "recipes",
    "zoo",
    "predict",
)
WIDTHS = (40, 80, 200)
INTERNAL = ("typing.", "PosixPath(", "WindowsPath(", "<class ", "<function ", "<enum ", "NoneType", " object at 0x")


def run(*arguments, **environment):
    return CliRunner().invoke(main, list(map(str, arguments)), env=environment)


def refuse_odd(text, width=None):
    lines = text.splitlines()
    assert lines
    for line in lines:
        assert not line.rstrip().endswith(("...", "…")), line
        assert not [word for word in INTERNAL if word in line], line
        assert width is None or len(line) <= width, line


@pytest.mark.parametrize("width", WIDTHS)
def test_the_list_of_commands_says_what_each_does_in_one_whole_line(width):
    text = run("--help", COLUMNS=str(width)).stdout
    refuse_odd(text, 80)
    listed = dict(line.split(None, 1) for line in text.partition("Commands:\n")[2].splitlines())
    assert set(listed) == set(NAMES) and all(said.endswith(".") for said in listed.values())
    assert "COMMAND [ARGS]" in text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_command_has_whole_lines_and_examples(name, width):
    text = run(name, "--help", COLUMNS=str(width)).stdout
    refuse_odd(text, 80)
    assert f"Examples:\n    surgery {name}" in text
    command = main.get_command(click.Context(main), name)
    assert all(one.help for one in command.params if isinstance(one, click.Option))


@pytest.mark.parametrize("name", cookbook.shipped())
def test_the_help_of_a_recipe_has_whole_lines(name):
    refuse_odd(run("graft", name, "--help").stdout, 80)


ODD = '''
    """A recipe with parameters of all kinds, described in one line that is longer than 80 columns."""
    import collections, dataclasses, enum, typing
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path, PurePosixPath
    import numpy as np

    class Mode(enum.Enum):
        FAST = 1
        SLOW = 2

    @dataclasses.dataclass
    class Size:
        height: int = 3
        width: typing.Literal["wide", "slim"] = "wide"

    def helper():
        pass

    def recipe(
        pool: typing.Literal["gap", "flatten"] = "gap", one: typing.Literal["gap"] = "gap",
        maybe: typing.Literal["max", None] = None, photos=Path("photos"), more: list[Path] = [Path("a"), Path("b")],
        either: Path | None = None, old: typing.Optional[typing.List[int]] = None,
        table: typing.Dict[str, typing.Literal["x"]] = {}, mode: Mode = Mode.FAST, modes: Sequence[Mode] = (Mode.SLOW,),
        size: Size = Size(), call: Callable[[int], int] = helper, thing=object(), kind=int, anything: typing.Any = None,
        array=np.zeros(2), pair: tuple[int, float] = (1, 2.0), rates: tuple[float, ...] = (0.1,), flag: bool = False,
        empty="", spaced=" a", later: list["Mode"] = [], nothing=None, bits=b"ab", number: np.float32 = np.float32(0.5),
        place: PurePosixPath = PurePosixPath("/x"), count: int | None = None, needed: typing.Annotated[int, "n"] = 3,
    ):
        """Makes it."""
'''
SAID = """
    pool: gap or flatten, by default gap
    one: gap, by default gap
    maybe: max or none, by default none
    photos: path, by default photos
    more: list of path, by default ['a', 'b']
    either: path or none, by default none
    old: list of int or none, by default none
    table: dict of str to x, by default {}
    mode: FAST or SLOW, by default FAST
    modes: Sequence of FAST or SLOW, by default ('SLOW',)
    size: Size ({'height': int, 'width': wide or slim}), by default {'height': 3, 'width': 'wide'}
    call: Callable, by default helper
    thing: any value, by default an object of object
    kind: type, by default int
    anything: any value, by default none
    array: ndarray, by default [0.0, 0.0]
    pair: (int, float), by default (1, 2.0)
    rates: tuple of float, by default (0.1,)
    flag: yes or no, by default no
    empty: str, by default ''
    spaced: str, by default ' a'
    later: list of Mode, by default []
    nothing: any value, by default none
    bits: bytes, by default b'ab'
    number: float32, by default 0.5
    place: path, by default /x
    count: int or none, by default none
    needed: int, by default 3
"""


@pytest.fixture
def odd(tmp_path):
    (tmp_path / "odd.py").write_text(textwrap.dedent(ODD))
    return tmp_path / "odd.py"


def test_parameters_are_said_as_people_say_them(odd):
    text = run("graft", odd, "--help").stdout
    refuse_odd(text, 80)
    said = text.partition("=VALUE):\n")[2].replace("\n    ", " ")  # a long one has a second line
    assert said.splitlines() == [line[2:] for line in SAID.strip("\n").splitlines()]


def test_wrong_settings_are_refused_in_the_same_words(odd):
    loaded, refused = cookbook.load(str(odd)), 0
    for line in SAID.strip().splitlines():
        name, _, said = line.strip().partition(": ")
        kind, _, default = said.partition(", by default ")
        try:
            parameters.settings(loaded, [f"{name}=[{{1: ?"])
        except SurgeryError as error:
            refuse_odd(str(error))
            assert f" {kind} (default {default})." in str(error)
            refused += 1
    assert refused == 20  # the others take any text


@pytest.mark.parametrize(("given", "value"), [("maybe=none", None), ("maybe=None", None), ("flag=no", False)])
def test_what_help_says_can_be_typed(odd, given, value):
    (found,) = parameters.settings(cookbook.load(str(odd)), [given]).values()
    assert found is value


def test_the_state_of_an_optimizer_is_listed_apart_from_the_weights_in_natural_order(tmp_path):
    model = keras.Sequential([keras.Input((4,)), *(keras.layers.Dense(4 + number) for number in range(6))])
    model.compile("adam", "mse")
    model.fit(np.ones((2, 4)), np.ones((2, 9)), verbose=0)
    path = tmp_path / "training.weights.h5"
    model.save_weights(path)
    for command in (["weights", "--list", path], ["inspect", path]):
        done = run(*command)
        weights, _, state = done.stdout.partition("state of the optimizer, which is not counted as weights:")
        assert f"12 tensors of 6 layers · {model.count_params():,} values" in weights and "adam" not in weights
        names = [line.split()[1] for line in state.splitlines() if line.startswith(" adam")]
        assert names == [f"vars/{number}" for number in range(26)]
        assert f"26 tensors of 1 layer · {2 * model.count_params() + 2:,} values" in state
    assert "(12 tensors, and 26 of the state of an optimizer)" in run("inspect", path).stderr
    rows = json.loads(run("weights", path, "--format", "json").stdout)["tensors"]
    assert [row["state"] for row in rows] == [False] * 12 + [True] * 26
    with h5py.File(path) as file:  # each name has its own shape
        for row in rows[12:]:
            assert list(file[f"optimizer/{row['tensor']}"].shape) == row["shape"]
    loaded = sg.load_weights(keras.models.clone_model(model), path)
    assert "12 of 12 weights loaded, 0 fresh, 0 unused" in str(loaded)


def test_a_layer_that_is_called_optimizer_is_a_layer(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="optimizer")])
    model.save_weights(tmp_path / "m.weights.h5")
    assert "2 tensors of 1 layer · 15 values" in run("weights", "--list", tmp_path / "m.weights.h5").stdout


HERE = Path("nowhere/photos")
REFUSED = {
    "build": lambda net: sg.build(HERE),
    "save": lambda net: sg.save(HERE, "x.keras"),
    "saved where": lambda net: sg.save(net, HERE),
    "open": lambda net: sg.open(HERE),
    "weights of a name": lambda net: sg.open("tinyvgg", weights=HERE),
    "weights of a file": lambda net: sg.open(HERE, weights=HERE),
    "cut": lambda net: sg.cut(HERE, outputs="fc1"),
    "verify": lambda net: sg.verify(net, HERE),
    "diff": lambda net: sg.diff(HERE, net),
    "load": lambda net: sg.load_weights(net, HERE),
    "transfer": lambda net: sg.transfer(HERE, net),
    "extract": lambda net: sg.extract_features(net, "fc1", HERE),
    "extract to": lambda net: sg.extract_features(net, "fc1", HERE, HERE),
    "size": lambda net: sg.extract_features(net, "fc1", ".", size=HERE),
    "freeze": lambda net: sg.freeze(HERE, "fc1"),
    "graft": lambda net: sg.graft(HERE, keras.layers.Dense(2)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_messages_are_not_in_the_words_of_python_types(name):
    with pytest.raises(sg.SurgeryError) as refused:
        REFUSED[name](sg.open("tinyvgg"))
    refuse_odd(str(refused.value))


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "vgg61"],
        ["inspect", "nowhere.keras"],
        ["inspect", "."],
        ["diff", "tinyvgg", "nowhere.h5"],
        ["tap", "tinyvgg", "fc1", "--images", "nowhere", "-o", "f.h5"],
        ["tap", "tinyvgg", "fc1"],
        ["tap", "tinyvgg", "fc1", "-o", "f.txt"],
        ["cut", "tinyvgg", "--to", "blok", "-o", "x.keras"],
        ["cut", "tinyvgg", "-o", "x.keras"],
        ["cut", "tinyvgg", "--to", "fc1", "-o", "nowhere/x.keras"],
        ["graft", "nowhere.py"],
        ["graft"],
        ["graft", "transfer", "--set", "shots"],
        ["graft", "transfer", "--set", "shots=many"],
        ["graft", "transfer", "--plot", "x.jpg"],
        ["weights", "nowhere.safetensors"],
        ["recipes", "--copy", "x.py"],
        ["convert", "nowhere.h5", "x.h5"],
        ["nothing"],
    ],
)
def test_messages_of_commands_are_whole_lines(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code in (1, 2) and "Traceback" not in done.output
    refuse_odd(done.stderr)
