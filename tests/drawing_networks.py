"""Random networks of every kind of layer that Keras treats in a way of its own.

Wrappers, nested models (shared, called twice, three deep), quantized layers, LoRA, masks with initial states, mixed
policies, custom layers as tutorials write them, and inputs and outputs in every structure. `drawn(seed)` always gives
the same network.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

WIDTH, STEPS, SIDE = 4, 5, 8
layers = keras.layers


@keras.saving.register_keras_serializable("drawn")
class Scale(layers.Layer):
    """The variable under an attribute of another name; no `__init__`, no `get_config`."""

    def build(self, shape: Any) -> None:
        self.gain = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")

    def call(self, x: Any) -> Any:
        return x * self.gain


@keras.saving.register_keras_serializable("drawn")
class Projection(layers.Layer):
    """The layer of the Keras guide: arguments, `get_config`, weights made in `build`."""

    def __init__(self, units: int = WIDTH, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units

    def build(self, shape: Any) -> None:
        self.w = self.add_weight(shape=(shape[-1], self.units), initializer="random_normal", trainable=True)
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True)

    def call(self, x: Any) -> Any:
        return keras.ops.matmul(x, self.w) + self.b

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("drawn")
class Block(layers.Layer):
    """Layers inside a layer, one of them in a list."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.norm = layers.LayerNormalization()
        self.steps = [layers.Dense(WIDTH, activation="relu"), layers.Dense(WIDTH)]

    def build(self, shape: Any) -> None:
        self.norm.build(shape)
        for step in self.steps:
            step.build(shape)

    def call(self, x: Any) -> Any:
        y = self.norm(x)
        for step in self.steps:
            y = step(y)
        return x + y


@dataclasses.dataclass
class Drawn:
    """A network to try.

    Args:
        model: the network, built, with weights that hide no mistake.
        arrays: inputs for it, in its own structure.
        kinds: the steps that made it, for reports.
    """

    model: Any
    arrays: Any
    kinds: list[str]


class _Pools:
    """The tensors made so far, by what they are: flat vectors, sequences, images, tokens."""

    def __init__(self, random: np.random.Generator):
        self.random = random
        self.made: dict[str, list[Any]] = {"flat": [], "sequence": [], "image": [], "tokens": []}
        self.shared: dict[str, Any] = {}
        self.with_lora: list[Any] = []

    def pick(self, pool: str) -> Any:
        tensors = self.made[pool]
        late = tensors[-3:] if self.random.random() < 0.6 else tensors
        return late[self.random.integers(0, len(late))]

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self.shared:
            self.shared[key] = make()
        return self.shared[key]


def _dense_stack(name: str, width: int = WIDTH) -> Any:
    return keras.Sequential(
        [keras.Input((WIDTH,)), layers.Dense(width, activation="tanh", name="deep"), layers.ReLU(name="rect")],
        name=name,
    )


def _three_deep(name: str) -> Any:
    entry = keras.Input((WIDTH,), name="entry")
    middle_entry = keras.Input((WIDTH,), name="entry")
    core = _dense_stack("core")
    middle = keras.Model(
        middle_entry, layers.Dense(WIDTH, name="after")(core(middle_entry)) + core(middle_entry), name="middle"
    )
    return keras.Model(entry, middle(layers.LayerNormalization(name="norm")(entry)), name=name)


def _each_step(pools: _Pools) -> Any:
    return layers.TimeDistributed(_dense_stack(f"each_{pools.random.integers(1000)}"))


def _trunk(name: str) -> Any:
    entry = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = layers.Conv2D(WIDTH, 3, padding="same", name="conv")(entry)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(max_value=6.0, name="relu")(x)
    return keras.Model(entry, layers.GlobalAveragePooling2D(name="pool")(x), name=name)


def _with_lora(pools: _Pools, layer: Any, x: Any) -> Any:
    pools.with_lora.append(layer)
    return layer(x)


def _normalized(pools: _Pools, x: Any) -> Any:
    layer = layers.Normalization()
    layer.adapt(pools.random.normal(2.0, 3.0, (16, WIDTH)).astype("float32"))
    return layer(x)


def _flat_steps(p: _Pools) -> dict[str, Callable[[], Any]]:
    one = lambda: p.pick("flat")
    return {
        "dense": lambda: layers.Dense(WIDTH, activation="tanh")(one()),
        "shared dense": lambda: p.once("shared", lambda: layers.Dense(WIDTH, name="shared"))(one()),
        "nested": lambda: p.once("inner", lambda: _dense_stack("inner"))(one()),
        "nested three deep": lambda: p.once("outer", lambda: _three_deep("outer"))(one()),
        "batch norm": lambda: layers.BatchNormalization()(one()),
        "dropout": lambda: layers.Dropout(0.5)(one()),
        "raw sum": lambda: one() + one(),
        "raw split": lambda: keras.ops.concatenate(keras.ops.split(one(), 2, axis=-1)[::-1], axis=-1),
        "raw three": lambda: keras.ops.concatenate(keras.ops.split(one(), [1, 3], axis=-1)[::-1], axis=-1),
        "normalization": lambda: _normalized(p, one()),
        "spectral": lambda: layers.SpectralNormalization(layers.Dense(WIDTH))(one()),
        "lora dense": lambda: _with_lora(p, layers.Dense(WIDTH), one()),
        "custom scale": lambda: Scale()(one()),
        "custom projection": lambda: Projection()(one()),
        "custom block": lambda: Block()(one()),
        "half dense": lambda: layers.Dense(WIDTH, dtype="mixed_float16")(one()),
        "brain dense": lambda: keras.ops.cast(layers.Dense(WIDTH, dtype="bfloat16")(one()), "float32"),
        "regularized": lambda: layers.Dense(WIDTH, kernel_regularizer="l2", use_bias=False)(one()),
    }


