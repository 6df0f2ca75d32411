"""`fit_cached` against `fit`: the same losses, the same weights, nothing computed twice; refusal where it is wrong."""

import json
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L
from networks import siamese_network

import surgery as sg
from surgery.core.specs import Spec
from surgery.training import features
from surgery.training.feature_store import Store
from surgery.training.frozen_prefix import frozen_prefix


def network(dropout=0.0):
    steps = [keras.Input((8, 8, 3)), L.Conv2D(4, 3, padding="same", name="a"), L.BatchNormalization(name="norm")]
    steps += [L.ReLU(name="relu"), L.MaxPooling2D(name="pool")]
    steps += [L.Dropout(dropout, seed=1, name="drop")] if dropout else []
    return keras.Sequential([*steps, L.Flatten(name="flat"), L.Dense(3, name="head")], name="net")


def two_paths():
    """A skip from the middle of the frozen part, two outputs, and an input that the head needs itself."""
    x, extra = keras.Input((8, 8, 3), name="x"), keras.Input((2,), name="extra")
    a = L.Conv2D(4, 3, padding="same", name="a")(x)
    b = L.Conv2D(4, 3, padding="same", activation="relu", name="b")(a)
    pooled = L.GlobalAveragePooling2D(name="gap")(L.Add(name="sum")([L.Conv2D(4, 1, name="skip")(a), b]))
    joined = L.Concatenate(name="cat")([pooled, extra])
    return keras.Model(
        {"x": x, "extra": extra}, {"label": L.Dense(3, name="label")(joined), "size": L.Dense(1, name="size")(pooled)}
    )


