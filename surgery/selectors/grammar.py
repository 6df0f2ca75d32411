"""The text of a selector -> `Selector`: `,` binds weakest, then `&`, then `!`, then `..`. The signs: see `select`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from surgery.core.errors import SurgeryError
from surgery.selectors.terms import Atom, Combined, Not, Range, Scope, Selector

_TOKEN = re.compile(
    r"""\s*(?:(?P<sign>[,&!]|\.\.) | (?P<atom>(?::(?:[^\s,&!:\[\]'"])+)?(?:\[[^\]]*\])+ | :[^\s,&!:\[\]'"]+
        | '[^']*'(?:\#\d+)? | "[^"]*"(?:\#\d+)? | (?:(?!\.\.)[^,&!:\[\]'"])+(?:\[[^\]]*\])* ))""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


def parse(text: str) -> Selector:
    """Returns the selector that a text means.

    Raises:
        SurgeryError: the text is no selector; the message points at the place.
    """
    tokens = _tokens(text)
    selector = _union(tokens, text)
    if tokens:
        raise SurgeryError(f"{text!r} is not a selector: {tokens[0]!r} is unexpected. {GRAMMAR}")
    return selector


GRAMMAR = 'Selectors look like "block5_*", ":Conv2D", "..x", "a..b", "[stride=16]"; "," is or, "&" is and, "!" is not.'


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise SurgeryError(f"{text!r} is not a selector: cannot read {text[position:].strip()!r}. {GRAMMAR}")
        tokens.append((match["sign"] or match["atom"]).strip())
        position = match.end()
    return tokens


def _union(tokens: list[str], text: str) -> Selector:
    return _chained(",", _both, tokens, text)


def _both(tokens: list[str], text: str) -> Selector:
    return _chained("&", _factor, tokens, text)


def _chained(sign: str, part: Callable[[list[str], str], Selector], tokens: list[str], text: str) -> Selector:
    parts = [part(tokens, text)]
    while tokens and tokens[0] == sign:
        tokens.pop(0)
        parts.append(part(tokens, text))
    return parts[0] if len(parts) == 1 else Combined(sign, tuple(parts))


def _factor(tokens: list[str], text: str) -> Selector:
    if tokens and tokens[0] == "!":
        tokens.pop(0)
        return Not(_factor(tokens, text))
    start = None if tokens and tokens[0] == ".." else _atom(tokens, text)
    if not tokens or tokens[0] != "..":
        assert start is not None
        return start
    tokens.pop(0)
    end = _atom(tokens, text) if tokens and tokens[0] not in (",", "&", "!", "..") else None
    if start is None and end is None:
        raise SurgeryError(f"{text!r} is not a selector: '..' needs a name on one side. {GRAMMAR}")
    return Range(start, end)


def _atom(tokens: list[str], text: str) -> Selector:
    if not tokens or tokens[0] in (",", "&", "!", ".."):
        found = repr(tokens[0]) if tokens else "the end"
        raise SurgeryError(
            f"{text!r} is not a selector: a name, ':Class' or '[attribute]' is missing before {found}. {GRAMMAR}"
        )
    token = tokens.pop(0)
    if token[0] in "'\"":
        return _exactly(token)
    tests = [_attribute(part, text) for part in re.findall(r"\[([^\]]*)\]", token)]
    name = token.partition("[")[0]
    glob, _, index = name.partition("#") if re.search(r"#\d+$", name) else (name, "", "")
    if name.startswith(":"):
        tests.append(_class_test(glob[1:]))
    elif name:
        tests.append(_address_test(glob))
    return Atom(
        token, lambda address, scope: all(test(address, scope) for test in tests), int(index) if index else None
    )


def _exactly(token: str) -> Selector:
    name, _, index = token[1:].rpartition(token[0])
    return Atom(token, lambda address, _: address == name, int(index[1:]) if index else None)


def _glob(pattern: str) -> str:
    signs = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(signs.get(piece, re.escape(piece)) for piece in re.split(r"(\*\*|\*|\?)", pattern))


def _address_test(pattern: str) -> Callable[[str, Scope], bool]:
    """A name stands for all calls of its layer, `x@0` for the first: in addresses it has no number."""
    steps = (_glob(step.removesuffix("@0")) + ("" if "@" in step else r"(?:@\d+)?") for step in pattern.split("/"))
    glob = re.compile("/".join(steps))
    return lambda address, _: bool(glob.fullmatch(address))


def _class_test(pattern: str) -> Callable[[str, Scope], bool]:
    glob = re.compile(_glob(pattern))
    return lambda address, scope: bool(glob.fullmatch(scope.calls[address].class_name))


def _attribute(part: str, text: str) -> Callable[[str, Scope], bool]:
    match = re.fullmatch(r"\s*(\w+)\s*(?:(!=|>=|<=|=|>|<)\s*(.+?))?\s*", part)
    if match is None:
        raise SurgeryError(f"{text!r} is not a selector: cannot read '[{part}]'. {GRAMMAR}")
    name, sign, wanted = match.groups()
    if sign is None:
        return lambda address, scope: bool(scope.attribute(address, name))
    return lambda address, scope: _compares(scope.attribute(address, name), sign, wanted)


def _compares(value: Any, sign: str, wanted: str) -> bool:
    if isinstance(value, (list, tuple)) and len(set(map(str, value))) == 1:
        value = value[0]  # kernel_size (3, 3) is [kernel_size=3]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return _COMPARE[sign](value, float(wanted))
        except ValueError:
            return sign == "!="
    if value is None or sign not in ("=", "!="):
        return value is None and sign == "=" and wanted.lower() == "none"
    return _COMPARE[sign](str(value).lower().replace(" ", ""), wanted.lower().replace(" ", ""))
