"""Where training goes silently wrong in stock Keras: first what stock does, so that a changed Keras is noticed, then
what surgery does. The numbers are those of the list of traps: 1, 2, 10, 11, 18, 19."""

import keras
import numpy as np
import pytest
from keras import layers as L

import surgery as sg

X = np.random.default_rng(0).normal(3, 2, (32, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(32, 1)).astype("float32")


def moved(model, work):
    """Returns the names of the layers whose weights a piece of work moves."""
    before = {id(one): one.numpy().copy() for one in model.weights}
    work()
    return {one.path.split("/")[-2] for one in model.weights if not np.array_equal(one.numpy(), before[id(one)])}


def pair():
    """A generator, a discriminator and the two of them in a row."""
    d = keras.Sequential([keras.Input((4,)), L.Dense(1, name="score")], name="d")
    g = keras.Sequential([keras.Input((4,)), L.Dense(4, name="make")], name="g")
    x = keras.Input((4,))
    return g, d, keras.Model(x, d(g(x)))


def test_trap_1_the_classic_gan_never_trains_its_discriminator():
    _, d, both = pair()
    d.compile("sgd", "mse")
    d.trainable = False
    both.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        assert moved(d, lambda: d.train_on_batch(X, Y)) == set()
    _, d, both = pair()
    d.compile("sgd", "mse")
    both.compile("sgd", "mse")
    for _ in range(2):
        assert moved(d, lambda: d.train_on_batch(X, Y)) == {"score"}
        with sg.frozen(d):
            assert moved(both, lambda: both.train_on_batch(X, Y)) == {"make"}
    assert d.get_layer("score").trainable


def frozen_then_fitted():
    model = keras.Sequential([keras.Input((4,)), L.Dense(4, name="trunk"), L.Dense(1, name="head")])
    model.get_layer("trunk").trainable = False
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    return model


def test_trap_2_a_layer_that_is_unfrozen_after_a_fit_does_not_train():
    model = frozen_then_fitted()
    model.get_layer("trunk").trainable = True
    assert moved(model, lambda: model.fit(X, Y, verbose=0)) == {"head"}
    model = sg.unfreeze(frozen_then_fitted(), "trunk")
    assert moved(model, lambda: model.fit(X, Y, verbose=0)) == {"trunk", "head"}


def normalized():
    base = keras.Sequential([keras.Input((4,)), L.BatchNormalization(name="norm")], name="base")
    x = keras.Input((4,))
    return base, keras.Model(x, L.Dense(1, name="head")(base(x, training=False)))


def test_trap_10_training_false_does_not_hold_the_statistics():
    _, model = normalized()
    model.compile("sgd", "mse")
    assert "norm" in moved(model, lambda: model.fit(X, Y, verbose=0))
    _, model = normalized()
    sg.freeze(model, "base")
    model.compile("sgd", "mse")
    assert moved(model, lambda: model.fit(X, Y, verbose=0, callbacks=[sg.FreezeCheck(model, "base")])) == {"head"}


def layered():
    base = keras.Sequential([keras.Input((4,)), L.Dense(4, name="one"), L.Dense(4, name="two")], name="base")
    x = keras.Input((4,))
    return base, keras.Model(x, L.Dense(1, name="head")(base(x)))


def test_trap_11_the_flag_of_a_container_wipes_or_hides_those_inside():
    base, model = layered()
    base.trainable = False
    base.get_layer("two").trainable = True
    base.trainable = True
    assert base.get_layer("one").trainable  # the choice is gone
    base.trainable = False
    base.get_layer("two").trainable = True
    model.compile("sgd", "mse")
    assert not base.trainable
    assert moved(model, lambda: model.fit(X, Y, verbose=0)) >= {"head"}  # and what trains depends on the version
    base, model = layered()
    sg.freeze(model, "base/one")
    sg.unfreeze(model, "base/two")
    model.compile("sgd", "mse")
    assert moved(model, lambda: model.fit(X, Y, verbose=0)) == {"two", "head"}
    assert [base.get_layer(name).trainable for name in ("one", "two")] == [False, True]


def test_trap_18_some_layers_have_no_lora_and_a_selector_finds_those_that_have():
    assert not hasattr(L.DepthwiseConv2D, "enable_lora") and not hasattr(L.SeparableConv2D, "enable_lora")
    x = keras.Input((8, 8, 3))
    y = L.Conv2D(4, 3, name="plain")(L.DepthwiseConv2D(3, name="depthwise")(x))
    model = keras.Model(x, L.Dense(2, name="scores")(y))
    chosen = sg.select(model, lambda call: hasattr(getattr(call.op, "layer", None), "enable_lora"))
    assert [call.name for call in chosen] == ["plain", "scores"]


def test_trap_19_rates_by_depth_have_no_learning_rate():
    model = frozen_then_fitted()
    stock = keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1)))
    with pytest.raises(AttributeError, match="cannot be accessed on a MultiOptimizer"):
        _ = stock.learning_rate
    model.compile(sg.layerwise_learning_rates(keras.optimizers.SGD(0.1), model), "mse")
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    model.fit(X, Y, verbose=0, callbacks=[halve])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)
