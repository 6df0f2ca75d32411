"""Groups by depth, rates by depth, stages, contracts: what moves in training, when, and by how much."""

import keras
import numpy as np
import pytest
from networks import assert_same, siamese_network

import surgery as sg


def network(bn=True):
    """Two stages and a head; the stem is 'a', the second stage 'b'."""
    layers = keras.layers
    steps = [keras.Input((8, 8, 3)), layers.Conv2D(4, 3, padding="same", name="a"), layers.MaxPooling2D(name="pool")]
    steps += [layers.Conv2D(5, 3, padding="same", name="b")]
    steps += [layers.BatchNormalization(name="norm")] if bn else []
    return keras.Sequential(
        [*steps, layers.GlobalAveragePooling2D(name="gap"), layers.Dense(3, name="head")], name="net"
    )


def batch(count=12, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(1, 2, (count, 8, 8, 3)).astype("float32"), random.integers(0, 3, count)


def compiled(model, optimizer=None):
    model.compile(
        optimizer or keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def values(model):
    return {variable.path: variable.numpy().copy() for variable in model.weights}


def moved(before, model):
    return {
        path.replace("net/", "") for path, value in values(model).items() if not np.array_equal(value, before[path])
    }


# ---- groups ----


def test_groups_of_real_networks_follow_the_strides():
    assert dict(sg.layer_groups(sg.open("vgg16")))["stem"] == ["block1_conv1", "block1_conv2"]
    resnet = sg.layer_groups(sg.open("resnet50"))
    assert list(resnet) == ["stem", "stride 4", "stride 8", "stride 16", "stride 32", "head"]
    assert resnet["head"] == ["predictions"] and resnet["stem"] == ["conv1_conv", "conv1_bn"]
    efficient = sg.layer_groups(sg.open("efficientnetv2b0"))  # squeeze-and-excite branches lose their axes on the way
    assert efficient["head"] == ["predictions"]
    assert any("se_reduce" in address for address in efficient["stride 16"])
    for graph in (sg.open("vgg16"), sg.open("resnet50")):
        every = [address for group in sg.layer_groups(graph).values() for address in group]
        assert len(every) == len(set(every)) and sum(graph[one].params for one in every) == graph.params


def test_a_decoder_is_a_group_of_its_own():
    taps = ["block1_conv2", "block2_conv2", "block3_conv3"]
    unet = sg.graft(sg.open("tinyvgg"), sg.parts.unet_decoder(2, [1, 2, 4]), at=["input_layer", *taps])
    found = sg.layer_groups(unet)
    assert list(found) == ["stem", "stride 2", "stride 4", "decoder"]
    assert "segmentation" in found["decoder"]


def test_groups_by_name_and_their_table():
    model = network()
    sg.freeze(model, "a")
    found = sg.layer_groups(model, {"early": "a", "late": "b, norm", "head": "head"})
    assert dict(found) == {"early": ["a"], "late": ["b", "norm"], "head": ["head"]}
    lines = [line.split() for line in str(found).splitlines()]
    assert lines[1] == ["early", "1", "112", "0", "112"]
    assert lines[2] == ["late", "2", "205", "195", "10"]  # the statistics do not train
    assert lines[-1] == ["in", "all", "4", "335", "213", "122"]
    with pytest.raises(sg.SurgeryError, match="'none', 'pool', has no layer with weights"):
        sg.layer_groups(model, {"none": "pool"})


def test_a_network_without_pictures_is_divided_into_parts():
    dense = [keras.layers.Dense(4) for _ in range(10)]
    found = sg.layer_groups(keras.Sequential([keras.Input((4,)), *dense]))
    assert list(found) == [f"part {number}" for number in range(1, 9)]
    assert sum(map(len, found.values())) == 10


# ---- rates ----


def test_a_decay_of_one_is_the_plain_optimizer():
    plain, ours = network(False), network(False)
    ours.set_weights(plain.get_weights())
    compiled(plain)
    compiled(ours, sg.layerwise_learning_rates(keras.optimizers.Adam(0.05), ours, decay=1.0))
    for model in (plain, ours):
        model.fit(*batch(), epochs=3, batch_size=4, shuffle=False, verbose=0)
    for mine, other in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


def test_the_step_of_a_group_is_decay_times_that_of_the_next():
    """The oracle: plain gradient descent, whose step is the rate times the gradient."""
    plain, ours = network(False), network(False)
    ours.set_weights(plain.get_weights())
    before = plain.get_weights()
    compiled(plain, keras.optimizers.SGD(0.1)).train_on_batch(*batch())
    compiled(ours, sg.layerwise_learning_rates(keras.optimizers.SGD(0.1), ours, decay=0.5)).train_on_batch(*batch())
    for start, one, other, factor in zip(
        before, plain.get_weights(), ours.get_weights(), [0.25, 0.25, 0.5, 0.5, 1, 1], strict=True
    ):
        np.testing.assert_allclose(other - start, (one - start) * factor, rtol=1e-3, atol=1e-7)


def test_callbacks_and_schedules_move_all_rates_together():
    model = network(False)
    compiled(model, sg.layerwise_learning_rates(keras.optimizers.SGD(0.1), model, decay=0.5))
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    model.fit(*batch(), epochs=2, verbose=0, callbacks=[halve, keras.callbacks.ReduceLROnPlateau("loss")])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.025)
    assert sorted(float(one.learning_rate) for one in model.optimizer.optimizers) == pytest.approx(
        [0.025 * 0.25, 0.025 * 0.5, 0.025]
    )
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    compiled(model, sg.layerwise_learning_rates(keras.optimizers.SGD(schedule), model, decay=0.5))
    before = model.get_weights()
    model.fit(*batch(), batch_size=12, epochs=2, verbose=0)
    assert sorted(float(one.learning_rate) for one in model.optimizer.optimizers) == pytest.approx(
        [0.025 * 0.25, 0.025 * 0.5, 0.025]
    )
    assert not np.array_equal(before[0], model.get_weights()[0])


def test_a_model_with_rates_by_depth_is_saved_and_goes_on_where_it_was(tmp_path):
    model = network(False)
    compiled(model, sg.layerwise_learning_rates(keras.optimizers.Adam(0.05), model, decay=0.5))
    model.fit(*batch(), epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    for one in (model, again):
        one.fit(*batch(), epochs=2, shuffle=False, verbose=0)
    for mine, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (lambda: keras.optimizers.Adam(global_clipnorm=1.0), "global_clipnorm"),
        (lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()), "wraps other optimizers"),
    ],
)
def test_optimizers_that_cannot_be_divided(optimizer, message):
    with pytest.raises(sg.SurgeryError, match=message):
        sg.layerwise_learning_rates(optimizer(), network())
    with pytest.raises(sg.SurgeryError, match="decay=0"):
        sg.layerwise_learning_rates("adam", network(), decay=0)


