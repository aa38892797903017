"""Frozen records that cross stages: box, interval, operating point, film header, prediction.

Films cross stages as rows of one table (see `wetread.nih.metadata.read_entries`): 112,120 records
would be slower to make than the whole table is to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wetread.findings import LABELS

Sex = Literal["F", "M"]
ViewPosition = Literal["PA", "AP"]
Split = Literal["train", "validation", "test"]
Status = Literal["scored", "refused"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the original film: left, top, width and height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Interval:
    """A confidence interval; `level` is 0.95 for 95 %, `method` names the estimator."""

    low: float
    high: float
    level: float
    method: str


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on a score, and what it gave on the split that it was chosen on."""

    threshold: float
    sensitivity: float
    specificity: float
    split: Split


@dataclass(frozen=True)
class FilmHeader:
    """What a DICOM file says of its film, but for the patient: no name, no number, no date.

    None is what it does not say. `pixel_spacing_mm` is the distance of rows, then of columns.
    """

    sop_instance_uid: str | None = None
    modality: str | None = None
    view_position: str | None = None
    laterality: str | None = None
    body_part: str | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    photometric_interpretation: str | None = None


@dataclass(frozen=True)
class Prediction:
    """What a bundle says of one file.

    `scores` holds one number in [0, 1] a label, in the fixed order, and is empty when the film was
    refused; a score is not a probability. `priority` is in [0, 1], 1 is read first. A refused film
    has priority 1: a person must look at it.
    """

    path: str
    status: Status
    reason: str
    priority: float
    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        expected = len(LABELS) if self.status == "scored" else 0
        if len(self.scores) != expected:
            raise ValueError(f"{self.status} film with {len(self.scores)} scores, not {expected}")
