"""`surgery verify`: what a network still has of its donor, proved."""

from __future__ import annotations

import click

from surgery.cli import sources
from surgery.cli.silence import quiet
from surgery.core.errors import SurgeryError


@click.command()
@click.argument("source")
@click.argument("donor")
@click.option("--format", type=click.Choice(("text", "json")), default="text", show_default=True, help="What to print.")
@click.option("--weights", metavar="WEIGHTS", help=f"{sources.HELP[:-1]}; of SOURCE and DONOR alike.")
@click.option("--source-weights", "mine", metavar="WEIGHTS", help="Weights of SOURCE; a file, for a model file too.")
@click.option("--donor-weights", "theirs", metavar="WEIGHTS", help="Weights of DONOR, likewise.")
@click.pass_context
def verify(
    ctx: click.Context,
    source: str,
    donor: str,
    format: str,
    weights: str | None,
    mine: str | None,
    theirs: str | None,
) -> None:
    """Compare a network with its donor.

    DONOR is what SOURCE was made from; both are names of networks or model files. Shows what is kept, new, dropped and
    frozen, whether the kept weights are bit-identical, and how far the kept tensors differ on random inputs. Exit
    status: 0 what is kept computes what DONOR computes, 1 it does not, or nothing could be compared, 2 error.

    \b
    Examples:
      surgery verify digits.keras tinyvgg
      surgery verify after.keras before.keras
      surgery verify tuned.keras vgg16 --donor-weights start.weights.h5
    """
    try:
        with quiet():
            from surgery.compare.verify import verify as compare

            one = sources.with_weights(source, mine or weights, "pretrained")
            found = compare(one, sources.with_weights(donor, theirs or weights, "pretrained"))
    except SurgeryError as error:
        click.echo(f"Error: {error}", err=True)
        ctx.exit(2)
    click.echo(found.as_json() if format == "json" else str(found))
    ctx.exit(0 if found.exact else 1)
