"""What `surgery graft` says of its work: in words as it goes, or as one JSON at the end."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from surgery.cli.broken_pipe import drop_stdout
from surgery.compare.verification import Verification
from surgery.core.errors import printable
from surgery.core.specs import megabytes
from surgery.graph.graph import Graph
from surgery.graph.traversal import tree
from surgery.view.totals import trainable_params_of

SCHEMA = 1
LARGEST = 1000  # values of an array, bits of an integer: what is larger is told in words
DEEPEST = 10  # lists in lists


class Words:
    """Says each thing when it is done.

    Args:
        title: what is run.
        settings: what it is run with.
    """

    def __init__(self, title: str, settings: Mapping[str, Any]):
        self.say(f"{title}\n")

    def say(self, text: str) -> None:
        """Says what is for people alone; where nobody listens any more (`| head`, a full disk), the work goes on."""
        try:
            click.echo(text)
        except BrokenPipeError:
            drop_stdout()
        except OSError as error:
            drop_stdout()
            click.echo(f"warning: what is said from here on is lost: {error.strerror}", err=True)

    def network(self, name: str, graph: Graph, donors: list[Verification]) -> None:
        """One of the networks that were made, and what it has of its donors."""
        self.say("\n\n".join([f"{name}:\n{graph}" if name else str(graph), *map(str, donors)]) + "\n")

    def measured(self, values: Mapping[Any, Any]) -> None:
        """What `fit` returned, without its image."""
        rows = [[_told(key), _in_words(value)] for key, value in values.items()]
        self.say(f"{tabulate(rows, tablefmt='plain', disable_numparse=True)}\n" if rows else "trained\n")

    def interrupted(self, text: str) -> None:
        """The user has ended the training."""
        click.echo(text, err=True)

    def drew(self, path: Path, note: str = "") -> None:
        """An image."""
        self.say(f"drew {path}{note}")

    def wrote(self, name: str, path: Path) -> None:
        """A model."""
        self.say(f"wrote {path} ({megabytes(path.stat().st_size)}), reopened and compared")

    def end(self, failed: bool = False) -> None:
        """Nothing more comes; or what comes next has failed."""


class Json(Words):
    """Says everything at the end; docs/json.md describes it."""

    def __init__(self, title: str, settings: Mapping[str, Any]):
        known = {key: _plain(value) for key, value in settings.items()}
        self._networks: dict[str, dict[str, Any]] = {}
        self._whole = {"schema": SCHEMA, "title": title, "settings": known, "measured": None, "interrupted": False}
        self._whole["drawn"] = []

    def say(self, text: str) -> None:
        pass

    def network(self, name: str, graph: Graph, donors: list[Verification]) -> None:
        self._networks[name] = {
            "part": name or None,
            "name": graph.name,
            "calls": len(graph),
            "params": graph.params,
            "trainable": trainable_params_of(tree(graph)),
            "donors": [one.as_dict() for one in donors],
            "file": None,
        }

    def measured(self, values: Mapping[Any, Any]) -> None:
        self._whole["measured"] = _named(values)

    def interrupted(self, text: str) -> None:
        super().interrupted(text)
        self._whole["interrupted"] = True

    def drew(self, path: Path, note: str = "") -> None:
        self._whole["drawn"].append(str(path))

    def wrote(self, name: str, path: Path) -> None:
        self._networks[name]["file"] = str(path)

    def end(self, failed: bool = False) -> None:
        if failed and self._whole["measured"] is None and not any(one["file"] for one in self._networks.values()):
            return
        click.echo(json.dumps({**self._whole, "networks": list(self._networks.values())}, indent=1, allow_nan=False))


def _told(value: Any) -> str:
    """Returns a value as text; what a recipe returns is the user's, and may be anything, also what has no text."""
    try:
        return printable(value)[:200]
    except Exception:
        return f"a {type(value).__name__} that cannot be printed"


def _in_words(value: Any) -> str:
    """Returns a measure as people read it; of a list the last."""
    if isinstance(value, str):
        return printable(value)
    last: Any = value[-1] if isinstance(value, list) and value else value
    if isinstance(last, Integral):  # a count, or yes and no
        return _told(last)
    try:
        return f"{float(last):.4g}"
    except Exception:
        return _told(last)


def _named(values: Mapping[Any, Any], around: tuple[int, ...] = ()) -> dict[str, Any]:
    """Returns a dict as JSON has it; of two keys that are told alike, the second says of which type it is."""
    named: dict[str, Any] = {}
    for key, value in values.items():
        name = _told(key)
        name = f"{name} ({type(key).__name__})" if name in named else name
        named[name] = _plain(value, around)
    return named


def _plain(value: Any, around: tuple[int, ...] = ()) -> Any:
    """Returns a setting or a measure as JSON has it: what is no number, text, list or dict is told in words.

    Args:
        value: the value.
        around: the lists and dicts that it is in; one may be in itself.
    """
    import numpy as np  # whoever only looks does not wait for it

    if isinstance(value, np.ndarray | np.generic) and value.size <= LARGEST:
        value = value.tolist()
    if value is None or isinstance(value, str | bool) or (isinstance(value, int) and value.bit_length() < LARGEST):
        return value
    if isinstance(value, list | tuple | Mapping):
        inside = (*around, id(value))
        if id(value) in around or len(around) > DEEPEST:
            return "..."
        if isinstance(value, Mapping):
            return _named(value, inside)
        return [_plain(one, inside) for one in value]
    try:
        number = float(value)
    except Exception:
        return _told(value)
    return number if math.isfinite(number) else None
