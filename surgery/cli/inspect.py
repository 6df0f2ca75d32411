"""`surgery inspect`: the table of calls of a network or a file."""

from __future__ import annotations

import contextlib
import sys

import click

from surgery.cli.quiet import quiet
from surgery.doors import is_path
from surgery.doors import open as open_network
from surgery.showing import FORMATS, text_of
from surgery.showing.show import terminal_width


@click.command()
@click.argument("source")
@click.argument("where", required=False)
@click.option(
    "--format", "format", type=click.Choice(FORMATS), default="table", show_default=True, help="What to print."
)
def inspect(source: str, where: str | None, format: str) -> None:
    """Print the table of calls of SOURCE, the name of a network or a model file; of those that match WHERE.

    \b
    surgery inspect vgg16
    surgery inspect resnet50 "conv4_* & :Conv2D"
    surgery inspect model.keras --format json
    """
    with quiet() if is_path(source) else contextlib.nullcontext():  # a named network is opened without Keras
        graph = open_network(source)
    click.echo(text_of(graph, where, format, terminal_width(sys.stdout)))
