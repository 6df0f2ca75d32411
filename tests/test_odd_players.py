"""Players on odd requests: what a step, an evaluation and a file must keep."""

import keras
import numpy as np
import pytest

import surgery as sg

L = keras.layers


def generator():
    layers = [keras.Input((2,)), L.Dense(8, name="g1"), L.BatchNormalization(), L.ReLU(), L.Dense(2, name="g2")]
    return keras.Sequential(layers, name="gen")


def critic(**options):
    layers = [keras.Input((2,)), L.Dense(8, activation="relu", name="d1", **options), L.Dense(1, name="d2")]
    return keras.Sequential(layers, name="dis")


@keras.saving.register_keras_serializable("tests")
def both(networks, real):
    fake = networks["g"](real, training=True)
    return {"real": networks["d"](real, training=True), "fake": networks["d"](fake, training=True)}


@keras.saving.register_keras_serializable("tests")
def of_critic(tensors):
    return sg.losses.hinge.discriminator(tensors["real"], tensors["fake"])


@keras.saving.register_keras_serializable("tests")
def of_generator(tensors):
    return sg.losses.hinge.generator(tensors["fake"])


def players(d=None, rate=0.01, g_options=None, of_g=of_generator, of_d=of_critic, owns_d="d"):
    keras.utils.set_random_seed(0)
    sgd = keras.optimizers.SGD
    made = {
        "d": sg.Player(owns_d, sgd(rate), of_d),
        "g": sg.Player("g", sgd(rate, **(g_options or {})), of_g),
    }
    model = sg.Players({"g": generator(), "d": d or critic()}, both, made)
    model.compile()
    return model


def data():
    return np.random.default_rng(0).normal(2, 1, (64, 2)).astype("float32")


def test_evaluation_and_prediction_move_nothing():
    model = players()
    before = model.get_weights()
    model.evaluate(data(), verbose=0)
    model.predict(data(), verbose=0)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


def test_averages_of_an_optimizer_are_put_in_at_the_end_of_fit():
    averaged, plain = players(rate=0.1, g_options={"use_ema": True, "ema_momentum": 0.9}), players(rate=0.1)
    seen = []
    end = keras.callbacks.LambdaCallback(on_train_end=lambda logs: seen.append(np.array(averaged.variables_of("g")[0])))
    averaged.fit(data(), epochs=2, shuffle=False, verbose=0, callbacks=[end])
    plain.fit(data(), epochs=2, shuffle=False, verbose=0)
    averages = averaged.players["g"].optimizer._model_variables_moving_average
    np.testing.assert_array_equal(seen[0], averages[0])  # as what a callback saves at the end of training
    for variable, average in zip(averaged.variables_of("g"), averages, strict=True):
        np.testing.assert_array_equal(variable, average)
    assert not np.allclose(averaged.variables_of("g")[0], plain.variables_of("g")[0])


def test_a_regularizer_pulls_on_what_its_player_owns():
    strong, plain = players(critic(kernel_regularizer=keras.regularizers.L2(10.0))), players()
    strong.set_weights(plain.get_weights())
    start = np.array(plain.variables_of("d")[0])
    np.testing.assert_array_equal(strong.variables_of("d")[0], start)
    for model in (strong, plain):
        model.step("d", data())
    pull = np.asarray(plain.variables_of("d")[0]) - np.asarray(strong.variables_of("d")[0])
    np.testing.assert_allclose(pull, 0.01 * 2 * 10.0 * start, rtol=1e-3, atol=1e-6)


def test_a_check_is_undone_seeds_included():
    noisy = keras.Sequential([keras.Input((2,)), L.Dense(8), L.Dropout(0.5, seed=1), L.Dense(1)], name="dis")
    model = players(noisy)
    before = [np.array(one) for one in noisy.variables]
    model.check(data())
    assert all(np.array_equal(old, new) for old, new in zip(before, noisy.variables, strict=True))


def test_what_is_no_sound_player_is_refused_by_name():
    one = keras.optimizers.Adam()
    with pytest.raises(sg.SurgeryError, match="'d' and 'g' have one optimizer"):
        sg.Players(
            {"g": generator(), "d": critic()},
            both,
            {"d": sg.Player("d", one, of_critic), "g": sg.Player("g", one, of_generator)},
        )
    with pytest.raises(sg.SurgeryError, match="'g' does not depend on what it owns"):
        players(of_g=lambda tensors: keras.ops.mean(tensors["real"])).check(data())
    with pytest.raises(sg.SurgeryError, match="brings its optimizer"):
        players().compile(optimizer="adam")
    with pytest.raises(sg.SurgeryError, match="not 3"):
        players(owns_d=3)
    with pytest.raises(sg.SurgeryError, match=r"\(64, 1\); take its mean"):
        players(of_d=lambda tensors: keras.ops.relu(1 - tensors["real"])).step("d", data())


def test_a_list_of_two_networks_is_still_one_when_it_is_opened(tmp_path):
    def dense(name):
        return keras.Sequential([keras.Input((2,)), L.Dense(2, name=name)], name=name)

    @keras.saving.register_keras_serializable("tests")
    def chain(networks, x):
        return {"y": networks["b"](networks["a"](x))}

    @keras.saving.register_keras_serializable("tests")
    def small(tensors):
        return keras.ops.mean(keras.ops.square(tensors["y"]))

    model = sg.Players({"a": dense("a"), "b": dense("b")}, chain, {"one": sg.Player(["a", "b"], "sgd", small)})
    model.compile()
    model.fit(data(), verbose=0)
    model.save(tmp_path / "players.keras")
    opened = keras.models.load_model(tmp_path / "players.keras")
    assert len(opened.variables_of("one")) == len(model.variables_of("one")) == 4


@pytest.mark.parametrize("way", ["activity_regularizer", "add_loss"])
def test_what_a_network_adds_to_the_loss_by_itself_is_refused_not_dropped(way):
    class Adding(keras.layers.Layer):
        def call(self, x):
            self.add_loss(keras.ops.mean(x))
            return x

    options = {"activity_regularizer": "l2"} if way == "activity_regularizer" else {}
    extra = [Adding(name="adding")] if way == "add_loss" else []
    adding = keras.Sequential([keras.Input((2,)), L.Dense(8, name="d1", **options), *extra, L.Dense(1)], name="dis")
    with pytest.raises(sg.SurgeryError, match=r"(d1|adding) of 'd' adds to the loss .* a term of a player's loss"):
        players(adding).fit(data(), verbose=0)


def test_a_step_leaves_the_normalised_kernels_of_another_player():
    normed = [L.SpectralNormalization(L.Dense(4, name="s1")), L.ReLU(), L.SpectralNormalization(L.Dense(1))]
    normed = keras.Sequential([keras.Input((2,)), *normed], name="dis")
    model = players(normed)
    before = [np.array(one) for one in normed.weights]
    model.step("g", data())
    assert all(np.array_equal(old, new) for old, new in zip(before, normed.weights, strict=True))
    model.step("d", data())
    assert not np.array_equal(before[0], normed.weights[0])
    model.check(data())
    before = model.get_weights()
    model.evaluate(data(), verbose=0)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
