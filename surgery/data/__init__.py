"""Small real data for recipes and tests, all of it from scikit-learn: nothing is downloaded."""

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
