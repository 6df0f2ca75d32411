"""The one public error, and the words that every message needs: nearest names and printable text.

Inner code states the fact; the verb adds what it was doing, with `doing`.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator

_AROUND = (
    r"Exception encountered when calling|Graph execution error|Detected at node|File \"|<stack_traces|"
    r"\[\[\{\{node|tf2xla conversion failed"
)
_DECORATION = r"\x1b\[[\d;]*m|\{\{function_node [^}]*\}\} ?"

# how Keras says tensors and layers that it named itself, and how they are said here
_TEMPORARY = (
    (re.compile(r"\.? *Inputs? received: .*<KerasTensor .*", re.DOTALL), "."),
    (re.compile(r"<KerasTensor shape=(\([^)]*\))[^>]*>"), r"a tensor \1"),
    (re.compile(r"(Input \d+) with name '[^']*'"), r"\1"),
    (re.compile(r"[Ll]ayer (['\"])functional(_\d+)?\1"), "it"),
    (re.compile(r"\.? *Pass inputs as a dict, e\.g\. `layer\(\{'(input_layer|keras_tensor)(_\d+)?'.*"), "."),
    (re.compile(r"(\d+) named (input\(s\)) with keys \['(input_layer|keras_tensor)(_\d+)?'[^\]]*\]"), r"\1 \2"),
)
_PATH = re.compile(r"\b(?:Pure)?(?:Posix|Windows)Path\(((['\"]).*?\2)\)")

_MANY = 20_000  # names among which a near one is looked for


class SurgeryError(ValueError):
    """Says what was asked, what was found, and the nearest repair; a path in it is said as text, `'photos'`."""

    def __init__(self, *said: object):
        super().__init__(*(_PATH.sub(r"\1", one) if isinstance(one, str) else one for one in said))


class SurgeryWarning(UserWarning):
    """Says what was done otherwise than asked, or what to know of the result: the category of all warnings here."""


@contextlib.contextmanager
def doing(what: str) -> Iterator[None]:
    """Adds the context of a verb to an error raised inside: `while <what>: ...`."""
    try:
        yield
    except SurgeryError as error:
        raise SurgeryError(f"while {what}: {error}") from error.__cause__


def nearest(name: str, known: Iterable[str], count: int = 2) -> str:
    """Returns ` Did you mean 'a' or 'b'?`, or nothing when no known name is near."""
    known = [candidate for candidate in known if len(candidate) <= LONGEST]
    if len(name) > LONGEST or len(known) > _MANY:
        return ""
    import difflib

    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=count, cutoff=0.6)
    if not close:
        return ""
    return f" Did you mean {' or '.join(repr(by_lower[candidate]) for candidate in close)}?"


def listing(names: Iterable[str], limit: int = 8) -> str:
    """Returns `a, b, c and 5 more`: long lists are cut, and say by how much."""
    names = list(names)
    if len(names) <= limit:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit:,} more"


LONGEST = 300  # characters of one value in a message; the path of a layer in five nested models has 100
MESSAGE = 1_000  # characters of a message about a file


def printable(text: object) -> str:
    """Returns text as it may be shown: what files hold must not reach a terminal raw, nor fill it.

    Control characters are escaped, and a long text is shortened in its middle.
    """
    text = _text(text)
    return text if text.isprintable() else "".join(map(_escaped, text))


def _text(value: object) -> str:
    try:
        text = value if isinstance(value, str) else str(value)
    except ValueError:  # a number with more digits than Python writes
        text = f"a number of more than {sys.get_int_max_str_digits():,} digits"
    return shortened(text, LONGEST)


def _escaped(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()


def shortened(text: str, width: int) -> str:
    """Returns a text without its middle, where it has more than `width` characters; it says how many are left out."""
    if len(text) <= width:
        return text
    kept = width - 40
    tail = kept // 3
    return f"{text[: kept - tail]}... ({len(text) - kept:,} characters) ...{text[-tail:]}"


def first_line(error: BaseException, width: int = 300) -> str:
    """Returns the first line of an error's text that says something, cut at `width` characters.

    Keras puts what happened inside a deserialisation last, after the whole configuration, and what happened inside
    a layer after a line that names the layer alone; TensorFlow makes it bold, and begins with the place in its graph.
    """
    lines = reason(error).splitlines()
    return printable(lines[0])[:width] if lines else type(error).__name__


def reason(error: BaseException) -> str:
    """Returns what an error says, without what Keras and TensorFlow put around it: bold letters, places in graphs,
    lines of their own code, empty lines."""
    try:
        text = str(error)
    except Exception:  # an error of someone else's
        return ""
    text = re.sub(_DECORATION, "", text.rpartition("Exception encountered:")[2])
    for pattern, said in _TEMPORARY:
        text = pattern.sub(said, text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        lines = [line for line in lines if not re.match(_AROUND, line)] or lines
    return "\n".join(lines)
