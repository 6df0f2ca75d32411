"""`surgery convert`: an old model file as a new one, or its weights as safetensors."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from surgery.cli.output import refuse_output
from surgery.cli.silence import quiet
from surgery.core.errors import SurgeryError
from surgery.formats.compiled import compiled_with
from surgery.io import open as open_network
from surgery.io import save


@click.command()
@click.argument("old", type=click.Path())
@click.argument("new", type=click.Path())
@click.option("--to", type=click.Choice(("keras", "safetensors")), help="Format of NEW, if its name does not say it.")
@click.option("--weights", metavar="FILE", help="Weights of an architecture (.json), which has none.")
@click.option("--force", is_flag=True, help="Replace NEW if it exists.")
def convert(old: str, new: str, to: str | None, weights: str | None, force: bool) -> None:
    """Write an old model file as .keras.

    OLD is a model of any Keras from 1 to 3. NEW ends in .keras, or in .safetensors for the weights alone. Settings that
    are converted are listed. The new file is opened again and compared before it takes its place. The optimizer, the
    loss and the metrics are not kept.

    \b
    Examples:
      surgery convert old_model.h5 model.keras
      surgery convert architecture.json model.keras --weights weights.h5
      surgery convert model.keras weights --to safetensors
    """
    path = Path(new) if to is None or Path(new).suffix == f".{to}" else Path(f"{new}.{to}")
    refuse_output(path, force, (".keras", ".safetensors"))
    graph = open_network(Path(old), weights)
    for note in graph.notes:
        click.echo(note, err=True)
    with quiet():
        save(graph, path)
    with contextlib.suppress(SurgeryError):  # of what nothing depends on
        if lost := compiled_with(old):
            said = f"not kept: {', '.join(lost)}, and the state of the optimizer"
            click.echo(f"{said}; compile the model to train it", err=True)
    mended = sum(note.startswith("mended: ") for note in graph.notes)
    click.echo(f"wrote {path}: {graph.params:,} parameters, {mended} settings mended")
