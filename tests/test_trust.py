"""Code that a file names: one gate decides, nothing is imported, run, unpickled or read before it does.

The public attacks on Keras files are here by their CVE numbers, each as a file that is made on the spot and goes
through every command that takes files."""

import base64
import contextlib
import io
import json
import marshal
import pickle
import socket
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest
from click.testing import CliRunner
from old_files import functional, layer, write_h5

import surgery as sg
from surgery.cli.main import main

CODE = base64.b64encode(marshal.dumps((lambda x: exec("raise SystemExit('ran')")).__code__)).decode()

PACKAGES = ("keras_hub", "keras_cv", "keras_nlp")  # those that Keras imports because a file says so

watching = []


def watch(event, args):
    """Notes what a file must never make happen; an audit hook stays for good, so it looks only where it is asked to."""
    if watching and event in ("socket.connect", "os.system", "marshal.loads", "pickle.find_class", "open"):
        watching[-1].append((event, args[0] if event in ("open", "marshal.loads") else None))


sys.addaudithook(watch)


@contextlib.contextmanager
def harmless(*secrets):
    """Asserts that in a block nothing is connected to, unmarshaled, unpickled, or read of these files."""
    seen = []
    watching.append(seen)
    before = set(sys.modules)
    try:
        yield
    finally:
        watching.remove(seen)
    new = {name for name in set(sys.modules) - before if name.split(".")[0] in PACKAGES}
    assert not new, new
    forbidden = {*map(str, secrets), base64.b64decode(CODE)}  # Python opens, and unmarshals, what it imports itself
    assert not [one for one in seen if one[1] is None or one[1] in forbidden], seen


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A small sound file, and the packages that attacks name: each leaves a mark when it is imported."""
    folder = tmp_path_factory.mktemp("trust")
    x = keras.Input((4,), name="x")
    y = keras.layers.Dense(3, name="first", activation="relu")(x)
    keras.Model(x, keras.layers.Dense(2, name="second")(y), name="good").save(folder / "good.keras")
    code = f"import pathlib\npathlib.Path({str(folder / 'mark')!r}).touch()\nclass Dense: pass\ndef relu(x): pass\n"
    for package in PACKAGES:
        (folder / package).mkdir()
        for name in ("__init__", "evil"):
            (folder / package / f"{name}.py").write_text(code)
    return folder


@pytest.fixture
def attack(good, tmp_path, monkeypatch):
    """Returns a function that writes a mutation of the sound file and puts it through every command."""
    monkeypatch.syspath_prepend(good)
    (good / "mark").unlink(missing_ok=True)
    for name in [name for name in sys.modules if name.split(".")[0] in PACKAGES]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(socket, "create_connection", None)

    def tried(change=None, path=None, match="names|asks|refus|cannot|broken|lies in", looked_at=True, secrets=()):
        if path is None:
            path = tmp_path / "attack.keras"
            with zipfile.ZipFile(good / "good.keras") as file, zipfile.ZipFile(path, "w") as out:
                for name in file.namelist():
                    data = file.read(name)
                    if name == "config.json":
                        config = json.loads(data)
                        change(config, config["config"]["layers"][1])
                        data = json.dumps(config)
                    out.writestr(name, data)
        new = tmp_path / "new.keras"
        with harmless(*secrets):
            for words in (["inspect", path], ["weights", path], ["diff", path, good / "good.keras"]):
                run = CliRunner().invoke(main, list(map(str, words)))
                assert run.exit_code in (0, 1, 2) and run.exc_info[0] in (SystemExit, type(None)), run.output
                assert "Error" not in run.output or not looked_at, run.output
            run = CliRunner().invoke(main, ["convert", str(path), str(new)])
            assert run.exit_code == 1 and run.exc_info[0] is SystemExit, run.output
            assert not new.exists()
            with pytest.raises(sg.SurgeryError, match=match):
                sg.build(sg.open(path))
        assert not (good / "mark").exists(), "code of the attack was imported"

    return tried


# ---- the module of everything that has a name ----

EVIL = {"module": "keras_hub.evil", "registered_name": None}
DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2}, "registered_name": None}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("activation", {**EVIL, "class_name": "function", "config": "relu"}),
        ("activation", {**EVIL, "class_name": "function", "config": "relu", "registered_name": "relu"}),
        ("activation", {**EVIL, "class_name": "ReLU", "config": {}}),
        ("activation", {**EVIL, "class_name": 5, "config": {}}),
        ("activation", {**EVIL, "class_name": None, "config": {}}),
        ("activation", {**EVIL, "class_name": True, "config": {}}),
        ("activation", {**EVIL, "class_name": "__typespec__", "config": [[2], "float32"], "spec_name": "TensorSpec"}),
        ("activation", {"module": "keras.layers", "class_name": "function", "config": "TFSMLayer"}),
        ("activation", {"module": "keras.utils", "class_name": "function", "config": "get_file"}),
        ("activation", {"module": "keras.activations", "class_name": "function", "config": "deserialize"}),
        ("activation", {"module": "keras.activations", "class_name": "function", "config": "__class__"}),
        ("kernel_initializer", {**EVIL, "class_name": "Zeros", "config": {}}),
        ("kernel_initializer", {**EVIL, "class_name": "function", "config": "zeros"}),
        ("kernel_initializer", {"module": "keras.initializers", "class_name": "RandomUniform", "registered_name": None,
                                "config": {"seed": {**EVIL, "class_name": "SeedGenerator", "config": {"seed": 1}}}}),
        ("kernel_regularizer", {**EVIL, "class_name": "L2", "config": {}}),
        ("bias_constraint", {**EVIL, "class_name": "NonNeg", "config": {}}),
        ("dtype", {**EVIL, "class_name": "DTypePolicy", "config": {"name": "float32"}}),
        ("quantization_config", {**EVIL, "class_name": "Int8QuantizationConfig", "config": {}}),
        ("whatever", [{"deep": ({**EVIL, "class_name": "Dense", "config": {}},)}]),
        ("lambda", {"module": "builtins", "class_name": "__lambda__", "config": {"value": CODE}}),
        ("bytes", {**EVIL, "class_name": "Functional", "config": {}, "registered_name": "Functional"}),
    ],
)  # fmt: skip
def test_the_module_of_nothing_is_imported(attack, key, value):
    attack(lambda config, dense: dense["config"].update({key: value}), match="no code of a file is run")


@pytest.mark.parametrize("module", ["keras_hub.evil", "keras_cv.evil", "keras_nlp.evil", "keras_hub"])
def test_the_module_of_no_layer_is_imported(attack, module):
    attack(lambda config, dense: dense.update(module=module), match="no code of a file is run")


def test_a_name_that_the_user_handed_over_does_not_open_the_door_for_a_module(good, attack, tmp_path):
    """The class is the user's by its name, and Keras would import the module of the file for it."""

    class Mine(keras.layers.Dense):
        pass

    def change(config, dense):
        dense.update(class_name="Mine", **EVIL)

    attack(change)
    with harmless():
        model = sg.build(sg.open(tmp_path / "attack.keras"), custom_objects={"Mine": Mine})
    assert type(model.get_layer("first")) is Mine and not (good / "mark").exists()


