"""Scores of a split and the table of films in; who the scores fail, with every number, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from wetread.errors import TableError
from wetread.evaluation.comparison import MIN_PATIENTS
from wetread.evaluation.curves import Undefined
from wetread.evaluation.group_means import GroupMean, MeanGap
from wetread.evaluation.shortcuts import ViewShortcut, view_shortcut
from wetread.evaluation.subgroups import (
    Attribute,
    GroupFinding,
    Rate,
    Subgroup,
    evaluate_subgroups,
)
from wetread.findings import LABELS
from wetread.records import OperatingPoint
from wetread.report.comparison import difference_as_json, interval_as_json
from wetread.report.content import labels_and_scores

AGE_BANDS: Final = ((0, 17), (18, 39), (40, 59), (60, 79), (80, 120))
"""Years, both ends included. NIH's first release has ages up to 414: they count as not known."""
_NEEDED = ("image_index", "sex", "age_years", "view_position", "follow_up")


@dataclass(frozen=True)
class SubgroupReport:
    """Every subgroup in order, how many films lack an attribute, and the view's part by label."""

    n_images: int
    n_patients: int
    level: float
    resamples: int
    seed: int
    unknown: Mapping[str, int]
    groups: Sequence[Subgroup]
    view: Mapping[str, ViewShortcut]


def report_subgroups(
    scores: pl.DataFrame,
    films: pl.DataFrame,
    operating_points: Mapping[str, OperatingPoint],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    progress: Callable[[int, int], None] | None = None,
) -> SubgroupReport:
    """Evaluate subgroups by sex, age, view position and first film or follow-up.

    `scores` and `films` are tables as in `ReportContent`. Raises `TableError` when a column or a
    film is missing, `StatisticsError` as `evaluate_subgroups` does.
    """
    if missing := [name for name in _NEEDED if name not in films.columns]:
        raise TableError(f"a table of films without the columns {', '.join(missing)}")
    who = scores.select("image_index").join(
        films.select(_NEEDED), on="image_index", how="inner", maintain_order="left"
    )
    if who.height != scores.height:
        raise TableError(
            f"a table of films with {who.height:,} of the {scores.height:,} scored ones, expected "
            "each once"
        )
    labels, values = labels_and_scores(scores)
    patients = scores["patient_id"].to_numpy()
    attributes = film_attributes(who)
    groups = evaluate_subgroups(
        labels,
        values,
        patients,
        attributes,
        {label: point.threshold for label, point in operating_points.items()},
        resamples=resamples,
        seed=seed,
        level=level,
        progress=progress,
    )
    is_ap = (who["view_position"] == "AP").fill_null(value=False).to_numpy()
    known = who["view_position"].is_in(("PA", "AP")).fill_null(value=False).to_numpy()
    settings = {"resamples": resamples, "seed": seed}
    return SubgroupReport(
        n_images=scores.height,
        n_patients=int(np.unique(patients).size),
        level=level,
        resamples=resamples,
        seed=seed,
        unknown={one.name: int(np.count_nonzero(one.codes < 0)) for one in attributes},
        groups=groups,
        view={
            label: view_shortcut(
                labels[known, column], values[known, column], patients[known], is_ap[known],
                **settings, level=level,
            )
            for column, label in enumerate(LABELS)
        },
    )  # fmt: skip


def film_attributes(films: pl.DataFrame) -> list[Attribute]:
    """Return sex, age, view and follow-up of films; -1 where it is not known."""

    def coded(name: str, column: str, groups: Sequence[tuple[str, pl.Expr]]) -> Attribute:
        code = pl.lit(-1)
        for number, (_, condition) in enumerate(groups):
            code = pl.when(condition.fill_null(value=False)).then(number).otherwise(code)
        codes = films.select(code.cast(pl.Int64).alias(column))[column].to_numpy()
        return Attribute(name, tuple(group for group, _ in groups), codes)

    age = pl.col("age_years")
    bands = [
        (
            f"{low}-{high} years" if high < 120 else f"{low} and over",
            age.is_between(low, high),
        )
        for low, high in AGE_BANDS
    ]
    view = pl.col("view_position")
    return [
        coded("Sex", "sex", [("Female", pl.col("sex") == "F"), ("Male", pl.col("sex") == "M")]),
        coded("Age", "age", bands),
        coded("View", "view", [("PA", view == "PA"), ("AP", view == "AP")]),
        coded(
            "Film",
            "film",
            [("First film", pl.col("follow_up") == 0), ("Follow-up", pl.col("follow_up") > 0)],
        ),
    ]


