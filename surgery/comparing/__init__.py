"""What changed between two networks: which call is which, what is different about it, and by how much weights moved."""

from surgery.comparing.alignment import Aligned, aligned
from surgery.comparing.difference import Change, Difference, WeightChange
from surgery.comparing.diffing import diff

__all__ = ["Aligned", "Change", "Difference", "WeightChange", "aligned", "diff"]
