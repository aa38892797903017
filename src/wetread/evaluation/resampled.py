"""Labels, scores and patients in, AUROC and AUPRC of patient resamples and their intervals out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, checked_scores, one_class
from wetread.evaluation.intervals import check_patients, draw_patients
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
    pairings = {
        column: _pair(
            labels[:, column], checked_scores(labels[:, column], scores[:, column]), patient
        )
        for column in range(labels.shape[1])
        if one_class(labels[:, column]) is None
    }
    generator = np.random.default_rng(seed)
    size = (resamples, labels.shape[1])
    found = Resampled(np.zeros(size), np.zeros(size), np.zeros(size, dtype=np.bool_))
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        rows = slice(start, min(start + _RESAMPLES_AT_ONCE, resamples))
        weights = draw_patients(n_patients, rows.stop - start, generator)
        for column, pairing in pairings.items():
            areas = _weighted_areas(pairing, weights)
            found.auroc[rows, column], found.auprc[rows, column] = areas[:2]
            found.defined[rows, column] = areas[2]
        if progress:
            progress(rows.stop, resamples)
    return found


def mean_interval(found: Resampled, level: float = 0.95) -> Interval | Undefined:
    """Return the percentile interval of the mean AUROC over the findings that are defined.

    A finding that loses a class in a resample is left out of the mean of that resample alone, so
    the mean of a resample may be over fewer findings than the estimate. Undefined when no finding
    is defined.
    """
    means = _means(found)
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


@dataclass(frozen=True, eq=False)
class _Pairing:
    """Negative films in order of score, and where each positive film stands among them.

    Patients are numbers. Positive films come from the highest score down. One scores higher than
    the first `below` negatives, at least as high as the first `up_to`, and no higher than the first
    `reached` positives.
    """

    negative_patients: Int[np.ndarray, " negatives"]
    positive_patients: Int[np.ndarray, " positives"]
    below: Int[np.ndarray, " positives"]
    up_to: Int[np.ndarray, " positives"]
    reached: Int[np.ndarray, " positives"]


def _pair(
    labels: Bool[np.ndarray, " films"],
    scores: Float[np.ndarray, " films"],
    patient: Int[np.ndarray, " films"],
) -> _Pairing:
    order = np.argsort(scores[~labels], kind="stable")
    falling = np.argsort(-scores[labels], kind="stable")
    negatives, positives = scores[~labels][order], scores[labels][falling]
    return _Pairing(
        patient[~labels][order],
        patient[labels][falling],
        np.searchsorted(negatives, positives, side="left"),
        np.searchsorted(negatives, positives, side="right"),
        np.searchsorted(-positives, -positives, side="right"),
    )


def _weighted_areas(
    pairing: _Pairing, weights: Int[np.ndarray, "rows patients"]
) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """Return each resample's AUROC and AUPRC (0 where a class is lost), and if it has both."""
    negative_weights = np.take(weights, pairing.negative_patients, axis=1)
    running = np.zeros((len(weights), pairing.negative_patients.size + 1), dtype=np.int64)
    np.cumsum(negative_weights, axis=1, out=running[:, 1:])
    positive_weights = np.take(weights, pairing.positive_patients, axis=1)
    beaten = np.take(running, pairing.below, axis=1)
    beaten_twice = beaten + np.take(running, pairing.up_to, axis=1)
    concordant_twice = np.einsum("rp,rp->r", beaten_twice, positive_weights)
    n_positive = positive_weights.sum(axis=1, dtype=np.int64)
    pairs = running[:, -1] * n_positive
    # Precision at the score of each positive film: the films called then, and those of them found.
    found = np.take(
        np.cumsum(positive_weights, axis=1, dtype=np.int64), pairing.reached - 1, axis=1
    )
    called = found + running[:, -1:] - beaten
    precisions = np.einsum("rp,rp->r", found / np.maximum(called, 1), positive_weights)
    both = pairs > 0
    auroc_rows = concordant_twice / (2.0 * np.maximum(pairs, 1))
    return auroc_rows, both * precisions / np.maximum(n_positive, 1), both


def _means(found: Resampled) -> Float[np.ndarray, " means"]:
    n_defined = found.defined.sum(axis=1)
    means = found.auroc.sum(axis=1) / np.maximum(n_defined, 1)
    return np.asarray(means[n_defined > 0])


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
