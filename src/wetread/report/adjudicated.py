"""Scores and the readings of radiologists in, who is nearer to the readers out.

Only films of the evaluated split that were read are judged, and never films of training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from wetread.evaluation.adjudicated import (
    Accuracy,
    Judged,
    accuracy,
    judge,
)
from wetread.evaluation.curves import RocCurve, Undefined, roc_curve
from wetread.evaluation.operating_points import youden_point
from wetread.findings import FINDINGS, NO_FINDING
from wetread.nih.adjudicated import LABEL_QUALITY, MAPPING, READER
from wetread.records import Split

ADJUDICATED: Final = "adjudicated.json"
ABNORMAL: Final = "abnormal"
"""By the readers any actionable finding, by the label anything but No Finding; the model's score is
1 minus that of No Finding."""


@dataclass(frozen=True, eq=False)
class Readings:
    """What came out: findings of Majkowska et al., those of Nabulsi et al., curves of the first.

    `n_read` films of the cache were read, `n_images` of them are in the evaluated split.
    """

    split: Split
    n_read: int
    n_images: int
    n_patients: int
    findings: Mapping[str, Judged]
    all_findings: Mapping[str, Judged]
    curves: Mapping[str, RocCurve | Undefined]


def judge_readings(
    scores: pl.DataFrame, held_out: pl.DataFrame, adjudicated: pl.DataFrame, split: Split
) -> Readings:
    """Judge the films of `scores` that were read; thresholds come from the validation films.

    Args:
        scores: a row a film of the evaluated split, as `wetread evaluate` writes it.
        held_out: the same of the validation films.
        adjudicated: the table of `nih.adjudicated.read_adjudicated`.
        split: of `scores`; "train" has no film that could be judged.

    Raises:
        StatisticsError: a score is not finite.
    """
    films = scores.clear() if split == "train" else scores
    films = films.join(adjudicated.drop("patient_id"), on="image_index")
    groups = {name: films.filter(pl.col(name).is_not_null()) for name in (*MAPPING, ABNORMAL)}
    several = {ABNORMAL: (NO_FINDING.name,)} | {
        f"{READER}{one.name}": (one.name,) for one in FINDINGS
    }
    findings = {
        name: _judge(groups[name], held_out, name, labels) for name, labels in MAPPING.items()
    }
    return Readings(
        split=split,
        n_read=adjudicated.height,
        n_images=films.height,
        n_patients=films["patient_id"].n_unique(),
        findings=findings,
        all_findings={
            name.removeprefix(READER): _judge(groups[ABNORMAL], held_out, name, labels)
            for name, labels in several.items()
        },
        curves={
            name: roc_curve(_booleans(groups[name], name), _claims(groups[name], labels)[1])
            for name, labels in MAPPING.items()
        },
    )


def readings_as_json(found: Readings) -> dict[str, Any]:
    """Return the numbers as plain values; one that is undefined is its counts and the reason."""
    return {
        "split": found.split,
        "n_read": found.n_read,
        "n_images": found.n_images,
        "n_patients": found.n_patients,
        "findings": {name: asdict(one) for name, one in found.findings.items()},
        "all_findings": {name: asdict(one) for name, one in found.all_findings.items()},
    }


def published_quality() -> dict[str, Accuracy]:
    """Return how NIH's labels agree with the readers on all of Google's 1,962 test films."""
    return {
        name: accuracy(
            np.repeat([True, False, True, False], [true, false, missed, cleared]),
            np.repeat([True, True, False, False], [true, false, missed, cleared]),
        )
        for name, (true, false, missed, cleared) in LABEL_QUALITY.items()
    }


def _judge(
    films: pl.DataFrame, held_out: pl.DataFrame, name: str, labels: tuple[str, ...]
) -> Judged:
    label, scores = _claims(films, labels)
    point = youden_point(*_claims(held_out, labels), "validation")
    return judge(_booleans(films, name), label, scores, films["patient_id"].to_numpy(), point)


def _claims(
    table: pl.DataFrame, labels: tuple[str, ...]
) -> tuple[Bool[np.ndarray, " films"], Float[np.ndarray, " films"]]:
    """Return whether any of `labels` is there, and the highest of their scores; turned for none."""
    label = table.select(pl.any_horizontal(f"truth.{name}" for name in labels)).to_series()
    score = table.select(pl.max_horizontal(f"score.{name}" for name in labels)).to_series()
    truth, values = label.to_numpy().astype(np.bool_), score.to_numpy().astype(np.float64)
    return (~truth, 1 - values) if labels == (NO_FINDING.name,) else (truth, values)


def _booleans(table: pl.DataFrame, name: str) -> Bool[np.ndarray, " films"]:
    return table[name].to_numpy().astype(np.bool_)
