"""The variables that a layer will make, from its class, its configuration and what it is given: for an architecture
without weights. Of what the table does not know they are not known; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from surgery.core.specs import Spec, Weight, is_possible
from surgery.layers.classes import kind_of_stored
from surgery.layers.facts import Config, Shape, Trait
from surgery.layers.table import facts, has, own_variables


def expected(name: str, kind: str, config: Config, given: Sequence[Spec]) -> tuple[Weight, ...] | None:
    """Returns the variables of a layer in the order of `layer.weights`, or `None` where they are not known.

    Args:
        name: its name.
        kind: its class.
        config: its configuration, as Keras 3 has it.
        given: the specs of the tensors that it takes, in order.
    """
    if not given or given[0].shape is None:
        return None
    if has(kind, Trait.ATTENTION) and len({spec.sides[-1:] for spec in given}) > 1:
        return None
    try:
        dtype, moves = _dtype(config), config.get("trainable", True) is not False
        made = tuple(
            Weight(f"{name}/{own}", shape, dtype, trained and moves)
            for own, shape, trained in _variables(kind, config, given[0].shape)
        )
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None  # not known, or a configuration that is not what Keras writes
    return made if all(is_possible(one.shape) and None not in one.shape for one in made) else None


def may_make_variables(kind: str, config: Config) -> bool:
    """Whether a layer makes variables, or may make some: of a custom one it is not known."""
    return own_variables(kind, config) != []


def _variables(kind: str, config: Config, shape: Shape) -> Iterator[tuple[str, tuple[Any, ...], bool]]:
    """Yields name, shape, and whether training moves it, of each variable.

    Raises:
        ValueError: they are not known.
    """
    if kind == "Bidirectional":
        forward = config["layer"]
        for way, one in (("forward", forward), ("backward", config.get("backward_layer") or forward)):
            yield from ((f"{way}/{name}", own, trained) for name, own, trained in _inside(one, shape))
    elif kind == "TimeDistributed":
        yield from _inside(config["layer"], (shape[0], *shape[2:]))
    else:
        names, sizes = own_variables(kind, config), facts(kind).sizes
        if names is None or (names and sizes is None):
            raise ValueError
        made = sizes(kind, config, shape) if sizes is not None else {}
        yield from ((name, made[name], trained) for name, trained in names)


def _inside(layer: Mapping[str, Any], shape: Shape) -> Iterator[tuple[str, tuple[Any, ...], bool]]:
    return _variables(kind_of_stored(layer), layer["config"], shape)


def _dtype(config: Config) -> str:
    policy = config.get("dtype")
    if isinstance(policy, Mapping):
        policy = policy["config"]["name"]
    if config.get("lora_rank") or not re.fullmatch(r"(mixed_)?b?float\d+", policy or "float32"):
        raise ValueError  # quantized, or with LoRA: other variables
    return "float32" if policy is None or policy.startswith("mixed_") else policy
