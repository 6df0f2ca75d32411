"""`surgery inspect`: the table of calls of a network or a file."""

from __future__ import annotations

import contextlib
import sys

import click

from surgery.cli.quiet import quiet
from surgery.cli.weights import listed
from surgery.doors import open as open_network
from surgery.files import NoArchitecture, pieces_of_file
from surgery.showing import FORMATS, text_of
from surgery.showing.show import terminal_width
from surgery.waiting import notice


@click.command()
@click.argument("source")
@click.argument("where", required=False)
@click.option(
    "--format", "format", type=click.Choice(FORMATS), default="table", show_default=True, help="What to print."
)
@click.option("--shapes", is_flag=True, help="Have Keras compute the shapes that a file does not say.")
def inspect(source: str, where: str | None, format: str, shapes: bool) -> None:
    """Print the table of calls of SOURCE, the name of a network or a model file; of those that match WHERE.

    A file is looked at without running anything in it, and without reading its weights.

    \b
    surgery inspect vgg16
    surgery inspect resnet50 "conv4_* & :Conv2D"
    surgery inspect model.keras --format json
    """
    with quiet() if shapes else contextlib.nullcontext():  # the others are opened without Keras
        try:
            graph = open_network(source, shapes=shapes)
        except NoArchitecture as error:  # what is in it can be seen all the same
            click.echo(f"Note: {error}", err=True)
            click.echo(listed(pieces_of_file(source)))
            return
    for note in graph.notes[:8]:
        notice(note)
    if len(graph.notes) > 8:
        notice(f"and {len(graph.notes) - 8} more, of {len({note.split(': ')[-1] for note in graph.notes})} kinds")
    click.echo(text_of(graph, where, format, terminal_width(sys.stdout)))
