"""`surgery recipes`: what is shipped, the text of one, and a copy to start from."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from surgery.cli.output import refuse_output
from surgery.core.errors import SurgeryError
from surgery.formats.atomic import written_whole
from surgery.recipe import files as cookbook
from surgery.recipe.source import parameter_names, summary, text_of

SCHEMA = 1


@click.command()
@click.argument("name", required=False)
@click.option(
    "--copy", "target", type=click.Path(path_type=Path), metavar="FILE.py", help="Write the text of NAME to FILE.py."
)
@click.option(
    "--format", type=click.Choice(("text", "json")), default="text", show_default=True, help="Format of the list."
)
@click.option("--force", is_flag=True, help="Replace FILE.py if it exists.")
def recipes(name: str | None, target: Path | None, format: str, force: bool) -> None:
    """List, print or copy shipped recipes.

    Without NAME, the recipes are listed with their papers and parameters. With NAME, the text of one is printed.

    \b
    Examples:
      surgery recipes
      surgery recipes unet
      surgery recipes unet --copy my_unet.py
    """
    if target is not None:
        if name is None:
            raise SurgeryError("which recipe? surgery recipes NAME --copy FILE.py")
        refuse_output(target, force, (".py",))
        with written_whole(target) as draft:
            draft.write_text(text_of(cookbook.find(name)), encoding="utf-8")
        click.echo(f"wrote {target}: surgery graft {target}")
        return
    if name is not None:
        click.echo(text_of(cookbook.find(name)), nl=False)
        return
    shipped = sorted(cookbook.shipped().items(), key=lambda entry: (entry[1].parent.name, entry[0]))
    if format == "json":
        rows = [{"name": recipe, "family": path.parent.name, **_described(path)} for recipe, path in shipped]
        click.echo(json.dumps({"schema": SCHEMA, "recipes": rows}, indent=1))
        return
    for family, members in groupby(shipped, key=lambda entry: entry[1].parent.name):
        click.echo(f"{family}")
        for recipe, path in members:
            said = _described(path)
            click.echo(f"  {recipe:17} {said['what']}\n{'':20}{said['source']}")
            click.echo(f"{'':20}{' '.join(said['parameters'])}")
    click.echo("\n`surgery graft NAME --help` shows the types and defaults of the parameters.")


def _described(path: Path) -> dict[str, Any]:
    what, _, source = summary(path).partition(". ")
    return {"what": what, "source": source.rstrip("."), "parameters": list(parameter_names(path))}
