"""Folders with a folder for each class, alone or below `train/`, `validation/` and `test/`, as lists of files.

Links are followed, out of the folder too; a folder that is reached again on its own way down is not entered twice.
What begins with a dot is passed over, as is `__MACOSX`. Nothing is opened but files without the suffix of an image.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from surgery.core.errors import SurgeryError, listing, printable
from surgery.data.image_files import SUFFIXES, is_image
from surgery.formats.paths import refuse_url

SPLITS = ("train", "validation", "test")
ALIASES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
CLASSES = 50_000  # ImageNet-21k has 21,843


@dataclasses.dataclass(frozen=True)
class Listed:
    """An image file, and what a folder or a table says of it.

    Args:
        file: its path.
        label: the name of its class.
        split: `train`, `validation`, `test`, or nothing where that is not said.
        group: images of one group are in one split; nothing where there are no groups.
    """

    file: str
    label: str
    split: str = ""
    group: str = ""


def listed_in(path: Path) -> tuple[list[Listed], list[str]]:
    """Returns the images of a folder, sorted, and notes on what is not used.

    Raises:
        SurgeryError: there is no such folder, it cannot be read, or its layout is not known.
    """
    refuse_url(path)
    shown = printable(path)
    if not path.exists():
        raise SurgeryError(f"{shown!r}: no such folder.")
    if not path.is_dir():
        raise SurgeryError(f"{shown!r} is a file. Give a folder with a folder for each class, or a .csv file.")
    folders, loose = _inside(path)
    splits = _splits_of(path, folders)
    notes = [f"not used, because in no folder of a class: {listing(map(printable, loose))}"] if loose else []
    found: list[Listed] = []
    for folder in folders:
        inside = _classes_of(path / folder) if splits else [path / folder]
        for one in inside:
            before = len(found)
            found += (Listed(file, one.name, splits.get(folder, "")) for file in _images(one))
            notes += [f"no class, because it holds no images: {printable(one)}"] if len(found) == before else []
    if not found:
        where = "holds no images" if not loose else "has images, but no folder for each class"
        raise SurgeryError(
            f"{shown!r} {where}. Expected {shown}/CLASS/IMAGE, or {shown}/train/CLASS/IMAGE; images end in "
            f"{', '.join(SUFFIXES)}."
        )
    return found, notes


def _splits_of(path: Path, folders: list[str]) -> dict[str, str]:
    """Returns folder -> split where the folders are those of splits; `train` among others may be a class (of trains).

    Raises:
        SurgeryError: folders of splits and of classes lie side by side, or two are the same split.
    """
    splits = {folder: ALIASES[folder.lower()] for folder in folders if folder.lower() in ALIASES}
    others = [folder for folder in folders if folder not in splits]
    if "train" not in splits.values() or (others and len(splits) == 1):
        return {}
    shown = printable(path)
    if others:
        raise SurgeryError(
            f"{shown!r} holds {listing(map(printable, splits))}, which are splits, next to "
            f"{listing(map(printable, others))}. Move the splits or the others out of it."
        )
    for split, count in Counter(splits.values()).items():
        if count > 1:
            twice = [folder for folder, one in splits.items() if one == split]
            raise SurgeryError(f"{shown!r} holds {' and '.join(twice)}, which are both {split}. Keep one of them.")
    return splits


def _classes_of(split: Path) -> list[Path]:
    classes, loose = _inside(split)
    if loose or not classes:
        shown = printable(split)
        held = f"images in no folder of a class: {listing(map(printable, loose))}" if loose else "no folder of a class"
        raise SurgeryError(f"{shown!r} holds {held}. Expected {shown}/CLASS/IMAGE; or move it elsewhere.")
    return [split / label for label in classes]


def _inside(folder: Path) -> tuple[list[str], list[str]]:
    """Returns the names of folders and of images in a folder, sorted."""
    folders, images = [], []
    for entry in _entries(folder):
        if entry.is_dir():
            folders.append(entry.name)
        elif _counts(entry):
            images.append(entry.name)
    if len(folders) > CLASSES:
        raise SurgeryError(
            f"{printable(folder)!r} holds {len(folders):,} folders. A folder is a class, and there may be {CLASSES:,}."
        )
    return folders, images


def _images(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """Yields the image files of a folder, at every depth, sorted."""
    try:
        status = folder.stat()
    except OSError:  # gone since its name was read
        return
    here = above | {(status.st_dev, status.st_ino)}
    if len(here) == len(above):
        return
    for entry in _entries(folder):
        if entry.is_dir():
            yield from _images(Path(entry.path), here)
        elif _counts(entry):
            yield entry.path


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".") and entry.name != "__MACOSX"]
    except FileNotFoundError:  # gone since its name was read
        return []
    except OSError as error:
        raise SurgeryError(f"{printable(folder)!r} cannot be read: {error.strerror}.") from error
    return sorted(shown, key=lambda entry: entry.name)


def _counts(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is an image, or a link that is named as one and leads nowhere."""
    return (entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))) and is_image(Path(entry.path))
