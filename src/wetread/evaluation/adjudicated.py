"""A label, scores and a reference standard of readers in, label and model compared out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, auroc, checked_scores, one_class
from wetread.evaluation.intervals import check_patients, delong_interval
from wetread.evaluation.proportions import wilson_interval
from wetread.evaluation.resampled import draw_patients
from wetread.records import Interval, OperatingPoint

MIN_PATIENTS: Final = 5
"""Patients with and without the finding that a bootstrap needs: with fewer it is a lottery."""
_ROWS_AT_ONCE = 32
_BOOTSTRAPPED = ("difference", "sensitivity", "gain")


@dataclass(frozen=True)
class Share:
    """A share of films: `successes` of `n`, with Wilson's interval."""

    value: float
    successes: int
    n: int
    interval: Interval


@dataclass(frozen=True)
class Accuracy:
    """How calls of positive or negative agree with the reference standard."""

    sensitivity: Share | Undefined
    specificity: Share | Undefined
    positive_predictive_value: Share | Undefined
    negative_predictive_value: Share | Undefined


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float
    interval: Interval | Undefined


@dataclass(frozen=True)
class Matched:
    """The model read off its ROC curve where its specificity is at least the label's.

    `specificity` is what it has there. `difference` is its sensitivity minus the label's. A
    threshold found on the films that are judged is no operating point: this compares, it does not
    promise.
    """

    specificity: float
    sensitivity: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Judged:
    """A finding: NIH's label and the model, both against the readers.

    `n_positive` films are positive by the readers, `n_labeled` by the label. `difference` is the
    AUROC against the readers minus that against the label, on the same films.
    """

    n_images: int
    n_patients: int
    n_positive: int
    n_labeled: int
    label: Accuracy
    operating_point: OperatingPoint | Undefined
    model: Accuracy | Undefined
    against_readers: Estimate | Undefined
    against_label: Estimate | Undefined
    difference: Estimate | Undefined
    matched: Matched | Undefined


