"""The table of layers against Keras: every class of `keras.layers`, every raw operation, and who else lists classes."""

import ast
import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from layer_examples import CLASSES, called, example

import surgery
import surgery as sg
from surgery.analysis import kernel_extents, mac_rules
from surgery.core.specs import Spec
from surgery.keras_bridge.variables import names_of_variables
from surgery.layers.classes import ALIASES
from surgery.layers.configurations import comparable
from surgery.layers.expected import expected, may_make_variables
from surgery.layers.facts import NO_TRAITS, Facts, Trait
from surgery.layers.operations import OPERATIONS
from surgery.layers.shapes import inferred
from surgery.layers.table import LAYERS, TABLE, facts, has, own_variables

NEWEST = (3, 15)  # the series of Keras that the table knows all of
OLDER = re.compile(r"LocallyConnected[12]D|ThresholdedReLU|Random(Height|Width)|HardSwish|Mish|Swish|ConvLSTM.DCell")
OWN = {"FixedBatchNormalization", "LayerScale", "StochasticDepth", *ALIASES.values()}
NAMES = sorted(CLASSES)

newest = tuple(map(int, keras.__version__.split(".")[:2])) <= NEWEST
of_known_keras = pytest.mark.skipif(not newest, reason=f"Keras {keras.__version__} may have layers that are new")


def kind(name):
    return ALIASES.get(name, name)


def spec_of(tensor):
    return Spec(tuple(tensor.shape), tensor.dtype)


def made_by(name):
    """Returns a layer of a class, what it is given, and what it makes of that; skips what is not called by itself."""
    found = example(name)
    if found is None or found[1] is None:
        pytest.skip("made of code, or not called by itself")
    return *found, called(*found)


def operations():
    def below(cls):
        for one in cls.__subclasses__():
            yield one
            yield from below(one)

    return {one.__name__: one for one in below(keras.Operation) if one.__module__.startswith("keras.src.ops.")}


@of_known_keras
@pytest.mark.parametrize("name", NAMES)
def test_every_layer_of_keras_has_a_row(name):
    assert kind(name) in LAYERS


@of_known_keras
def test_every_raw_operation_of_keras_has_a_row():
    assert not {name for name in operations() if name not in TABLE}


def test_every_row_is_a_class_of_keras_or_of_an_older_one():
    known = {*map(kind, CLASSES), *operations(), *OWN}
    assert not {name for name in TABLE if name not in known and not OLDER.fullmatch(name)}


def test_most_layers_are_known():
    silent = {name for name in map(kind, CLASSES) if facts(name) == Facts()}
    assert len(silent) <= 10 and len(CLASSES) >= 140
    assert sum(row.traits != NO_TRAITS for row in OPERATIONS.values()) >= 125


@pytest.mark.parametrize("name", NAMES)
def test_variables_are_those_that_keras_makes(name):
    layer, inputs, _ = made_by(name)
    config, given = layer.get_config(), [spec_of(one) for one in inputs]
    found = expected(layer.name, kind(name), config, given)
    ours = {f"{layer.name}/{own.replace('.', '/')}": one for own, one in names_of_variables(layer).items()}
    ours = {path: one for path, one in ours.items() if "seed_generator" not in path}
    if ours:
        assert may_make_variables(kind(name), config)
    names = own_variables(kind(name), config)
    if names:
        assert [re.sub(r".*?/(\w+_cell/)?", "", path, count=1) for path in ours] == [own for own, _ in names]
        assert [one.trainable for one in ours.values()] == [trained for _, trained in names]
    if found is not None:
        trained = [(tuple(one.shape), one.trainable) for one in ours.values()]
        assert [(one.shape, one.trainable) for one in found] == trained
    else:
        assert facts(kind(name)).sizes is None


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_types_are_those_that_keras_makes(name):
    layer, inputs, outputs = made_by(name)
    found = inferred(kind(name), layer.get_config(), [spec_of(one) for one in inputs])
    if found is None:
        assert facts(kind(name)).output is None
    else:
        assert found == [spec_of(one) for one in keras.tree.flatten(outputs)]


