"""What a command made of a network: written, and what is in the file proved beside the donor."""

from __future__ import annotations

from pathlib import Path

import click

from surgery.cli.quiet import quiet
from surgery.doors import open as open_network
from surgery.doors import save
from surgery.graph import Graph
from surgery.specs import megabytes


def written(graph: Graph, donor: Graph, output: Path) -> None:
    """Writes a network, and says what the file has of its donor."""
    with quiet():
        from surgery.verifying import verify

        save(graph, output)
        found = verify(open_network(output), donor)
    click.echo(f"{graph}\n\n{found}\n\nwrote {output} ({megabytes(output.stat().st_size)}), reopened and compared")
