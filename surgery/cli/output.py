"""Where a command may write: never over a file unless asked to, never with a suffix that says another format, never
where another process writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click

from surgery.core.errors import SurgeryError
from surgery.formats.caches import keep_fonts
from surgery.formats.paths import exists, refuse_url

LONGEST = 255  # bytes of the name of a file, with every file system in use


def refuse_output(output: Path | None, force: bool, suffixes: tuple[str, ...] = (".keras",)) -> None:
    """Refuses, before any work, an output that could not be written after it, and holds it until the command ends."""
    if output is None:
        return
    from surgery.formats.locks import held, real

    refuse_url(output)
    if output.suffix not in suffixes:
        endings = " or ".join(suffix or "no suffix (a folder)" for suffix in suffixes)
        raise SurgeryError(f"{str(output)!r} should end in {endings}, the format that is written.")
    _refuse_long(output.name)
    if exists(output) and output.is_dir() == bool(output.suffix):
        kind = "a folder" if output.is_dir() else "a file"
        raise SurgeryError(f"{str(output)!r} is {kind}; it stays as it is. Give another name.")
    if (exists(output) or output.is_symlink()) and not force:
        raise SurgeryError(f"{str(output)!r} exists. --force overwrites it.")
    folder = output if output.is_dir() else real(output).parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise SurgeryError(
            f"{str(output)!r} cannot be written: {str(folder)!r} is not a directory that can be written to."
        )
    context = click.get_current_context(silent=True)
    if context is not None:
        context.with_resource(held(output))


def _refuse_long(name: str) -> None:
    if len(os.fsencode(name)) > LONGEST:
        raise SurgeryError(f"'{name[:20]}...' is too long for the name of a file: {LONGEST} bytes at most.")


def refuse_entries(folder: Path, names: Iterable[str]) -> None:
    """Refuses, before any work, a folder into which files of these names could not be written."""
    for name in names:
        _refuse_long(name)
        if (folder / name).is_dir():
            raise SurgeryError(f"{str(folder / name)!r} is a folder; it stays as it is. Give another name.")


def refuse_picture(plot: Path | None, force: bool, graphviz: bool = False) -> None:
    """Refuses, before any work, an image of a network that could not be drawn after it."""
    if plot is None:
        if graphviz:
            raise SurgeryError("--graphviz: only with --plot FILE.")
        return
    keep_fonts()
    from surgery.view.plot import SUFFIXES, refuse  # whoever draws nothing does not wait for it

    refuse_output(plot, force, SUFFIXES)
    refuse(plot, graphviz)


def refuse_chart(plot: Path | None, force: bool) -> None:
    """Refuses, before any work, an image of values that Matplotlib could not draw after it."""
    if plot is not None:
        keep_fonts()
        from surgery.view.figures import refuse_absent

        refuse_output(plot, force, (".png", ".svg", ".pdf"))
        refuse_absent()
