"""Images and labels: those of a folder or a CSV, and small real samples from scikit-learn; `sg.samples` is this too.

Nothing is downloaded, and nothing is trained here. It may import core to view.
"""

from surgery.core.renames import former_names
from surgery.data.digits import digits, few_shot_subset
from surgery.data.labelled import ImageData, images
from surgery.data.photographs import crops, photograph
from surgery.data.scenes import digit_detection, digit_segmentation, digits_in_noise

__all__ = [
    "ImageData",
    "crops",
    "digit_detection",
    "digit_segmentation",
    "digits",
    "digits_in_noise",
    "few_shot_subset",
    "images",
    "photograph",
]
__getattr__ = former_names(
    __name__,
    "sg.samples",
    {
        "digits_on_photographs": "digit_segmentation",
        "few_of_each": "few_shot_subset",
        "framed_digits": "digit_detection",
    },
)
