"""Several players: each step moves its own variables, and no other; the objectives against NumPy."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

import surgery as sg
from surgery.training import gan_losses as objectives


def generator(bn=True):
    steps = [keras.Input((3,)), L.Dense(8, name="g1")]
    steps += [L.BatchNormalization(name="gn")] if bn else []
    return keras.Sequential([*steps, L.ReLU(), L.Dense(2, name="g2")], name="generator")


def discriminator(bn=True):
    steps = [keras.Input((2,)), L.Dense(8, name="d1")]
    steps += [L.BatchNormalization(name="dn")] if bn else []
    return keras.Sequential([*steps, L.LeakyReLU(), L.Dense(1, name="d2")], name="discriminator")


@keras.saving.register_keras_serializable(package="tests")
def forward(networks, real):
    noise = tf.random.normal((tf.shape(real)[0], 3))
    fake = networks["g"](noise, training=True)
    return {"real": networks["d"](real, training=True), "fake": networks["d"](fake, training=True)}


@keras.saving.register_keras_serializable(package="tests")
def d_loss(tensors):
    return objectives.hinge.discriminator(tensors["real"], tensors["fake"])


@keras.saving.register_keras_serializable(package="tests")
def g_loss(tensors):
    return objectives.hinge.generator(tensors["fake"])


def deterministic(networks, real):
    fake = networks["g"](keras.ops.concatenate([real, real[:, :1]], axis=-1), training=True)
    return {"real": networks["d"](real, training=True), "fake": networks["d"](fake, training=True)}


def gan(bn=True, through=forward, **steps):
    players = sg.Players(
        {"g": generator(bn), "d": discriminator(bn)},
        through,
        {
            "d": sg.Player("d", keras.optimizers.Adam(0.01), d_loss, steps.get("d", 1)),
            "g": sg.Player("g", keras.optimizers.SGD(0.01), g_loss, steps.get("g", 1)),
        },
        name="gan",
    )
    players.compile()
    return players


DATA = np.random.default_rng(0).normal(2, 1, (64, 2)).astype("float32")


def test_each_step_moves_its_own_variables_statistics_included_and_check_says_so():
    players = gan()
    before = players.get_weights()
    players.check(DATA[:16])
    for mine, other in zip(players.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, other)  # and it is undone
    for name, other in (("d", "g"), ("g", "d")):
        weights = {key: [one.numpy().copy() for one in net.weights] for key, net in players.networks.items()}
        players.step(name, DATA[:16])
        moved = {
            key: [not np.array_equal(one, old) for one, old in zip(net.weights, weights[key], strict=True)]
            for key, net in players.networks.items()
        }
        assert not any(moved[other]) and sum(moved[name]) >= len(moved[name]) - 1  # a bias before a norm stays


def test_a_step_is_that_of_plain_gradient_descent():
    """The oracle: a tape, a gradient and an optimizer, by hand."""
    players, oracle = gan(bn=False, through=deterministic), gan(bn=False, through=deterministic)
    oracle.set_weights(players.get_weights())
    players.fit(DATA, batch_size=16, epochs=2, shuffle=False, verbose=0)
    d, g = (oracle.networks[name] for name in "dg")
    adam, sgd = keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.01)
    for first in [*range(0, 64, 16)] * 2:
        batch = DATA[first : first + 16]
        for network, optimizer, loss in ((d, adam, d_loss), (g, sgd, g_loss)):
            with tf.GradientTape() as tape:
                value = loss(deterministic({"g": g, "d": d}, batch))
            optimizer.apply(tape.gradient(value, network.trainable_variables), network.trainable_variables)
    for mine, other in zip(players.get_weights(), oracle.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


def test_fit_metrics_callbacks_and_steps_per_round():
    players = gan(d=3)
    seen = []
    history = players.fit(
        DATA, batch_size=16, epochs=2, verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs))],
    )  # fmt: skip
    assert set(history.history) == {"d_loss", "g_loss"} and len(seen) == 2
    assert int(players.players["d"].optimizer.iterations) == 3 * 8
    assert int(players.players["g"].optimizer.iterations) == 8
    assert set(players.evaluate(DATA, verbose=0, return_dict=True)) == {"d_loss", "g_loss"}


def test_a_gan_learns_where_the_data_are():
    keras.utils.set_random_seed(0)
    sides = sg.losses.non_saturating
    players = sg.Players(
        {"g": generator(bn=False), "d": discriminator(bn=False)},
        forward,
        {
            "d": sg.Player("d", keras.optimizers.Adam(0.01), lambda t: sides.discriminator(t["real"], t["fake"])),
            "g": sg.Player("g", keras.optimizers.Adam(0.01), lambda t: sides.generator(t["fake"])),
        },
    )
    players.compile()
    noise = np.random.default_rng(1).normal(size=(256, 3)).astype("float32")
    start = players.networks["g"].predict(noise, verbose=0).mean(0)
    players.fit(DATA, batch_size=32, epochs=150, verbose=0)
    end = players.networks["g"].predict(noise, verbose=0).mean(0)
    assert np.abs(end - DATA.mean(0)).max() < 0.5 * np.abs(start - DATA.mean(0)).max()


def test_saved_opened_and_trained_on(tmp_path):
    players = gan()
    players.fit(DATA, batch_size=16, epochs=1, verbose=0)
    players.save(tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras")
    for mine, other in zip(again.get_weights(), players.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    again.check(DATA[:8])
    again.fit(DATA, verbose=0)
    players.save_weights(tmp_path / "gan.weights.h5")
    other = gan()
    other.load_weights(tmp_path / "gan.weights.h5")
    np.testing.assert_array_equal(other.get_weights()[0], players.get_weights()[0])


def test_a_player_may_own_a_part_of_a_network():
    networks = {"g": generator(), "d": discriminator()}
    players = sg.Players(
        networks,
        forward,
        {
            "trunk": sg.Player(("d", "d1, dn"), "sgd", d_loss),
            "rest": sg.Player([("d", "d2"), "g"], "sgd", g_loss),
        },
    )
    players.compile()
    players.check(DATA[:8])
    assert {one.path.split("/")[-2] for one in players.variables_of("trunk")} == {"d1", "dn"}


@pytest.mark.parametrize(
    ("players", "message"),
    [
        ({"a": ("d", d_loss), "b": ("d", g_loss)}, "belongs to both 'a' and 'b'"),
        ({"a": ("dd", d_loss)}, "no network 'dd'; there are g, d. Did you mean 'd'|no network 'dd'"),
        ({"a": (("d", "d9"), d_loss)}, "no call matches 'd9'"),
        ({"a": (("d", ":LeakyReLU"), d_loss)}, "has weights"),
    ],
)
def test_players_that_cannot_be(players, message):
    made = {name: sg.Player(owns, "sgd", loss) for name, (owns, loss) in players.items()}
    with pytest.raises(sg.SurgeryError, match=message):
        sg.Players({"g": generator(), "d": discriminator()}, forward, made)


def test_check_names_a_loss_that_moves_nothing():
    nothing = sg.Player("g", "sgd", lambda tensors: keras.ops.sum(tensors["fake"]) * 0.0)
    players = sg.Players({"g": generator(bn=False), "d": discriminator(bn=False)}, forward, {"g": nothing})
    players.compile()
    with pytest.raises(sg.SurgeryError, match="a step of 'g' moved nothing"):
        players.check(DATA[:8])


def test_a_strategy_passes_through():
    code = """
