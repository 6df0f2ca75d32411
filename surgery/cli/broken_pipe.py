"""A reader who has gone, `surgery inspect vgg16 | head`, or has no room, `surgery inspect vgg16 > /dev/full`."""

from __future__ import annotations

import io
import os
import sys


def open_closed() -> None:
    """Opens the null device in place of each standard stream that is closed, `surgery inspect vgg16 >&-`.

    Else the next file that is opened takes its number, and gets what native libraries write.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may have bytes that are no text


def drop_stdout() -> None:
    """Lets what is still said to stdout fall, after an error of its file: also what Python writes when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
