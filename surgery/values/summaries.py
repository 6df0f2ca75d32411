"""What can be said of a tensor in a line: mean, spread, zeros, what is no number, and how its values are spread."""

from __future__ import annotations

import dataclasses
import math

from surgery.files import Tensor

CHUNK = 8 * 2**20  # bytes of a tensor that are held at a time
BINS = 16
_SAMPLED = 2**18  # values from which a histogram is made, evenly over the tensor
_BARS = "▁▂▃▄▅▆▇█"


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Statistics of the finite values of a tensor.

    Args:
        size: number of elements.
        mean: arithmetic mean.
        spread: standard deviation.
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
    spread: float
    least: float
    most: float
    zeros: float
    nan: int
    infinite: int
    histogram: tuple[int, ...]

    @property
    def sparkline(self) -> str:
        """The histogram in one line of block characters."""
        top = max(self.histogram, default=0)
        return "".join(_BARS[math.ceil(count / top * 7)] if count else " " for count in self.histogram) if top else ""


def statistics(tensor: Tensor) -> Statistics:
    """Reads a tensor piece by piece; returns its statistics. Memory does not grow with its size."""
    import numpy as np

    size, total, squares, zeros, nan, infinite = 0, 0.0, 0.0, 0, 0, 0
    least, most, picked = math.inf, -math.inf, []
    step = max(1, tensor.size // _SAMPLED)
    for part in tensor.parts(max(1, CHUNK // tensor.width)):
        values = part if part.dtype in ("float32", "float64") else part.astype("float64")
        picked.append(values[::step].astype("float64"))
        finite = values
        if not np.isfinite(values.sum(dtype="float64")):
            nan += int(np.isnan(values).sum())
            infinite += int(np.isinf(values).sum())
            finite = values[np.isfinite(values)]
        if finite.size:
            size += finite.size
            zeros += finite.size - int(np.count_nonzero(finite))
            total += float(finite.sum(dtype="float64"))
            squares += float(np.square(finite, dtype="float64").sum())
            least, most = min(least, float(finite.min())), max(most, float(finite.max()))
    if not size:
        return Statistics(tensor.size, math.nan, math.nan, math.nan, math.nan, 0.0, nan, infinite, ())
    mean = total / size
    spread = math.sqrt(max(squares / size - mean * mean, 0.0))
    sample = np.concatenate(picked)
    counts, _ = np.histogram(sample[np.isfinite(sample)], BINS, (least, most) if least < most else None)
    histogram = tuple(int(count) for count in counts)
    return Statistics(tensor.size, mean, spread, least, most, zeros / tensor.size, nan, infinite, histogram)
