"""Freezing and the cache on odd networks and odd requests: plain `fit` of stock Keras is the oracle."""

import contextlib

import keras
import numpy as np
import pytest

import surgery as sg

L = keras.layers


@keras.saving.register_keras_serializable("tests")
class HiddenDropout(L.Layer):
    """Dropout that its owner does not tell of: Keras passes `training` by the context of the call."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = L.Dropout(0.5, seed=1)

    def call(self, x):
        return self.inner(x)


@keras.saving.register_keras_serializable("tests")
class Penalty(L.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(keras.ops.square(x)))
        return x


def samples(rows=64, shape=(4, 6)):
    random = np.random.default_rng(0)
    return random.random((rows, *shape), "float32"), random.integers(0, 3, rows)


def headed(*prefix, shape=(4, 6)):
    keras.utils.set_random_seed(0)
    trunk = [L.Dense(5, activation="tanh", name="frozen"), *prefix]
    model = keras.Sequential([keras.Input(shape), *trunk, L.Flatten(), L.Dense(3, name="head")])
    sg.freeze(model, "!head")
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: L.TimeDistributed(L.Dropout(0.5)), "in training than in inference"),
        (lambda: L.Bidirectional(L.LSTM(3, dropout=0.5)), "in training than in inference"),
        (lambda: L.RNN(L.LSTMCell(3, dropout=0.5)), "in training than in inference"),
        (lambda: L.ActivityRegularization(0.1), "adds to the loss"),
        (lambda: L.Lambda(lambda x: x + keras.random.normal((4, 5))), "in training than in inference"),
        (HiddenDropout, "in training than in inference"),
        (Penalty, "adds to the loss"),
        (lambda: L.Lambda(lambda x: x - keras.ops.mean(x, axis=0, keepdims=True)), "alone than in a batch"),
    ],
)
def test_what_no_configuration_says_is_found_by_trial(layer, message):
    model = headed(layer())
    before = [np.array(one) for one in model.variables]
    with pytest.raises(sg.SurgeryError, match=message):
        sg.fit_cached(model, *samples(), at=model.layers[1].name, verbose=0)
    assert all(np.array_equal(old, one) for old, one in zip(before, model.variables, strict=True))


def test_a_mask_that_would_weight_the_loss_is_refused():
    keras.utils.set_random_seed(0)
    x = keras.Input((4, 6))
    y = L.Dense(5, name="frozen")(L.Masking()(x))
    model = keras.Model(x, L.Dense(3, name="head")(y))
    sg.freeze(model, "frozen")
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    arrays, _ = samples()
    arrays[:, 2:] = 0
    with pytest.raises(sg.SurgeryError, match="mask"):
        sg.fit_cached(model, arrays, np.zeros((64, 4), int), verbose=0)


@pytest.mark.parametrize("name", ["compute_loss", "compute_metrics", "test_step", "train_step"])
def test_a_model_with_code_of_its_own_for_training_is_refused(name):
    kind = type("Own", (keras.Model,), {name: lambda self, *args, **kwargs: None})
    x = keras.Input((4,))
    model = kind(x, L.Dense(2, name="head")(L.Dense(3, name="frozen")(x)))
    sg.freeze(model, "frozen")
    model.compile("sgd", "mse")
    with pytest.raises(sg.SurgeryError, match=f"{name}\\(\\) of its own"):
        sg.fit_cached(model, np.ones((8, 4), "float32"), np.ones((8, 2)), verbose=0)


def test_constants_of_an_operation_are_part_of_the_key(tmp_path):
    arrays, labels = samples(shape=(1200,))
    losses = []
    for fill in (0.0, 1.0):
        keras.utils.set_random_seed(0)
        constant = np.zeros(1200, "float32")
        constant[600] = fill * 50
        x = keras.Input((1200,), name="x")
        y = L.Dense(3, name="frozen")(keras.ops.add(x, constant))
        model = keras.Model(x, L.Dense(3, name="head")(y), name="net")
        sg.freeze(model, "frozen")
        model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        plain = keras.models.clone_model(model)
        plain.set_weights(model.get_weights())
        plain.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        wanted = plain.fit(arrays, labels, shuffle=False, verbose=0).history["loss"]
        found = sg.fit_cached(model, arrays, labels, shuffle=False, verbose=0, cache=tmp_path).history["loss"]
        np.testing.assert_allclose(found, wanted, rtol=1e-4)
        losses += found
    assert losses[0] != losses[1]


class Pairs(keras.utils.PyDataset):
    def __init__(self, arrays, labels, endless=False):
        super().__init__()
        self.arrays, self.labels, self.endless = arrays, labels, endless

    @property
    def num_batches(self):
        return None if self.endless else 4

    def __getitem__(self, number):
        rows = slice(16 * number, 16 * number + 16)
        return self.arrays[rows], self.labels[rows]


def test_a_pydataset_is_cached_and_an_endless_one_refused():
    import tensorflow as tf

    arrays, labels = samples()
    wanted = headed().fit(arrays, labels, batch_size=16, shuffle=False, epochs=2, verbose=0).history["loss"]
    data = Pairs(arrays, labels)
    found = sg.fit_cached(headed(), data, validation_data=data, shuffle=False, epochs=2, callbacks=None, verbose=0)
    np.testing.assert_allclose(found.history["loss"], wanted, rtol=1e-5)
    for endless in (Pairs(arrays, labels, True), tf.data.Dataset.from_tensors((arrays, labels)).repeat()):
        with pytest.raises(sg.SurgeryError, match="has no end"):
            sg.fit_cached(headed(), endless, verbose=0)


def test_targets_that_change_between_passes_are_noticed():
    class Noisy(Pairs):
        def __getitem__(self, number):
            inputs, labels = super().__getitem__(number)
            return inputs, np.random.permutation(labels)

    with pytest.raises(sg.SurgeryError, match="other samples in its second pass"):
        sg.fit_cached(headed(), Noisy(*samples()), verbose=0)


def test_a_callback_that_thaws_is_noticed_under_the_cache_and_obeyed_by_fit():
    thaw = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: sg.unfreeze(model, "frozen"))
    model = headed()
    with pytest.raises(sg.SurgeryError, match="changed what is frozen"):
        sg.fit_cached(model, *samples(), epochs=3, callbacks=[thaw], verbose=0)
    model = headed()
    before = np.array(model.get_layer("frozen").kernel)
    model.fit(*samples(), epochs=2, callbacks=[thaw], verbose=0)
    assert not np.array_equal(before, model.get_layer("frozen").kernel)


def test_backup_and_restore_goes_on_where_it_stopped(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            begun.append(epoch)
            if epoch == 2 and len(begun) == 3:
                raise KeyboardInterrupt

    begun: list[int] = []
    for _ in range(2):
        model = headed()
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        with contextlib.suppress(KeyboardInterrupt):
            sg.fit_cached(model, *samples(), epochs=4, callbacks=[backup, Stop()], shuffle=False, verbose=0)
    assert begun == [0, 1, 2, 2, 3]
    whole = headed()
    whole.fit(*samples(), epochs=4, shuffle=False, verbose=0)
    for mine, other in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)


# ---- flags and optimizers ----


def chain(optimizer, units=(3, 5)):
    keras.utils.set_random_seed(0)
    first, second = units
    model = keras.Sequential([keras.Input((4,)), L.Dense(first, name="a"), L.Dense(second, name="b"), L.Dense(2)])
    model.compile(optimizer, "mse")
    return model


def pairs():
    random = np.random.default_rng(0)
    return random.random((32, 4), "float32"), random.random((32, 2), "float32")


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "nadam"])
def test_after_a_thaw_the_saved_model_opens_in_stock_keras_and_goes_on_the_same(optimizer, tmp_path):
    model = sg.freeze(chain(optimizer), "a")
    model.fit(*pairs(), epochs=2, verbose=0)
    sg.unfreeze(model, "a").fit(*pairs(), epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "thawed.keras")
    opened = keras.models.load_model(tmp_path / "thawed.keras")
    for one in (model, opened):
        one.fit(*pairs(), epochs=3, shuffle=False, verbose=0)
    if optimizer != "nadam":  # its product of momenta is in no file of Keras
        for mine, other in zip(model.get_weights(), opened.get_weights(), strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)


def test_equal_shapes_and_equal_names_keep_their_slots_apart():
    def nested(seed):
        x = keras.Input((4,))
        return keras.Model(x, L.Dense(4, name="fc")(x), name=f"part{seed}")

    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(2, name="head")(nested(1)(nested(0)(x))))
    sg.freeze(model, "part0")
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse")
    model.fit(*pairs(), verbose=0)
    optimizer = model.optimizer
    before = {id(one): np.array(slot) for one, slot in zip(optimizer._trainable_variables, optimizer.momentums)}  # noqa: B905
    sg.unfreeze(model, "part0")
    assert [id(one) for one in optimizer._trainable_variables] == [id(one) for one in model.trainable_variables]
    for one, slot in zip(optimizer._trainable_variables, optimizer.momentums, strict=True):
        np.testing.assert_array_equal(slot, before.get(id(one), np.zeros(one.shape)))


def test_averages_of_a_thawed_layer_begin_at_its_weights():
    model = sg.freeze(chain(keras.optimizers.SGD(1e-4, use_ema=True, ema_momentum=0.9)), "a")
    model.fit(*pairs(), verbose=0)
    sg.unfreeze(model, "a")
    before = model.get_layer("a").get_weights()[0]
    model.fit(*pairs(), verbose=0)
    assert np.abs(model.get_layer("a").get_weights()[0] - before).max() < 1e-2


def test_exclusions_from_weight_decay_survive():
    def adam():
        optimizer = keras.optimizers.AdamW(1e-5, weight_decay=1000.0)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        return optimizer

    model = sg.freeze(chain(adam()), "a")
    model.fit(*pairs(), verbose=0)
    sg.unfreeze(model, "a")
    layerwise = chain("sgd")
    layerwise.compile(sg.layerwise_learning_rates(adam(), layerwise, decay=1.0), "mse")
    for one in (model, layerwise):
        one.get_layer("a").bias.assign(np.ones(3))
        one.fit(*pairs(), verbose=0)
        assert np.abs(np.asarray(one.get_layer("a").bias) - 1).max() < 1e-3


def test_a_loss_scale_does_not_change_the_factors():
    def moved(optimizer):
        model = chain("sgd")
        model.compile(optimizer(model), "mse")
        before = model.get_weights()
        model.fit(*pairs(), batch_size=32, verbose=0)
        return [new - old for new, old in zip(model.get_weights(), before, strict=True)]

    plain, scaled = (
        moved(
            lambda m, s=scale: sg.layerwise_learning_rates(
                keras.optimizers.SGD(0.01, loss_scale_factor=s), m, decay=0.5
            )
        )
        for scale in (None, 128.0)
    )
    for one, other in zip(plain, scaled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-7)


def test_variables_of_one_path_at_two_rates_are_refused():
    def nested(name):
        x = keras.Input((4,))
        return keras.Model(x, L.Dense(4, name="fc")(x), name=name)

    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(2, name="head")(nested("late")(nested("early")(x))))
    groups = {"stem": "early", "stage": "late", "head": "head"}
    with pytest.raises(sg.SurgeryError, match="names of their own"):
        sg.layerwise_learning_rates("sgd", model, groups=groups)


@pytest.mark.parametrize("flag", [False, True])
def test_a_flag_set_by_hand_takes_effect_with_the_next_verb(flag):
    model = chain("sgd")
    model.get_layer("a").trainable = not flag
    model.compile("sgd", "mse")
    model.fit(*pairs(), verbose=0)
    model.get_layer("a").trainable = flag
    (sg.unfreeze if flag else sg.freeze)(model, "a")
    before = model.get_layer("a").get_weights()[0]
    model.fit(*pairs(), verbose=0)
    assert np.array_equal(before, model.get_layer("a").get_weights()[0]) != flag


def test_freezing_refuses_what_keras_would_not_hold():
    x = keras.Input((4, 6))
    spectral = keras.Model(x, L.SpectralNormalization(L.Dense(3), name="sn")(x))
    with pytest.raises(sg.SurgeryError, match="changes its kernel in training"):
        sg.freeze(spectral, "sn")
    wrapped = keras.Model(x, L.TimeDistributed(L.BatchNormalization(), name="td")(x))
    with pytest.raises(sg.SurgeryError, match="bn='freeze' holds"):
        sg.freeze(wrapped, "td", bn="stats")
    sg.freeze(wrapped, "td")


def test_a_thaw_leaves_the_kernel_below_lora_alone():
    model = chain("sgd")
    model.get_layer("a").enable_lora(2)
    model.compile("sgd", "mse")
    sg.unfreeze(model, "a")
    assert not model.get_layer("a")._kernel.trainable and model.get_layer("a").lora_kernel_a.trainable


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.SGD(0.01, gradient_accumulation_steps=4),
        lambda: keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.0, 4, 0.1)),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01)),
    ],
)
def test_a_contract_allows_for_a_first_step_that_moves_nothing(optimizer):
    model = sg.freeze(chain(optimizer()), "a")
    model.fit(*pairs(), batch_size=4, epochs=2, callbacks=[sg.FreezeCheck(model, "a")], verbose=0)


def test_a_contract_looks_after_the_first_execution_of_several_steps():
    epochs = []
    model = chain("sgd")
    model.compile(keras.optimizers.SGD(0.0), "mse", steps_per_execution=2)
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    with pytest.raises(sg.SurgeryError, match="moved in the first step"):
        model.fit(*pairs(), batch_size=8, callbacks=[watch, sg.FreezeCheck(model, "a")], verbose=0)
    assert not epochs


@pytest.mark.parametrize("wrapped", [False, True])
def test_slots_and_settings_of_wrapped_optimizers_survive_a_thaw(wrapped):
    """Two layers of one name and rate, thawed before one that trains already: slots must not change places."""

    def nested(name):
        x = keras.Input((4,))
        return keras.Model(x, L.Dense(4, name="fc")(x), name=name)

    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(2, name="head")(nested("late")(nested("early")(x))))
    adam = keras.optimizers.AdamW(1e-3, weight_decay=0.5)
    adam.exclude_from_weight_decay(var_names=["bias"])
    made = keras.optimizers.LossScaleOptimizer(adam) if wrapped else sg.layerwise_learning_rates(adam, model, decay=1.0)
    sg.freeze(model, "early")
    model.compile(made, "mse")
    model.fit(*pairs(), verbose=0)
    inner = made.inner_optimizer if wrapped else made._inner_optimizers[0]
    before = {id(one): np.array(slot) for one, slot in zip(inner._trainable_variables, inner._momentums, strict=True)}
    sg.unfreeze(model, "early")
    inner = made.inner_optimizer if wrapped else made._inner_optimizers[0]
    assert len(inner._trainable_variables) == 6
    for one, slot in zip(inner._trainable_variables, inner._momentums, strict=True):
        np.testing.assert_array_equal(slot, before.get(id(one), np.zeros(one.shape)))
        assert inner._use_weight_decay(one) == ("bias" not in one.path)
