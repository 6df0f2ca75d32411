"""`surgery tap`: a feature extractor as a file, or the features of a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surgery.cli import sources
from surgery.cli.output import refuse_chart, refuse_output
from surgery.cli.silence import quiet
from surgery.core.errors import SurgeryError, printable


@click.command()
@click.argument("source")
@click.argument("where")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="File to write: .keras; with --images .h5 or .npy.",
)
@click.option("--images", type=click.Path(), metavar="DIR", help="Compute the features of the images in a folder.")
@click.option(
    "--image", type=click.Path(path_type=Path), metavar="FILE", help="One image, whose feature maps --plot draws."
)
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw the feature maps of --image: png, svg or pdf."
)
@click.option("--weights", metavar="WEIGHTS", help=sources.HELP)
@click.option("--size", nargs=2, type=int, metavar="H W", help="Height and width of the images in pixels.")
@click.option(
    "--preprocess",
    metavar="NAME",
    help="Preprocessing: the name of a network, unit or none; by default that of SOURCE.",
)
@click.option(
    "--dtype", type=click.Choice(("bfloat16", "float16", "float32")), help="Type in which the network computes."
)
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True, metavar="N", help="Images in a batch.")
@click.option("--strict", is_flag=True, help="Stop with an error at an image that cannot be read.")
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
def tap(
    source: str,
    where: str,
    output: Path | None,
    images: str | None,
    image: Path | None,
    plot: Path | None,
    weights: str | None,
    size: tuple[int, int] | None,
    preprocess: str | None,
    dtype: str | None,
    batch: int,
    strict: bool,
    force: bool,
) -> None:
    """Write a feature extractor, or run it.

    SOURCE is the name of a network or a model file; WHERE selects its taps, the tensors that become outputs. The
    extractor is written, or, with --images, the features of a folder of images, or, with --image and --plot, the
    feature maps of one image are drawn.

    All taps are computed in one pass. Images are JPEG, PNG, GIF, BMP and, if Pillow is installed, WebP and TIFF; those
    that cannot be read are skipped and listed, or an error with --strict. A run that was interrupted
    continues where it stopped when the same command is given again.

    \b
    Examples:
      surgery tap vgg16 "block3_pool, block5_pool" -o extractor.keras
      surgery tap tinyvgg block4_pool --images photos -o features.h5
      surgery tap vgg16 block1_pool --image cat.png --plot maps.png
    """
    if (image is None) != (plot is None) or (image is not None and images is not None):
        raise click.UsageError("--image FILE and --plot FILE go together, without --images.")
    if output is None and image is None:
        raise click.UsageError("-o OUT, or --image and --plot, say what to write.")
    refuse_chart(plot, force)
    files = images if image is None else [image]
    refuse_output(output, force, (".keras",) if files is None else (".h5", ".hdf5", ".npy"))
    if images is None and image is None:
        given = {"--size": size, "--preprocess": preprocess, "--dtype": dtype, "--strict": strict}
        idle = [name for name, value in given.items() if value]
        if idle:
            raise SurgeryError(f"{', '.join(idle)}: only with --images or --image, for the features of images.")
    elif output is not None and output.suffix == ".npy":
        refuse_output(output.with_suffix(".txt"), force, (".txt",))  # the file names
    with quiet():
        graph = sources.opened(source, weights)
        if files is None and output is not None:
            from surgery.edits.tap_cut_split import tap as tapped
            from surgery.io import save

            found = tapped(graph, where)
            save(found, output)
        else:
            from surgery.training.extract import extract_features

            if plot is not None:
                _refuse_taps(graph, where)
            try:
                found = extract_features(
                    graph, where, files or [], output, size or None, preprocess or "own", dtype, batch, strict
                )
            except KeyboardInterrupt as error:
                raise KeyboardInterrupt(_continues(output)) from error
    if files is not None and found.unreadable:
        from surgery.training.extracted import list_problems

        count = len(found.unreadable)
        click.echo(f"skipped {count:,} image{'s' * (count != 1)}:\n  {list_problems(found.unreadable)}", err=True)
    for note in getattr(found, "notes", ()) if files is not None else ():
        click.echo(f"note: {printable(note)}", err=True)
    if plot is not None:
        _draw(found, plot)
    if output is not None:
        click.echo(f"wrote {output}: {found}")
    if plot is not None:
        click.echo(f"drew {plot}: {found}")


def _continues(output: Path | None) -> str:
    """Returns what the same command does after an interrupt."""
    from surgery.training.extract import left_behind

    done, rows = (0, 0) if output is None else left_behind(output)
    if not done:
        return "no features are kept yet; the same command starts again"
    return f"the features of {done:,} of {rows:,} images are kept; the same command continues from there"


def _refuse_taps(graph: Any, where: str) -> None:
    """Refuses, before anything is computed, taps whose features are no maps, sequences or vectors."""
    from surgery.edits.tap_cut_split import tap as tapped
    from surgery.view.feature_maps import RANKS

    taps = tapped(graph, where)
    shapes = {name: taps.spec(ref).shape for name, ref in taps.outputs.items()}
    odd = [f"{printable(name)} {shape}" for name, shape in shapes.items() if len(shape) - 1 not in RANKS]
    if odd:
        raise SurgeryError(f"no image can be drawn of {', '.join(odd)}: expected maps, sequences or vectors.")


def _draw(features: Any, plot: Path) -> None:
    """Writes the image of the feature maps of one image."""
    if not features.names:
        raise SurgeryError("the image could not be read, so there is nothing to draw.")
    with quiet():
        from surgery.view.feature_maps import feature_maps

        feature_maps({name: values[0] for name, values in features.features.items()}, plot)