def data(count=50, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(1, 2, (count, 8, 8, 3)).astype("float32"), random.integers(0, 3, count)


def compiled(model, **options):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"], **options)
    return model


def twins(make, where):
    """Two models of equal weights, frozen and compiled."""
    one, two = make(), make()
    two.set_weights(one.get_weights())
    return [compiled(sg.freeze(model, where)) for model in (one, two)]


def same_history(ours, theirs):
    assert set(ours.history) == set(theirs.history)
    for key, values in theirs.history.items():
        np.testing.assert_allclose(ours.history[key], values, rtol=2e-4, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("as_dataset", [False, True])
def test_the_losses_and_the_weights_are_those_of_fit(on_disk, as_dataset, tmp_path):
    ours, theirs = twins(network, "..norm")
    x, y = data()
    held = data(20, seed=1)
    options = {
        "epochs": 3,
        "verbose": 0,
        "shuffle": False,
        "validation_data": held,
        "class_weight": {0: 1.0, 1: 2.0, 2: 1.0},
    }
    given = (tf.data.Dataset.from_tensor_slices((x, y)).batch(16),) if as_dataset else (x, y)
    size = {} if as_dataset else {"batch_size": 16}
    history = sg.fit_cached(ours, *given, **size, **options, cache=tmp_path if on_disk else None)
    expected = theirs.fit(x, y, batch_size=16, **{**options, "validation_batch_size": 16})
    same_history(history, expected)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-5)
    assert history.cached.boundary == ("flat",) and history.cached.samples == 70
    assert "112 parameters" not in str(history.cached) and "128 parameters, up to flat" in str(history.cached)
    ours.fit(x, y, epochs=1, verbose=0)  # and goes on as any model
    assert int(ours.optimizer.iterations) == 3 * 4 + 2


def test_several_tensors_cross_and_structures_stay():
    ours, theirs = two_paths(), two_paths()
    theirs.set_weights(ours.get_weights())
    for model in (ours, theirs):
        sg.freeze(model, "a, b")
        model.compile("adam", {"label": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "size": "mse"})
    x, y = data()
    given = {"x": x, "extra": x[:, 0, 0, :2]}
    targets = {"label": y, "size": y.astype("float32")}
    weights = np.linspace(0, 1, len(y))
    options = {
        "epochs": 3,
        "verbose": 0,
        "shuffle": False,
        "batch_size": 10,
        "sample_weight": {"label": weights, "size": weights},
    }
    history = sg.fit_cached(ours, given, targets, **options)
    same_history(history, theirs.fit(given, targets, **options))
    assert set(history.cached.boundary) == {"a", "b", "extra"}


def test_a_nested_model_that_is_frozen_in_part_is_entered():
    ours, theirs = siamese_network(), siamese_network()
    theirs.set_weights(ours.get_weights())
    random = np.random.default_rng(0)
    given = [random.random((20, 8, 8, 3), "float32") for _ in range(2)]
    y = random.random((20, 1))
    for model in (ours, theirs):
        sg.freeze(model, "trunk/conv")
        model.compile("sgd", "mse")
    history = sg.fit_cached(ours, given, y, epochs=2, verbose=0, shuffle=False)
    same_history(history, theirs.fit(given, y, epochs=2, verbose=0, shuffle=False))
    assert history.cached.boundary == ("conv", "conv@1")
    shallow = sg.fit_cached(ours, given, y, epochs=1, verbose=0, at="trunk@0/conv, trunk@1/conv")
    assert shallow.cached.boundary == ("conv", "conv@1")


def test_dropout_after_the_prefix_draws_as_in_fit():
    ours, theirs = twins(lambda: network(dropout=0.5), "..norm")
    x, y = data()
    options = {"epochs": 3, "verbose": 0, "shuffle": False}
    history = sg.fit_cached(ours, x, y, **options)
    same_history(history, theirs.fit(x, y, **options))
    assert history.cached.boundary == ("pool",)


def test_the_prefix_runs_once_for_each_sample(monkeypatch):
    model = compiled(sg.freeze(network(), "..norm"))
    seen = []
    computed = features.compute_features

    def counted(front, prefix, given):
        seen.append(len(next(iter(given.values()))))
        return computed(front, prefix, given)

    monkeypatch.setattr(features, "compute_features", counted)
    sg.fit_cached(model, *data(600), epochs=5, verbose=0)
    assert seen == [256, 256, 88]


def test_callbacks_see_the_whole_model_and_may_stop_it(tmp_path):
    model = compiled(sg.freeze(network(), "..norm"))
    stop = keras.callbacks.EarlyStopping("loss", min_delta=10.0, patience=1)
    saver = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras")
    history = sg.fit_cached(
        model, *data(), epochs=50, verbose=0, callbacks=[stop, saver, sg.FreezeCheck(model, "..norm")]
    )
    assert 2 <= len(history.epoch) < 50
    assert len(keras.models.load_model(tmp_path / "best.keras").layers) == len(model.layers)


def test_what_is_on_disk_is_used_again_and_never_when_stale(tmp_path, monkeypatch):
    model = compiled(sg.freeze(network(), "..norm"))
    x, y = data()
    count = []
    computed = features.compute_features
    monkeypatch.setattr(features, "compute_features", lambda *args: count.append(1) or computed(*args))

    def runs(*given):
        count.clear()
        sg.fit_cached(model, *given, verbose=0, cache=tmp_path)
        return len(count)

    assert (runs(x, y), runs(x, y), runs(x, 1 - y.clip(0, 1))) == (1, 0, 0)  # other targets, the same features
    assert runs(x + 1, y) == 1 and runs(x[::-1].copy(), y) == 1
    model.get_layer("a").bias.assign(np.ones(4))
    assert runs(x, y) == 1
    model.get_layer("norm").moving_mean.assign(np.ones(4))
    assert runs(x, y) == 1
    for file in tmp_path.glob("*/tensor0.npy"):  # what was cut off is computed again
        file.write_bytes(file.read_bytes()[:100])
    with pytest.warns(UserWarning, match="not what was written there"):
        assert runs(x, y) == 1


CHILD = """
import sys, time, keras, numpy as np
sys.path.insert(0, sys.argv[2])
import test_cached_fit as t, surgery as sg
from surgery.training import features
keras.utils.set_random_seed(0)
model = t.compiled(sg.freeze(t.network(), "..norm"))
plain, made = features.compute_features, 0
def computed(*args):
    global made
    time.sleep(float(sys.argv[3]))
    made += 1
    print("chunk", flush=True)
    return plain(*args)
features.compute_features = computed
history = sg.fit_cached(model, *t.data(2000), epochs=2, verbose=0, shuffle=False, cache=sys.argv[1])
print("made", made, history.history["loss"])
"""


def test_a_kill_costs_one_chunk(tmp_path):
    here = os.path.dirname(__file__)

    def child(folder, pause):
        command = [sys.executable, "-c", CHILD, str(folder), here, pause]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        )

    with child(tmp_path / "killed", "0.3") as run:
        for _ in range(4):
            assert run.stdout.readline() == "chunk\n"
        os.kill(run.pid, signal.SIGKILL)
    (said,) = (tmp_path / "killed").glob("*/progress.json")
    done = json.loads(said.read_text())["done"]
    assert done in (3 * 256, 4 * 256)
    with child(tmp_path / "killed", "0") as resumed, child(tmp_path / "whole", "0") as whole:
        ends = [one.stdout.read().splitlines()[-1].split(maxsplit=2) for one in (resumed, whole)]
    assert int(ends[0][1]) == 8 - done // 256 and int(ends[1][1]) == 8
    assert ends[0][2] == ends[1][2]


# ---- refusals ----


def augmented():
    steps = [keras.Input((8, 8, 3)), L.RandomFlip(name="flip"), L.Conv2D(4, 3, name="a"), L.Flatten(name="f")]
    return keras.Sequential([*steps, L.Dense(3, name="head")], name="net")


