"""What the axes of a variable are: whether kernels of one shape mean the same in two layers, and which axis numbers the
outputs of a layer."""

from __future__ import annotations

import re
from typing import Any

from surgery.layers.table import facts


def axis_of_outputs(layer: Any, name: str, shape: tuple[int, ...], other: tuple[int, ...]) -> int | None:
    """Returns the axis of a variable that numbers the outputs of a layer, or the rows of an Embedding.

    Args:
        layer: the layer.
        name: of the variable.
        shape: of the variable.
        other: its shape in a layer of another number of outputs, which says the axis where an EinsumDense has several.

    Returns:
        The axis, from the first; `None` where there is none, or where it is not known.
    """
    base = _base(layer)
    if len(shape) != len(other) or getattr(layer, "groups", 1) != 1:
        return None
    if base == "EinsumDense":
        axes = _axes_of_outputs(layer, name)
        apart = [axis for axis in axes if shape[axis] != other[axis]] or axes
        return apart[0] if len(apart) == 1 else None
    found = facts(base).outputs
    return found[name] % len(shape) if name in found else None


def _axes_of_outputs(layer: Any, name: str) -> list[int]:
    """Returns the axes of a variable of an EinsumDense that are axes of what it makes, and of its kernel."""
    given, kernel, made = re.split(",|->", layer.equation.replace(" ", "").replace("...", ""))
    outputs = [letter for letter in made if letter in kernel and letter not in given]
    if name == "kernel":
        return [kernel.index(letter) for letter in outputs]
    biased = [letter for letter in made if letter in (layer.bias_axes or "")] if name == "bias" else []
    spread = made[made.index(biased[0]) :] if biased else ""
    return [spread.index(letter) for letter in outputs if letter in biased]


def may_share(layer: Any, other: Any, name: str = "kernel") -> bool:
    """Whether a variable of one layer can be used by the other where names and shapes agree.

    It depends on Keras' own layers and on classes that inherit from them; of a custom layer the name is believed.
    """
    layouts = _layout(layer), _layout(other)
    if name == "bias" and not any(str(layout).startswith("gates") for layout in layouts):
        return True  # one number for each output
    return None in layouts or layouts[0] == layouts[1]


def _base(layer: Any) -> str:
    """Returns the name of the class of Keras that a layer is of, or inherits from."""
    return next((one.__name__ for one in type(layer).__mro__ if one.__module__.partition(".")[0] == "keras"), "object")


def _layout(layer: Any) -> str | None:
    base = _base(layer)
    if base == "EinsumDense":
        return _einsum(layer.equation)
    found = facts(base).kernel
    return f"gates of {base}" if found == "gates" else found or None


def _einsum(equation: str) -> str:
    """Returns what each axis of a kernel is: `in0 out0` for the kernel of a Dense layer."""
    given, kernel, made = re.split(",|->", equation.replace(" ", ""))
    summed = [letter for letter in given if letter in kernel and letter not in made]
    kept = [letter for letter in made if letter in kernel]
    return " ".join(f"in{summed.index(one)}" if one in summed else f"out{kept.index(one)}" for one in kernel)
