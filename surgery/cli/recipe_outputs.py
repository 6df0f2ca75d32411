"""What `surgery graft` leaves: the models, each whole or none at all, and the images."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surgery.cli.report import Words
from surgery.cli.silence import quiet
from surgery.core.errors import SurgeryError
from surgery.graph.graph import Graph


def write(models: dict[str, Any], output: Path, account: Words) -> None:
    """Writes one model to a file, or several into a folder, each under its name; all of them, or none."""
    from surgery.formats.atomic import folder_written_whole
    from surgery.io import save

    if "" in models:
        with quiet():
            save(models[""], output)
    else:
        with folder_written_whole(output) as draft, quiet():
            try:
                for name, model in models.items():
                    save(model, draft / f"{name}.keras")
            except SurgeryError as error:
                raise SurgeryError(str(error).replace(str(draft), str(output))) from error
    for name in models:
        account.wrote(name, output / f"{name}.keras" if name else output)
    sys.stdout.flush()


def pictures(graphs: Mapping[str, Any], plot: Path) -> dict[str, Path]:
    """Returns where each network is drawn: one into the file, of several each into its own."""
    return {name: plot.with_name(f"{plot.stem}-{name}{plot.suffix}") if name else plot for name in graphs}


def scenes_of(graphs: dict[str, Graph], donors: list[Graph], plot: Path) -> dict[str, Any]:
    """Returns each network as it is drawn, with what it has of its donors; refuses what is too large for that."""
    from surgery.view.plot import refuse_size
    from surgery.view.provenance import scene_of_changes

    scenes = {name: scene_of_changes(graph, donors) for name, graph in graphs.items()}
    for scene in scenes.values():
        refuse_size(scene.outer(), plot)
    return scenes


def draw_networks(scenes: Mapping[str, Any], plot: Path, graphviz: bool, account: Words) -> None:
    """Draws each network."""
    from surgery.view.plot import draw

    for name, path in pictures(scenes, plot).items():
        draw(scenes[name], path, graphviz=graphviz)
        account.drew(path)


def draw_learned(recipe: str, picture_hwc: Any, plot: Path, account: Words) -> None:
    """Writes an image of values from 0 to 1 as PNG."""
    import numpy as np

    from surgery.formats.atomic import written_whole

    with quiet():
        import tensorflow as tf

        whole = _bytes_of(recipe, picture_hwc, np)
        with written_whole(plot) as draft:
            draft.write_bytes(tf.io.encode_png(whole).numpy())
    account.drew(plot, f" ({whole.shape[1]} x {whole.shape[0]} pixels)")


def _bytes_of(recipe: str, picture: Any, np: Any) -> Any:
    """Returns an image `(height, width, 1, 3 or 4)` of bytes; without channels it is grey; whole numbers are bytes."""
    try:
        values = np.asarray(picture)
        bytes_were_given = values.dtype.kind in "iu" and values.size and values.max() > 1
        values = np.nan_to_num(values.astype("float64")) / (255 if bytes_were_given else 1)
    except (TypeError, ValueError):
        values = np.zeros(())
    values = values[..., None] if values.ndim == 2 else values
    if values.ndim != 3 or values.shape[-1] not in (1, 3, 4) or not values.size:
        raise SurgeryError(
            f"{recipe}: fit() returned an image {np.shape(picture)}; expected an array (height, width, 1 or 3) "
            "of values from 0 to 1, or of bytes."
        )
    return np.round(values.clip(0, 1) * 255).astype("uint8")
