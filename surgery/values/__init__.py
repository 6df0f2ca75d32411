"""The values of weights, wherever they are: in a file, or in memory; and what can be said of them in a line."""

from surgery.values.equality import equal_values
from surgery.values.labels import labels, labels_by_name
from surgery.values.summaries import Statistics, statistics
from surgery.values.tensors import live_layer, paired_tensors, tensors_of

__all__ = [
    "Statistics",
    "equal_values",
    "labels",
    "labels_by_name",
    "live_layer",
    "paired_tensors",
    "statistics",
    "tensors_of",
]
