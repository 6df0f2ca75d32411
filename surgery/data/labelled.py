"""Labelled images to train on, from a folder or a CSV: found, checked and split when it is called, decoded when used.

Memory holds paths and labels, and the batches in work. It costs a look at each header, about 0.1 ms.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surgery.core.errors import SurgeryError, SurgeryWarning, nearest, printable
from surgery.core.reprs import block, line, table
from surgery.data.folders import SPLITS
from surgery.data.image_files import ImageFiles
from surgery.data.splits import Counts, assign, checked, counts_of, refuse_unfit
from surgery.data.survey import Survey, allowed, refuse_broken, survey

TASKS = ("classification",)
LARGEST = 224  # pixels of the longer side where no size is asked for


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ImageData:
    """Labelled images in three splits, as `sg.data.images` finds them.

    Args:
        path: the folder or CSV.
        classes: their names, sorted: label 0 is the first.
        size: `(height, width)` in pixels of the images that are made.
        sizes: `min`, `median` and `max` -> `(height, width)` of the images as they are, each side alone.
        counts: split -> class -> images.
        seed: of the splits, and of the order of `train`.
        batch_size: images in a batch.
    """

    path: Path
    classes: tuple[str, ...]
    size: tuple[int, int]
    sizes: dict[str, tuple[int, int]]
    counts: Counts
    seed: int
    batch_size: int
    _rows: dict[str, tuple[tuple[str, ...], Any, Any]]  # split -> files, labels, whether Pillow has to decode each
    _problems: dict[str, str]
    _batches: dict[str, Any] = dataclasses.field(default_factory=dict)  # split -> what makes its datasets

    @property
    def train(self) -> Any:
        """A `tf.data.Dataset` of `(images_bhwc, labels)`: float32 of 0 to 255, int32; in another order each epoch."""
        return self._dataset("train", self.seed)

    @property
    def validation(self) -> Any:
        """Likewise, in the order of `files("validation")`."""
        return self._dataset("validation", None)

    @property
    def test(self) -> Any:
        """Likewise, in the order of `files("test")`."""
        return self._dataset("test", None)

    def files(self, split: str) -> list[Path]:
        """Returns the files of a split: `train`, `validation` or `test`.

        Raises:
            SurgeryError: there is no such split.
        """
        return list(map(Path, self._split(split)[0]))

    def labels(self, split: str) -> Any:
        """Returns the labels of a split, int32, in the order of its files.

        Raises:
            SurgeryError: there is no such split.
        """
        return self._split(split)[1].copy()

    def _split(self, split: str) -> tuple[tuple[str, ...], Any, Any]:
        if split not in SPLITS:
            raise SurgeryError(f"there is no split {printable(split)!r}; expected train, validation or test.")
        if split not in self._rows:
            raise SurgeryError(f"there are no {split} images: split= gives {split} no share. Give it one.")
        return self._rows[split]

    def _dataset(self, split: str, seed: int | None) -> Any:
        if split not in self._batches:
            from surgery.data.batches import LabelledBatches

            labels, by_pillow = self._split(split)[1:]
            image_files = ImageFiles(self.files(split), self.size)
            left = allowed(len(labels))
            self._batches[split] = LabelledBatches(image_files, labels, by_pillow, left)
        return self._batches[split].dataset(self.batch_size, seed)

    @property
    def problems(self) -> dict[str, str]:
        """File -> why it is skipped: by its header, or because a whole pass over a dataset could not decode it."""
        for batches in self._batches.values():
            batches.problems(self._problems)
        return dict(self._problems)

    def _summary(self) -> str:
        by_split = [f"{split} {sum(counts.values()):,}" for split, counts in self.counts.items()]
        total = sum(sum(counts.values()) for counts in self.counts.values())
        problems = self.problems
        skipped = f", {len(problems):,} skipped" if problems else ""
        height, width = self.size
        return (
            f"{printable(self.path)}: {total:,} images of {len(self.classes):,} classes{skipped}, "
            f"as {height} x {width}: {' · '.join(by_split)}"
        )

    def __repr__(self) -> str:
        return line(self, self._summary())

    def _repr_html_(self) -> str:
        rows = [(name, *(f"{self.counts[split][name]:,}" for split in self.counts)) for name in self.classes]
        parts = [table(("class", *self.counts), rows, tuple(self.counts))]
        if problems := self.problems:
            parts.append(table(("skipped file", "why"), list(problems.items())))
        return block(self._summary(), *parts)


def images(
    path: str | os.PathLike[str],
    task: str = "classification",
    size: int | tuple[int, int] | None = None,
    split: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    group: str | Callable[[Path], object] | None = None,
    batch_size: int = 32,
    columns: Mapping[str, str] | None = None,
) -> ImageData:
    """Labelled images of a folder or a CSV, in three splits: each class gives its share to each split, by seed.

    A folder holds a folder for each class, or `train/`, `val/` and `test/` with these; what is missing of the three is
    taken from `train`. A CSV has a header, and columns for the file (relative to the CSV) and its class. Files that
    cannot be read are named in `problems` and skipped. Links are followed, out of the folder too.

    Args:
        path: the folder, or the `.csv` file.
        task: `"classification"`.
        size: `(height, width)` or a side, in pixels: images are enlarged or shrunk to it bilinearly, each side alone.
            None: the median of the images, shrunk to at most 224 on the longer side.
        split: shares of train, validation and test; a split with the share 0 is left out.
        seed: of the splits, and of the order of train.
        group: images of one group stay in one split: a function of the path, or of a CSV the name of a column.
        batch_size: images in a batch.
        columns: of a CSV: `file`, `label`, `split` -> the column, where it has an unusual name.

    Returns:
        The images, an `ImageData`.

    Raises:
        SurgeryError: there is no such folder, it has one class or one image of each, a class is missing in a split,
            or more than 1 % of the files, and more than one, cannot be read.

    Example:
        data = sg.data.images("flowers", size=96)
        model.fit(data.train, validation_data=data.validation)
    """
    if task not in TASKS:
        near = nearest(str(task), TASKS, 1)
        raise SurgeryError(f"task={printable(repr(task))} is not known; expected 'classification'.{near}")
    shares = checked(split)
    for name, value, least in (("batch_size", batch_size, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise SurgeryError(f"{name}={printable(repr(value))}: expected a whole number, at least {least}.")
    asked = None if size is None else _sides(size)
    found = survey(path, columns, group)
    refuse_broken(found.problems, len(found.found) + len(found.problems))
    splits = assign(found.found, shares, int(seed), found.root)
    counts = counts_of(found.classes, (one.label for one in found.found), splits)
    refuse_unfit(counts, shares, group is not None)
    for note in found.notes:
        warnings.warn(note, category=SurgeryWarning, stacklevel=2)
    sizes = found.sizes()
    made = asked or _fitting(sizes["median"])
    rows = _by_split(found, splits, counts)
    return ImageData(found.path, found.classes, made, sizes, counts, int(seed), int(batch_size), rows, found.problems)


def _by_split(found: Survey, splits: list[str], counts: Counts) -> dict[str, tuple[tuple[str, ...], Any, Any]]:
    numbers = {name: number for number, name in enumerate(found.classes)}
    labels = np.array([numbers[one.label] for one in found.found], "int32")
    by_pillow = np.array(found.by_pillow, "bool")
    places = {name: np.flatnonzero(np.array(splits) == name) for name in counts}
    return {
        name: (tuple(found.found[row].file for row in rows), labels[rows], by_pillow[rows])
        for name, rows in places.items()
    }


def _sides(size: Any) -> tuple[int, int]:
    both = (size, size) if isinstance(size, (int, np.integer)) else size
    try:
        height, width = (int(side) for side in both if not isinstance(side, (bool, str)) and side == int(side))
    except (TypeError, ValueError, OverflowError):
        height = width = 0
    if not (0 < height <= 10_000 and 0 < width <= 10_000):
        raise SurgeryError(f"size={printable(repr(size))}: expected (height, width) or a side, up to 10,000 pixels.")
    return height, width


def _fitting(sides: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, LARGEST / max(sides))
    return max(1, round(sides[0] * scale)), max(1, round(sides[1] * scale))