def subgroups_as_json(found: SubgroupReport) -> dict[str, object]:
    """Return every number as plain values for JSON: what is undefined becomes None."""
    attributes: dict[str, dict[str, object]] = {
        name: {"unknown": count, "groups": {}} for name, count in found.unknown.items()
    }
    for group in found.groups:
        groups = attributes[group.attribute]["groups"]
        assert isinstance(groups, dict)
        groups[group.name] = {
            "n_images": group.n_images,
            "n_patients": group.n_patients,
            **{f"mean_{name}": _mean_as_json(one) for name, one in group.means.items()},
            "findings": {label: _finding_as_json(one) for label, one in group.findings.items()},
        }
    return {
        "n_images": found.n_images,
        "n_patients": found.n_patients,
        "level": found.level,
        "resamples": found.resamples,
        "seed": found.seed,
        "min_patients": MIN_PATIENTS,
        "attributes": attributes,
        "view": {label: _view_as_json(one) for label, one in found.view.items()},
    }


def _number(value: float | Undefined) -> float | None:
    return None if isinstance(value, Undefined) else value


def _mean_as_json(one: GroupMean) -> dict[str, object]:
    gap: dict[str, object] | None = None
    values: dict[str, object] = {
        "value": _number(one.value),
        "interval": interval_as_json(one.interval),
        "over": one.over,
    }
    if isinstance(one.gap, MeanGap):
        gap = {
            "group": one.gap.group,
            "rest": one.gap.rest,
            "difference": one.gap.difference,
            "difference_interval": interval_as_json(one.gap.interval),
            "over": one.gap.over,
            "p": one.gap.p_value,
            "p_holm": one.gap.p_holm,
        }
    values["gap"] = gap
    why = one.value if isinstance(one.value, Undefined) else one.gap
    return values | ({"undefined": why.reason} if isinstance(why, Undefined) else {})


def _finding_as_json(one: GroupFinding) -> dict[str, object]:
    values: dict[str, object] = {
        "n_positive": one.n_positive,
        "n_negative": one.n_negative,
        "auroc": _number(one.auroc),
        "auroc_interval": interval_as_json(one.auroc_interval),
        "sensitivity": _rate_as_json(one.sensitivity),
        "specificity": _rate_as_json(one.specificity),
        "gap": difference_as_json(one.gap),
    }
    return values | ({"undefined": one.auroc.reason} if isinstance(one.auroc, Undefined) else {})


def _rate_as_json(one: Rate | Undefined) -> dict[str, object]:
    if isinstance(one, Undefined):
        return {"value": None, "interval": None, "n": None, "undefined": one.reason}
    return {"value": one.value, "interval": interval_as_json(one.interval), "n": one.n}


def _view_as_json(one: ViewShortcut) -> dict[str, object]:
    values: dict[str, object] = {
        "view_auroc": _number(one.auroc),
        "view_auroc_interval": interval_as_json(one.auroc_interval),
        "model_auroc": _number(one.model_auroc),
        "model_auroc_interval": interval_as_json(one.model_auroc_interval),
        "variance_share": _number(one.variance_share),
        "variance_share_interval": interval_as_json(one.variance_share_interval),
    }
    why = one.auroc if isinstance(one.auroc, Undefined) else one.variance_share
    return values | ({"undefined": why.reason} if isinstance(why, Undefined) else {})
