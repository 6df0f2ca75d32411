"""Model files: told by content, refused with one message, written whole or not at all."""

import keras
import numpy as np
import pytest
from networks import arrays_for, assert_same, masked_network, outputs_of, siamese_network

import surgery as sg


@pytest.mark.parametrize(
    ("make", "name"), [(masked_network, "a.keras"), (siamese_network, "b.keras"), (siamese_network, "c.h5")]
)
def test_a_file_opens_as_the_model_that_was_saved(make, name, tmp_path):
    model = make()
    path = tmp_path / name
    keras.saving.save_model(model, path)
    arrays = arrays_for(model)
    assert_same(outputs_of(sg.build(sg.open(path)), arrays), outputs_of(model, arrays))


def test_save_is_atomic_and_leaves_nothing_beside(tmp_path, monkeypatch, tinyvgg):
    path = sg.save(tinyvgg, tmp_path / "model.keras")
    whole = path.read_bytes()

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(sg.SurgeryError, match="No space left on device"):
        sg.save(tinyvgg, path)
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]


def test_save_refuses_what_does_not_come_back(tmp_path):
    class Unregistered(keras.layers.Layer):
        def call(self, x):
            return x

    x = keras.Input((2,))
    with pytest.raises(sg.SurgeryError, match="register_keras_serializable"):
        sg.save(keras.Model(x, Unregistered()(x)), tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


def test_save_of_a_lambda_of_ones_own(tmp_path):
    x = keras.Input((2,))
    model = keras.Model(x, keras.layers.Lambda(lambda t: t * 2)(x))
    path = sg.save(model, tmp_path / "model.keras")
    graph = sg.open(path)
    with pytest.raises(
        sg.SurgeryError, match=rf"{model.layers[1].name}: Python code"
    ):  # from a file it is a stranger's code
        sg.build(graph)
    assert np.array_equal(
        sg.build(graph, replacements={model.layers[1].name: lambda t: t * 2})(np.ones((1, 2))), [[2, 2]]
    )


def test_a_file_without_write_permission_or_place(tmp_path, tinyvgg):
    for path, message in (
        (tmp_path / "no" / "x.keras", "cannot be written"),
        (tmp_path / "x.txt", "should end in .keras"),
    ):
        with pytest.raises(sg.SurgeryError, match=message):
            sg.save(tinyvgg, path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.keras", b"hello", "it begins with b'hello'"),
        ("empty.h5", b"", "it is empty"),
        ("zip.keras", b"PK\x03\x04" + b"0" * 100, "broken or truncated"),
        ("h5.h5", b"\x89HDF\r\n\x1a\n" + b"0" * 100, "broken HDF5"),
    ],
)
def test_files_that_are_no_models(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(sg.SurgeryError, match=message):
        sg.open(tmp_path / name)


def test_truncated_files_are_refused_at_every_length(tmp_path):
    x = keras.Input((2,))
    whole = sg.save(keras.Model(x, keras.layers.Dense(2)(x)), tmp_path / "whole.keras").read_bytes()
    for length in np.random.default_rng(0).integers(0, len(whole) - 1, 30):
        (tmp_path / "cut.keras").write_bytes(whole[:length])
        with pytest.raises(sg.SurgeryError, match=r"cut\.keras"):
            sg.open(tmp_path / "cut.keras")


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "digits.keras").write_bytes(b"")
    with pytest.raises(sg.SurgeryError, match=r"Did you mean 'digits.keras'"):
        sg.open(tmp_path / "digts.keras")
    with pytest.raises(sg.SurgeryError, match="is a directory"):
        sg.open(f"{tmp_path}/")


def test_weights_of_a_file_are_its_own(tmp_path, tinyvgg):
    path = sg.save(tinyvgg, tmp_path / "model.keras")
    with pytest.raises(sg.SurgeryError, match="weights: only for a named network"):
        sg.open(path, weights="imagenet")


def test_old_files_that_stock_keras_opens(shared_zoo):
    """The others come with the reader of old formats; here each is a model or one clear error."""
    opened = 0
    for path in sorted([*shared_zoo.glob("*.h5"), *shared_zoo.glob("*.keras"), *shared_zoo.glob("*.hdf5")]):
        try:
            assert len(sg.open(path)) > 1
            opened += 1
        except sg.SurgeryError as error:
            assert path.name in str(error)
    assert opened >= 5
