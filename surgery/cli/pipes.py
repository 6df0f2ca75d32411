"""A reader who has gone, `surgery inspect vgg16 | head`, or has no room, `surgery inspect vgg16 > /dev/full`."""

from __future__ import annotations

import os
import sys


def drop_stdout() -> None:
    """Lets what is still said to stdout fall, after an error of its file: also what Python writes when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
