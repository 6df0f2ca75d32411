"""The weights inside a `.keras` file: HDF5 in a zip, whose checksum is verified as soon as all of them have been read.

A zip has one checksum for the whole member, so a part of the weights cannot be verified, and is not: that would read
all of it. HDF5 and safetensors by themselves have none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from surgery.core.tensors import Tensor
from surgery.formats.hdf5_file import Hdf5, read_hdf5
from surgery.formats.zip import Archive


def weights_of(archive: Archive, name: str, what: str) -> Hdf5:
    """Reads what the member of an archive that holds the weights says; the last of them that is loaded verifies all.

    Args:
        archive: the open `.keras` file.
        name: of the member.
        what: the name of the file, for messages.

    Raises:
        SurgeryError: as `read_hdf5`; the tensors' `load` raises it when the checksum differs.
    """
    file = read_hdf5(archive.open(name), what, archive.budget)
    if not archive.is_window(name):
        return file
    waiting = {path for path in file.tensors if path.startswith(("layers/", "_layer")) and "seed_gen" not in path}

    def watched(path: str, tensor: Tensor) -> Tensor:
        return dataclasses.replace(tensor, load=_then(tensor.load, lambda: arrived(path)))

    def arrived(path: str) -> None:
        if path in waiting:
            waiting.remove(path)
            if not waiting:
                archive.verify(name)

    return Hdf5({path: watched(path, tensor) for path, tensor in file.tensors.items()}, file.groups)


def _then(load: Callable[[], Any], after: Callable[[], None]) -> Callable[[], Any]:
    def loaded() -> Any:
        array = load()
        after()
        return array

    return loaded
