"""`surgery weights`: the tensors in a file, of any format."""

from __future__ import annotations

import click

from surgery.errors import printable
from surgery.files import Piece, pieces_of_file
from surgery.specs import megabytes
from surgery.zoo import fitting


@click.command()
@click.argument("file", type=click.Path())
def weights(file: str) -> None:
    """List the tensors of FILE: .keras, .h5, .weights.h5, .weights.json or safetensors. None of them is read.

    \b
    surgery weights vgg16_weights.h5
    """
    click.echo(listed(pieces_of_file(file)))


def listed(pieces: list[Piece]) -> str:
    """Returns the table of tensors, layer by layer."""
    from tabulate import tabulate

    rows = [
        [printable(piece.name), _inside(piece, place), str(tensor.shape), tensor.dtype, megabytes(tensor.bytes)]
        for piece in pieces
        for place, tensor in enumerate(piece.tensors)
    ]
    tensors = [tensor for piece in pieces for tensor in piece.tensors]
    aligned = ("left", "left", "left", "left", "right")
    table = tabulate(
        rows, ("layer", "tensor", "shape", "dtype", "size"), tablefmt="plain", disable_numparse=True, colalign=aligned
    )
    size = sum(tensor.bytes for tensor in tensors)
    values = sum(tensor.size for tensor in tensors)
    total = f"{len(tensors):,} tensors of {len(pieces):,} layers · {values:,} values · {megabytes(size)}"
    return "\n".join([table, "", total, *map(str, fitting(pieces))])


def _inside(piece: Piece, place: int) -> str:
    """Returns the name of a tensor below its layer."""
    places = [*(tensor.name.split(":")[0].rpartition("/")[2] for tensor in piece.source.row), *piece.source.named]
    return printable(places[place] if places else sorted(piece.source.tree)[place])
