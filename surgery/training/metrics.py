"""How near images are to what they should be."""

from __future__ import annotations

from typing import Any

import numpy as np


def overlap(found: Any, wanted: Any) -> float:
    """Returns the intersection over union of two boolean masks of the same shape, over all images together."""
    found, wanted = np.asarray(found, bool), np.asarray(wanted, bool)
    return float((found & wanted).sum() / max((found | wanted).sum(), 1))


def psnr(found_bhwc: Any, wanted_bhwc: Any) -> float:
    """Returns the peak signal-to-noise ratio in dB of images of 0 to 1, over all images together."""
    error = float(np.mean(np.square(np.asarray(found_bhwc, "float64") - np.asarray(wanted_bhwc, "float64"))))
    return float(-10 * np.log10(max(error, 1e-12)))
