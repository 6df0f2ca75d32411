"""`surgery cut`: a part of a network as a file."""

from __future__ import annotations

import re
from pathlib import Path

import click

from surgery.cli import sources
from surgery.cli.output import refuse_output
from surgery.cli.silence import quiet
from surgery.cli.write import written
from surgery.core.errors import SurgeryError
from surgery.io import open as open_network


@click.command()
@click.argument("source")
@click.option("--from", "inputs", metavar="WHERE", help="New inputs; by default those of SOURCE.")
@click.option("--to", "outputs", metavar="WHERE", help="New outputs; by default those of SOURCE.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="OUT.keras", required=True, help="File to write."
)
@click.option("--weights", metavar="WEIGHTS", help=sources.HELP)
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
def cut(source: str, inputs: str | None, outputs: str | None, output: Path, weights: str | None, force: bool) -> None:
    """Write a part of a network to a file.

    SOURCE is the name of a network or a model file. The part lies between the tensors of --from and those of --to;
    several selected tensors become a list of inputs or outputs. A cut that misses a skip connection is refused, and
    the message names the missing tensors.

    \b
    Examples:
      surgery cut vgg16 --to block4_pool -o trunk.keras
      surgery cut vgg16 --from block3_pool --to fc1 -o middle.keras
    """
    from surgery.edits.tap_cut_split import cut as cut_network

    if inputs is None and outputs is None:
        raise click.UsageError("expected --from WHERE, --to WHERE or both.")
    refuse_output(output, force)
    try:
        cut_network(open_network(source), inputs=inputs, outputs=outputs)  # what cannot be cut waits for no weights
    except SurgeryError as error:
        raise SurgeryError(re.sub("(in|out)puts='([^']*)'", _as_option, str(error))) from error
    with quiet():
        donor = sources.opened(source, weights)
        part = cut_network(donor, inputs=inputs, outputs=outputs)
    written(part, donor, output)


def _as_option(argument: re.Match[str]) -> str:
    """Returns the repair that a message of `sg.cut` names as one that can be typed."""
    return f'{"--from" if argument[1] == "in" else "--to"} "{argument[2]}"'
