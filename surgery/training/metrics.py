"""How near images are to what they should be."""

from __future__ import annotations

from typing import Any

import numpy as np

from surgery.core.renames import renamed_arguments


@renamed_arguments(wanted="expected")
def mask_iou(found: Any, expected: Any) -> float:
    """Returns the intersection over union of two boolean masks of the same shape, over all images together."""
    found, expected = np.asarray(found, bool), np.asarray(expected, bool)
    return float((found & expected).sum() / max((found | expected).sum(), 1))


@renamed_arguments(wanted_bhwc="expected_bhwc")
def psnr(found_bhwc: Any, expected_bhwc: Any) -> float:
    """Returns the peak signal-to-noise ratio in dB of images of 0 to 1, over all images together."""
    error = float(np.mean(np.square(np.asarray(found_bhwc, "float64") - np.asarray(expected_bhwc, "float64"))))
    return float(-10 * np.log10(max(error, 1e-12)))
