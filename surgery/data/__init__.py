"""Images and labels: image files in batches, preprocessing, and small real samples from scikit-learn.

Nothing is downloaded, and nothing is trained here. It may import core to view.
"""

from surgery.data.digits import digits, few_of_each
from surgery.data.photographs import crops, photograph
from surgery.data.scenes import digits_in_noise, digits_on_photographs, framed_digits

__all__ = [
    "crops",
    "digits",
    "digits_in_noise",
    "digits_on_photographs",
    "few_of_each",
    "framed_digits",
    "photograph",
]