def judge(
    readers: Bool[np.ndarray, " _films"],
    label: Bool[np.ndarray, " _films"],
    scores: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
    point: OperatingPoint | Undefined,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Judged:
    """Compare a label and a model with the readers on films that neither was made from.

    Shares have Wilson's interval. AUROC have DeLong's, clustered by patient. The two differences
    have percentile intervals of a patient bootstrap, in which the label's specificity, and with it
    the place on the curve, is found anew in each resample; one without both classes is left out.
    Undefined where a class is missing, an interval with fewer than `MIN_PATIENTS` patients of one.

    Args:
        readers: the reference standard.
        label: what NIH's label says.
        scores: of the model, higher is more likely positive.
        patient_ids: of the films.
        point: a threshold chosen elsewhere, or why there is none.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        level: of all intervals.

    Raises:
        StatisticsError: lengths differ or a score is not finite.
    """
    values = checked_scores(readers, scores)
    check_patients(readers, patient_ids)
    if label.shape != readers.shape:
        raise StatisticsError(f"{label.size} labels and {readers.size} readings; expected as many")
    missing = one_class(readers)
    matched: Matched | Undefined | None = missing
    difference: Estimate | Undefined | None = missing or one_class(label)
    if not missing:
        films = _ranked(readers, label, values, patient_ids)
        found = _measure(films, np.ones((1, values.size), dtype=np.int32))
        sure = _bootstrap(films, resamples, seed, level)
        area, sensitivity, gain = (
            Estimate(float(found[name][0]), sure[name]) for name in _BOOTSTRAPPED
        )
        matched = Matched(float(found["specificity"][0]), sensitivity, gain)
        difference = difference or area
    assert matched is not None
    assert difference is not None
    return Judged(
        n_images=readers.size,
        n_patients=int(np.unique(patient_ids).size),
        n_positive=int(readers.sum()),
        n_labeled=int(label.sum()),
        label=accuracy(readers, label, level),
        operating_point=point,
        model=point
        if isinstance(point, Undefined)
        else accuracy(readers, values >= point.threshold, level),
        against_readers=_area(readers, values, patient_ids, level),
        against_label=_area(label, values, patient_ids, level),
        difference=difference,
        matched=matched,
    )


def accuracy(
    reference: Bool[np.ndarray, " _films"], called: Bool[np.ndarray, " _films"], level: float = 0.95
) -> Accuracy:
    """Return how `called` agrees with `reference`, each share with Wilson's interval."""

    def share(
        right: Bool[np.ndarray, " films"], among: Bool[np.ndarray, " films"]
    ) -> Share | Undefined:
        return share_of(int(np.count_nonzero(right & among)), int(among.sum()), level)

    return Accuracy(
        share(called, reference),
        share(~called, ~reference),
        share(reference, called),
        share(~reference, ~called),
    )


def share_of(successes: int, n: int, level: float = 0.95) -> Share | Undefined:
    """Return the share `successes` of `n` films with its interval."""
    interval = wilson_interval(successes, n, level)
    if isinstance(interval, Undefined):
        return interval
    return Share(successes / n, successes, n, interval)


def _area(
    positive: Bool[np.ndarray, " films"],
    scores: Float[np.ndarray, " films"],
    patient_ids: Int[np.ndarray, " films"],
    level: float,
) -> Estimate | Undefined:
    area = auroc(positive, scores)
    if isinstance(area, Undefined):
        return area
    return Estimate(area, delong_interval(positive, scores, patient_ids, level))


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Films from the highest score down; a threshold fits after each of `last_of_tie`."""

    readers: Bool[np.ndarray, " films"]
    label: Bool[np.ndarray, " films"]
    patient: Int[np.ndarray, " films"]
    last_of_tie: Int[np.ndarray, " thresholds"]


def _ranked(
    readers: Bool[np.ndarray, " films"],
    label: Bool[np.ndarray, " films"],
    scores: Float[np.ndarray, " films"],
    patient_ids: Int[np.ndarray, " films"],
) -> _Ranked:
    order = np.argsort(-scores, kind="stable")
    _, patient = np.unique(patient_ids, return_inverse=True)
    ends = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    return _Ranked(readers[order], label[order], patient[order], ends)


def _measure(
    films: _Ranked, weights: Int[np.ndarray, "rows films"]
) -> dict[str, Float[np.ndarray, " rows"]]:
    """Return the numbers of each row, in which a film counts `weights` times.

    A row without both classes has something that is not finite; `_bootstrap` leaves it out.
    """
    true, false = _curve(films, films.readers, weights)
    own_true, own_false = _curve(films, films.label, weights)
    found = _rate(films.label, films.readers, weights)
    alarms = _rate(films.label, ~films.readers, weights)
    # The lowest threshold with no more false alarms than the label's; equal shares are equal.
    at = np.count_nonzero(false <= alarms[:, None] + 1e-12, axis=1) - 1
    rows = np.arange(len(weights))
    return {
        "difference": np.trapezoid(true, false) - np.trapezoid(own_true, own_false),
        "specificity": 1 - false[rows, at],
        "sensitivity": true[rows, at],
        "gain": true[rows, at] - found,
    }


def _curve(
    films: _Ranked, positive: Bool[np.ndarray, " films"], weights: Int[np.ndarray, "rows films"]
) -> tuple[Float[np.ndarray, "rows corners"], Float[np.ndarray, "rows corners"]]:
    """Return the true and the false positive rate at each threshold, the first calling none."""
    rates = []
    for among in (positive, ~positive):
        counts = np.cumsum(weights * among, axis=1)
        corners = np.pad(counts[:, films.last_of_tie], ((0, 0), (1, 0)))
        with np.errstate(invalid="ignore"):
            rates.append(corners / counts[:, -1:])
    return rates[0], rates[1]


def _rate(
    called: Bool[np.ndarray, " films"],
    among: Bool[np.ndarray, " films"],
    weights: Int[np.ndarray, "rows films"],
) -> Float[np.ndarray, " rows"]:
    with np.errstate(invalid="ignore"):
        return np.asarray((weights @ (called & among)) / (weights @ among))


def _bootstrap(
    films: _Ranked, resamples: int, seed: int, level: float
) -> dict[str, Interval | Undefined]:
    n_patients, generator = int(films.patient.max()) + 1, np.random.default_rng(seed)
    drawn = []
    for start in range(0, resamples, _ROWS_AT_ONCE):
        rows = min(_ROWS_AT_ONCE, resamples - start)
        weights = draw_patients(n_patients, rows, generator)[:, films.patient]
        measured = _measure(films, weights)
        drawn.append(np.stack([measured[name] for name in _BOOTSTRAPPED]))
    values = np.concatenate(drawn, axis=1)
    few = _too_few(films.readers, films.patient)
    intervals: dict[str, Interval | Undefined] = {}
    for name, row in zip(_BOOTSTRAPPED, values, strict=True):
        reason = few or (_too_few(films.label, films.patient) if name == "difference" else None)
        if reason:
            intervals[name] = reason
            continue
        low, high = np.quantile(row[np.isfinite(row)], [(1 - level) / 2, (1 + level) / 2])
        method = f"patient bootstrap, {resamples:,} resamples, percentile"
        intervals[name] = Interval(float(low), float(high), level, method)
    return intervals


def _too_few(
    positive: Bool[np.ndarray, " films"], patient: Int[np.ndarray, " films"]
) -> Undefined | None:
    fewest = min(np.unique(patient[among]).size for among in (positive, ~positive))
    if fewest >= MIN_PATIENTS:
        return None
    n_positive = int(positive.sum())
    reason = f"fewer than {MIN_PATIENTS} patients with or without the finding"
    return Undefined(n_positive, positive.size - n_positive, reason)
