"""`surgery weights`: the tensors of a network or of a file of any format, and what their values are like."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click

from surgery.cli.output import refuse_chart
from surgery.cli.silence import quiet
from surgery.formats.registered import NoArchitecture
from surgery.formats.weights_file import pieces_of_file
from surgery.io import is_path
from surgery.io import open as open_network
from surgery.view import weights as showing
from surgery.view.show import terminal_width
from surgery.zoo.recognition import fitting


@click.command()
@click.argument("source")
@click.argument("where", required=False)
@click.option("--list", "alone", is_flag=True, help="List the tensors; read no values.")
@click.option(
    "--format", type=click.Choice(("table", "json")), default="table", show_default=True, help="What to print."
)
@click.option("--weights", "given", metavar="WEIGHTS", help="Weights of a named network: pretrained, or a file.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw histograms: png, svg or pdf.")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def weights(
    source: str, where: str | None, alone: bool, format: str, given: str | None, plot: Path | None, force: bool
) -> None:
    """Show the weights of a network.

    SOURCE is the name of a network or a file: .keras, .h5, .weights.h5, .weights.json or .safetensors. WHERE selects
    layers; in a file without an architecture it is a glob on their names. Each tensor is listed with its shape, size,
    mean, standard deviation (std), share of zeros and a histogram. Values are read piece by piece.

    \b
    Examples:
      surgery weights vgg16_weights.h5 "block5_*"
      surgery weights model.keras --plot weights.png
    """
    if plot is not None and alone:
        raise click.UsageError("--list reads no values, and --plot draws them.")
    refuse_chart(plot, force)
    fits = ""
    with quiet() if given else contextlib.nullcontext():
        try:
            graph = open_network(source, weights=given)
            lines = showing.lines_of_graph(graph, where)
        except NoArchitecture:
            if not is_path(source):
                raise
            pieces = pieces_of_file(source)
            lines = showing.lines_of_pieces(pieces, where)
            fits = (
                "\n".join(["", *map(str, fitting(piece for piece in pieces if not piece.is_state))])
                if where is None
                else ""
            )
        lines = lines if alone else showing.read(lines)
    if format == "json":
        click.echo(showing.as_json(lines))
    else:
        click.echo(f"{showing.table(lines, terminal_width(sys.stdout))}{fits}")
        if not lines:
            click.echo("no values: no layer has weights", err=True)
        elif not alone and all(line.values is None for line in lines):
            click.echo("no values: the weights are fresh. --weights pretrained, or --weights FILE", err=True)
    if plot is not None:
        from surgery.view.histograms import draw

        drawn = [line for line in lines if not line.state]
        count = draw(drawn, plot)
        click.echo(f"drew {plot}: {count} of {len(drawn):,} tensors", err=True)