import sys; sys.path.insert(0, sys.argv[1])
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import test_players as t
single = t.gan(bn=False, through=t.deterministic)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    mirrored = t.gan(bn=False, through=t.deterministic)
    mirrored.set_weights(single.get_weights())
for one in (single, mirrored):
    one.fit(t.DATA, batch_size=16, epochs=2, shuffle=False, verbose=0)
for mine, other in zip(mirrored.get_weights(), single.get_weights()):
    np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-5)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(__file__)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]


# ---- objectives ----


def softplus(x):
    return np.log1p(np.exp(x))


PAPERS = {
    "non_saturating": (lambda r, f: softplus(-r).mean() + softplus(f).mean(), lambda f: softplus(-f).mean()),
    "hinge": (lambda r, f: np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean(), lambda f: -f.mean()),
    "least_squares": (lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2, lambda f: ((f - 1) ** 2).mean() / 2),
    "wasserstein": (lambda r, f: f.mean() - r.mean(), lambda f: -f.mean()),
}


@pytest.mark.parametrize("name", PAPERS)
def test_objectives_are_those_of_the_papers(name):
    of_discriminator, of_generator = PAPERS[name]
    random = np.random.default_rng(0)
    real, fake = random.normal(size=(2, 9, 1)).astype("float32")
    objective = getattr(sg.losses, name)
    np.testing.assert_allclose(objective.discriminator(real, fake), of_discriminator(real, fake), rtol=1e-5)
    np.testing.assert_allclose(objective.generator(fake), of_generator(fake), rtol=1e-5)


def test_the_gradient_penalty_of_a_linear_critic_is_known():
    weights = np.array([[3.0], [4.0]], "float32")
    real, fake = tf.constant(DATA[:8]), tf.constant(DATA[8:16])
    found = sg.losses.gradient_penalty(lambda x: x @ weights, real, fake, weight=2.0)
    np.testing.assert_allclose(found, 2.0 * (5.0 - 1.0) ** 2, rtol=1e-5)


