"""The table of films in, who they are out: films, patients, sex, age, view and labels by split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from wetread.errors import TableError
from wetread.findings import LABELS
from wetread.records import SPLITS

_NEEDED = ("patient_id", "age_years", "sex", "view_position", "split", *LABELS)


@dataclass(frozen=True)
class CohortRow:
    """A line of the table: one cell a column of `Cohort.columns`."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Cohort:
    """The table as text; `groups` are its sections, `shared_patients` are in two splits or more."""

    columns: tuple[str, ...]
    groups: tuple[tuple[str, tuple[CohortRow, ...]], ...]
    shared_patients: int


def describe_cohort(films: pl.DataFrame) -> Cohort:
    """Return the cohort table of `films` (as in `ReportContent`), counts with their share of films.

    Raises `TableError` when a column is missing.
    """
    if missing := [name for name in _NEEDED if name not in films.columns]:
        raise TableError(f"a table of films without the columns {', '.join(missing)}")
    parts: dict[str, pl.DataFrame] = {
        split: part for split in SPLITS if (part := films.filter(pl.col("split") == split)).height
    }
    parts["all"] = films

    def row(name: str, cell: Callable[[pl.DataFrame], str]) -> CohortRow:
        return CohortRow(name, tuple(cell(part) for part in parts.values()))

    def counted(name: str, condition: pl.Expr) -> CohortRow:
        return row(name, lambda part: _share(part.filter(condition).height, part.height))

    size = (
        row("Films", lambda part: f"{part.height:,}"),
        row("Patients", lambda part: f"{part['patient_id'].n_unique():,}"),
        row("Films a patient, mean", _films_a_patient),
    )
    people = (
        counted("Female", pl.col("sex") == "F"),
        counted("Male", pl.col("sex") == "M"),
        row("Age in years, median (quartiles)", _age),
    )
    views = tuple(counted(f"View {view}", pl.col("view_position") == view) for view in ("PA", "AP"))
    labels = tuple(counted(label.replace("_", " "), pl.col(label)) for label in LABELS)
    splits_a_patient = films.group_by("patient_id").agg(pl.col("split").n_unique())
    return Cohort(
        columns=tuple(name.capitalize() for name in parts),
        groups=(
            ("Size", size),
            ("People, by film", people),
            ("View, by film", views),
            ("Label, by film", labels),
        ),
        shared_patients=splits_a_patient.filter(pl.col("split") > 1).height,
    )


def _share(count: int, total: int) -> str:
    return f"{count:,} ({count / total:.1%})" if total else "0"


def _films_a_patient(part: pl.DataFrame) -> str:
    return f"{part.height / part['patient_id'].n_unique():.1f}" if part.height else "0"


def _age(part: pl.DataFrame) -> str:
    ages = part["age_years"].drop_nulls()
    quartiles = [ages.quantile(share, "linear") for share in (0.25, 0.5, 0.75)]
    if any(quartile is None for quartile in quartiles):
        return "not known"
    low, middle, high = (float(quartile or 0.0) for quartile in quartiles)
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"
