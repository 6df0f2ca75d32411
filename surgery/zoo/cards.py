"""Cards that do not come with the package: graphs of named networks, as JSON in the user's cache directory.

A card is made once per network, options and Keras version, by a process of its own: names that Keras numbers
(`conv2d_17`) then do not depend on what ran before, and no weight is ever computed. A card that is not what was
written, by its checksum, is made again; a cache that cannot be written is done without.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import subprocess
import warnings
from pathlib import Path
from typing import Any

from surgery.core.errors import SurgeryError, SurgeryWarning
from surgery.core.isolation import isolated
from surgery.formats.caches import cache_directory, keep_fonts
from surgery.zoo.keras_settings import USUAL, Settings, keras_version

FORMAT = 2  # of the cards; a new number makes old ones unread


def kept_or_made(name: str, options: dict[str, Any], made_under: Settings) -> bytes:
    """Returns the card of a network from the cache; where it is not there, Keras makes it, and it is kept.

    Raises:
        SurgeryError: the options are no plain values, or Keras makes no network with them.
    """
    try:
        text = json.dumps(options, sort_keys=True)
    except TypeError as error:
        raise SurgeryError(f"options of {name!r} must be plain values: {error}.") from error
    unusual = b"" if made_under == USUAL else repr(made_under).encode()
    key = hashlib.sha256(text.encode() + unusual + _own_definition(name)).hexdigest()[:12]
    path = cache_directory() / "cards" / f"{name}-{key}-keras-{keras_version()}-{FORMAT}.json"
    kept = _read(path)
    if kept is not None:
        return kept
    made = made_now(name, text, made_under)
    with contextlib.suppress(OSError, SurgeryError):  # of another process that makes it, too
        _write(path, made)
    return made


def _read(path: Path) -> bytes | None:
    """Returns a card as it was made, if it is kept and is what was kept."""
    try:
        said, _, found = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if said == _checksum(path, found):
        return found
    warnings.warn(
        f"the card {path.name} has been changed since it was written; it is made again.",
        category=SurgeryWarning,
        stacklevel=5,
    )
    return None


def _checksum(path: Path, content: bytes) -> bytes:
    return hashlib.sha256(os.fsencode(path.name) + content).hexdigest().encode()


def _own_definition(name: str) -> bytes:
    """Returns the source of a network of this package: when it changes, so does its card."""
    source = Path(__file__).with_name(f"{name}.py")
    return source.read_bytes() if source.is_file() else b""


def made_now(name: str, options: str, made_under: Settings) -> bytes:
    """Returns the card of a network that a process of its own makes; its options are JSON."""
    logging.getLogger("surgery").warning(
        "%s: Keras %s makes it for a first look; this takes some seconds, once", name, keras_version()
    )
    statement = "from surgery.zoo.make_card import main; main(*sys.argv[1:])"
    keep_fonts()
    making = isolated(statement, name, options, *dataclasses.astuple(made_under))
    making["env"]["TF_CPP_MIN_LOG_LEVEL"] = "3"
    run = subprocess.run(**making, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    if run.returncode == 0:
        return run.stdout
    said = run.stdout.decode(errors="replace").strip() or run.stderr.decode(errors="replace").strip()[-300:]
    raise SurgeryError(f"{name!r} cannot be made: {said or f'its process ended with {run.returncode}'}")


def _write(path: Path, content: bytes) -> None:
    from surgery.formats.atomic import written_whole  # whoever finds the card does not wait for it

    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as draft:
        draft.write_bytes(_checksum(path, content) + b"\n" + content)
