"""`surgery predict`: what images show."""

from __future__ import annotations

import json
from pathlib import Path

import click

from surgery.cli import sources
from surgery.cli.silence import quiet
from surgery.core.errors import SurgeryError, printable
from surgery.graph.preprocessing import MODES

NAMES = 32 * 2**20  # bytes of a file of names


@click.command()
@click.argument("source")
@click.argument("images", nargs=-1, required=True, type=click.Path(), metavar="IMAGE [IMAGE ...]")
@click.option(
    "--top", type=click.IntRange(1), default=1, show_default=True, metavar="K", help="Classes for each image."
)
@click.option(
    "--format", type=click.Choice(("text", "json", "csv")), default="text", show_default=True, help="What to print."
)
@click.option(
    "--classes",
    metavar="NAMES",
    help="Names of the classes: A,B,C or a file with one a line; by default those in SOURCE.",
)
@click.option(
    "--pixels",
    metavar="MODE",
    help=f"What SOURCE expects of images: {', '.join(MODES)}, or the name of a network; by default what it says.",
)
@click.option("--size", nargs=2, type=click.IntRange(1), metavar="H W", help="Size of the images, if SOURCE takes any.")
@click.option("--weights", metavar="WEIGHTS", help=sources.HELP)
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True, metavar="N", help="Images in a batch.")
def predict(
    source: str,
    images: tuple[str, ...],
    top: int,
    format: str,
    classes: str | None,
    pixels: str | None,
    size: tuple[int, int] | None,
    weights: str | None,
    batch: int,
) -> None:
    """Say what images show.

    SOURCE is a model file or the name of a network, whose output is one vector of scores for each image. Each
    IMAGE is a file or a folder. An image gets the class with the highest score, and the network's confidence in it.

    What was done is said on stderr: the preprocessing, and whether softmax was applied. Images that cannot be read are
    named there and skipped; the exit status is then 1. The names of the classes are those that the file says (surgery
    inspect --about), else numbers.

    \b
    Examples:
      surgery predict flowers.keras photo.jpg more/
      surgery predict model.keras photos --pixels unit --classes cat,dog
      surgery predict vgg16 photo.jpg --top 5 --format json
    """
    names = None if classes is None else _names(classes)
    with quiet():
        from surgery.data.predict import predict as predicted

        graph = sources.opened(source, weights)
        found = predicted(graph, images, top, names, pixels or "own", size or None, batch)
    click.echo(found.text(format))
    click.echo(f"scores: {found.scores}\nimages: {printable(found.preprocessing)}", err=True)
    if found.unreadable:
        count = len(found.unreadable)
        lines = [f"  {printable(name)}: {printable(why)}" for name, why in list(found.unreadable.items())[:20]]
        more = [f"  and {count - 20:,} more"] if count > 20 else []
        click.echo("\n".join([f"skipped {count:,} image{'s' * (count != 1)}:", *lines, *more]), err=True)
        click.get_current_context().exit(1)


def _names(said: str) -> list[str]:
    """Returns the names that were typed, or those in a file: one a line, or a list in JSON."""
    path = Path(said)
    try:
        if not path.is_file():
            if path.suffix in (".txt", ".json", ".names", ".csv") and "," not in said:
                raise SurgeryError(f"there is no file {printable(said)!r} of class names.")
            return [name.strip() for name in said.split(",")]
        with path.open("rb") as file:
            content = file.read(NAMES + 1)
        if len(content) > NAMES:
            raise SurgeryError(f"{printable(said)!r} has more than {NAMES:,} bytes of class names.")
        text = content.decode("utf-8-sig")
        return json.loads(text) if path.suffix == ".json" else text.splitlines()
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, SurgeryError):
            raise
        raise SurgeryError(f"{printable(said)!r} is not a list of class names: {printable(error)}.") from error
