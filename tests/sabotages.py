"""What can be done to a network so that it computes something else, and what changes nothing: drawn by seed.

The oracle is stock Keras: a sabotage counts if the outputs differ, or a weight does. An untouched network was rebuilt,
saved, cut, grafted, or given parts that change nothing.
"""

import dataclasses

import keras
import numpy as np
from networks import arrays_for, encoder_network, masked_network, outputs_of, random_network, siamese_network

import surgery as sg
from surgery.core.nested import leaves, rebuilt
from surgery.core.specs import Ref
from surgery.graph.ops import LiveOp
from surgery.graph.primitives import rename


class NotThisOne(Exception):
    """The network has nothing that could be sabotaged so; another draw is taken."""


# ---- networks -------------------------------------------------------------------------------------------------------


def pixel_network(seed: int) -> keras.Model:
    """Draws a convolutional network with its preprocessing, of one width: layers can be exchanged."""
    random = np.random.default_rng(seed)
    x = y = keras.Input((12, 12, 3), name="image")
    y = keras.layers.Rescaling(1 / 127.5, offset=-1, name="scaled")(y)
    y = keras.layers.Conv2D(6, 3, padding="same", name="stem")(y)
    for number in range(random.integers(2, 6)):
        z = keras.layers.Conv2D(6, 3, padding="same", activation=[None, "relu", "tanh"][random.integers(3)])(y)
        z = keras.layers.BatchNormalization()(z) if random.random() < 0.5 else keras.layers.LayerNormalization()(z)
        z = keras.layers.Activation(["relu", "gelu", "tanh"][random.integers(3)])(z)
        y = keras.layers.Add()([y, z]) if random.random() < 0.5 else z
        if number % 2:
            pool = [keras.layers.MaxPooling2D, keras.layers.AveragePooling2D][random.integers(2)]
            y = pool(2, padding="same", strides=1 if random.random() < 0.5 else 2)(y)
    y = keras.layers.GlobalAveragePooling2D(name="pooled")(keras.layers.Dropout(0.3)(y))
    model = keras.Model(x, keras.layers.Dense(4, name="logits")(y), name=f"pixels_{seed}")
    return filled(model, random)


def sequence_network(seed: int) -> keras.Model:
    """Draws a network on sequences with padding: masks by attribute and by argument."""
    random = np.random.default_rng(seed)
    if random.random() < 0.5:
        x = keras.Input((7,), dtype="int32", name="words")
        y = keras.layers.Embedding(11, 4, mask_zero=True, name="embedding")(x)
    else:
        x = keras.Input((7, 4), name="steps")
        y = keras.layers.Masking(0.0, name="masking")(x)
    y = keras.layers.LSTM(4, return_sequences=True, name="lstm")(y)
    if random.random() < 0.5:
        y = keras.layers.Bidirectional(keras.layers.GRU(2, return_sequences=True), name="both")(y)
    y = keras.layers.LayerNormalization(name="norm")(y)
    y = keras.layers.TimeDistributed(keras.layers.Dense(4, activation="tanh"), name="steps_dense")(y)
    y = keras.layers.GlobalAveragePooling1D(name="mean")(y)
    return filled(keras.Model(x, keras.layers.Dense(3, name="out")(y), name=f"sequence_{seed}"), random)


def nested_network(seed: int) -> keras.Model:
    """A donor that is nested three deep, beside siamese and other nested ones."""
    x = keras.Input((4,), name="x")
    inner = encoder_network("inner", "ab")
    outer = keras.Model(x, keras.layers.Dense(4, name="mid", activation="tanh")(inner(x)), name="outer")
    z = keras.Input((4,), name="z")
    return filled(
        keras.Model(z, keras.layers.Dense(2, name="last")(outer(z)), name="three"), np.random.default_rng(seed)
    )


def filled(model: keras.Model, random: np.random.Generator) -> keras.Model:
    for variable in model.weights:
        variable.assign(random.uniform(0.1, 0.6, variable.shape) * random.choice([-1, 1], variable.shape))
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(np.abs(layer.moving_variance))
    return model


NETWORKS = [
    random_network,
    random_network,
    pixel_network,
    pixel_network,
    sequence_network,
    nested_network,
    lambda seed: masked_network(),
    lambda seed: filled(siamese_network(), np.random.default_rng(seed)),
]


def network(seed: int) -> keras.Model:
    """Draws a network with weights."""
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    while True:
        model = NETWORKS[random.integers(len(NETWORKS))](int(random.integers(10_000)))
        if model.weights and len(leaves(sg.open(model).outputs)):
            return model


