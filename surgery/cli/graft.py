"""`surgery graft`: run a recipe, say what it did, train it, write it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from surgery import cookbook
from surgery.cli.output import refuse_output
from surgery.cli.quiet import quiet
from surgery.errors import SurgeryError
from surgery.graph import Graph
from surgery.specs import megabytes


@click.command(add_help_option=False)
@click.argument("recipe", required=False)
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="A parameter of the recipe; may be repeated.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="OUT.keras", help="Write the model there.")
@click.option("--force", is_flag=True, help="Overwrite OUT if it exists.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; train and write nothing.")
@click.option("--fit", "fit", is_flag=True, help="Train with the recipe's own fit().")
@click.option("-h", "--help", "wants_help", is_flag=True, help="Show this text, with the recipe's parameters.")
@click.pass_context
def graft(
    ctx: click.Context,
    recipe: str | None,
    given: tuple[str, ...],
    output: Path | None,
    force: bool,
    dry_run: bool,
    fit: bool,
    wants_help: bool,
) -> None:
    """Run RECIPE, the name of a shipped recipe or a Python file with a recipe().

    \b
    surgery graft unet --set backbone=vgg16 --set classes=3 -o unet.keras
    surgery graft transfer --help
    """
    if recipe is None:
        if wants_help:
            click.echo(ctx.get_help())
            return
        raise click.UsageError("a recipe is wanted: a file, or a name that `surgery recipes` lists.", ctx)
    with quiet():
        loaded = cookbook.load(recipe)
    if wants_help:
        click.echo(f"{ctx.get_help()}\n\n{_parameters(loaded)}")
        return
    chosen = cookbook.settings(loaded, list(given))
    if fit and not loaded.can_fit:
        raise SurgeryError(f"{loaded.path.name} has no fit(): define def fit(model, ...) to train it.")
    refuse_output(output, force)
    _operate(loaded, chosen, output, fit and not dry_run, dry_run)


def _operate(loaded: cookbook.Recipe, chosen: dict[str, Any], output: Path | None, fit: bool, dry_run: bool) -> None:
    from surgery.doors import as_graph, build, watch

    click.echo(f"{loaded.title}\n")
    with quiet(), watch() as donors:
        made = loaded.wire(chosen)
        models = made if isinstance(made, dict) else {"": made}
        graphs = {name: _graph(loaded, as_graph, model) for name, model in models.items()}
    for name, graph in graphs.items():
        _report(name, graph, donors)
    if len(models) > 1 and (output or fit):
        raise SurgeryError(
            f"{loaded.path.name} makes {len(models)} models; writing and training several is not there yet."
        )
    if dry_run:
        click.echo("dry run: nothing trained, nothing written")
        return
    if fit or output:
        ((name, model),) = models.items()
        with quiet():
            live = build(graphs[name]) if isinstance(model, Graph) else model
        if fit:
            _fit(loaded, live, chosen)
        if output:
            _write(live, output)


def _graph(loaded: cookbook.Recipe, as_graph: Any, made: Any) -> Graph:
    try:
        return as_graph(made)
    except SurgeryError as error:
        raise SurgeryError(f"{loaded.path.name}: recipe() should return a Graph or a keras.Model: {error}") from error


def _report(name: str, graph: Graph, donors: list[Graph]) -> None:
    from surgery.verifying import verify

    if name:
        click.echo(f"{name}:")
    click.echo(f"{graph}\n")
    for donor in donors:
        with quiet():
            found = verify(graph, donor)
        click.echo(f"{found}\n")
        if found.changed or found.largest != 0:
            click.echo(f"warning: the part kept from {donor.name} does not compute the same", err=True)


def _fit(loaded: cookbook.Recipe, model: Any, chosen: dict[str, Any]) -> None:
    with quiet():
        measured = loaded.fit(model, chosen)
    rows = [[key, value if isinstance(value, str) else f"{value:.4g}"] for key, value in (measured or {}).items()]
    click.echo(f"{tabulate(rows, tablefmt='plain', disable_numparse=True)}\n")


def _write(model: Any, output: Path) -> None:
    from surgery.doors import save

    with quiet():
        save(model, output)
    click.echo(f"wrote {output} ({megabytes(output.stat().st_size)}), reopened and compared")
    sys.stdout.flush()


def _parameters(loaded: cookbook.Recipe) -> str:
    rows = [
        [
            f"--set {parameter.name}=",
            getattr(cookbook.kind_of(parameter), "__name__", str(cookbook.kind_of(parameter))),
            repr(parameter.default),
        ]
        for parameter in loaded.parameters.values()
    ]
    table = tabulate(rows, ("parameter", "type", "default"), tablefmt="plain", disable_numparse=True)
    indented = "\n".join(f"  {line}" for line in table.splitlines())
    return f"{loaded.title}\n\nParameters of {loaded.path.stem}:\n{indented}"
