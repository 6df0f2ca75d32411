"""`surgery graft`: run a recipe, say what it did, train it, write it."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import click

from surgery.cli.interrupts import INTERRUPTED
from surgery.cli.output import refuse_entries, refuse_output, refuse_picture
from surgery.cli.recipe_outputs import draw_learned, draw_networks, pictures, scenes_of, write
from surgery.cli.recipe_training import train
from surgery.cli.report import Json, Words
from surgery.cli.silence import quiet
from surgery.compare.verification import Verification
from surgery.core.errors import SurgeryError, listing, printable
from surgery.graph.graph import Graph
from surgery.io import watch
from surgery.keras_bridge.either import as_graph, build
from surgery.recipe import files as cookbook
from surgery.recipe import parameters
from surgery.recipe.type_names import type_name, value_text
from surgery.zoo.networks import without_downloads

WIDTH = 78  # characters of a line of help, as click has it


@click.command(add_help_option=False)
@click.argument("recipe", required=False)
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="Set a parameter of the recipe; repeatable.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="File to write, OUT.keras; for several models, a folder.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the network: html, mmd, svg, png or pdf; with --fit and png, what it learned.",
)
@click.option("--graphviz", is_flag=True, help="Use Graphviz (must be installed) for svg, png or pdf.")
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@click.option("--dry-run", is_flag=True, help="Show what would be done; download, train and write nothing.")
@click.option("--fit", "fit", is_flag=True, help="Train with the recipe's own fit().")
@click.option("--format", type=click.Choice(("text", "json")), default="text", show_default=True, help="What to print.")
@click.option("-h", "--help", "wants_help", is_flag=True, help="Show this message, with the parameters of RECIPE.")
@click.pass_context
def graft(
    ctx: click.Context,
    recipe: str | None,
    given: tuple[str, ...],
    output: Path | None,
    plot: Path | None,
    graphviz: bool,
    force: bool,
    dry_run: bool,
    fit: bool,
    format: str,
    wants_help: bool,
) -> None:
    """Run a recipe on a pretrained network.

    RECIPE is the name of a shipped recipe (surgery recipes lists them) or a Python file with a recipe().

    \b
    Examples:
      surgery graft transfer --help
      surgery graft transfer --fit -o digits.keras
      surgery graft unet --set backbone=vgg16 --set classes=3 -o unet.keras
    """
    if recipe is None:
        if wants_help:
            click.echo(ctx.get_help())
            return
        raise click.UsageError("expected a recipe: a file, or a name that `surgery recipes` lists.", ctx)
    if dry_run:
        ctx.with_resource(without_downloads())
    with quiet(), watch() as donors:  # a donor may be opened as the file is imported
        loaded = cookbook.load(recipe)
    if wants_help:
        click.echo(f"{ctx.get_help()}\n\n{_parameters(loaded)}")
        return
    chosen = parameters.settings(loaded, list(given))
    if fit and not loaded.can_fit:
        raise SurgeryError(f"{loaded.path.name} has no fit(): define def fit(model, ...) to train it.")
    refuse_output(output, force, (".keras", ""))
    refuse_picture(plot, force, graphviz)
    account = (Json if format == "json" else Words)(loaded.title, chosen)
    try:
        interrupted = _operate(loaded, donors, chosen, output, plot, graphviz, force, fit, dry_run, account)
    except SurgeryError:
        account.end(failed=True)
        raise
    account.end()
    if interrupted:
        ctx.exit(INTERRUPTED)


def _operate(
    loaded: cookbook.Recipe,
    donors: list[Graph],
    chosen: dict[str, Any],
    output: Path | None,
    plot: Path | None,
    graphviz: bool,
    force: bool,
    fit: bool,
    dry_run: bool,
    account: Words,
) -> bool:
    """Does what was asked; returns whether the user has interrupted the training."""
    with quiet(), watch() as opened:
        made = loaded.wire(chosen)
        models = cookbook.parts(made)
        _refuse_names(loaded, models)
        graphs = {name: _graph(loaded, model) for name, model in models.items()}
    _refuse_places(output, plot, force, graphs)
    donors = [*donors, *opened]
    scenes = scenes_of(graphs, donors, plot) if plot else {}
    drawn = False
    for name, graph in graphs.items():
        account.network(name, graph, _verified(name, graph, donors))
        for note in _new_notes(graph, donors):
            click.echo(f"note: {printable(note)}", err=True)
    if plot and not (fit and plot.suffix == ".png"):
        draw_networks(scenes, plot, graphviz, account)
        drawn, plot = True, None
    if dry_run:
        account.say("dry run: no weights downloaded, nothing trained, no model written")
        return False
    picture_hwc, interrupted = None, False
    if fit or output:
        with quiet():
            live = {name: build(graphs[name]) if isinstance(one, Graph) else one for name, one in models.items()}
        if fit:
            picture_hwc, interrupted = train(loaded, live, chosen, output, account)
        if output:
            write(live, output, account)
        if plot and picture_hwc is not None:
            draw_learned(loaded.path.name, picture_hwc, plot, account)
        elif plot:
            if not interrupted:
                click.echo("fit() returned no image of what was learned: the network is drawn", err=True)
            draw_networks(scenes, plot, graphviz, account)
    elif not drawn:
        click.echo("nothing written: -o OUT.keras writes it, --fit trains it", err=True)
    return interrupted


def _new_notes(graph: Graph, donors: list[Graph]) -> list[str]:
    """Returns what the edits of a recipe had to say, without what was said of its donors."""
    known = {note for donor in donors for note in donor.notes}
    return [note for note in graph.notes if note not in known]


def _graph(loaded: cookbook.Recipe, made: Any) -> Graph:
    if made is None:
        raise SurgeryError(f"{loaded.path.name}: recipe() returned None; is a `return` missing?")
    try:
        return as_graph(made)
    except SurgeryError as error:
        raise SurgeryError(f"{loaded.path.name}: recipe() should return a Graph or a keras.Model: {error}") from error


def _refuse_names(loaded: cookbook.Recipe, models: dict[Any, Any]) -> None:
    """Refuses models whose names are no names of files: each goes into a file of its name."""
    if not models:
        raise SurgeryError(f"{loaded.path.name}: recipe() returned no model.")
    for name in models:
        if models.keys() != {""} and not (isinstance(name, str) and re.fullmatch(r"\w[\w .+-]*", name)):
            raise SurgeryError(
                f"{loaded.path.name}: a model is called {name!r}; expected a name of letters, digits, _ and -."
            )


def _verified(name: str, graph: Graph, donors: list[Graph]) -> list[Verification]:
    """Returns what a network has of each donor, and warns of what does not compute the same."""
    from surgery.compare.verify import verify

    verified = []
    for donor in donors:
        with quiet():
            found = verify(graph, donor)
        if name and not found.kept:  # one of several, made from nothing or from another donor
            continue
        verified.append(found)
        if found.changed or found.largest != 0:
            why = f": {found.causes[0]}" if found.causes else ""
            click.echo(f"warning: the part kept from {donor.name} does not compute the same{why}", err=True)
    return verified


def _refuse_places(output: Path | None, plot: Path | None, force: bool, graphs: dict[str, Graph]) -> None:
    """Refuses a file for several models, a folder for one, and what is in the way of a model or an image."""
    if output is not None and ("" in graphs) != (output.suffix == ".keras"):
        wanted = "one model: OUT.keras" if "" in graphs else f"{listing(graphs)}: a folder, one file for each"
        raise SurgeryError(f"{str(output)!r}: the recipe makes {wanted}.")
    if output is not None and "" not in graphs:
        refuse_entries(output, [f"{name}.keras" for name in graphs])
    for path in pictures(graphs, plot).values() if plot else ():
        refuse_picture(path, force)


def _parameters(loaded: cookbook.Recipe) -> str:
    docs = parameters.describe_parameters(loaded)
    lines: list[str] = []
    for parameter in loaded.parameters.values():
        default = "" if parameter.default is parameter.empty else f", by default {value_text(parameter.default)}"
        lines += _wrapped(f"{parameter.name}: {type_name(parameters.kind_of(parameter))}{default}", "  ", "    ")
        lines += _wrapped(docs.get(parameter.name, ""), "      ", "      ")
    text = "\n".join(lines)
    return f"{textwrap.fill(loaded.title, WIDTH)}\n\nParameters of {loaded.path.stem} (--set NAME=VALUE):\n{text}"


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)
