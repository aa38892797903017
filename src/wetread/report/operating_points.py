"""The metrics of a split in, the section on operating points out."""

from __future__ import annotations

from typing import Final

import numpy as np

from wetread.evaluation.curves import Undefined
from wetread.evaluation.operating_points import AIM, Outcome
from wetread.evaluation.proportions import Share
from wetread.evaluation.summary import Metrics
from wetread.records import KINDS, Kind, OperatingPoint
from wetread.report.numerals import shown
from wetread.report.section import Table, Text

ENOUGH: Final = round(1 / (1 - AIM))
"""Fewer films of the class than that make an extreme point the score of one film."""

_TITLES: Final[dict[Kind, str]] = {
    "high_sensitivity": f"High sensitivity: the highest threshold that finds {AIM:.0%} of the "
    "positive validation films",
    "balanced": "Balanced: the largest sensitivity + specificity - 1 (Youden) on validation",
    "high_specificity": f"High specificity: the lowest threshold that clears {AIM:.0%} of the "
    "negative validation films",
}


def operating_point_parts(metrics: Metrics) -> list[Text | Table]:
    """Return a table a kind of point: what it promised on validation, what it gives here."""
    split = metrics.split
    here = f"gives on the {split} split"
    flatter = ""
    if split == "validation":
        flatter = " Here that is the split that they were chosen on, so these figures flatter."
    parts: list[Text | Table] = [
        Text(
            "A threshold is chosen on validation films, never on test. Each table says what it "
            f"promised there and what it {here}.{flatter} Sensitivity is a share of the positive "
            "films, specificity of all others, PPV of the called ones, NPV of all others."
        )
    ]
    parts += [_table(metrics, kind) for kind in KINDS]
    parts += [Text(words) for words in _missing(metrics)]
    parts.append(
        Text(
            f"* Chosen on fewer than {ENOUGH} films of a class, so do not rely on it: the lowest "
            "of n positive scores, as a threshold, misses a further positive film with a chance "
            "of 1 in n + 1.",
            small=True,
        )
    )
    parts.append(Text(_about_intervals(metrics), small=True))
    return parts


def _table(metrics: Metrics, kind: Kind) -> Table:
    rows = [
        _row(label, one.points[kind], one.outcomes.get(kind))
        for label, one in metrics.findings.items()
        if kind in one.points
    ]
    columns = (
        "Label",
        "Thres\u00adhold",
        "Validation sens. / spec. (films)",
        "Sensitivity",
        "Specificity",
        "Called",
        "PPV",
        "NPV",
    )
    return Table(columns, tuple(rows), title=_TITLES[kind])


def _row(label: str, point: OperatingPoint | Undefined, outcome: Outcome | None) -> tuple[str, ...]:
    name = label.replace("_", " ")
    if isinstance(point, Undefined) or outcome is None:
        return (name, "none", *[""] * 6)
    star = "*" if min(point.n_positive, point.n_negative) < ENOUGH else ""
    return (
        name,
        f"{point.threshold:.3f}{star}",
        f"{point.sensitivity:.2f}/{point.specificity:.2f} "
        f"({point.n_positive:,}/{point.n_negative:,})",
        shown(outcome.sensitivity),
        shown(outcome.specificity),
        f"{outcome.n_true_positive + outcome.n_false_positive:,}",
        shown(outcome.positive_predictive_value),
        shown(outcome.negative_predictive_value),
    )


def _missing(metrics: Metrics) -> list[str]:
    """Say which labels have no point and why, those of the same reason together."""
    reasons = [
        f"{label.replace('_', ' ')} ({point.reason})"
        if len({type(other) for other in one.points.values()}) == 1
        else f"{label.replace('_', ' ')}, {kind.replace('_', ' ')} ({point.reason})"
        for label, one in metrics.findings.items()
        for kind, point in one.points.items()
        if isinstance(point, Undefined)
    ]
    missing = "; ".join(dict.fromkeys(reasons))
    return [f"No point, for validation cannot support one: {missing}."] if missing else []


def _about_intervals(metrics: Metrics) -> str:
    said = (
        "PPV and NPV: predictive values at the prevalence of this split. Intervals: 95%, Wilson "
        "score, which takes films as independent. Films of a patient resemble each other."
    )
    shares = [
        share
        for one in metrics.findings.values()
        for outcome in one.outcomes.values()
        for share in (outcome.sensitivity, outcome.specificity)
        if isinstance(share, Share) and not isinstance(share.by_patient, Undefined)
    ]
    widths = [
        (share.by_patient.high - share.by_patient.low) / (share.interval.high - share.interval.low)
        for share in shares
        if not isinstance(share.by_patient, Undefined)
    ]
    if widths:
        said += (
            " Wilson intervals that take the films of a patient together are in metrics.json; "
            f"for sensitivity and specificity their median width is {np.median(widths):.2f} times "
            "that of these."
        )
    return said
