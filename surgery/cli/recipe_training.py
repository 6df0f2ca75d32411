"""Training with the `fit()` of a recipe: what it measured, and what is kept when the user interrupts it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from surgery.cli.interrupts import checksums, stopped_between_steps
from surgery.cli.report import Words
from surgery.cli.silence import quiet
from surgery.core.errors import first_line
from surgery.recipe import files as cookbook


def train(
    loaded: cookbook.Recipe, live: dict[str, Any], chosen: dict[str, Any], output: Path | None, account: Words
) -> tuple[Any, bool]:
    """Trains until the end, or until the user interrupts it, and says what was measured.

    Returns:
        The image, if there is one, and whether it was interrupted.

    Raises:
        KeyboardInterrupt: it was, before any weight changed, or twice.
    """
    before, ended, found = checksums(live.values()), False, None
    with quiet(), stopped_between_steps() as training:
        try:
            found = loaded.fit(cookbook.whole(live), chosen)
            ended = True
        except KeyboardInterrupt:
            if training.interrupts > 1:
                raise
    if ended:
        return _measured(found, account), training.interrupts > 0
    count = f"{training.steps:,} training step{'s' * (training.steps != 1)}"
    if checksums(live.values()) == before:
        raise KeyboardInterrupt(f"after {count} no weight of the network has changed, and nothing is written")
    kept = "what was trained so far is kept" if output else "without -o OUT.keras, what was trained is not written"
    account.interrupted(f"interrupted after {count}: {kept}")
    return None, True


def _measured(found: Any, account: Words) -> Any:
    """Says what `fit` measured; returns the image, if there is one."""
    try:
        for _ in range(2):  # a model has what its fit() returned, which has the values
            found = getattr(found, "history", found)
        measured = dict(found) if isinstance(found, Mapping) else {} if found is None else {"measured": found}
        former = "picture" in measured
        if former:
            click.echo('warning: "picture" in what fit() returns is deprecated. Use "image" instead.', err=True)
        picture_hwc = measured.pop("picture" if former else "image", None)
        account.measured(measured)
    except Exception as error:  # an object of the recipe's own; what was trained is written all the same
        click.echo(f"warning: what fit() returned cannot be read: {first_line(error)}", err=True)
        return None
    return picture_hwc
