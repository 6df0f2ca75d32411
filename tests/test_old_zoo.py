"""Real files of Keras 1.1 to 3.15, where the folder of them is beside this checkout; the oracle is the Keras that wrote
them: its outputs, kept beside the files."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from networks import numpy_of

import surgery as sg

CODE = {  # file -> what the refusal names
    "KonduitAI__model_lambda.h5": r"lambda_3: Python code \(Lambda\)\n  lambda_4: Python code",
    "KonduitAI__tfop_0.h5": "the class 'TensorFlowOpLayer'",
    "KonduitAI__convlstm2d_0.h5": "should have different `go_backwards`",  # Keras 3 itself cannot
    "keras-team__bugged_model.keras": "'TestModel', a custom class with its own call",
    "nested_container.keras": "'NestedDenseModel', a custom class with its own call",
    "peikexin9__Model1.h5": r"weights without an architecture \(6 tensors\)",
}


@pytest.fixture
def files(shared_zoo):
    return sorted(path for path in shared_zoo.iterdir() if path.suffix in (".h5", ".hdf5", ".keras"))


def test_every_file_builds_and_computes_what_its_keras_computed_or_is_refused_by_name(files):
    assert len(files) == 30
    compared = built = 0
    for path in files:
        if path.name in CODE:
            with pytest.raises(sg.SurgeryError, match=CODE[path.name]):
                sg.build(sg.open(path))
            continue
        model = sg.build(sg.open(path))
        built += 1
        reference = path.with_name(path.name + ".reference.npz")
        if not reference.exists():
            continue
        with np.load(reference) as arrays:
            given = [arrays[name] for name in sorted(arrays) if name.startswith("x")]
            expected = [arrays[name] for name in sorted(arrays) if name.startswith("y")]
        made = keras.tree.flatten(model(keras.tree.pack_sequence_as(model.input, given), training=False))
        assert len(made) == len(expected)
        for mine, other in zip(made, expected, strict=True):
            assert mine.shape == other.shape, path.name
            assert np.abs(numpy_of(mine) - other).max() <= 1e-3 * np.abs(other).max(), path.name
        compared += 1
    assert (built, compared) == (24, 20)


def test_parameters_are_those_that_the_index_says(files, shared_zoo):
    index = {entry["file"]: entry for entry in json.loads((shared_zoo / "index.json").read_text())}
    for path in files:
        if path.name not in CODE or "Lambda" in CODE[path.name] or "TensorFlowOp" in CODE[path.name]:
            assert sg.open(path).params == index[path.name]["parameters"], path.name


def test_inspect_answers_for_every_file_without_keras(files):
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom surgery.cli.main import main\n"
        "for path in sys.argv[1:]:\n"
        "    result = CliRunner().invoke(main, ['inspect', path])\n"
        "    assert result.exit_code == 0 and len(result.stdout.splitlines()) > 3, (path, result.output)\n"
        "assert 'keras' not in sys.modules and 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, *map(str, files)], check=True)
