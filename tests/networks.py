"""Networks to test on: random DAGs, and odd ones by hand. And what it takes to compare two of them."""

import keras
import numpy as np

WIDTH = 4


def random_network(seed: int) -> keras.Model:
    """Draws a network: 1-3 inputs, shared layers, raw ops, nested models, several outputs, any structure."""
    random = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    inputs = [keras.Input((WIDTH,), name=f"in{number}") for number in range(random.integers(1, 4))]
    inner = keras.Sequential(
        [keras.Input((WIDTH,)), keras.layers.Dense(WIDTH, name="deep"), keras.layers.ReLU(name="rect")], name="inner"
    )
    shared = keras.layers.Dense(WIDTH, activation="tanh", name="shared")
    tensors = list(inputs)

    def pick():
        return tensors[random.integers(0, len(tensors))]

    steps = [
        lambda: keras.layers.Dense(WIDTH)(pick()),
        lambda: shared(pick()),
        lambda: inner(pick()),
        lambda: keras.layers.BatchNormalization()(pick()),
        lambda: keras.layers.Dropout(0.5)(pick()),
        lambda: keras.layers.Add()([pick(), pick()]),
        lambda: pick() + pick(),
        lambda: pick() * 0.5,
        lambda: keras.ops.concatenate([pick()[:, :2], pick()[:, 2:]], axis=-1),
        lambda: keras.ops.split(pick(), 2, axis=-1),
        lambda: keras.ops.where(pick() > 0, pick(), pick()),
        lambda: keras.layers.Dot(axes=1)([pick(), pick()]) + pick(),
    ]
    for _ in range(random.integers(3, 14)):
        made = steps[random.integers(0, len(steps))]()
        tensors.append(
            made if not isinstance(made, (list, tuple)) else keras.ops.concatenate(list(made)[::-1], axis=-1)
        )
    last = tensors[-random.integers(1, min(4, len(tensors))) :] if random.random() < 0.5 else tensors[-1:]
    outputs = [last[0] if len(last) == 1 else last, tuple(last), {f"out{i}": one for i, one in enumerate(last)}]
    given = [inputs[0] if len(inputs) == 1 else inputs, list(inputs), {one.name: one for one in inputs}]
    ends = given[random.integers(0, 3)], outputs[random.integers(0, 3)]
    model = keras.Model(*ends, name=f"random_{seed}")
    for variable in model.weights:  # no zeros and ones that would hide a mistake
        variable.assign(random.uniform(0.1, 1.0, variable.shape))
    return model


def masked_network() -> keras.Model:
    """Embedding with a mask, an LSTM with three outputs, attention with keyword tensors."""
    words = keras.Input((7,), dtype="int32", name="words")
    x = keras.layers.Embedding(10, 4, mask_zero=True, name="embedding")(words)
    x, state, carry = keras.layers.LSTM(4, return_sequences=True, return_state=True, name="lstm")(x)
    y = keras.layers.MultiHeadAttention(2, 3, name="attention")(query=x, value=x)
    y = keras.layers.LayerNormalization(name="norm")(x + y[:, :, :1] * 2.0)
    return keras.Model({"words": words}, {"sequence": y, "states": (state, carry)}, name="masked")


def siamese_network() -> keras.Model:
    """One convolutional trunk, a nested model, called on two pictures; a third input is optional in Keras' sense."""
    picture = keras.Input((8, 8, 3), name="picture")
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="conv")(picture)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(keras.layers.ReLU(name="relu")(x))
    trunk = keras.Model(picture, x, name="trunk")
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    distance = keras.layers.Subtract(name="difference")([trunk(left), trunk(right)])
    return keras.Model([left, right], keras.layers.Dense(1, name="same")(distance), name="siamese")


def encoder_network(name: str, letters: str) -> keras.Model:
    """A nested model of Dense layers, named by letters."""
    inputs = x = keras.Input((WIDTH,), name="i")
    for letter in letters:
        x = keras.layers.Dense(WIDTH, name=letter)(x)
    inner = keras.Model(inputs, x, name=name)
    y = keras.Input((WIDTH,), name="y")
    return keras.Model(y, keras.layers.Dense(2, name="end")(inner(y)), name="net")


def arrays_for(model: keras.Model, batch: int = 3, seed: int = 0):
    """Random arrays in the structure of a model's inputs."""
    random = np.random.default_rng(seed)

    def draw(tensor):
        shape = (batch, *(8 if side is None else side for side in tensor.shape[1:]))
        if "int" in tensor.dtype:
            return random.integers(0, 10, shape).astype(tensor.dtype)
        return random.normal(size=shape).astype(tensor.dtype)

    return keras.tree.map_structure(draw, model.input)


def numpy_of(tensor):
    """A tensor of any backend as a NumPy array."""
    return keras.ops.convert_to_numpy(tensor)


def outputs_of(model, arrays):
    """The outputs of a model as NumPy arrays, flat, run eagerly and in inference mode."""
    return [numpy_of(one) for one in keras.tree.flatten(model(arrays, training=False))]


def assert_same(ours, theirs):
    """Equal to the bit, in number, shape and value."""
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)


def fingerprint(model: keras.Model):
    """All that an operation on a donor must leave alone: configuration, flags and weights."""
    flags = [(layer.name, layer.trainable) for layer in model.layers]
    return model.get_config(), flags, [weight.copy() for weight in model.get_weights()]


def assert_unchanged(model: keras.Model, before):
    config, flags, weights = fingerprint(model)
    assert config == before[0]
    assert flags == before[1]
    assert_same(weights, before[2])