@pytest.mark.parametrize(
    ("make", "frozen", "options", "message"),
    [
        (
            augmented,
            "..f",
            {},
            r"no layer with weights is frozen from the inputs on: flip draws at random \(RandomFlip\)",
        ),
        (lambda: network(0.5), "..pool", {"at": "drop"}, r"'drop' lies before drop, and draws at random \(Dropout\)"),
        (network, "a", {"at": "pool"}, "'norm' lies before pool, and trains"),
        (network, "head", {}, "no layer with weights is frozen from the inputs on: a trains"),
        (network, "**", {}, "nothing trains"),
        (network, "..norm", {"memory": 1000}, "more than memory=1,000 bytes: cache= names a folder"),
        (network, "..norm", {"callbacks": [sg.StagedUnfreeze({0: "head"})]}, "Use model.fit for it"),
    ],
)
def test_where_it_would_be_wrong_it_refuses(make, frozen, options, message):
    model = compiled(sg.freeze(make(), frozen))
    before = [weight.copy() for weight in model.get_weights()]
    with pytest.raises(sg.SurgeryError, match=message):
        sg.fit_cached(model, *data(), verbose=0, **options)
    for mine, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_statistics_that_move_end_the_prefix():
    model = sg.freeze(network(), "a")
    model.get_layer("norm").gamma.trainable = model.get_layer("norm").beta.trainable = False
    assert frozen_prefix(sg.open(model)).stops == {"norm": "has statistics that move"}
    sg.freeze(model, "norm", bn="stats")
    assert frozen_prefix(sg.open(model)).stops == {"norm": "trains"}


def test_data_that_differ_from_pass_to_pass_are_refused(tmp_path):
    model = compiled(sg.freeze(network(), "..norm"))
    x, y = data()
    shuffled = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(50, reshuffle_each_iteration=True).batch(16)
    with pytest.raises(sg.SurgeryError, match="other samples in its second pass: it shuffles or augments"):
        sg.fit_cached(model, shuffled, verbose=0, cache=tmp_path)
    assert not list(tmp_path.iterdir())  # what was kept of it was not what it said
    sizes = iter([3, 3, 2])

    class Shrinking:
        def __iter__(self):
            return iter([(x[:16], y[:16])] * next(sizes))

    with pytest.raises(sg.SurgeryError, match="gave 48 samples at first, and 32 now"):
        sg.fit_cached(model, Shrinking(), verbose=0)
    with pytest.raises(sg.SurgeryError, match="can be gone through but once"):
        sg.fit_cached(model, iter([(x, y)]), verbose=0)
    with pytest.raises(sg.SurgeryError, match=r"they have \[49, 50\] rows"):
        sg.fit_cached(model, x, y[:-1], verbose=0)
    with pytest.raises(sg.SurgeryError, match="there are no samples"):
        sg.fit_cached(model, x[:0], y[:0], verbose=0)
    with pytest.raises(sg.SurgeryError, match="compile"):
        sg.fit_cached(network(), x, y)


def test_a_full_disk_is_one_error(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    store = Store([Spec((None, 4))], 10, tmp_path / "rows")
    store.add([np.ones((4, 4), "float32")])
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(sg.SurgeryError, match="No space left on device"):
        store.add([np.ones((4, 4), "float32")])
    monkeypatch.undo()
    again = Store([Spec((None, 4))], 10, tmp_path / "rows")
    assert again.done == 4
    again.add([np.full((6, 4), 2, "float32")])
    np.testing.assert_array_equal(again.arrays()[0], np.repeat([1, 2], [4, 6])[:, None] * np.ones((10, 4)))
    with pytest.raises(sg.SurgeryError, match=r"where .* are free"):
        Store([Spec((None, 10**9))], 10**6, tmp_path / "huge")


def test_a_strategy_passes_through():
    code = """
import keras, numpy as np, tensorflow as tf, sys
sys.path.insert(0, sys.argv[1])
import surgery as sg, test_cached_fit as t
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
keras.utils.set_random_seed(0)
single = t.network()
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    mirrored = t.network()
    mirrored.set_weights(single.get_weights())
    t.compiled(sg.freeze(mirrored, "..norm"))
t.compiled(sg.freeze(single, "..norm"))
ours = sg.fit_cached(mirrored, *t.data(48), epochs=3, batch_size=16, verbose=0, shuffle=False)
theirs = single.fit(*t.data(48), epochs=3, batch_size=16, verbose=0, shuffle=False)
np.testing.assert_allclose(ours.history["loss"], theirs.history["loss"], rtol=1e-3)
np.testing.assert_allclose(mirrored.get_weights()[-1], single.get_weights()[-1], rtol=1e-2, atol=1e-4)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(__file__)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
