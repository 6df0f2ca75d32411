"""Parts that start as nothing: a pretrained network computes what it did, until training gives them weight.

Goyal et al. 2017, arXiv:1706.02677, section 5.1 (the last scale of a residual block starts at zero); Bachlechner et al.
2020, ReZero, arXiv:2003.04887, section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from surgery.core.errors import SurgeryError

layers: Any = keras.layers


def zero_init_residual(part: Callable[[Any], Any], name: str = "zero") -> Callable[[Any], Any]:
    """Makes a part that returns its input plus what `part` makes of it, through a projection that starts at zero.

    Args:
        part: a layer or a function of one tensor; of a map it returns a map of the same size, of a vector a vector.
        name: begins the names of the layers.

    Raises:
        SurgeryError: when it is applied: `part` returns another rank, or another size.
    """

    def residual(x: Any) -> Any:
        return layers.Add(name=f"{name}_add")([x, _projected(part(x), x, name)])

    return residual


def zero_init_skip(name: str = "skip") -> Callable[[list[Any]], Any]:
    """Makes a new skip connection: `merge=` of `sg.rewire`, a function of `[into, source]`.

    The source is averaged down, or enlarged, to the size of the map that it is added to, and projected by a 1 x 1
    convolution (He et al. 2015, arXiv:1512.03385, equation 2) that starts at zero.

    Args:
        name: begins the names of the layers.
    """

    def merge(tensors: list[Any]) -> Any:
        into, source = tensors
        if len(into.shape) == len(source.shape) == 4 and into.shape[1:3] != source.shape[1:3]:
            source = _fitted(source, into.shape[1:3], name)
        return layers.Add(name=f"{name}_add")([into, _projected(source, into, name)])

    return merge


def _projected(y: Any, x: Any, name: str) -> Any:
    if len(y.shape) != len(x.shape) or y.shape[1:-1] != x.shape[1:-1]:
        raise SurgeryError(f"{name!r} makes {tuple(y.shape)} of what is to be added to {tuple(x.shape)}.")
    if len(x.shape) == 4:
        return layers.Conv2D(x.shape[-1], 1, kernel_initializer="zeros", name=f"{name}_project")(y)
    return layers.Dense(x.shape[-1], kernel_initializer="zeros", name=f"{name}_project")(y)


def _fitted(source: Any, size: tuple[int | None, ...], name: str) -> Any:
    was = source.shape[1:3]
    if None in (*size, *was):
        raise SurgeryError(f"{name!r} joins maps of other sizes, {tuple(was)} and {tuple(size)}: both must be fixed.")
    if all(old % new == 0 for old, new in zip(was, size, strict=True)):
        step = tuple(old // new for old, new in zip(was, size, strict=True))
        return layers.AveragePooling2D(step, name=f"{name}_pool")(source)
    return layers.Resizing(*size, name=f"{name}_resize")(source)
