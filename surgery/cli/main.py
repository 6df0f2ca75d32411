"""The `surgery` command: its group, its one way to report an error, and what it keeps quiet."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
import warnings
from typing import Any

import click

import surgery
from surgery.cli.broken_pipe import drop_stdout, open_closed
from surgery.cli.interrupts import ended_by_interrupt
from surgery.core.errors import SurgeryError, first_line, printable

COMMANDS = {  # each in a module of its name; the short help is the first sentence of its docstring
    "convert": "Write an old model file as .keras.",
    "cut": "Write a part of a network to a file.",
    "diff": "Show what changed between networks.",
    "freeze": "Write a network with frozen layers.",
    "graft": "Run a recipe on a pretrained network.",
    "inspect": "Show the layers of a network.",
    "predict": "Say what images show.",
    "recipes": "List, print or copy shipped recipes.",
    "tap": "Write a feature extractor, or run it.",
    "verify": "Compare a network with its donor.",
    "weights": "Show the weights of a network.",
    "zoo": "List the networks known by name.",
}


class Lazy(click.Group):
    """A group that imports a command when it is called, and lists all of them without."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return getattr(importlib.import_module(f"surgery.cli.{cmd_name}"), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


class Quiet(Lazy):
    """A group whose commands end with one clear message instead of a traceback.

    Exit status 1: SurgeryError, 2: usage, 130: interrupted.
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        open_closed()
        atexit.unregister(_leave)  # of an earlier call in the same process
        atexit.register(_leave)
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with warnings.catch_warnings(), ended_by_interrupt(ctx):
                warnings.showwarning = _show
                return super().invoke(ctx)
        except SurgeryError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(1)
        except BrokenPipeError:  # `surgery inspect vgg16 | head`
            drop_stdout()
            ctx.exit(0)
        except OSError as error:  # `> /dev/full`; what reads and writes files says it itself
            drop_stdout()
            where = f": {printable(error.filename)}" if error.filename else ", where the results should go"
            click.echo(f"Error: {error.strerror or first_line(error)}{where}", err=True)
            ctx.exit(1)


def _leave() -> None:
    """Lets a process that only looked end without a last search for garbage, which takes a tenth of its time."""
    if "keras" not in sys.modules:
        gc.freeze()


def _show(message: Warning | str, *_: Any) -> None:
    click.echo(f"warning: {message}", err=True)


def _versions(ctx: click.Context, option: click.Parameter, asked: bool) -> None:
    """Prints the versions of what computes, as installed; Keras is not imported."""
    if not asked:
        return
    from surgery.zoo.keras_settings import backend, keras_version, version_of

    name = backend()
    version = version_of(name)
    found = [f"surgery {surgery.__version__}", f"Keras {keras_version()}", f"backend {name} {version or '(not found)'}"]
    click.echo(", ".join(found))
    ctx.exit()


@click.group(cls=Quiet, subcommand_metavar="COMMAND [ARGS]", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_versions, help="Show versions and exit."
)
def main() -> None:
    """Open, look at, cut, graft and freeze pretrained Keras networks.

    \b
    Examples:
      surgery inspect vgg16 "block5_*"
      surgery graft transfer --fit -o digits.keras
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
