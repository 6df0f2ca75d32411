"""Which images train, which validate and which test: by seed, the same share of every class, no group in two.

The order within a class is that of a hash of the seed and the path below the folder. So it depends neither on the
machine nor on other classes, and further images leave most of the others where they are.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from surgery.core.errors import SurgeryError, listing, printable
from surgery.data.folders import SPLITS, Listed

Counts = dict[str, dict[str, int]]


def checked(split: Any) -> tuple[float, float, float]:
    """Returns the shares of train, validation and test.

    Raises:
        SurgeryError: they are not three numbers whose sum is 1.
    """
    try:
        shares = tuple(map(float, split))
    except (TypeError, ValueError):
        shares = ()
    if len(shares) != 3 or not all(0 <= share <= 1 for share in shares) or not math.isclose(sum(shares), 1.0):
        raise SurgeryError(
            f"split={printable(repr(split))}: expected three shares of train, validation and test whose sum is 1, "
            f"such as (0.8, 0.1, 0.1)."
        )
    if not shares[0]:
        raise SurgeryError(f"split={split!r} leaves no image to train on. The first share is that of train.")
    return shares  # pyright: ignore[reportReturnType]


def assign(found: Sequence[Listed], shares: tuple[float, float, float], seed: int, root: str) -> list[str]:
    """Returns the split of each image: the one that is said, or one by seed.

    Args:
        found: the images.
        shares: of train, validation and test. Where images of train are given, what is missing is taken from these.
        seed: of the order in which images are taken.
        root: the folder from which the paths count, so that it can be moved.
    """
    given = {one.split for one in found} - {""}
    missing = [split for split in SPLITS if split not in given and split != "train"]
    parts: dict[str, float] = dict(zip(SPLITS, shares, strict=True))
    parts = {split: parts[split] for split in ("train", *missing) if parts[split]}
    whole = sum(parts.values())
    parts = {split: share / whole for split, share in parts.items()}
    assigned = [one.split or "train" for one in found]
    rows = [row for row, split in enumerate(assigned) if split == "train"]
    order = sorted(rows, key=lambda row: _rank(seed, found[row].group or found[row].file.removeprefix(root)))
    divide = _by_groups if any(one.group for one in found) else _by_images
    for split, chosen in divide([(row, found[row]) for row in order], parts).items():
        for row in chosen:
            assigned[row] = split
    return assigned


def _rank(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}/{name}".encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _by_images(order: list[tuple[int, Listed]], parts: Mapping[str, float]) -> dict[str, list[int]]:
    """Each class gives its share, rounded, and at least one image, to validation and test; the rest trains."""
    of_class: dict[str, list[int]] = defaultdict(list)
    for row, one in order:
        of_class[one.label].append(row)
    taken: dict[str, list[int]] = defaultdict(list)
    for rows in of_class.values():
        counts = {split: max(1, int(len(rows) * parts[split] + 0.5)) for split in parts if split != "train"}
        while counts and sum(counts.values()) >= len(rows) and max(counts.values()) > 1:
            counts[max(counts, key=counts.__getitem__)] -= 1
        start = 0
        for split, count in counts.items():
            taken[split] += rows[start : start + count]
            start += count
    return taken


def _by_groups(order: list[tuple[int, Listed]], parts: Mapping[str, float]) -> dict[str, list[int]]:
    """Each group, the largest first, goes where its classes lack the largest part of what they are due there.

    So a class of three groups is in all three splits, however small the shares are.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    classes: dict[str, Counter[str]] = defaultdict(Counter)
    for row, one in order:
        name = one.group or f"\0{row}"  # an image without a group is one of its own
        groups[name].append(row)
        classes[name][one.label] += 1
    totals = Counter(one.label for _, one in order)
    due = {split: {label: share * totals[label] for label in totals} for split, share in parts.items()}
    given: dict[str, Counter[str]] = {split: Counter() for split in parts}
    taken: dict[str, list[int]] = defaultdict(list)
    for name in sorted(groups, key=lambda name: -len(groups[name])):
        held = classes[name]
        filled = {split: sum(n * given[split][one] / due[split][one] for one, n in held.items()) for split in parts}
        split = min(parts, key=filled.__getitem__)
        taken[split] += groups[name]
        given[split] += held
    return taken


def counts_of(classes: Sequence[str], labels: Iterable[str], assigned: Iterable[str]) -> Counts:
    """Returns split -> class -> images, splits in their order."""
    pairs = Counter(zip(assigned, labels, strict=True))
    splits = [split for split in SPLITS if any(split == one for one, _ in pairs)]
    return {split: {label: pairs[split, label] for label in classes} for split in splits}


def refuse_unfit(counts: Counts, shares: tuple[float, float, float], groups: bool) -> None:
    """Refuses what no classifier can be trained on.

    Raises:
        SurgeryError: there is one class, or one image of each; or a split lacks a class.
    """
    classes = list(next(iter(counts.values())))
    totals = {label: sum(of_split[label] for of_split in counts.values()) for label in classes}
    if len(classes) < 2:
        raise SurgeryError(f"found one class, {printable(classes[0])!r}; a classifier needs two. Add another folder.")
    if max(totals.values()) == 1:
        raise SurgeryError(
            f"found one image of each of {len(classes):,} classes; each split needs one of each class. Add images, or "
            f"check that the folders (or the label column) are the classes."
        )
    wanted = [split for split, share in zip(SPLITS, shares, strict=True) if share or split in counts]
    for split in wanted:
        absent = [label for label in classes if not counts.get(split, {}).get(label)]
        if absent:
            first = absent[0]
            of = f"in {split} there is no image of {listing([repr(printable(label)) for label in absent], 4)}"
            unit = "groups" if groups else "images"
            raise SurgeryError(
                f"{of}; {printable(first)!r} has {totals[first]:,} image{'s' * (totals[first] != 1)} in all. Add "
                f"{unit} of it to {split}, leave it out, or give other shares: split=(0.8, 0.2, 0) makes no test."
            )
