"""What every decoder asks of its arguments: classes, strides, and as many taps as there are strides."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

from surgery.core.errors import SurgeryError, SurgeryWarning


def steps_between(
    strides: Iterable[int], least: int, what: str, most: int | None = None
) -> tuple[list[int], list[int]]:
    """Returns the strides, and how many times coarser each feature map is than the one before.

    Raises:
        SurgeryError: there are fewer than `least` maps, or more than `most`; a stride is no number of pixels, or does
            not divide the next.
    """
    strides = list(strides) if isinstance(strides, Iterable) else [strides]
    if not all(map(_counts, strides)):
        raise SurgeryError(f"strides are whole numbers of pixels, at least 1; they are {strides}.")
    strides = [int(stride) for stride in strides]
    if most is not None and len(strides) > most:
        raise SurgeryError(f"{what} takes feature maps of {_NUMBERS.get(most, most)} sizes; strides are {strides}.")
    if len(strides) < least:
        raise SurgeryError(
            f"{what} needs feature maps of at least {_NUMBERS.get(least, least)} sizes; strides are {strides}. "
            "A deeper backbone, or a larger stride=, has more."
        )
    steps = [big // small for small, big in pairwise(strides)]
    if any(small * step != big or step < 2 for (small, big), step in zip(pairwise(strides), steps, strict=True)):
        raise SurgeryError(f"strides must ascend, each a multiple of the one before; they are {strides}.")
    return strides, steps


_NUMBERS = {2: "two", 3: "three"}


def _counts(number: Any) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool) and int(number) >= 1


def whole(number: Any, what: str) -> int:
    """Returns a number that counts something: classes, pixels.

    Raises:
        SurgeryError: it is no whole number, or less than 1.
    """
    if not _counts(number):
        raise SurgeryError(f"{what} must be a whole number, at least 1, not {number!r}.")
    return int(number)


def positive(classes: int) -> int:
    """Returns the number of classes.

    Raises:
        SurgeryError: it is not positive.
    """
    if not _counts(classes):
        raise SurgeryError(f"classes must be at least 1, not {classes!r}.")
    return int(classes)


def as_many(tensors: list[Any], strides: Sequence[int], what: str) -> tuple[Any, list[Any]]:
    """Returns the image and the feature maps that a decoder is grafted at.

    Raises:
        SurgeryError: they are not as many as the strides, one is no map, or one of fixed size is not of its stride.
    """
    tensors = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    flat = [tensor for tensor in tensors if len(tensor.shape) != 4]
    if flat:
        raise SurgeryError(
            f"{what} takes maps (batch, height, width, channels); {flat[0].name!r} is {tuple(flat[0].shape)}."
        )
    if len(tensors) != len(strides) + 1:
        raise SurgeryError(
            f"{what} of strides {list(strides)} is grafted at {len(strides) + 1} tensors, the image first; at= names "
            f"{len(tensors)}."
        )
    for stride, tensor in zip(strides, tensors[1:], strict=True):
        _refuse_other_stride(tensors[0].shape[1:3], tensor, stride, what)
    warn_of_open(tensors[0], max(strides), what)
    return tensors[0], tensors[1:]


def warn_of_open(picture: Any, step: int, what: str) -> None:
    """Warns that of images of any size only some come back in their size: what is cropped is not known yet."""
    if None in picture.shape[1:3] and step > 1:
        warnings.warn(
            f"{what} takes images of any size here, and serves those whose sides {step} divides: others come back in "
            "another size, or are refused by Keras. sg.resize(graph, (height, width, channels)) gives the network one.",
            category=SurgeryWarning,
            stacklevel=3,
        )


def _refuse_other_stride(picture: Sequence[Any], tensor: Any, stride: int, what: str) -> None:
    """Refuses a map of another size than its stride says, by more than convolutions without padding cost."""
    for side, pixels in zip(tensor.shape[1:3], picture, strict=True):
        if None not in (side, pixels) and abs(side - pixels / stride) > max(3, pixels / stride / 3):
            raise SurgeryError(
                f"{what} takes a map of stride {stride} at {tensor.name!r}: of {tuple(picture)} pixels that is "
                f"{tuple(f'{one / stride:g}' if one else one for one in picture)}, not {tuple(tensor.shape[1:3])}. "
                "Strides and taps are given in one order, the finest first; "
                "`sg.show(graph, columns='+stride')` shows the stride of every call."
            )
