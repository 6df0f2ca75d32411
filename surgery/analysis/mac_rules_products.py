"""The MACs of dense layers, convolutions and matrix products, and the sizes of tensors that all rules count with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from surgery.core.specs import Spec

Config = Mapping[str, Any]
Rule = Callable[[str, Config, list[Spec], list[Spec]], int | None]


class Open(Exception):
    """A size that a count depends on is not known."""


# raw operations whose factors may be constants
PRODUCTS = ("Matmul", "Dot", "Inner", "Einsum", "Tensordot", "Conv", "DepthwiseConv", "SeparableConv", "ConvTranspose")


def sides_of(spec: Spec) -> tuple[int, ...]:
    """Returns the sizes of a tensor, with one sample in an open batch."""
    if spec.shape is None or None in spec.shape[1:]:
        raise Open
    return tuple(1 if side is None else side for side in spec.shape)


def size_of(spec: Spec) -> int:
    """Returns the number of elements of a tensor."""
    return math.prod(sides_of(spec))


def channels_of(spec: Spec, config: Config) -> int:
    """Returns the number of channels of a feature map."""
    side = spec.sides[1] if config.get("data_format") == "channels_first" else spec.sides[-1]
    if side is None:
        raise Open
    return side


def points_of(spec: Spec, config: Config) -> int:
    """Returns the number of pixels of a feature map, those of a whole batch."""
    return size_of(spec) // channels_of(spec, config)


def window_of(config: Config, spec: Spec) -> int:
    """Returns the number of elements of the kernel of a convolution, for one channel."""
    size = config["kernel_size"]
    return math.prod(size) if isinstance(size, (list, tuple)) else size ** (len(spec.sides) - 2)


def dense(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    return size_of(made[0]) * sides_of(given[0])[-1]


def convolution(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    inward = channels_of(given[0], config) // (config.get("groups") or 1)
    return size_of(made[0]) * window_of(config, given[0]) * inward


def depthwise(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    return size_of(made[0]) * window_of(config, given[0])


def separable(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    depth = channels_of(given[0], config) * (config.get("depth_multiplier") or 1)
    return points_of(made[0], config) * depth * (window_of(config, given[0]) + config["filters"])


def transposed(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    return size_of(given[0]) * window_of(config, given[0]) * config["filters"]


def with_kernels(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """A raw convolution: its kernels are among what it is given, with the channels last that they make."""
    picture, *kernels = given
    sides = sides_of(kernels[0])
    if kind == "Conv":
        return size_of(made[0]) * math.prod(sides[:-1])
    if kind == "DepthwiseConv":
        return size_of(made[0]) * math.prod(sides[:-2])
    if kind == "ConvTranspose":
        return size_of(picture) * math.prod(sides[:-1])  # its channels are those made, then those given
    points = size_of(made[0]) // sides_of(kernels[1])[-1]
    return points * sum(math.prod(sides_of(kernel)) for kernel in kernels)


def einsum(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """Counts every combination of the letters of an equation once: that is what a sum of products goes through."""
    equation = config.get("equation") or config["subscripts"]
    terms, result = equation.replace(" ", "").split("->")
    operands = terms.split(",")
    if len(operands) != 2:
        raise Open
    letters: dict[str, int] = {}
    unsaid: set[str] = set()
    terms_and_specs = [*zip(operands, given, strict=False), (result, made[0])]
    for place, (term, spec) in enumerate(terms_and_specs):
        known = set(letters) if place == len(terms_and_specs) - 1 else set()  # of an ellipsis, Keras says another order
        for letter, side in _letters(term, (1, *spec.sides[1:]) if spec.sides[:1] == (None,) else spec.sides).items():
            if letter in known:
                continue
            if side is None:  # another term may say it
                unsaid.add(letter)
            else:
                letters[letter] = max(side, letters.get(letter, 1))  # a side of 1 is broadcast
    dots = {letter for letter in letters if letter.startswith(".")}
    wanted = set(terms) - set(",.") | dots
    if any(letters.get(letter, 1) == 1 for letter in wanted & unsaid) or not wanted <= letters.keys():
        raise Open
    return math.prod(letters[letter] for letter in wanted)


def _letters(term: str, sides: Sequence[int | None]) -> dict[str, int | None]:
    head, dots, tail = term.partition("...")
    if not dots:
        if len(term) != len(sides):
            raise Open
        return dict(zip(term, sides, strict=True))
    rest = sides[len(head) : len(sides) - len(tail)]
    return {
        **dict(zip(head, sides, strict=False)),
        **{f".{len(rest) - place}": side for place, side in enumerate(rest)},
        **dict(zip(tail, sides[len(sides) - len(tail) :], strict=True)),
    }


def product(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    """A matrix product: every output is a sum over the axis that is contracted."""
    if kind == "Dot" and "axes" in config:
        axes = config["axes"]
        return size_of(made[0]) * sides_of(given[0])[axes if isinstance(axes, int) else axes[0]]
    return size_of(made[0]) * sides_of(given[0])[-1]


def tensor_product(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    axes = config["axes"]
    sides = sides_of(given[0])
    if isinstance(axes, int):
        return size_of(made[0]) * math.prod(sides[len(sides) - axes :])
    first = axes[0] if isinstance(axes[0], (list, tuple)) else [axes[0]]
    return size_of(made[0]) * math.prod(sides[axis] for axis in first)


def reversible(kind: str, config: Config, given: list[Spec], made: list[Spec]) -> int:
    return size_of(made[0]) * sides_of(given[0])[-1] if config.get("reverse") else 0
