"""`surgery diff`: what changed between two networks or files."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import click

from surgery.cli import sources
from surgery.cli.output import refuse_picture
from surgery.cli.silence import quiet
from surgery.core.errors import SurgeryError


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--format", type=click.Choice(("text", "json")), default="text", show_default=True, help="What to print.")
@click.option("--a-weights", metavar="WEIGHTS", help="Weights of A: pretrained, none, or a file; by default its own.")
@click.option("--b-weights", metavar="WEIGHTS", help="Weights of B, likewise.")
@click.option("--no-weights", is_flag=True, help="Compare the structure alone.")
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw the difference: html, mmd, svg, png or pdf."
)
@click.option("--graphviz", is_flag=True, help="Use Graphviz (must be installed) for svg, png or pdf.")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.pass_context
def diff(
    ctx: click.Context,
    a: str,
    b: str,
    format: str,
    a_weights: str | None,
    b_weights: str | None,
    no_weights: bool,
    plot: Path | None,
    graphviz: bool,
    force: bool,
) -> None:
    """Show what changed between networks.

    A and B are names of networks or model files. Calls (one application of a layer each), configurations, connections
    and weights are compared. Calls are matched by their names, else by structure. No code in a file is run. Exit
    status: 0 equal, 1 different, 2 error.

    \b
    Examples:
      surgery diff before.keras after.keras
      surgery diff resnet50 my_resnet.h5 --no-weights
      surgery diff vgg16 tuned.keras --a-weights pretrained
      surgery diff before.keras after.keras --plot diff.html
    """
    from surgery.compare.diff import diff as compare

    try:
        refuse_picture(plot, force, graphviz)
        given = {a_weights, b_weights} - {None}
        if given and no_weights:
            raise SurgeryError("--no-weights compares none: leave out --a-weights and --b-weights.")
        with quiet() if given else contextlib.nullcontext():
            one, other = (sources.with_weights(*side, None) for side in ((a, a_weights), (b, b_weights)))
        if one.name == other.name:  # a network and what was made of it: the files tell them apart
            one, other = (dataclasses.replace(graph, name=source) for graph, source in ((one, a), (other, b)))
        if plot is not None:
            from surgery.view.plot import refuse_comparison

            refuse_comparison(one, other, plot)
        found = compare(one, other, weights=not no_weights)
        if plot is not None:
            from surgery.view.plot import plot as draw_network

            draw_network(found, plot, graphviz=graphviz)
            click.echo(f"drew {plot}", err=True)
    except SurgeryError as error:
        click.echo(f"Error: {error}", err=True)
        ctx.exit(2)
    click.echo(found.as_json() if format == "json" else str(found))
    ctx.exit(0 if found.equal else 1)