def test_what_keras_makes_itself_is_found_where_it_is_whatever_module_a_file_says(good, attack, tmp_path):
    """A module that begins with keras and is not there, or has not been imported, is not looked for."""

    def change(config, dense):
        dense["module"] = "keras.src.backend.evil"
        dense["config"]["dtype"]["module"] = "keras.evil"

    path = tmp_path / "moved.keras"
    with zipfile.ZipFile(good / "good.keras") as file, zipfile.ZipFile(path, "w") as out:
        for name in file.namelist():
            data = file.read(name)
            if name == "config.json":
                config = json.loads(data)
                change(config, config["config"]["layers"][1])
                data = json.dumps(config)
            out.writestr(name, data)
    x = np.ones((1, 4), "float32")
    stock = keras.saving.load_model(good / "good.keras")
    np.testing.assert_array_equal(sg.build(sg.open(path))(x), stock(x))


@pytest.mark.parametrize("old", [False, True])
def test_arguments_of_calls_name_no_code_either(attack, good, tmp_path, old):
    value = {**EVIL, "class_name": "function", "config": "relu"}
    if not old:

        def change(config, dense):
            dense["inbound_nodes"][0]["kwargs"] = {"training": value}

        attack(change, looked_at=False, match="not data")
        return
    layers = [
        layer("InputLayer", "x", batch_input_shape=[None, 4], dtype="float32"),
        layer("Dropout", "d", ["x"], rate=0.5),
    ]
    layers[1]["inbound_nodes"] = [[["x", 0, 0, {"training": value}]]]
    path = write_h5(tmp_path / "old.h5", "Model", functional(layers, ["x"], ["d"]), {"d": []})
    attack(path=path)


def test_a_model_that_was_compiled_inside_a_wrapper_is_built_without_what_it_was_compiled_with(tmp_path):
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    inner.compile("adam", "mse")
    x = keras.Input((5, 3))
    model = keras.Model(x, keras.layers.TimeDistributed(inner, name="steps")(x))
    model.save(tmp_path / "compiled.keras")
    values = np.ones((1, 5, 3), "float32")
    np.testing.assert_array_equal(sg.build(sg.open(tmp_path / "compiled.keras"))(values), model(values))


# ---- public attacks ----


def as_lambda(function):
    return {"module": "keras.layers", "class_name": "Lambda", "registered_name": None,
            "config": {"name": "first", "function": function, "arguments": {}}}  # fmt: skip