# ---- sabotages: (model, random) -> Graph ----------------------------------------------------------------------------


def pick(random, found):
    found = list(found)
    if not found:
        raise NotThisOne
    return found[random.integers(len(found))]


def copy_of(model):
    return sg.build(sg.open(model), copy=True)


def one_bit(model, random):
    """One bit of one weight."""
    copy = copy_of(model)
    variable = pick(random, [one for one in copy.weights if "float" in str(one.dtype)])
    value = np.array(keras.ops.convert_to_numpy(variable))
    bits = value.view(f"uint{8 * value.dtype.itemsize}").reshape(-1)
    bits[random.integers(bits.size)] ^= 1 << int(random.integers(20))
    variable.assign(value)
    return sg.open(copy)


def exchanged_weights(model, random):
    """Two layers of one shape have the weights of each other."""
    copy = copy_of(model)
    layers = [one for one in copy._flatten_layers() if one.weights and not getattr(one, "layers", None)]
    first = pick(random, layers)
    shapes = [weight.shape for weight in first.weights]
    second = pick(
        random, [one for one in layers if one is not first and [weight.shape for weight in one.weights] == shapes]
    )
    one, other = first.get_weights(), second.get_weights()
    if all(np.array_equal(*pair) for pair in zip(one, other, strict=True)):
        raise NotThisOne
    first.set_weights(other)
    second.set_weights(one)
    return sg.open(copy)


def exchanged(model, random):
    """Two layers of one shape are in the places of each other."""
    graph = sg.open(copy_of(model))
    calls = [call for call in graph if call.weights and call.inner is None and f"{call.name}@1" not in graph]
    calls = [call for call in calls if "@" not in call.name and len(call.parents) == 1]
    first = pick(random, calls)
    second = pick(
        random, [one for one in calls if one is not first and _fit(one, first) and one.class_name == first.class_name]
    )
    new = {first.name: second, second.name: first}
    swap = {first.name: second.name, second.name: first.name}
    renamed = rename(graph, lambda name: swap.get(name, name))
    ops = {second.name: second.op, first.name: first.op}
    calls = [dataclasses.replace(call, op=ops[call.name]) if call.name in new else call for call in renamed]
    return dataclasses.replace(renamed, calls=tuple(calls))


def _fit(one, other):
    return [weight.shape for weight in one.weights] == [weight.shape for weight in other.weights] and (
        one.specs == other.specs
    )


def moved_edge(model, random):
    """A call takes another tensor of the same shape."""
    graph = sg.open(copy_of(model) if random.random() < 0.5 else model)
    place = {call.name: number for number, call in enumerate(graph)}
    call = pick(random, [call for call in graph if call.parents])
    old = pick(random, call.parents)
    tensors = [ref for one in graph for ref in one.refs if place[one.name] < place[call.name] and ref != old]
    new = pick(random, [ref for ref in tensors if graph.spec(ref) == graph.spec(old)])
    return sg.rewire(graph, new, into=call.name, instead_of=old)


CONFIGS = {
    "activation": ["relu", "tanh", "linear", "gelu", "sigmoid"],
    "recurrent_activation": ["sigmoid", "tanh", "relu"],
    "epsilon": [1e-2, 0.3],
    "pool_size": [[3, 3], [1, 1]],
    "padding": ["same", "valid"],
    "strides": [[1, 1], [2, 2], 1, 2],
    "dilation_rate": [[2, 2]],
    "mask_zero": [True, False],
    "mask_value": [7.0],
    "go_backwards": [True],
    "merge_mode": ["concat", "sum", "ave"],
    "negative_slope": [0.2],
    "scale": [0.5, 1 / 255],
    "offset": [0.25],
    "axis": [1, 2],
    "axes": [[1, 1]],
    "normalize": [True],
}


def configured(model, random):
    """One key of one layer: an activation, an epsilon, a stride, a flag."""
    layers = [one for one in model._flatten_layers() if not getattr(one, "layers", None)]
    keys = [(one.name, key) for one in layers for key in one.get_config() if key in CONFIGS]
    keys += [(one.name, f"layer.{key}") for one in layers for key in _inside(one) if key in CONFIGS]
    name, key = pick(random, keys)
    value = pick(random, CONFIGS[key.rpartition(".")[2]])

    def clone(layer):
        config = layer.get_config()
        if layer.name == name:
            inner = config["layer"]["config"] if key.startswith("layer.") else config
            if inner[key.rpartition(".")[2]] in (value, tuple(value) if isinstance(value, list) else None):
                raise NotThisOne
            inner[key.rpartition(".")[2]] = value
        return type(layer).from_config(config)

    try:
        new = keras.models.clone_model(model, clone_function=clone, recursive=True)
    except (IndexError, TypeError, ValueError) as error:  # of no shape that fits
        raise NotThisOne from error
    if [weight.shape for weight in new.weights] != [weight.shape for weight in model.weights]:
        raise NotThisOne
    new.set_weights(model.get_weights())
    return sg.open(new)


