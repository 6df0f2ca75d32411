"""`surgery inspect`: the table of calls of a network or a file."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click

from surgery.cli.output import refuse_picture
from surgery.cli.silence import quiet
from surgery.core.errors import SurgeryError
from surgery.core.progress import notice
from surgery.io import open as open_network
from surgery.view.show import terminal_width
from surgery.view.table import FORMATS, View, text_of


@click.command()
@click.argument("source")
@click.argument("where", required=False)
@click.option("--where", "also", metavar="WHERE", help="Same as the argument WHERE.")
@click.option("--weights", metavar="FILE", help="Weights of an architecture (.json) or of a named network.")
@click.option("--format", type=click.Choice(FORMATS), default="table", show_default=True, help="What to print.")
@click.option("--columns", metavar="A,B", help="Columns: call,macs or +macs,field (added to the usual) or all.")
@click.option("--sort", metavar="COLUMN", help="Largest number first, or A to Z; -COLUMN reverses.")
@click.option("--nested", is_flag=True, help="List the layers of nested models too, as a tree.")
@click.option("--stages", is_flag=True, help="Add totals for each output stride.")
@click.option(
    "--batch", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Samples in a batch, for memory."
)
@click.option(
    "--size", nargs=2, type=click.IntRange(1), metavar="H W", help="Size of the images in pixels, if it is open."
)
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw the network: html, mmd, svg, png or pdf."
)
@click.option("--graphviz", is_flag=True, help="Use Graphviz (must be installed) for svg, png or pdf.")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option("--about", is_flag=True, help="Print the model card: classes, measures, where it comes from.")
@click.option("--shapes", is_flag=True, help="Have Keras compute shapes that the file does not hold.")
def inspect(
    source: str,
    where: str | None,
    also: str | None,
    weights: str | None,
    format: str,
    columns: str | None,
    sort: str | None,
    nested: bool,
    stages: bool,
    batch: int,
    size: tuple[int, int] | None,
    plot: Path | None,
    graphviz: bool,
    force: bool,
    about: bool,
    shapes: bool,
) -> None:
    """Show the layers of a network.

    SOURCE is the name of a network (surgery zoo lists them) or a model file. The table has a line for each call, one
    application of a layer; WHERE selects some of them. No code in a file is run, and no weights are read.

    Columns: call, class, output, dtype, stride (output stride in pixels), field or receptive_field
    (in pixels), offset, params, macs (multiply-accumulates of one sample), memory (bytes of the output), trainable,
    weights (where their values come from), from.

    \b
    Examples:
      surgery inspect vgg16
      surgery inspect resnet50 "conv4_* & :Conv2D"
      surgery inspect mobilenetv2 --columns +macs,field --sort macs
      surgery inspect model.keras --nested --stages
      surgery inspect resnet50 --plot resnet50.html
      surgery inspect model.keras --about --format markdown
    """
    if where and also:
        raise click.UsageError("WHERE is given twice.")
    if about and (where or also or plot or columns or sort or nested or stages):
        raise click.UsageError("--about prints the model card, which has no calls: leave the other options out.")
    refuse_picture(plot, force, graphviz)
    with quiet() if shapes or weights == "pretrained" else contextlib.nullcontext():  # the others need no Keras
        try:
            graph = open_network(source, weights, shapes)
        except SurgeryError as error:
            architecture = getattr(error, "graph", None)  # of a file that is cut off behind it
            if architecture is not None:
                click.echo(text_of(architecture, View(where or also, format, columns, sort, nested, stages, batch)))
            if (
                format != "table"
                or plot is not None
                or about
                or columns
                or sort
                or not _shown_all_the_same(error, source, where or also)
            ):
                raise
            return
    for note in graph.notes[:8]:
        notice(note)
    if len(graph.notes) > 8:
        notice(f"and {len(graph.notes) - 8} more, of {len({note.split(': ')[-1] for note in graph.notes})} kinds")
    if size is not None:
        from surgery.analysis.sizes import at_size

        graph = at_size(graph, size)
    if about:
        from surgery.view.model_card import card_of

        click.echo(card_of(graph, format))
        return
    if plot is not None:
        click.echo(graph)
        from surgery.view.plot import plot as draw_network

        draw_network(graph, plot, where or also, nested=nested, graphviz=graphviz)
        click.echo(f"drew {plot}", err=True)
        return
    view = View(where or also, format, columns, sort, nested, stages, batch, terminal_width(sys.stdout))
    click.echo(text_of(graph, view))


def _shown_all_the_same(error: SurgeryError, source: str, where: str | None) -> bool:
    """Prints the tensors of a file without an architecture; returns whether the error is of such a file."""
    from surgery.formats.registered import NoArchitecture
    from surgery.formats.weights_file import pieces_of_file
    from surgery.view.weights import lines_of_pieces, table

    if not isinstance(error, NoArchitecture):
        return False
    click.echo(f"Note: {error}", err=True)
    click.echo(table(lines_of_pieces(pieces_of_file(source), where), terminal_width(sys.stdout)))
    return True