# ---- stages ----


class Record(keras.callbacks.Callback):
    """What moved in each epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.before = values(self.model)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs = [*getattr(self, "epochs", []), moved(self.before, self.model)]


STAGES = {0: "head", 1: "b, norm", 2: "a"}


def test_stages_open_one_after_the_other_in_one_fit():
    model, record = compiled(network()), Record()
    model.fit(*batch(), epochs=4, verbose=0, callbacks=[sg.StagedUnfreeze(STAGES), record])
    head, late = {"head/kernel", "head/bias"}, {"b/kernel", "b/bias"}
    norm = {"norm/gamma", "norm/beta", "norm/moving_mean", "norm/moving_variance"}
    early = {"a/kernel", "a/bias"}
    late = late - {"b/bias"} if "b/bias" not in record.epochs[1] else late  # a bias before a norm has no gradient
    assert record.epochs[0] == head
    assert record.epochs[1] >= head | norm | {"b/kernel"} and not record.epochs[1] & early
    assert record.epochs[2] >= head | norm | {"b/kernel"} | {"a/kernel"}
    assert all(layer.trainable for layer in model.layers)


@pytest.mark.parametrize("rates", [False, True])
@pytest.mark.parametrize("how", ["file", "backup"])
@pytest.mark.parametrize("stop", [1, 2])
def test_a_run_that_is_resumed_in_the_middle_ends_as_one_that_was_not(tmp_path, rates, how, stop):
    whole = network()
    start = whole.get_weights()

    def optimizer(model):
        adam = keras.optimizers.Adam(0.05)
        return sg.layerwise_learning_rates(adam, model, decay=0.5) if rates else adam

    def run(model, **options):
        callbacks = [sg.StagedUnfreeze(STAGES), *options.pop("callbacks", [])]
        model.fit(*batch(), batch_size=4, shuffle=False, verbose=0, callbacks=callbacks, **options)

    run(compiled(whole, optimizer(whole)), epochs=4)
    first = network()
    first.set_weights(start)
    compiled(first, optimizer(first))
    if how == "file":
        saver = keras.callbacks.ModelCheckpoint(tmp_path / "m.keras")
        run(first, epochs=stop, callbacks=[saver])
        second = keras.models.load_model(tmp_path / "m.keras")
        run(second, epochs=4, initial_epoch=stop)
    else:
        backup = lambda: keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        run(first, epochs=stop, callbacks=[backup()])
        second = network()
        compiled(second, optimizer(second))
        run(second, epochs=4, callbacks=[backup()])
    for mine, other in zip(second.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)
    assert not np.allclose(first.get_weights()[0], whole.get_weights()[0])


def test_stages_that_cannot_be():
    with pytest.raises(sg.SurgeryError, match="say what trains from epoch 0"):
        sg.StagedUnfreeze({1: "head"})
    with pytest.raises(sg.SurgeryError, match="bn='no'"):
        sg.StagedUnfreeze({0: "head"}, bn="no")
    with pytest.raises(sg.SurgeryError, match=r"unfreezing 'net' in stages: no call matches 'hed'.*'head'"):
        compiled(network()).fit(*batch(), verbose=0, callbacks=[sg.StagedUnfreeze({0: "hed"})])


# ---- contracts ----


def test_a_contract_holds_where_freeze_holds():
    model = compiled(sg.freeze(network(), "..norm"))
    model.fit(*batch(), epochs=2, verbose=0, callbacks=[sg.FreezeCheck(model, frozen="..norm")])
    with sg.FreezeCheck(model, frozen="..norm"):
        model.train_on_batch(*batch())


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda model: None, r"a/kernel, .* They are trainable: freeze them"),
        (lambda model: setattr(model.get_layer("norm"), "trainable", True), "norm/gamma"),
    ],
)
def test_a_broken_contract_stops_the_run_and_names_what_moved(break_it, message):
    model = network()
    if break_it(model) is None and "norm" in message:
        sg.freeze(model, "a, b")
    compiled(model)
    record = Record()
    with pytest.raises(sg.SurgeryError, match=rf"frozen variables of 'net' moved: .*{message}"):
        model.fit(*batch(), epochs=5, verbose=0, callbacks=[sg.FreezeCheck(model, "..norm"), record])
    assert not hasattr(record, "epochs")  # after the first step


def test_statistics_are_part_of_a_contract_unless_they_are_left_out():
    model = compiled(sg.freeze(network(), "..norm", bn="train"))
    model.get_layer("norm").gamma.trainable = model.get_layer("norm").beta.trainable = False
    with pytest.raises(sg.SurgeryError, match=r"norm/moving_mean.*training=False does not hold them"):
        model.fit(*batch(), verbose=0, callbacks=[sg.FreezeCheck(model, "..norm")])
    model.fit(*batch(), verbose=0, callbacks=[sg.FreezeCheck(model, "..norm", bn_stats=False)])


def test_a_contract_notices_that_nothing_trains():
    model = compiled(sg.freeze(network(), "..norm"), keras.optimizers.SGD(0.0))
    with pytest.raises(sg.SurgeryError, match=r"moved in the first step, though .*head.* should train"):
        model.fit(*batch(), verbose=0, callbacks=[sg.FreezeCheck(model, "..norm")])
    with pytest.raises(sg.SurgeryError, match="nothing of 'net' trains"), sg.FreezeCheck(sg.freeze(model), "**"):
        pass


def test_contracts_reach_into_nested_models_and_refuse_what_is_none():
    model = sg.freeze(siamese_network(), "trunk/conv")
    check = sg.FreezeCheck(model, "trunk/conv")
    with pytest.raises(sg.SurgeryError, match="trunk/conv/bias"), check:
        model.get_layer("trunk").get_layer("conv").bias.assign(np.ones(4))
    with pytest.raises(sg.SurgeryError, match="a live"):
        sg.FreezeCheck(sg.open(network()), "a")
    with pytest.raises(sg.SurgeryError, match="has not been built"):
        sg.FreezeCheck(keras.Sequential([keras.layers.Dense(2)]), "*")


# ---- flags after a fit ----


def test_slots_of_variables_that_stay_are_kept_when_others_thaw():
    """The oracle: an optimizer that knew all variables from the start, and trained the head alone at first."""
    ours, oracle = network(False), network(False)
    oracle.set_weights(ours.get_weights())
    compiled(oracle)
    oracle.optimizer.build(oracle.trainable_variables)
    compiled(sg.freeze(ours, "a, b"))
    for layer in ("a", "b"):
        oracle.get_layer(layer).trainable = False
    adam = ours.optimizer
    for model in (ours, oracle):
        model.fit(*batch(), epochs=2, shuffle=False, verbose=0)
    sg.unfreeze(ours, "b")
    oracle.get_layer("b").trainable = True
    oracle.train_function = None
    for model in (ours, oracle):
        model.fit(*batch(), epochs=2, shuffle=False, verbose=0)
    assert ours.optimizer is adam and int(adam.iterations) == 4
    for mine, other in zip(ours.get_weights(), oracle.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


def test_each_state_of_the_flags_keeps_its_train_function():
    model = compiled(network())
    model.train_on_batch(*batch())
    by_hand = model.train_function  # nobody knows which flags this one was traced with
    with sg.frozen(model, "a"):
        inside = model.train_function
    thawed = model.train_function
    assert len({by_hand, inside, thawed}) == 3
    with sg.frozen(model, "a"):
        assert model.train_function is inside
    assert model.train_function is thawed
    with sg.frozen(model, "a"):
        assert model.train_function is inside
    compiled(model)
    with sg.frozen(model, "a"):
        assert model.train_function is None  # compiled anew: another loss, perhaps


@pytest.mark.parametrize("as_graph", [True, False])
def test_statistics_stay_and_gamma_trains(as_graph, tmp_path):
    donor = network()
    donor.get_layer("norm").moving_mean.assign(np.full(5, 0.3))
    model = (
        sg.build(sg.freeze(sg.open(donor), "..norm", bn="stats"))
        if as_graph
        else sg.freeze(donor, "..norm", bn="stats")
    )
    x, y = batch()
    before = values(model)
    compiled(model, keras.optimizers.SGD(0.1)).fit(x, y, epochs=2, verbose=0)
    assert moved(before, model) == {"norm/gamma", "norm/beta", "head/kernel", "head/bias"}
    np.testing.assert_allclose(model(x, training=True), model(x, training=False), rtol=1e-6)
    path = sg.save(model, tmp_path / "m.keras")
    again = sg.build(sg.open(path))
    assert_same(again.get_weights(), model.get_weights())
    if as_graph:
        assert type(donor.get_layer("norm")) is keras.layers.BatchNormalization
    sg.unfreeze(model, "norm")
    assert type(model.get_layer("norm")) is keras.layers.BatchNormalization
    with pytest.raises(sg.SurgeryError, match="bn='stat'"):
        sg.freeze(model, "norm", bn="stat")
