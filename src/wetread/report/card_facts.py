"""A run's films in, what its model card says besides numbers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from wetread.findings import LABELS
from wetread.records import SPLITS
from wetread.report.adjudicated import ADJUDICATED

ANALYSES: Final = {
    ADJUDICATED: "against the readings of radiologists",
    "subgroups.json": "groups of patients and films",
    "localization.json": "saliency maps against boxes",
    "triage.json": "what it would change in a reading room",
    "audit.json": "audit of the labels",
}
"""The files of numbers that other analyses leave beside `metrics.json`, and what they are about."""


@dataclass(frozen=True)
class CardFacts:
    """What a card says besides numbers; kept as `model_card.json` beside `metrics.json`.

    `about` is what `run.json` says of `weights`, `data_sha256`, `versions` and `machine`. `cohort`
    has a row a split. `commands` are the lines that repeat it.
    """

    title: str
    recipe: Mapping[str, Any]
    about: Mapping[str, Any]
    n_runs: int
    views: int
    split_note: str
    phantom: bool
    cohort: Sequence[Mapping[str, Any]]
    commands: Sequence[str]


def cohort_of(films: pl.DataFrame) -> list[Mapping[str, Any]]:
    """Return the size of each split of a run's films, and who is in it."""
    rows: list[Mapping[str, Any]] = []
    for split in SPLITS:
        part = films.filter(pl.col("split") == split)
        age = part["age_years"].drop_nulls().median()
        rows.append(
            {
                "split": split,
                "films": part.height,
                "patients": part["patient_id"].n_unique(),
                "female": part.filter(pl.col("sex") == "F").height,
                "AP view": part.filter(pl.col("view_position") == "AP").height,
                "median age, years": f"{age:.0f}" if isinstance(age, float) else "not known",
                "no finding": int(part[LABELS[-1]].sum()),
            }
        )
    return rows
