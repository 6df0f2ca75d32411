"""Every kind of saved model, opened by stock Keras in a process where surgery cannot be imported.

What needs surgery says so when it is saved, and `import surgery` before or after Keras is enough for it.
"""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

import surgery as sg

STOCK = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "surgery":
            raise ImportError("stock Keras alone")
sys.meta_path.insert(0, Absent())
import keras, numpy as np
folder = sys.argv[1]
arrays = np.load(folder + "/arrays.npz")
for name in sys.argv[2:]:
    model = keras.models.load_model(f"{folder}/{name}.keras")
    np.testing.assert_allclose(model.predict(arrays["x"], verbose=0), arrays[name], rtol=1e-6, atol=1e-6)
    if getattr(model, "optimizer", None) is not None:
        assert int(model.optimizer.iterations) == 4, name
        model.train_on_batch(arrays["x"], arrays[name])
"""
OURS = """
import sys
import surgery
import keras
def forward(networks, batch):
    return {"real": networks["d"](batch), "fake": networks["d"](networks["g"](batch))}
keras.saving.register_keras_serializable("stock")(forward)
for name in sys.argv[2:]:
    print(type(keras.models.load_model(f"{sys.argv[1]}/{name}.keras")).__name__)
"""
X = np.random.default_rng(0).random((8, 4)).astype("float32")


def network():
    inside = keras.Input((4,))
    inner = keras.Model(inside, layers.BatchNormalization(name="inner_bn")(layers.Dense(4)(inside)), name="inner")
    x = keras.Input((4,))
    y = layers.BatchNormalization(name="bn", momentum=0.8)(layers.Dense(4, name="middle")(inner(x)))
    return keras.Model(x, layers.Dense(2, name="head")(y))


def trained(model, optimizer):
    model.compile(optimizer, "mse")
    model.fit(X, np.ones((8, 2), "float32"), batch_size=4, epochs=2, verbose=0)
    return model


def kinds():
    yield "plain", network()
    yield "frozen", sg.build(sg.freeze(sg.open(network()), "inner"))
    model = network()
    yield "statistics", trained(sg.freeze(model, ":BatchNormalization", bn="stats"), "adam")
    model = network()
    yield "rates", trained(model, sg.layerwise_learning_rates(keras.optimizers.Adam(0.01), model, decay=0.5))
    yield "grafted", sg.graft(sg.cut(network(), outputs="bn"), [layers.Dense(3, name="new")])


def run(text, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", text, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


def test_stock_keras_opens_what_is_saved_and_goes_on_training(tmp_path):
    models = dict(kinds())
    for name, model in models.items():
        sg.save(model, tmp_path / f"{name}.keras")
    np.savez(tmp_path / "arrays.npz", x=X, **{name: model.predict(X, verbose=0) for name, model in models.items()})
    run(STOCK, tmp_path, *models)


def test_a_saved_model_keeps_fixed_statistics_for_surgery_and_stays_as_it_is(tmp_path):
    model = sg.freeze(network(), ":BatchNormalization", bn="stats")
    sg.save(model, tmp_path / "m.keras")
    assert type(model.get_layer("bn")).__name__ == "FixedBatchNormalization" and model.get_layer("bn").momentum == 0.8
    opened = sg.build(sg.open(tmp_path / "m.keras"))
    for one in (opened.get_layer("bn"), opened.get_layer("inner").get_layer("inner_bn")):
        assert type(one).__name__ == "FixedBatchNormalization"
    assert opened.get_layer("bn").momentum == 0.8
    before = [np.array(one) for one in opened.get_layer("bn").non_trainable_variables]
    trained(opened, "sgd")
    for one, old in zip(opened.get_layer("bn").non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(one, old)


def test_the_ordinary_optimizer_takes_the_steps_that_ours_takes(tmp_path):
    model = network()
    trained(model, sg.layerwise_learning_rates(keras.optimizers.Adam(0.01), model, decay=0.5))
    sg.save(model, tmp_path / "m.keras")
    stock = keras.models.load_model(tmp_path / "m.keras")
    assert type(stock.optimizer) is keras.optimizers.MultiOptimizer
    for one in (model, stock):
        one.train_on_batch(X, np.zeros((8, 2), "float32"))
    for mine, theirs in zip(model.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


@keras.saving.register_keras_serializable("stock")
def forward(networks, batch):
    return {"real": networks["d"](batch), "fake": networks["d"](networks["g"](batch))}


def adversaries():
    generator = keras.Sequential([keras.Input((4,)), layers.Dense(4)], name="g")
    critic = keras.Sequential([keras.Input((4,)), layers.Dense(1)], name="d")
    players = sg.parts.gan_players(sg.losses.hinge, names=("d", "g"))
    model = sg.Players({"g": generator, "d": critic}, forward, players)
    model.compile()
    model.fit(X, verbose=0)
    return model


def test_players_with_losses_of_the_library_are_saved_and_say_what_opens_them(tmp_path):
    model = adversaries()
    with pytest.warns(UserWarning, match=r"AdversarialLoss, Players of surgery.*after `import surgery`"):
        sg.save(model, tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras")
    for name in model.networks:
        for mine, theirs in zip(model.networks[name].get_weights(), again.networks[name].get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    tensors = forward(model.networks, X)
    for name, player in model.players.items():
        assert float(player.loss(tensors)) == float(again.players[name].loss(tensors))


def test_importing_surgery_before_or_after_keras_is_enough_for_what_is_ours(tmp_path):
    model = network()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.5)
    trained(model, sg.layerwise_learning_rates(keras.optimizers.Adam(schedule), model))
    with pytest.warns(UserWarning, match="of surgery"):
        sg.save(model, tmp_path / "schedule.keras")
    sg.freeze(network(), ":BatchNormalization", bn="stats").save(tmp_path / "by_keras.keras")
    adversaries().save(tmp_path / "players.keras")
    found = run(OURS, tmp_path, "schedule", "by_keras", "players")
    assert found == ["Functional", "Functional", "Players"]
