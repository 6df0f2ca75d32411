"""What a network says of images, as a value that is printed as text, JSON or comma-separated values."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

from surgery.core.errors import SurgeryError, printable
from surgery.core.reprs import block, line, table
from surgery.view.model_card import as_json
from surgery.view.table import is_formula, plain

FORMATS = ("text", "json", "csv")
SCHEMA = 1  # of the JSON: docs/json.md


class Score(NamedTuple):
    """One class of an image.

    Args:
        name: of the class; its number as a text, where names are not known.
        number: its place, from 0, in the order of the outputs.
        confidence: of the network, 0 to 1 where it makes probabilities.
    """

    name: str
    number: int
    confidence: float


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a network says of one image.

    Args:
        image: the path of the file.
        top: the classes with the highest scores, highest first.
    """

    image: str
    top: tuple[Score, ...]

    @property
    def name(self) -> str:
        """The class with the highest score."""
        return self.top[0].name

    @property
    def confidence(self) -> float:
        """The score of that class."""
        return self.top[0].confidence

    def __repr__(self) -> str:
        return line(self, f"{self.image[-60:]}: {self.name[:60]} {self.confidence:.4f}")


@dataclasses.dataclass(frozen=True)
class Predictions(Sequence[Prediction]):
    """What a network says of images, one `Prediction` for each that could be read, in order.

    Args:
        network: its name.
        items: the predictions.
        unreadable: file -> why it could not be read.
        scores: what was done to the outputs of the network.
        preprocessing: what was done to the images.
    """

    network: str
    items: tuple[Prediction, ...]
    unreadable: Mapping[str, str]
    scores: str
    preprocessing: str

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Prediction, ...]: ...
    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.items)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return line(self, self._said())

    def _repr_html_(self) -> str:
        rows = [(one.image, one.name, f"{one.confidence:.4f}") for one in self]
        return block(self._said(), table(("image", "class", "confidence"), rows, ("confidence",)))

    def _said(self) -> str:
        bad = f", {len(self.unreadable):,} unreadable" if self.unreadable else ""
        return f"{self.network}: {len(self):,} image{'s' if len(self) != 1 else ''}{bad}"

    def text(self, format: str = "text") -> str:
        """Returns all predictions as `"text"`, `"json"` or `"csv"`.

        Raises:
            SurgeryError: it is another format.
        """
        if format not in FORMATS:
            raise SurgeryError(f"predictions are printed as {', '.join(FORMATS)}, not as {printable(format)}.")
        return {"text": self._text, "json": self._json, "csv": self._csv}[format]()

    def _text(self) -> str:
        rows = [
            [printable(one.image) if rank == 0 else "", printable(score.name), f"{score.confidence:.4f}"]
            for one in self
            for rank, score in enumerate(one.top)
        ]
        return plain(rows, ("image", "class", "confidence"), ("confidence",), None)

    def _json(self) -> str:
        rows = [
            {
                "image": one.image,
                "top": [
                    {
                        "class": score.name,
                        "index": score.number,
                        "confidence": score.confidence if math.isfinite(score.confidence) else None,
                    }
                    for score in one.top
                ],
            }
            for one in self
        ]
        head = {"schema": SCHEMA, "network": self.network, "scores": self.scores, "preprocessing": self.preprocessing}
        return as_json({**head, "predictions": rows, "unreadable": dict(self.unreadable)})

    def _csv(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["image", "rank", "class", "index", "confidence"])
        for one in self:
            for rank, score in enumerate(one.top, 1):
                texts = [
                    f"'{text}" if is_formula(text, True) else text for text in map(printable, (one.image, score.name))
                ]
                writer.writerow([texts[0], rank, texts[1], score.number, f"{score.confidence:.7g}"])
        return out.getvalue().rstrip("\n")