def test_flags_that_are_changed_between_two_fits_hold_in_the_second():
    players = gan()
    players.compile()
    real = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    players.fit(real, epochs=1, verbose=0)
    judge = players.networks["d"]
    sg.freeze(judge, "d1, dn")
    still = {one.path: np.array(one) for name in ("d1", "dn") for one in judge.get_layer(name).weights}
    before = np.array(judge.get_layer("d2").kernel)
    players.check(real[:32])
    with sg.FreezeCheck(judge, "d1, dn") as check:
        players.fit(real, epochs=1, verbose=0)
    players.fit(real, epochs=1, verbose=0, callbacks=[check])
    assert {path: (np.array(one) == still[path]).all() for one in judge.weights if (path := one.path) in still} == (
        dict.fromkeys(still, True)
    )
    assert not np.array_equal(before, judge.get_layer("d2").kernel)
    sg.unfreeze(judge)
    players.fit(real, epochs=1, verbose=0)
    assert not any(np.array_equal(one, still[one.path]) for one in judge.get_layer("d1").weights)


def test_what_was_frozen_at_first_gets_slots_when_it_is_thawed():
    networks = {"g": generator(), "d": sg.freeze(discriminator(), "d1")}
    made = {"d": sg.Player("d", "adam", d_loss), "g": sg.Player("g", "adam", g_loss)}
    players = sg.Players(networks, forward, made)
    players.compile()
    real = np.ones((32, 2), "float32")
    players.fit(real, verbose=0)
    sg.unfreeze(networks["d"])
    before = np.array(networks["d"].get_layer("d1").kernel)
    players.fit(real, verbose=0)
    assert not np.array_equal(before, networks["d"].get_layer("d1").kernel)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sg.Player("d", "adam", d_loss, 0), "at least 1 step"),
        (lambda: sg.Player("d", "adam", d_loss, 0.5), "at least 1 step"),
        (lambda: sg.Player("d", "adam", "hinge"), "is a function of what the forward pass returns"),
        (lambda: sg.Players({}, forward, {"d": sg.Player("d", "adam", d_loss)}), "networks is a dict"),
        (lambda: sg.Players({"d": discriminator()}, forward, {}), "players is a dict"),
        (
            lambda: sg.Players({"d": sg.open(discriminator())}, forward, {"d": sg.Player("d", "adam", d_loss)}),
            r"is a Graph, not a Model. Build it: sg.build",
        ),
        (
            lambda: sg.Players({"d": discriminator()}, forward, {"d": sg.Player("d", "adamm", d_loss)}),
            "by an optimizer of Keras, or its name, not 'adamm'",
        ),
        (
            lambda: sg.Players({"d": discriminator()}, forward, {"d": sg.Player("d", keras.optimizers.Adam, d_loss)}),
            "by an optimizer of Keras",
        ),
    ],
)
def test_players_of_odd_parts_are_refused_when_they_are_made(make, message):
    with pytest.raises(sg.SurgeryError, match=message):
        make()


def test_a_loss_that_is_no_tensor_is_named():
    players = sg.Players(
        {"d": discriminator()},
        lambda networks, real: networks["d"](real, training=True),
        {"d": sg.Player("d", "adam", lambda scores: 0.0)},
    )
    with pytest.raises(sg.SurgeryError, match=r"the loss of 'd' returns 0\.0; expected a scalar tensor"):
        players.check(np.ones((4, 2), "float32"))


@pytest.mark.parametrize("how", ["x, y", "one tuple", "a dict", "a dict and y"])
def test_forward_is_given_the_batch_as_fit_is(how):
    """Arrays with targets, one tuple of both, dicts: each trains alike, and `forward` is given them as they are."""
    x, y = np.ones((8, 3), "float32"), np.zeros((8, 2), "float32")
    given, parts = {
        "x, y": ((x, y), lambda batch: batch),
        "one tuple": (((x, y),), lambda batch: batch),
        "a dict": (({"x": x, "y": y},), lambda batch: (batch["x"], batch["y"])),
        "a dict and y": (({"x": x}, y), lambda batch: (batch[0]["x"], batch[1])),
    }[how]

    def forward(networks, batch):
        inputs, targets = parts(batch)
        return {"loss": (networks["n"](inputs) - targets) ** 2}

    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, kernel_initializer="ones")], name="n")
    loss = lambda tensors: keras.ops.mean(tensors["loss"])
    players = sg.Players({"n": network}, forward, {"n": sg.Player("n", keras.optimizers.SGD(0.1), loss)})
    players.compile()
    assert players.evaluate(*given, verbose=0) == pytest.approx(9.0)
    assert players.fit(*given, verbose=0).history["n_loss"][0] == pytest.approx(9.0)
    assert not np.array_equal(network.get_weights()[0], np.ones((3, 2)))
