"""The `surgery` command: its group, its one way to report an error, and what it keeps quiet."""

from __future__ import annotations

import os
import warnings
from typing import Any

import click

import surgery
from surgery.caches import keep_fonts
from surgery.cli.convert import convert
from surgery.cli.cut import cut
from surgery.cli.diff import diff
from surgery.cli.freeze import freeze
from surgery.cli.graft import graft
from surgery.cli.inspect import inspect
from surgery.cli.interrupts import ended_by_interrupt
from surgery.cli.pipes import drop_stdout, open_closed
from surgery.cli.recipes import recipes
from surgery.cli.tap import tap
from surgery.cli.verify import verify
from surgery.cli.weights import weights
from surgery.cli.zoo import zoo
from surgery.errors import SurgeryError, first_line, printable


class Quiet(click.Group):
    """A group whose commands end with one clear message instead of a traceback.

    Exit status 1: SurgeryError, 2: usage, 130: interrupted.
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        open_closed()
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


def _show(message: Warning | str, *_: Any) -> None:
    click.echo(f"warning: {message}", err=True)


@click.group(cls=Quiet, subcommand_metavar="COMMAND [ARGS]", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(surgery.__version__, prog_name="surgery")
def main() -> None:
    """Open, look at, cut, graft and freeze pretrained Keras networks.

    \b
    Examples:
      surgery inspect vgg16 "block5_*"
      surgery graft transfer --fit -o digits.keras
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keep_fonts()


for command in (inspect, diff, tap, cut, freeze, graft, verify, convert, weights, recipes, zoo):
    main.add_command(command)
