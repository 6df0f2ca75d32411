"""Statistics of a tensor in a line: mean, standard deviation, zeros, values that are not numbers, and a histogram."""

from __future__ import annotations

import dataclasses
import math
import sys
from typing import Any

from surgery.core.renames import warn_of_former
from surgery.core.tensors import Tensor

CHUNK = 8 * 2**20  # bytes of a tensor that are held at a time
BINS = 16
_SAMPLED = 2**18  # values from which a histogram is made, evenly over the tensor
_SMALL = 2.0**-540  # of values up to 2^1024 it makes some whose squares can be summed
_BARS = "▁▂▃▄▅▆▇█"


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Statistics of the finite values of a tensor.

    Args:
        size: number of elements.
        mean: arithmetic mean.
        std: standard deviation.
        least: the smallest value.
        most: the largest value.
        zeros: share of values that are zero, from 0 to 1.
        nan: number of values that are not a number.
        infinite: number of values that are infinite.
        histogram: how many of (at most 262,144, evenly picked) values fall into each of 16 equal steps from `least` to
            `most`.
    """

    size: int
    mean: float
    std: float
    least: float
    most: float
    zeros: float
    nan: int
    infinite: int
    histogram: tuple[int, ...]

    @property
    def spread(self) -> float:
        """The former name of `std`."""
        warn_of_former("spread of Statistics", "std")
        return self.std

    @property
    def sparkline(self) -> str:
        """The histogram in one line of block characters."""
        top = max(self.histogram, default=0)
        return "".join(_BARS[math.ceil(count / top * 7)] if count else " " for count in self.histogram) if top else ""


def statistics(tensor: Tensor) -> Statistics:
    """Reads a tensor piece by piece; returns its statistics. Memory does not grow with its size."""
    import numpy as np

    step = max(1, tensor.size // _SAMPLED)
    tally, picked = _Tally(), []
    with np.errstate(all="ignore"):  # what is no number is counted, not computed with
        for part in tensor.parts(max(1, CHUNK // tensor.width)):
            values = part if part.dtype in ("float32", "float64") else part.astype("float64")
            picked.append(values[::step].astype("float64"))
            tally.add(values)
        if not tally.size:
            none = math.nan
            return Statistics(tensor.size, none, none, none, none, 0.0, tally.nan, tally.infinite, ())
        histogram = _histogram(np.concatenate(picked), tally.least, tally.most)
    return Statistics(
        tensor.size,
        tally.mean,
        tally.std,
        tally.least,
        tally.most,
        tally.zeros / tensor.size,
        tally.nan,
        tally.infinite,
        histogram,
    )


@dataclasses.dataclass
class _Tally:
    """Sums over the finite values so far. Deviations are those from a value of the tensor, so that nothing cancels,
    times a scale, which is 1 unless their squares would be no numbers.
    """

    size: int = 0
    zeros: int = 0
    nan: int = 0
    infinite: int = 0
    least: float = math.inf
    most: float = -math.inf
    pivot: float = 0.0
    scale: float = 1.0
    total: float = 0.0
    squares: float = 0.0

    def add(self, values: Any) -> None:
        import numpy as np

        finite = values
        if not np.isfinite(values.sum(dtype="float64")):
            self.nan += int(np.isnan(values).sum())
            self.infinite += int(np.isinf(values).sum())
            finite = values[np.isfinite(values)]
        if not finite.size:
            return
        self.pivot = self.pivot if self.size else float(finite[0])
        deviations = self._deviations(finite)
        if not np.isfinite(self.squares + np.dot(deviations, deviations)):
            self.total, self.squares, self.scale = self.total * _SMALL, self.squares * _SMALL**2, _SMALL
            deviations = self._deviations(finite)
        self.size += finite.size
        self.zeros += finite.size - int(np.count_nonzero(finite))
        self.total += float(deviations.sum())
        self.squares += float(np.dot(deviations, deviations))
        self.least, self.most = min(self.least, float(finite.min())), max(self.most, float(finite.max()))

    def _deviations(self, finite: Any) -> Any:
        return finite.astype("float64") * self.scale - self.pivot * self.scale

    @property
    def mean(self) -> float:
        return (self.pivot * self.scale + self.total / self.size) / self.scale

    @property
    def std(self) -> float:
        mean = self.total / self.size
        return min(math.sqrt(max(self.squares / self.size - mean * mean, 0.0)) / self.scale, sys.float_info.max)


def _histogram(sample: Any, least: float, most: float) -> tuple[int, ...]:
    """Returns how many values fall into each of the steps; values too close or too far apart for steps are in one."""
    import numpy as np

    sample = sample[np.isfinite(sample)]
    try:
        counts, _ = np.histogram(sample, BINS, (least, most) if least < most else None)
    except ValueError:  # no sixteen numbers lie between them, or their distance is no number
        scaled = (sample / 2 - least / 2) / max(most / 2 - least / 2, 5e-324)
        counts = np.bincount((scaled * BINS).astype(int).clip(0, BINS - 1), minlength=BINS)
    return tuple(int(count) for count in counts)
