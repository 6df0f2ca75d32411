"""Whether kernels of one shape mean the same in two layers: which axis is which, and in which order the gates lie."""

from __future__ import annotations

import re
from typing import Any

_LAYOUTS = (
    (r"Conv[123]D", "convolution"),
    (r"Conv[123]DTranspose", "transposed convolution"),
    (r"DepthwiseConv[12]D", "depthwise convolution"),
    (r"Dense", "in0 out0"),  # of an EinsumDense by its equation
    (r"(LSTM|GRU|SimpleRNN)Cell", "gates"),
)


def may_share(layer: Any, other: Any, name: str = "kernel") -> bool:
    """Whether a variable of one layer can be used by the other where names and shapes agree.

    It depends on Keras' own layers and on classes that inherit from them; of a custom layer the name is believed.
    """
    layouts = _layout(layer), _layout(other)
    if name == "bias" and not any(str(layout).startswith("gates") for layout in layouts):
        return True  # one number for each output
    return None in layouts or layouts[0] == layouts[1]


def _layout(layer: Any) -> str | None:
    base = next((one for one in type(layer).__mro__ if one.__module__.partition(".")[0] == "keras"), object)
    if base.__name__ == "EinsumDense":
        return _einsum(layer.equation)
    found = next((layout for pattern, layout in _LAYOUTS if re.fullmatch(pattern, base.__name__)), None)
    return f"gates of {base.__name__}" if found == "gates" else found


def _einsum(equation: str) -> str:
    """Returns what each axis of a kernel is: `in0 out0` for the kernel of a Dense layer."""
    given, kernel, made = re.split(",|->", equation.replace(" ", ""))
    summed = [letter for letter in given if letter in kernel and letter not in made]
    kept = [letter for letter in made if letter in kernel]
    return " ".join(f"in{summed.index(one)}" if one in summed else f"out{kept.index(one)}" for one in kernel)