def _sequence_steps(p: _Pools) -> dict[str, Callable[[], Any]]:
    one = lambda: p.pick("sequence")
    return {
        "lstm": lambda: layers.LSTM(WIDTH, return_sequences=True)(one()),
        "gru states": lambda: layers.GRU(WIDTH, return_sequences=True)(one(), initial_state=p.pick("flat")),
        "lstm states": lambda: layers.LSTM(WIDTH, return_sequences=True)(
            one(), initial_state=[p.pick("flat"), p.pick("flat")]
        ),
        "bidirectional": lambda: layers.Bidirectional(layers.LSTM(WIDTH // 2, return_sequences=True))(one()),
        "stacked cells": lambda: layers.RNN(
            [layers.GRUCell(WIDTH), layers.SimpleRNNCell(WIDTH)], return_sequences=True
        )(one()),
        "time distributed": lambda: layers.TimeDistributed(layers.Dense(WIDTH))(one()),
        "time distributed model": lambda: layers.TimeDistributed(_dense_stack(f"each_{p.random.integers(1000)}"))(
            one()
        ),
        "attention": lambda: layers.MultiHeadAttention(2, 2)(query=one(), value=one()),
        "grouped attention": lambda: layers.GroupQueryAttention(WIDTH // 2, 2, 1)(one(), one()),
        "dot attention": lambda: layers.Attention()([one(), one()]),
        "einsum": lambda: layers.EinsumDense("abc,cd->abd", (None, WIDTH), bias_axes="d")(one()),
        "lora einsum": lambda: _with_lora(p, layers.EinsumDense("abc,cd->abd", (None, WIDTH)), one()),
        "conv1d": lambda: layers.Conv1D(WIDTH, 3, padding="same")(one()),
        "layer norm": lambda: layers.LayerNormalization()(one()),
        "block on steps": lambda: Block()(one()),
        "repeat": lambda: layers.RepeatVector(STEPS)(p.pick("flat")),
        "masking": lambda: layers.Masking(0.5)(one()),
        "embedding": lambda: layers.Embedding(11, WIDTH)(p.pick("tokens")),
        "masked embedding": lambda: layers.Embedding(11, WIDTH, mask_zero=True)(p.pick("tokens")),
        "lora embedding": lambda: _with_lora(p, layers.Embedding(11, WIDTH), p.pick("tokens")),
    }


def _image_steps(p: _Pools) -> dict[str, Callable[[], Any]]:
    one = lambda: p.pick("image")
    return {
        "conv": lambda: layers.Conv2D(3, 3, padding="same", activation="relu")(one()),
        "depthwise": lambda: layers.DepthwiseConv2D(3, padding="same")(one()),
        "separable": lambda: layers.SeparableConv2D(3, 3, padding="same")(one()),
        "pooled": lambda: layers.UpSampling2D(2)(layers.MaxPooling2D(2)(one())),
        "image norm": lambda: layers.BatchNormalization()(one()),
        "group norm": lambda: layers.GroupNormalization(3)(one()),
        "rescaling": lambda: layers.Rescaling(0.5, offset=[0.1, 0.2, 0.3])(one()),
        "transposed": lambda: layers.Conv2DTranspose(3, 3, padding="same")(one()),
        "lora conv": lambda: _with_lora(p, layers.Conv2D(3, 3, padding="same"), one()),
        "added images": lambda: layers.Add()([one(), one()]),
    }


def _flattening_steps(p: _Pools) -> dict[str, Callable[[], Any]]:
    sequence, image = (lambda: p.pick("sequence")), (lambda: p.pick("image"))
    return {
        "last state": lambda: layers.LSTM(WIDTH)(sequence()),
        "mean of steps": lambda: layers.GlobalAveragePooling1D()(sequence()),
        "both ends": lambda: layers.Bidirectional(layers.GRU(WIDTH // 2))(sequence()),
        "states of lstm": lambda: keras.ops.add(*layers.LSTM(WIDTH, return_state=True)(sequence())[1:]),
        "pooled image": lambda: layers.Dense(WIDTH)(layers.GlobalMaxPooling2D()(image())),
        "flattened": lambda: layers.Dense(WIDTH)(layers.Flatten()(image())),
        "trunk": lambda: p.once("trunk", lambda: _trunk("trunk"))(image()),
    }


def drawn(seed: int) -> Drawn:
    """Draws a network; the same one for the same seed."""
    random = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    pools = _Pools(random)
    inputs = _inputs(pools)
    steps = [("flat", _flat_steps(pools))]
    if pools.made["sequence"]:
        steps.append(("sequence", _sequence_steps(pools)))
    if pools.made["image"]:
        steps.append(("image", _image_steps(pools)))
    flattening = {
        name: step
        for name, step in _flattening_steps(pools).items()
        if pools.made["image" if name in ("pooled image", "flattened", "trunk") else "sequence"]
    }
    kinds = []
    for _ in range(random.integers(3, 10)):
        if flattening and random.random() < 0.3:
            pool, table = "flat", flattening
        else:
            pool, table = steps[random.integers(0, len(steps))]
        name = list(table)[random.integers(0, len(table))]
        if "tokens" not in inputs and "embedding" in name:
            continue
        pools.made[pool].append(table[name]())
        kinds.append(name)
    model = keras.Model(_given(random, inputs), _outputs(pools, inputs), name=f"drawn_{seed}")
    _set_values(model, pools, kinds)
    arrays = keras.tree.map_structure(lambda tensor: _array(random, tensor), model.input)
    return Drawn(model, arrays, kinds)


def _inputs(pools: _Pools) -> dict[str, Any]:
    """Draws which kinds of input there are; a flat one always, so that states and vectors have a source."""
    random = pools.random
    made = {"flat": keras.Input((WIDTH,), name="vector")}
    if random.random() < 0.4:
        made["flat two"] = keras.Input((WIDTH,), name="second")
    if random.random() < 0.5:
        made["sequence"] = keras.Input((STEPS, WIDTH), name="steps")
    if random.random() < 0.4:
        made["tokens"] = keras.Input((STEPS,), dtype="int32", name="tokens")
    if random.random() < 0.4:
        made["image"] = keras.Input((SIDE, SIDE, 3), name="pixels")
    for kind, tensor in made.items():
        pools.made[kind.split()[0]].append(tensor)
    if "tokens" in made:
        mask = bool(random.random() < 0.5)
        pools.made["sequence"].append(layers.Embedding(11, WIDTH, mask_zero=mask, name="words")(made["tokens"]))
    return made


def _given(random: np.random.Generator, inputs: dict[str, Any]) -> Any:
    tensors = list(inputs.values())
    forms = [tensors, tuple(tensors), {one.name: one for one in tensors}]
    if len(tensors) == 1:
        forms.append(tensors[0])
    if len(tensors) > 2:
        forms.append({"first": tensors[0], "rest": tensors[1:]})
    return forms[random.integers(0, len(forms))]


def _outputs(pools: _Pools, inputs: dict[str, Any]) -> Any:
    random = pools.random
    entries = {id(tensor) for tensor in keras.tree.flatten(inputs)}
    last = [tensors[-1] for pool, tensors in pools.made.items() if tensors and pool != "tokens"]
    last = [tensor for tensor in last if id(tensor) not in entries]
    last = last or [layers.Dense(WIDTH, name="end")(pools.made["flat"][0])]
    forms = [last, tuple(last), {f"out{number}": one for number, one in enumerate(last)}]
    forms += [last[0]] if len(last) == 1 else [{"first": last[0], "rest": tuple(last[1:])}]
    return forms[random.integers(0, len(forms))]


def _set_values(model: Any, pools: _Pools, kinds: list[str]) -> None:
    """Gives every variable a value that is not the one it was made with; then LoRA and 8 bits on top."""
    random = pools.random
    for variable in model.weights:
        if variable.dtype in ("float32", "float16", "bfloat16") and "count" not in variable.path:
            spread = 0.5 / max(1.0, float(np.sqrt(np.prod(variable.shape[:-1] or (1,)) / WIDTH)))
            values = random.uniform(-1.0, 1.0, variable.shape) * spread
            variable.assign(np.abs(values) + 0.1 if "variance" in variable.path or "gamma" in variable.path else values)
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    if pools.with_lora and random.random() < 0.7:
        for layer in pools.with_lora:
            layer.enable_lora(2)
        for variable in model.weights:
            if "lora" in variable.path:
                variable.assign(random.normal(0.0, 0.3, variable.shape))
        kinds.append("lora enabled")
    if random.random() < 0.15:
        mode = ("int8", "int4")[random.integers(0, 2)]
        simple = [
            one
            for one in model.layers
            if type(one) is layers.Dense and one.dtype_policy.name == "float32" and not one.lora_enabled
        ]
        for layer in simple[:2]:
            layer.quantize(mode)
        if simple:
            kinds.append(mode)


def _array(random: np.random.Generator, tensor: Any) -> Any:
    shape = (3, *tensor.shape[1:])
    if "int" in tensor.dtype:
        return random.integers(0, 11, shape).astype(tensor.dtype)
    return random.normal(size=shape).astype(tensor.dtype)
