"""Labels, scores and patients in, AUROC and AUPRC of patient resamples and their intervals out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, checked_scores, one_class
from wetread.evaluation.intervals import check_patients
from wetread.records import Interval

_RESAMPLES_AT_ONCE = 32  # the running sums of 25,596 films then stay within a core's cache


@dataclass(frozen=True, eq=False)
class Resampled:
    """AUROC and AUPRC of patient resamples, a row a resample and a column a finding.

    Where a resample has one class of a finding only, `defined` is False and the numbers are 0.
    """

    auroc: Float[np.ndarray, "resamples findings"]
    auprc: Float[np.ndarray, "resamples findings"]
    defined: Bool[np.ndarray, "resamples findings"]


def resample_areas(
    labels: Bool[np.ndarray, "_films _findings"],
    scores: Float[np.ndarray, "_films _findings"],
    patient_ids: Int[np.ndarray, " _films"],
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Resampled:
    """Return the areas of resamples in which patients are drawn, each with all of their films.

    A resample is one integer weight a patient, so no film is copied and nothing is sorted again.
    Raises `StatisticsError` for fewer than two patients, lengths that differ or scores not finite.
    """
    check_patients(labels[:, 0], patient_ids)
    if labels.shape != scores.shape:
        raise StatisticsError(f"labels of shape {labels.shape} but scores of {scores.shape}")
    _, patient = np.unique(patient_ids, return_inverse=True)
    n_patients = int(patient.max(initial=-1)) + 1
    if n_patients < 2:
        raise StatisticsError(f"{n_patients} patient; a bootstrap over patients needs two or more")
    findings = {
        column: _finding(labels[:, column], scores[:, column], patient, n_patients)
        for column in range(labels.shape[1])
        if one_class(labels[:, column]) is None
    }
    generator = np.random.default_rng(seed)
    size = (resamples, labels.shape[1])
    found = Resampled(np.zeros(size), np.zeros(size), np.zeros(size, dtype=np.bool_))
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        rows = slice(start, min(start + _RESAMPLES_AT_ONCE, resamples))
        drawn = draw_patients(n_patients, rows.stop - start, generator)
        weights = np.ascontiguousarray(drawn.T)
        for column, finding in findings.items():
            found.auroc[rows, column], found.auprc[rows, column], found.defined[rows, column] = (
                _areas(finding, weights)
            )
        if progress:
            progress(rows.stop, resamples)
    return found


def mean_aurocs(found: Resampled) -> Float[np.ndarray, " means"]:
    """Return the mean AUROC of each resample over its findings; one without any is left out."""
    n_defined = found.defined.sum(axis=1)
    means = found.auroc.sum(axis=1) / np.maximum(n_defined, 1)
    return np.asarray(means[n_defined > 0])


def mean_interval(found: Resampled, level: float = 0.95) -> Interval | Undefined:
    """Return the percentile interval of the mean AUROC over the findings that are defined.

    A finding that loses a class in a resample is left out of the mean of that resample alone, so
    the mean of a resample may be over fewer findings than the estimate. Undefined when no finding
    is defined.
    """
    means = mean_aurocs(found)
    if not means.size:
        return Undefined(0, 0, "no finding with both classes")
    return _percentile(means, level, len(found.auroc))


def auprc_interval(
    found: Resampled,
    finding: int,
    labels: Bool[np.ndarray, " films"],
    patient_ids: Int[np.ndarray, " films"],
    level: float = 0.95,
) -> Interval | Undefined:
    """Return the percentile interval of the AUPRC of the finding in column `finding`.

    Resamples that lose a class are left out. Undefined with one class, or fewer than two patients
    of one class.
    """
    if undefined := one_class(labels) or _one_patient(labels, patient_ids):
        return undefined
    areas = found.auprc[found.defined[:, finding], finding]
    return _percentile(areas, level, len(found.auprc))


def draw_patients(
    n_patients: int, rows: int, generator: np.random.Generator
) -> Int[np.ndarray, "{rows} {n_patients}"]:
    """Return how often each patient is drawn: `rows` resamples, each with sum `n_patients`."""
    drawn = generator.integers(n_patients, size=(rows, n_patients))
    drawn += np.arange(rows)[:, None] * n_patients
    counts = np.bincount(drawn.ravel(), minlength=rows * n_patients)
    return counts.astype(np.int32).reshape(rows, n_patients)


@dataclass(frozen=True, eq=False)
class Ranked:
    """Positive films among negative ones, so that a resample's AUROC takes no sorting.

    A row of `steps` counts the negatives of each patient that lie between two positives in order of
    score. Positive i scores higher than the negatives of the first `below[i]` steps, and at least
    as high as those of the first `up_to[i]`.
    """

    steps: csr_array
    below: Int[np.ndarray, " positives"]
    up_to: Int[np.ndarray, " positives"]


def rank_among(
    positive_scores: Float[np.ndarray, " _positives"],
    negative_scores: Float[np.ndarray, " _negatives"],
    negative_patients: Int[np.ndarray, " _negatives"],
    n_patients: int,
) -> Ranked:
    """Rank positive films among negative ones of patients 0 to `n_patients` - 1."""
    order = np.argsort(negative_scores, kind="stable")
    ordered = negative_scores[order]
    places = [np.searchsorted(ordered, positive_scores, side=side) for side in ("left", "right")]
    bounds, step = np.unique(np.concatenate(places), return_inverse=True)
    row = np.searchsorted(bounds, np.arange(order.size), side="right")
    ones = np.ones(order.size, dtype=np.int32)
    shape = (bounds.size + 1, n_patients)
    steps = csr_array((ones, (row, negative_patients[order])), shape=shape)
    return Ranked(steps, step[: positive_scores.size] + 1, step[positive_scores.size :] + 1)


def running_negatives(
    ranked: Ranked, weights: Int[np.ndarray, "patients rows"]
) -> Int[np.ndarray, "steps rows"]:
    """Return the weight of the negatives of the first 0, 1, 2 ... steps; a column is a resample."""
    running = np.zeros((ranked.steps.shape[0] + 1, weights.shape[1]), dtype=np.int64)
    np.cumsum(ranked.steps @ weights, axis=0, out=running[1:])
    return running


def beaten_twice(
    ranked: Ranked, running: Int[np.ndarray, "steps rows"]
) -> Int[np.ndarray, "positives rows"]:
    """Return twice the weight of the negatives that each positive beats; a tie counts once."""
    beaten = np.asarray(running[ranked.below])
    beaten += running[ranked.up_to]
    return beaten


@dataclass(frozen=True, eq=False)
class _Finding:
    """Positive films from the highest score down: their patients, and how they are ranked.

    A positive film scores no higher than the first `reached` of them.
    """

    ranked: Ranked
    patients: Int[np.ndarray, " positives"]
    reached: Int[np.ndarray, " positives"]


def _finding(
    labels: Bool[np.ndarray, " films"],
    scores: Float[np.ndarray, " films"],
    patient: Int[np.ndarray, " films"],
    n_patients: int,
) -> _Finding:
    values = checked_scores(labels, scores)
    falling = np.argsort(-values[labels], kind="stable")
    positives = values[labels][falling]
    return _Finding(
        rank_among(positives, values[~labels], patient[~labels], n_patients),
        patient[labels][falling],
        np.searchsorted(-positives, -positives, side="right"),
    )


def _areas(
    finding: _Finding, weights: Int[np.ndarray, "patients rows"]
) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """Return each resample's AUROC and AUPRC (0 where a class is lost), and if it has both."""
    positive_weights = weights[finding.patients]
    running = running_negatives(finding.ranked, weights)
    # Precision at the score of each positive film: the films called then, and those of them found.
    found = np.cumsum(positive_weights, axis=0, dtype=np.int64)[finding.reached - 1]
    called = found + running[-1] - running[finding.ranked.below]
    precisions = (found / np.maximum(called, 1) * positive_weights).sum(axis=0)
    n_positive = positive_weights.sum(axis=0, dtype=np.int64)
    pairs = running[-1] * n_positive
    beaten = beaten_twice(finding.ranked, running)
    beaten *= positive_weights
    both = pairs > 0
    aurocs = beaten.sum(axis=0) / (2.0 * np.maximum(pairs, 1))
    return aurocs, both * precisions / np.maximum(n_positive, 1), both


def _percentile(values: Float[np.ndarray, " some"], level: float, resamples: int) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    method = f"patient bootstrap, {resamples:,} resamples, percentile"
    return Interval(float(low), float(high), level, method)


def _one_patient(
    labels: Bool[np.ndarray, " films"], patient_ids: Int[np.ndarray, " films"]
) -> Undefined | None:
    fewest = min(np.unique(patient_ids[of]).size for of in (labels, ~labels))
    if fewest >= 2:
        return None
    n_positive = int(labels.sum())
    reason = "fewer than two patients of one class"
    return Undefined(n_positive, labels.size - n_positive, reason)