def _inside(layer):
    inner = layer.get_config().get("layer")
    return inner["config"] if isinstance(inner, dict) and "layers" not in inner["config"] else {}


def other_argument(model, random):
    """A number that a raw operation is called with."""
    graph = sg.open(copy_of(model))
    calls = [call for call in graph if any(isinstance(leaf, float) for leaf in leaves(call.args))]
    call = pick(random, calls)
    args = rebuilt(lambda leaf: leaf + 0.25 if isinstance(leaf, float) else leaf, call.args)
    new = [dataclasses.replace(one, args=args) if one is call else one for one in graph]
    return dataclasses.replace(graph, calls=tuple(new))


def inserted(model, random):
    """A layer that is not the identity, behind a call that is the donor's."""
    graph = sg.open(copy_of(model))
    used = [call for call in graph if call.op is not None and Ref(call.name) in graph.consumers]
    used = [call for call in used if len(call.specs) == 1 and call.specs[0].dtype == "float32"]
    call = pick(random, used)
    part = [keras.layers.Rescaling(1.5), keras.layers.Activation("tanh"), keras.layers.Dense(call.specs[0].shape[-1])]
    return sg.insert(graph, pick(random, part), after=f"{call.name}@0" if f"{call.name}@1" in graph else call.name)


def other_class(model, random):
    """Another layer under the same name, on the same tensor."""
    graph = sg.open(copy_of(model))
    kinds = {
        "ReLU": lambda name: keras.layers.LeakyReLU(name=name),
        "Activation": lambda name: keras.layers.ELU(name=name),
        "MaxPooling2D": lambda name: keras.layers.AveragePooling2D(2, 1, "same", name=name),
        "GlobalAveragePooling2D": lambda name: keras.layers.GlobalMaxPooling2D(name=name),
        "Add": lambda name: keras.layers.Average(name=name),
        "Subtract": lambda name: keras.layers.Add(name=name),
    }
    call = pick(random, [call for call in graph if call.class_name in kinds])
    new = LiveOp(kinds[call.class_name](call.layer))
    return dataclasses.replace(
        graph, calls=tuple(dataclasses.replace(one, op=new) if one.op == call.op else one for one in graph)
    )


SABOTAGES = [
    one_bit,
    exchanged_weights,
    exchanged,
    moved_edge,
    moved_edge,
    configured,
    configured,
    configured,
    other_argument,
    inserted,
    other_class,
]


# ---- what changes nothing -------------------------------------------------------------------------------------------


def rebuilt_model(graph, random):
    return sg.open(sg.build(graph))


def copied(graph, random):
    return sg.open(sg.build(graph, copy=True))


def frozen(graph, random):
    return sg.freeze(graph)


def cloned(graph, random):
    model = sg.build(graph)

    def clone(layer):
        config = layer.get_config()
        keys = {"kernel_regularizer": "l2", "kernel_initializer": "zeros", "rate": 0.1, "momentum": 0.5, "seed": 3}
        return type(layer).from_config({**config, **{key: value for key, value in keys.items() if key in config}})

    new = keras.models.clone_model(model, clone_function=clone, recursive=True)
    new.set_weights(model.get_weights())
    return sg.open(new)


def cut_front(graph, random):
    calls = [call for call in graph if call.op is not None]
    return sg.cut(graph, outputs=graph.address(pick(random, pick(random, calls).refs)))


def cut_back(graph, random):
    inner = [ref for call in graph if call.op is not None for ref in call.refs if ref in graph.consumers]
    return sg.cut(graph, inputs=[graph.address(ref) for ref in sg.crossing_tensors(graph, pick(random, inner))])


def grafted(graph, random):
    calls = [call for call in graph if call.op is not None and len(call.specs) == 1 and call.specs[0].shape]
    calls = [call for call in calls if len(call.specs[0].shape) in (2, 3, 4) and "float" in call.specs[0].dtype]
    at = graph.address(Ref(pick(random, calls).name))
    return sg.graft(graph, [keras.layers.Flatten(), keras.layers.Dense(3)], at=at, keep=random.random() < 0.5)


