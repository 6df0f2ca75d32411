"""`surgery zoo`: the named networks."""

from __future__ import annotations

import json

import click
from tabulate import tabulate

from surgery.zoo.catalogue import NETWORKS


@click.command()
@click.option(
    "--format",
    "format",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help="What to print.",
)
def zoo(format: str) -> None:
    """List the networks known by name.

    \b
    Examples:
      surgery zoo
      surgery zoo --format json
    """
    if format == "json":
        keys = ("name", "pixels", "calls", "params", "weights", "paper")
        click.echo(
            json.dumps([{key: getattr(network, key) for key in keys} for network in NETWORKS.values()], indent=1)
        )
        return
    rows = [
        [network.name, network.pixels, f"{network.calls:,}", f"{network.params:,}", network.paper]
        for network in NETWORKS.values()
    ]
    headers = ("network", "pixels", "calls", "params", "paper")
    aligned = ("left", "right", "right", "right", "left")
    click.echo(tabulate(rows, headers, tablefmt="plain", colalign=aligned, disable_numparse=True))
    click.echo(
        f"\n{len(rows)} networks · weights: ImageNet through Keras' downloader; those of tinyvgg (digits 0-4) are "
        f"shipped"
    )
