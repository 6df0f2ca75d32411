"""Rulers: where the pixels of one grid lie on another, exactly, for whole grids without end.

`f(i + period) = f(i) + advance`: a stride is a ruler of period 1, upsampling one of advance 1.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from fractions import Fraction

_LONGEST = 10_000  # values; a network that resizes by odd ratios again and again is not followed further
_EFFORT = 1_000_000  # values of all rulers of a network
_left: ContextVar[list[int] | None] = ContextVar("left", default=None)


@dataclasses.dataclass(frozen=True)
class Ruler:
    """A function of whole numbers that repeats itself.

    Args:
        period: in steps.
        advance: by how much it grows in a period.
        values: of the steps of the first period.
    """

    period: int
    advance: int
    values: tuple[int, ...]

    def __call__(self, step: int) -> int:
        turns, rest = divmod(step, self.period)
        return self.values[rest] + turns * self.advance

    @property
    def slope(self) -> Fraction:
        """How much it grows in a step, on average."""
        return Fraction(self.advance, self.period)

    def after(self, first: Ruler) -> Ruler:
        """Returns the ruler that applies `first`, and then this one.

        Raises:
            OverflowError: its period is too long.
        """
        turns = self.period // math.gcd(self.period, first.advance)
        period, advance = first.period * turns, first.advance * turns // self.period * self.advance
        return _made(period, advance, lambda step: self(first(step)))


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Limits what the rulers of one network may cost: those beyond are not made."""
    token = _left.set([_EFFORT])
    try:
        yield
    finally:
        _left.reset(token)


def _afford(period: int) -> int:
    left = _left.get()
    if left is not None:
        left[0] -= period
    if period > _LONGEST or (left is not None and left[0] < 0):
        raise OverflowError("the period of a ruler is too long")
    return period


def _made(period: int, advance: int, value: Callable[[int], int]) -> Ruler:
    return Ruler(period, advance, tuple(map(value, range(_afford(period)))))


def steps(stride: int, start: int) -> Ruler:
    """Returns `i -> i * stride + start`."""
    return Ruler(1, stride, (start,))


def rounded(slope: Fraction, start: Fraction, round: Callable[[Fraction], int]) -> Ruler:
    """Returns `i -> round(i * slope + start)`."""
    return _made(slope.denominator, slope.numerator, lambda step: round(step * slope + start))


def together(rulers: Iterable[Ruler], choose: Callable[..., int]) -> Ruler:
    """Returns the smallest or the largest (`choose`) of several rulers at each step; they have the same slope."""
    rulers = list(dict.fromkeys(rulers))
    if len(rulers) == 1:
        return rulers[0]
    period = math.lcm(*(ruler.period for ruler in rulers))
    advance = int(rulers[0].slope * period)
    return _made(period, advance, lambda step: choose(ruler(step) for ruler in rulers))


def span(first: Ruler, last: Ruler) -> range:
    """Returns the steps after which two rulers repeat themselves together.

    Raises:
        OverflowError: they are too many.
    """
    return range(_afford(math.lcm(first.period, last.period)))
