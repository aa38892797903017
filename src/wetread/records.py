"""Frozen records that cross stages: a film, a box on it, an interval, a threshold, a prediction."""

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
class FilmRecord:
    """One frontal film as NIH describes it.

    `image_index` is the file name, `follow_up` counts the patient's films from 0, `width_px` and
    `height_px` are those of the original radiograph, `spacing_mm` its pixel pitch (x, y).
    `labels` are in the fixed order and never empty ("No Finding" when nothing was mined).
    """

    image_index: str
    patient_id: int
    follow_up: int
    age_years: int
    sex: Sex
    view_position: ViewPosition
    width_px: int
    height_px: int
    spacing_mm: tuple[float, float]
    labels: tuple[str, ...]


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
