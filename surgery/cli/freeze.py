"""`surgery freeze`: a network with layers that do not train, as a file."""

from __future__ import annotations

import warnings
from pathlib import Path

import click

from surgery.cli import sources
from surgery.cli.output import refuse_output
from surgery.cli.silence import quiet
from surgery.cli.write import written
from surgery.core.errors import SurgeryError, SurgeryWarning
from surgery.io import open as open_network
from surgery.keras_bridge.save import AGAIN


@click.command()
@click.argument("source")
@click.argument("where")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="OUT.keras", required=True, help="File to write."
)
@click.option(
    "--bn",
    type=click.Choice(("freeze", "stats", "train")),
    default="freeze",
    show_default=True,
    help="What selected BatchNormalization keeps: everything, its statistics, or nothing.",
)
@click.option("--weights", metavar="WEIGHTS", help=sources.HELP)
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
def freeze(source: str, where: str, output: Path, bn: str, weights: str | None, force: bool) -> None:
    """Write a network with frozen layers.

    SOURCE is the name of a network or a model file. WHERE selects the layers that no longer train.

    \b
    Examples:
      surgery freeze vgg16 "..block3_pool" -o frozen.keras
      surgery freeze model.keras ":BatchNormalization" --bn stats -o still.keras
    """
    from surgery.edits.freeze import freeze as freeze_network

    refuse_output(output, force)
    freeze_network(open_network(source), where, bn="freeze")  # a selector that is wrong waits for no weights
    with quiet():
        donor = sources.opened(source, weights)
        still = freeze_network(donor, where, bn=bn)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".* cannot keep .* frozen", category=SurgeryWarning)
            written(still, donor, output)
    except SurgeryWarning as lost:
        raise SurgeryError(
            f"nothing was written: {str(lost).removesuffix(AGAIN).strip()} Leave these layers out of WHERE "
            f"({where!r}), or freeze them in the program that trains: sg.freeze(model, where)."
        ) from lost
