"""`surgery recipes`: what is shipped, and the text of one."""

from __future__ import annotations

import click
from tabulate import tabulate

from surgery import cookbook


@click.command()
@click.argument("name", required=False)
def recipes(name: str | None) -> None:
    """List the shipped recipes, or print the text of one: a start for your own.

    \b
    surgery recipes
    surgery recipes unet > my_unet.py
    """
    if name is not None:
        click.echo(cookbook.find(name).read_text(encoding="utf-8"), nl=False)
        return
    rows = [[recipe, cookbook.summary(path)] for recipe, path in cookbook.shipped().items()]
    click.echo(tabulate(rows, tablefmt="plain"))
    click.echo("\n`surgery graft NAME --help` shows the parameters of one.")