def inlined(graph, random):
    if not any(call.inner is not None for call in graph):
        raise NotThisOne
    return sg.inline(graph)


def joined(graph, random):
    if len([call for call in graph if call.weights]) < 2:  # under a prefix, one layer alone is not known again
        raise NotThisOne
    x = keras.Input((5,), name="other_input")
    other = sg.open(keras.Model(x, keras.layers.Dense(2, name="other_dense")(x), name="other"))
    wires: dict = {}
    return sg.join(graph, other, wires) if random.random() < 0.5 else sg.join(other, graph, wires, prefix="mine_")


def around(graph, random):
    model = sg.build(graph)
    inputs = keras.tree.map_structure(lambda one: keras.Input(one.shape[1:], dtype=one.dtype), model.input)
    made = keras.tree.flatten(model(inputs))
    return sg.open(keras.Model(inputs, [keras.layers.Identity()(one) for one in made], name="around"))


def given_an_identity(graph, random):
    used = [ref for call in graph for ref in call.refs if ref in graph.consumers and call.op is not None]
    used = [ref for ref in used if graph.spec(ref).dtype == "float32" and graph.spec(ref).shape]
    ref = pick(random, used)

    def adapter(x):
        return x + keras.layers.Dense(x.shape[-1], kernel_initializer="zeros")(x)

    parts = [keras.layers.Dropout(0.5), keras.layers.Activation("linear"), keras.layers.GaussianNoise(0.1), adapter]
    return sg.insert(graph, pick(random, parts), after=graph.address(ref))


UNTOUCHED = [
    rebuilt_model,
    copied,
    frozen,
    cloned,
    cut_front,
    cut_back,
    grafted,
    inlined,
    joined,
    around,
    given_an_identity,
]
CUTS = (cut_front, cut_back)


# ---- drawing --------------------------------------------------------------------------------------------------------


def through_a_file(graph, random, folder):
    """Half of the networks go through a file."""
    draw = random.random()
    if draw < 0.5:
        return graph, ""
    path = folder / ("m.keras" if draw < 0.75 else "m.h5")
    sg.build(graph).save(path)
    return sg.open(path), path.suffix


def sabotaged(seed, folder):
    """Returns (donor, sabotaged graph, what was done)."""
    random = np.random.default_rng([1, seed])
    while True:
        donor = network(int(random.integers(1_000_000)))
        sabotage = SABOTAGES[random.integers(len(SABOTAGES))]
        try:
            graph = sabotage(donor, random)
            if sabotage not in (one_bit, exchanged_weights) and not _computes_otherwise(graph, donor):
                continue
            graph, form = through_a_file(graph, random, folder)
        except (NotThisOne, sg.SurgeryError):
            continue
        return donor, graph, f"{sabotage.__name__} on {donor.name} {form}".strip()


def untouched(seed, folder):
    """Returns (donor, graph that computes the same, what was done)."""
    random = np.random.default_rng([2, seed])
    while True:
        donor = network(int(random.integers(1_000_000)))
        graph, done, form = sg.open(donor), [], ""
        try:
            drawn = [UNTOUCHED[random.integers(len(UNTOUCHED))] for _ in range(random.integers(1, 4))]
            for change in sorted(drawn, key=lambda one: one not in CUTS):  # what is cut off is the donor's
                graph = change(graph, random)
                done.append(change.__name__)
                if not any(call.weights for call in graph):
                    raise NotThisOne
            graph, form = through_a_file(graph, random, folder)
        except (NotThisOne, sg.SurgeryError):
            continue
        return donor, graph, f"{', '.join(done)} of {donor.name} {form}".strip()


def _computes_otherwise(graph, donor):
    """Whether stock Keras finds other outputs, on any of two draws."""
    new = sg.build(graph)
    for seed in range(2):
        arrays = padded(arrays_for(donor, seed=seed))
        ours, theirs = outputs_of(new, arrays), outputs_of(donor, arrays)
        if len(ours) == len(theirs) and not all(
            one.shape == other.shape and np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True)
        ):
            return True
    return False


def padded(arrays):
    def ended(value):
        value = np.array(value)
        if value.ndim in (2, 3) and value.shape[1] == 7:
            value[-1, -2:] = 0
        return value

    return keras.tree.map_structure(ended, arrays)


def found_by_verify(donor, graph):
    """Whether `verify` says that the network does not compute what the donor does."""
    return not sg.verify(graph, donor).exact
