"""What a network expects of its images: the arithmetic between pixels of 0 to 255 and its input, as a value.

It is kept on the calls that are inputs, so that every edit that keeps an input keeps it. It is never guessed from names
or shapes: a network of `keras.applications` that was opened by name knows it, a file that `sg.save` wrote says it, and
of everything else it is not known.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from surgery.core.errors import SurgeryError
from surgery.core.specs import Spec


@dataclasses.dataclass(frozen=True, slots=True)
class Preprocessing:
    """What a network expects: `(images / divisor - mean) / std` of RGB images whose values are 0 to 255.

    Args:
        divisor: of all channels.
        mean: that is subtracted, one value for all channels or one for each; nothing by default.
        std: that is then divided by, likewise.
        bgr: whether the channels are blue, green, red; `mean` and `std` are in this order.
    """

    divisor: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    bgr: bool = False

    @property
    def name(self) -> str:
        """One of `MODES`; `"other"` where it is none of them."""
        return next((name for name, mode in MODES.items() if mode == self), "other")

    def fits(self, spec: Spec) -> bool:
        """Whether a tensor may hold images that it applies to: of the number of channels that it has values for."""
        if len(spec.sides) != 4:
            return False
        each = {len(self.mean), len(self.std), 3 if self.bgr else 0} - {0, 1}
        return any(each <= {channels} for channels in (spec.sides[1], spec.sides[-1]))

    def described(self) -> dict[str, Any]:
        """Returns it as plain values, which `read` takes."""
        return {"name": self.name, **dataclasses.asdict(self)}

    def __str__(self) -> str:
        if self.name != "other":
            return f"{self.name} ({_MEANING[self.name]})"
        order = "BGR pixels" if self.bgr else "pixels"
        return f"other ({order} / {self.divisor:g}, less {list(self.mean) or 0}, over {list(self.std) or 1})"


MODES = {  # those of Keras' `preprocess_input` under its names for them, and two more
    "none": Preprocessing(),
    "unit": Preprocessing(255.0),
    "tf": Preprocessing(127.5, (1.0,)),
    "torch": Preprocessing(255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": Preprocessing(1.0, (103.939, 116.779, 123.68), bgr=True),
}
_MEANING = {
    "none": "0 to 255, as they are",
    "unit": "0 to 1",
    "tf": "-1 to 1",
    "torch": "0 to 1, less the mean of ImageNet, over its standard deviation",
    "caffe": "blue, green, red, less the mean of ImageNet",
}


def read(described: Any) -> Preprocessing:
    """Returns what `Preprocessing.described` wrote.

    Raises:
        SurgeryError: it is something else.
    """
    try:
        found = Preprocessing(
            _number(described["divisor"]),
            tuple(map(_number, described["mean"])),
            tuple(map(_number, described["std"])),
            described["bgr"] is True,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SurgeryError("it is not a preprocessing of images.") from error
    if found.divisor == 0 or 0 in found.std or max(len(found.mean), len(found.std)) > 16:
        raise SurgeryError("it is not a preprocessing of images: it divides by 0, or has values for 17 channels.")
    return found


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)
