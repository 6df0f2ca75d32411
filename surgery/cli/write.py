"""What a command made of a network: written, and what is in the file proved beside the donor."""

from __future__ import annotations

from pathlib import Path

import click

from surgery.cli.silence import quiet
from surgery.core.specs import megabytes
from surgery.graph.graph import Graph
from surgery.io import open as open_network
from surgery.io import save


def written(graph: Graph, donor: Graph, output: Path) -> None:
    """Writes a network, and says what the file has of its donor."""
    with quiet():
        from surgery.compare.verify import verify

        save(graph, output)
        found = verify(open_network(output), donor)
    if donor.about is not None and graph.about != donor.about:
        lost = "what the model is for" if graph.about is None else "its measures"
        click.echo(f"not kept: {lost}, which the file of the donor says (surgery inspect --about)", err=True)
    click.echo(f"{graph}\n\n{found}\n\nwrote {output} ({megabytes(output.stat().st_size)}), reopened and compared")