def test_cve_2024_3660_the_code_of_a_lambda(attack):
    code = {"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}}
    attack(lambda config, dense: dense.update(as_lambda(code)), match=r"Python code \(Lambda\)")


def test_cve_2025_9905_the_code_of_a_lambda_in_old_hdf5(attack, tmp_path):
    layers = [
        layer("InputLayer", "x", batch_input_shape=[None, 4], dtype="float32"),
        layer("Lambda", "evil", ["x"], function=[CODE, None, None], function_type="lambda", module="os"),
    ]
    path = write_h5(tmp_path / "evil.h5", "Model", functional(layers, ["x"], ["evil"]), {"evil": []})
    attack(path=path, match=r"Python code \(Lambda\)")


@pytest.mark.parametrize(
    ("number", "module", "name", "arguments"),
    [
        ("2025-1550", "subprocess", "check_output", {"args": ["touch", "mark"]}),
        ("2025-1550", "keras.src.utils.python_utils", "func_load", {}),
        ("2025-8747", "keras.utils", "get_file", {"fname": "x", "origin": "http://127.0.0.1:9/x"}),
        ("2025-12060", "keras.utils", "get_file", {"origin": "file:///etc/passwd", "extract": True}),
        ("2025-12638", "keras.src.utils.file_utils", "extract_archive", {"path": "."}),
        ("2025-9906", "keras.config", "enable_unsafe_deserialization", {}),
        ("2025-9906", "keras.src.backend.common.global_state", "set_global_attribute", {"value": False}),
        ("2025-9906", "keras.models", "load_model", {"safe_mode": False}),
        ("2025-8747", "keras.ops", "save", {}),
    ],
)
def test_cve_a_function_in_a_lambda_and_in_the_place_of_a_layer(attack, number, module, name, arguments):
    function = {"module": module, "class_name": "function", "config": name, "registered_name": name}

    def as_layer(config, dense):
        dense.update(module=module, class_name=name, config={**arguments, "name": "first"}, registered_name=name)

    def as_function(config, dense):
        dense.update(as_lambda(function))
        dense["config"]["arguments"] = arguments

    for change in (as_layer, as_function, lambda config, dense: dense["config"].update(activation=function)):
        attack(change, match="no code of a file is run")
    assert keras.src.saving.serialization_lib.in_safe_mode() is None, number


@pytest.mark.parametrize("kind", ["StringLookup", "IntegerLookup", "TextVectorization"])
@pytest.mark.parametrize("where", ["secret", "http://127.0.0.1:9/secret"])
def test_cve_2025_12058_a_vocabulary_that_is_another_file(attack, tmp_path, kind, where):
    secret = tmp_path / "secret"
    secret.write_text("password\n")
    vocabulary = str(secret) if where == "secret" else where

    def change(config, dense):
        dense.update(class_name=kind, config={"name": "first", "vocabulary": vocabulary, "dtype": "int64"})

    attack(change, match="the vocabulary .* which is another file", secrets=[secret])


def test_cve_2025_49655_a_pickle_in_a_torch_layer(attack):
    class Evil:
        def __reduce__(self):
            return (exec, ("raise SystemExit('ran')",))

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(Evil()))
        file.writestr("archive/version", "3")
    config = {"name": "first", "module": base64.b64encode(buffer.getvalue()).decode(), "output_shape": None}
    for module in ("keras.layers", "keras.src.utils.torch_utils"):
        attack(
            lambda _, dense, module=module: dense.update(class_name="TorchModuleWrapper", module=module, config=config),
            match="'TorchModuleWrapper'",
        )


def test_cve_2026_1462_a_saved_model_beside_the_file(attack, tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x00")
    for module in ("keras.layers", "keras.src.export.tfsm_layer"):
        attack(
            lambda _, dense, module=module: dense.update(
                class_name="TFSMLayer", module=module, config={"name": "first", "filepath": str(tmp_path / "saved")}
            ),
            match="'TFSMLayer'",
            secrets=[tmp_path / "saved" / "saved_model.pb"],
        )


def rewritten(good, path, change):
    """Writes the sound file with other weights in it."""
    with zipfile.ZipFile(good / "good.keras") as file, zipfile.ZipFile(path, "w") as out:
        for name in file.namelist():
            data = file.read(name)
            if name == "model.weights.h5":
                buffer = io.BytesIO(data)
                with h5py.File(buffer, "r+") as weights:
                    place = next(one for one in ("layers/dense/vars", "layers/first/vars") if one in weights)
                    change(weights[place])
                data = buffer.getvalue()
            out.writestr(name, data)
    return path


def outside(secret):
    def change(group):
        del group["0"]
        group.create_dataset("0", (4, 3), "f4", external=[(str(secret), 0, 48)])

    return change


def link(secret):
    def change(group):
        del group["0"]
        group["0"] = h5py.ExternalLink(str(secret), "/")

    return change


@pytest.mark.parametrize("way", [outside, link])
def test_cve_2026_1669_weights_that_lie_in_another_file(attack, good, tmp_path, way):
    secret = tmp_path / "secret"
    secret.write_bytes(b"password" * 6)
    path = rewritten(good, tmp_path / "attack.keras", way(secret))
    attack(path=path, looked_at=False, match="lies in another file|link", secrets=[secret])


def test_cve_2026_0897_a_shape_without_data(attack, good, tmp_path):
    def change(group):
        del group["0"]
        group.create_dataset("0", (2**20, 2**20, 2**10), "f4", chunks=(1, 1, 2**10), compression="gzip")

    path = rewritten(good, tmp_path / "attack.keras", change)
    attack(path=path, looked_at=False, match="has|holds|shape")