@pytest.mark.parametrize("name", NAMES)
def test_what_works_on_each_number_alone_changes_no_other(name):
    if not has(kind(name), Trait.ELEMENTWISE):
        pytest.skip("looks at more than one number")
    _, inputs, outputs = made_by(name)
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(2, *one.shape[1:])).astype("float32") for one in inputs]
    before = np.asarray(model(values))
    place = tuple(side // 2 for side in values[0].shape)
    values[0][place] += 1.5
    changed = np.argwhere(np.asarray(model(values)) != before)
    assert changed.tolist() in ([], [list(place)])


@pytest.mark.parametrize("name", NAMES)
def test_what_keeps_the_order_of_scores_keeps_it(name):
    if not has(kind(name), Trait.KEEPS_ORDER) or "2D" in name or "3D" in name or "1D" in name:
        pytest.skip("does not say so of vectors")
    _, inputs, outputs = made_by(name)
    values = np.random.default_rng(1).normal(size=(3, *inputs[0].shape[1:])).astype("float32")
    made = np.asarray(keras.Model(inputs, outputs)([values]))
    np.testing.assert_array_equal(np.argsort(made), np.argsort(values))


@pytest.mark.parametrize("name", [name for name in NAMES if has(name, Trait.SAME_VALUES)])
def test_what_keeps_the_values_keeps_them(name):
    _, inputs, outputs = made_by(name)
    values = np.random.default_rng(5).normal(size=(3, *inputs[0].shape[1:])).astype("float32")
    np.testing.assert_array_equal(np.asarray(keras.Model(inputs, outputs)([values])).ravel(), values.ravel())


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_reads_as_it_did_after_a_round_trip(name):
    layer, _, _ = made_by(name)
    again = type(layer).from_config(layer.get_config())
    assert comparable(layer.get_config(), kind(name)) == comparable(again.get_config(), kind(name))


@pytest.mark.parametrize("name", NAMES)
def test_traits_go_with_what_a_layer_is_made_with(name):
    layer, _, _ = made_by(name)
    config, call = layer.get_config(), inspect.signature(layer.call).parameters
    if has(kind(name), Trait.WINDOWED):
        assert "strides" in config and ("kernel_size" in config or "pool_size" in config)
    if has(kind(name), Trait.UPSAMPLING):
        assert "strides" in config or "size" in config
    if has(kind(name), Trait.CONVOLUTION):
        assert "kernel_size" in config and ("filters" in config or "depth_multiplier" in config)
    if has(kind(name), Trait.RECURRENT):
        assert "initial_state" in call
    assert has(kind(name), Trait.ATTENTION) == ("return_attention_scores" in call)
    assert has(kind(name), Trait.LOOKUP) == hasattr(layer, "get_vocabulary")
    fuses = "activation" in config and bool({"kernel_initializer", "depthwise_initializer"} & set(config))
    assert has(kind(name), Trait.FUSES_ACTIVATION) == (fuses and not has(kind(name), Trait.GATED))
    if has(kind(name), Trait.TAKES_MASK) and not has(kind(name), Trait.ATTENTION):
        assert "mask" in call
    if has(kind(name), Trait.PASSES_MASK):
        assert layer.supports_masking


@pytest.mark.parametrize("name", [name for name in NAMES if has(name, Trait.RANDOM)])
def test_what_is_random_makes_an_image_of_an_image(name):
    layer, inputs, _ = made_by(name)
    images = np.random.default_rng(2).uniform(0, 255, (2, *inputs[0].shape[1:])).astype("float32")
    made = np.asarray(layer(images, training=True))
    assert made.ndim == 4 and made.min() > -1e-3 and made.max() < 255.01


def test_raw_operations_that_work_on_each_number_do():
    rng, seen = np.random.default_rng(3), 0
    for name, cls in sorted(operations().items()):
        if not has(name, Trait.ELEMENTWISE):
            continue
        for count in (1, 2):
            values = [rng.uniform(0.1, 0.9, (2, 3, 4)).astype("float32") for _ in range(count)]
            try:
                before = np.asarray(cls()(*values))
            except Exception:  # takes other arguments
                continue
            if name in ("Average", "Where"):
                continue  # the raw operations of these names take numbers together, or count them
            place = (1, 1, 2)
            values[0][place] = 0.05
            after = np.asarray(cls()(*values))
            assert before.shape == after.shape == (2, 3, 4), name
            assert np.argwhere(after != before).tolist() in ([], [list(place)]), name
            found = inferred(name, {}, [Spec((2, 3, 4), "float32")] * count)
            assert found is None or found == [Spec(after.shape, after.dtype.name)], name
            seen += 1
    assert seen >= 50


def test_a_layer_that_is_not_keras_has_no_facts():
    assert facts("mine>Dense") == Facts() and not has("mine>Conv2D", Trait.CONVOLUTION)
    assert own_variables("package.Dense", {}) is None


@pytest.mark.parametrize("rules", [mac_rules.RULES, kernel_extents._RULES], ids=["MACs", "kernel extents"])
def test_rules_of_other_rooms_are_keyed_by_classes_that_the_table_knows(rules):
    assert not set(rules) - set(TABLE)


ROOT = Path(surgery.__file__).parent
# rules that are one for each class: of multiply-accumulates, and of what old files mean
RULES = re.compile(r"analysis/(mac_rules(_products)?|kernel_extents)\.py|formats/legacy/\w+\.py|layers/\w+\.py")


def listed_classes(path):
    """Yields the line and the names of every list, or alternation, of three or more classes of Keras' layers."""
    known = {*LAYERS, *CLASSES}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            names = [one.value for one in node.elts if isinstance(one, ast.Constant)]
        elif isinstance(node, ast.Dict):
            names = [one.value for one in node.keys if isinstance(one, ast.Constant)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            names = re.split(r"[|()\[\]?, ]+", node.value) if " " not in node.value.strip() or "|" in node.value else []
        found = {name for name in names if isinstance(name, str) and name in known}
        if len(found) > 2:
            yield node.lineno, found


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_room_lists_classes(path):
    if RULES.fullmatch(path.relative_to(ROOT).as_posix()):
        pytest.skip("a rule for each class")
    assert not list(listed_classes(path))


def test_the_search_for_lists_finds_them(tmp_path):
    for text in ('x = ("Dense", "ReLU", "ELU")', 'x = r"Dense|ReLU|ELU"', 'x = {"Add": 1, "ELU": 2, "GRU": 3}'):
        (tmp_path / "lists.py").write_text(text)
        assert list(listed_classes(tmp_path / "lists.py"))


def test_a_stranger_s_dense_is_none_of_keras(tmp_path):
    @keras.saving.register_keras_serializable("mine")
    class Dense(keras.layers.Dense):
        pass

    x = keras.Input((4,))
    graph = sg.open(keras.Model(x, Dense(3, activation="relu")(x)))
    with pytest.raises(sg.SurgeryError):
        sg.unfuse(graph)


def test_what_stands_between_flatten_and_dense_works_on_each_number():
    """A softmax over a flattened map is over all of it, which no convolution of a map can follow."""

    def network(*between):
        return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), *between, keras.layers.Dense(4)])

    images = np.random.default_rng(4).normal(size=(2, 8, 8, 3)).astype("float32")
    for layer in (keras.layers.Rescaling(0.5), keras.layers.Activation("tanh"), keras.layers.AlphaDropout(0.3)):
        model = network(layer)
        made = np.asarray(sg.build(sg.fully_convolutional(sg.open(model)))(images))
        np.testing.assert_allclose(made[:, 0, 0], np.asarray(model(images)), atol=1e-5)
    for layer in (keras.layers.Activation("softmax"), keras.layers.Softmax(), keras.layers.Masking()):
        with pytest.raises(sg.SurgeryError, match="does not work on feature maps"):
            sg.fully_convolutional(sg.open(network(layer)))
