"""How wide a text is, without a font: by Helvetica's widths, roughly. A text that is too long loses its middle."""

from __future__ import annotations

import unicodedata

_WIDE, _NARROW, _CAPITAL, _OTHER = 0.9, 0.3, 0.7, 0.56  # of the size of the letters
_NARROW_ONES, _WIDE_ONES = frozenset("iljtfrI.,:;'|!()[]{}/\\\" `·"), frozenset("mwMW@%…→")


def width_of(text: str, size: float) -> float:
    """Returns how many pixels a line of text takes, about."""
    return size * sum(map(_share, text))


def shorten(text: str, most: int) -> str:
    """Returns a text of so many letters at most: the beginning and the end of a longer one."""
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - half]}…{text[-half:]}"


def _share(letter: str) -> float:
    if letter in _NARROW_ONES:
        return _NARROW
    if letter in _WIDE_ONES:
        return _WIDE
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    return _CAPITAL if letter.isupper() else _OTHER
