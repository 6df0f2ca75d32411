"""What can be known of a class of layers: `Facts`, the columns of the table in `table.py`."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from surgery.core.specs import Spec

Shape: TypeAlias = "tuple[int | None, ...]"
Config: TypeAlias = Mapping[str, Any]
T = TypeVar("T")


class Trait(enum.Flag):
    """What a class of layers, or a raw operation, is or does; each is a question that another room asks."""

    ELEMENTWISE = enum.auto()
    """Each number that it makes depends on the number at the same place of each tensor that it is given, and no other:
    on the order of axes nothing depends. In training it may be random."""
    ALONG_AXIS = enum.auto()
    """It works along the axes that its configuration names, by default the last."""
    REDUCING = enum.auto()
    """It takes the numbers along an axis together, all of them by default: `mean(x, axis)`."""
    MIXING = enum.auto()
    """What it makes at one place may depend on every place of what it is given."""
    ON_GRID = enum.auto()
    """What it makes lies on the grid of what it is given, although it looks at more than one place, or is random."""
    WINDOWED = enum.auto()
    """It slides a window, `kernel_size` or `pool_size`, in steps of `strides`."""
    UPSAMPLING = enum.auto()
    """It makes `strides` or `size` places of one."""
    MOVING = enum.auto()
    """It moves places or exchanges axes, and may make a map of the size that it is given."""
    NO_PRODUCTS = enum.auto()
    """It sums no products: 0 multiply-accumulates."""
    COMPARING = enum.auto()
    """It makes booleans."""
    FLOATING = enum.auto()
    """A raw operation that makes floats of integers."""
    SAME_DTYPE = enum.auto()
    """It makes integers of integers, whatever its dtype policy."""
    RANDOM = enum.auto()
    """In training it draws at random, whatever its configuration says of a rate."""
    IMAGE_TO_IMAGE = enum.auto()
    """Given an image it makes an image whose pixels are in the same range."""
    RECURRENT = enum.auto()
    """It takes a sequence, and may take states."""
    GATED = enum.auto()
    """It computes a state from an input and the last state, by a kernel and a recurrent kernel."""
    CONVOLUTION = enum.auto()
    """It has a kernel that slides over maps."""
    POOLING = enum.auto()
    """It takes the numbers under a window together."""
    ATTENTION = enum.auto()
    """It weighs values by queries and keys, and may return the scores."""
    FUSES_ACTIVATION = enum.auto()
    """It applies the `activation` of its configuration to what a product with its kernel gives."""
    PARTS_IN_ORDER = enum.auto()
    """It makes layers inside itself, and every writer keeps their tensors in the same order."""
    PASSES_MASK = enum.auto()
    """In Keras 1 and 2 the mask of what it is given is that of what it makes."""
    MERGES_MASKS = enum.auto()
    """In Keras 1 and 2 it makes one mask of those of all that it is given."""
    TAKES_MASK = enum.auto()
    """It uses the mask of what it is given."""
    ENDS_MASK = enum.auto()
    """What it makes has no mask."""
    KEEPS_ORDER = enum.auto()
    """Given scores of classes it makes scores in the same order, or with ties."""
    SAME_VALUES = enum.auto()
    """In inference it makes the numbers that it is given, in the same order; their shape may be another."""
    LOOKUP = enum.auto()
    """It has a vocabulary, which its configuration may name as a file."""
    CODE = enum.auto()
    """It runs code that its configuration holds or names."""


NO_TRAITS = Trait(0)


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a class; what is not known here is asked of nobody, and never guessed.

    Args:
        traits: what it is and does.
        output: makes the shape of what it makes, or shapes, of (class, configuration, shapes given); `None` where that
            is not known.
        count: how many tensors it makes, or a function of (configuration, specs given); `None` where its shapes say it.
        variables: the names of its variables in the order in which Keras makes them, `""` where it makes none and
            `None` where that is not known. `bias?use_bias` is there unless that key says no; `count!` is one that
            training does not move.
        sizes: makes the shapes of these variables of (class, configuration, shape given), by name.
        kernel: what the axes of its kernel are, for layers that can share one.
        outputs: variable -> the axis of it that numbers the outputs of the layer.
    """

    traits: Trait = NO_TRAITS
    output: Callable[[str, Config, list[Shape]], Any] | None = None
    count: int | Callable[[Config, Sequence[Spec]], int | None] | None = None
    variables: str | None = None
    sizes: Callable[[str, Config, tuple[Any, ...]], Mapping[str, tuple[int, ...]]] | None = None
    kernel: str = ""
    outputs: Mapping[str, int] = dataclasses.field(default_factory=dict)


def rows(named: Mapping[str, T]) -> dict[str, T]:
    """Returns `{"Conv1D Conv2D": x}` as `{"Conv1D": x, "Conv2D": x}`: what is said of several classes is said once.

    Raises:
        ValueError: a class is named twice.
    """
    found: dict[str, T] = {}
    for names, value in named.items():
        for name in names.split():
            if name in found:
                raise ValueError(f"{name} has two rows")
            found[name] = value
    return found
