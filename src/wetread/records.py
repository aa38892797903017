"""Frozen records that cross stages: a box, an interval, an operating point, a prediction.

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
Status = Literal["scored", "flagged", "refused"]

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
class Prediction:
    """What a bundle says of one file.

    `scores` holds one number in [0, 1] a label, in the fixed order, and is empty when the film was
    refused; a score is not a probability. `priority` is in [0, 1], 1 is read first. A refused film
    has priority 1: a person must look at it. A flagged film is scored and its scores are doubtful,
    `reason` says why.
    """

    path: str
    status: Status
    reason: str
    priority: float
    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        expected = 0 if self.status == "refused" else len(LABELS)
        if len(self.scores) != expected:
            raise ValueError(f"{self.status} film with {len(self.scores)} scores, not {expected}")
