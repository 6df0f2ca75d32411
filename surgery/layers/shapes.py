"""The shapes that standard layers make, without Keras: as far as a table needs them, never guessed.

A shape that is not known stays `None`. What is said here is checked against Keras by a test over every layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from surgery.core.specs import Spec, is_possible
from surgery.layers.dtypes import dtype_made
from surgery.layers.facts import Config, Shape, Trait
from surgery.layers.table import facts, has


def inferred(class_name: str, config: Config, given: Sequence[Spec]) -> list[Spec] | None:
    """Returns what a layer makes of the tensors that it is given, or `None` where that is not known.

    Args:
        class_name: its class.
        config: its configuration, as Keras 3 has it.
        given: the specs of the tensors it takes, in order.
    """
    if not given or any(spec.shape is None for spec in given):
        return None
    try:
        made = _made(class_name, config, given)
    except (TypeError, ValueError, IndexError, KeyError, ZeroDivisionError, AttributeError, OverflowError):
        return None  # a configuration that is not what Keras writes
    return made if made is not None and all(is_possible(spec.sides) for spec in made) else None


def _made(class_name: str, config: Config, given: Sequence[Spec]) -> list[Spec] | None:
    shapes = [spec.shape for spec in given if spec.shape is not None]
    if class_name == "SpectralNormalization":
        return inferred(config["layer"]["class_name"], config["layer"]["config"], given)
    if class_name == "TimeDistributed":
        made = _each_step(config, shapes[0])
    else:
        rule = facts(class_name).output
        made = None if rule is None else rule(class_name, config, shapes)
    dtype = "bool" if has(class_name, Trait.COMPARING) else dtype_made(class_name, config, given)
    return None if made is None else [Spec(shape, dtype) for shape in (made if isinstance(made, list) else [made])]


def _each_step(config: Config, shape: Shape) -> Shape | None:
    inner = config["layer"]
    made = inferred(inner["class_name"], inner["config"], [Spec((shape[0], *shape[2:]))])
    return None if made is None or made[0].shape is None else (shape[0], shape[1], *made[0].shape[1:])
