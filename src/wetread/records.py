"""Frozen records that cross stages: box, interval, operating point, prediction, first read, ...

Films cross stages as rows of one table (see `wetread.nih.metadata.read_entries`): 112,120 records
would be slower to make than the whole table is to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from wetread.findings import LABELS

Sex = Literal["F", "M"]
ViewPosition = Literal["PA", "AP"]
Split = Literal["train", "validation", "test"]
Status = Literal["scored", "flagged", "refused"]

Kind = Literal["high_sensitivity", "balanced", "high_specificity"]
"""Of an operating point: what it was chosen for."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

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
    """A threshold on a score, and what it gave on the split that it was chosen on.

    `n_positive` and `n_negative` films of that split chose it; both are 0 where that is not known.
    """

    threshold: float
    sensitivity: float
    specificity: float
    split: Split
    n_positive: int = 0
    n_negative: int = 0


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
    """What a bundle says of one film.

    `status`: "scored"; "flagged", scored but doubted, or "refused"; `reason` says why. `scores`
    holds one number in [0, 1] a label, in the fixed order, and is empty when the film was refused;
    a score is not a probability. `probabilities` has one a label too, None where the bundle's card
    holds no calibration, and is empty where it holds none at all; each is true of the films that
    `calibrated_on` names, and of others as far as findings are as common there. `findings` are the
    labels that reach their operating point.
    `priority` is in [0, 1], 1 is read first. A refused film has priority 1: a person must look at
    it. `notes` say what else was noticed of the file, nothing of the patient.
    """

    path: str
    status: Status
    reason: str
    priority: float
    scores: tuple[float, ...]
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    probabilities: tuple[float | None, ...] = ()
    calibrated_on: str = ""

    def __post_init__(self) -> None:
        expected = 0 if self.status == "refused" else len(LABELS)
        if len(self.scores) != expected:
            raise ValueError(f"{self.status} film with {len(self.scores)} scores, not {expected}")
        if len(self.probabilities) not in {0, expected}:
            raise ValueError(f"{len(self.probabilities)} probabilities, not {expected}")

    def probability_of(self, label: str) -> float | None:
        """Return the probability of a label, None where there is none."""
        return self.probabilities[LABELS.index(label)] if self.probabilities else None


@dataclass(frozen=True)
class FirstRead:
    """A prediction with all that results for others are made of.

    `points` has the operating point of kind `kind` of each label that has one, `boxes` those of the
    findings that are boxed, in pixels of the film as it was sent (x from its left, y from its top).
    `bundle_sha256` is that of the model; `made_at` knows its time zone.
    """

    prediction: Prediction
    kind: Kind
    points: Mapping[str, OperatingPoint]
    boxes: Mapping[str, tuple[Box, ...]]
    bundle_name: str
    bundle_sha256: str
    made_at: datetime
