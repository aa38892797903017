"""Labels, scores and patients in, confidence intervals of an AUROC and of their mean out.

Films of one patient resemble each other (the NIH test list has nine films a patient), so films
are never taken as independent here: both intervals know which films belong together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, auroc, checked_scores, one_class
from wetread.records import Interval

_RESAMPLES_AT_ONCE = 32  # the running sums of 25,596 films then stay within a core's cache


def delong_variance(
    labels: Bool[np.ndarray, " _films"],
    scores: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
) -> float | Undefined:
    """Return the variance of the AUROC by DeLong, with patients as clusters.

    The structural components of DeLong, DeLong and Clarke-Pearson (Biometrics 1988) come from
    midranks (Sun and Xu, IEEE Signal Processing Letters 2014), in n log n time, and are summed
    within each patient (Obuchowski, Biometrics 1997). With one film a patient that is DeLong's
    variance exactly. Undefined with fewer than two patients of either class. Raises
    `StatisticsError` when a score is not finite or the lengths differ.
    """
    values = checked_scores(labels, scores)
    check_patients(labels, patient_ids)
    if undefined := one_class(labels):
        return undefined
    parts = clustered_variance(labels, structural_components(labels, values), patient_ids)
    return parts if isinstance(parts, Undefined) else parts.total


def structural_components(
    labels: Bool[np.ndarray, " _films"], scores: Float[np.ndarray, " _films"]
) -> Float[np.ndarray, " _films"]:
    """Return what share of the films of the other class each film is rightly ordered with.

    A tie counts one half. The mean over either class is the AUROC. Both classes must be there.
    """
    ranks, components = rankdata(scores), np.empty(scores.size)
    n_positive = int(labels.sum())
    components[labels] = (ranks[labels] - rankdata(scores[labels])) / (labels.size - n_positive)
    components[~labels] = 1.0 - (ranks[~labels] - rankdata(scores[~labels])) / n_positive
    return components


@dataclass(frozen=True)
class ClusteredVariance:
    """The variance of a mean of structural components, in the parts of Obuchowski (1997).

    `of_positives` and `of_negatives` are the variances of either class over its patients,
    `shared` what patients with films of both classes add or take away.
    """

    of_positives: float
    of_negatives: float
    shared: float
    patients_with_positives: int
    patients_with_negatives: int

    @property
    def total(self) -> float:
        """Return the variance; rounding may leave it just below 0."""
        return self.of_positives + self.of_negatives + self.shared


def clustered_variance(
    labels: Bool[np.ndarray, " _films"],
    components: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
) -> ClusteredVariance | Undefined:
    """Return the variance of the mean of `components`, or of differences of components.

    Undefined with fewer than two patients of either class.
    """
    n_positive, n_negative = int(labels.sum()), int((~labels).sum())
    _, patient = np.unique(patient_ids, return_inverse=True)
    with_positive = np.unique(patient[labels]).size
    with_negative = np.unique(patient[~labels]).size
    if min(with_positive, with_negative) < 2:
        return Undefined(n_positive, n_negative, "fewer than two patients of one class")
    n_patients = int(patient.max()) + 1
    positive, negative = patient_sums(labels, components, patient, n_patients)
    return ClusteredVariance(
        float(unbiased(with_positive) * np.sum(positive**2)),
        float(unbiased(with_negative) * np.sum(negative**2)),
        float(2 * unbiased(n_patients) * np.sum(positive * negative)),
        with_positive,
        with_negative,
    )


def patient_sums(
    labels: Bool[np.ndarray, " _films"],
    components: Float[np.ndarray, " _films"],
    patient: Int[np.ndarray, " _films"],
    n_patients: int,
) -> Float[np.ndarray, "2 {n_patients}"]:
    """Return what each patient's positive and negative films move the mean of `components` by.

    `patient` is 0 to `n_patients` - 1. The squares of these sums are the variance.
    """
    around = components - components[labels].mean()
    return np.stack(
        [
            np.bincount(patient[chosen], around[chosen], n_patients) / np.count_nonzero(chosen)
            for chosen in (labels, ~labels)
        ]
    )


def delong_interval(
    labels: Bool[np.ndarray, " _films"],
    scores: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
    level: float = 0.95,
) -> Interval | Undefined:
    """Return the interval of an AUROC from `delong_variance`, symmetric on the logit scale.

    The logit keeps it within [0, 1] and holds its level for few positive films and for areas
    near 1, where the plain interval falls short (Pepe 2003, section 5.2.4). Perfect separation
    has no estimated variance; the bound there is exact: k disjoint pairs of patients are all in
    the right order with a probability of at most area ** k. Undefined with fewer than two
    patients of either class, and when all components are equal (a constant score).
    """
    area = auroc(labels, scores)
    variance = delong_variance(labels, scores, patient_ids)
    if isinstance(area, Undefined):
        return area
    if isinstance(variance, Undefined):
        return variance
    if area in (0.0, 1.0):
        bound = float(((1 - level) / 2) ** (1 / disjoint_pairs(labels, patient_ids)))
        low, high = (bound, 1.0) if area == 1.0 else (0.0, 1.0 - bound)
        return Interval(low, high, level, "exact bound at perfect separation")
    if variance <= 0.0:
        n_positive = int(labels.sum())
        return Undefined(n_positive, labels.size - n_positive, "the scores do not vary")
    half_width = float(norm.ppf((1 + level) / 2)) * variance**0.5 / (area * (1 - area))
    return Interval(
        float(expit(logit(area) - half_width)),
        float(expit(logit(area) + half_width)),
        level,
        "DeLong, clustered by patient, logit scale",
    )


def patient_bootstrap(
    labels: Bool[np.ndarray, "_films _findings"],
    scores: Float[np.ndarray, "_films _findings"],
    patient_ids: Int[np.ndarray, " _films"],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval | Undefined:
    """Return the percentile interval of the mean AUROC over the findings that are defined.

    Patients are drawn with replacement, each with all of their films. A finding that loses a
    class in a resample is left out of the mean of that resample alone, so the mean of a resample
    may be over fewer findings than the estimate. Undefined when no finding is defined. Raises
    `StatisticsError` for fewer than two patients, lengths that differ or scores not finite.
    """
    means = bootstrap_means(labels, scores, patient_ids, resamples=resamples, seed=seed)
    if not means.size:
        n_positive = int(np.count_nonzero(labels))
        return Undefined(n_positive, labels.size - n_positive, "no finding with both classes")
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(
        float(low), float(high), level, f"patient bootstrap, {resamples:,} resamples, percentile"
    )


def bootstrap_means(
    labels: Bool[np.ndarray, "_films _findings"],
    scores: Float[np.ndarray, "_films _findings"],
    patient_ids: Int[np.ndarray, " _films"],
    *,
    resamples: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, " means"]:
    """Return the mean AUROC of each patient resample; one without any finding is left out.

    A resample is one integer weight a patient, so no film is copied and nothing is sorted again.
    `progress` is told resamples done and in all.
    """
    check_patients(labels[:, 0], patient_ids)
    if labels.shape != scores.shape:
        raise StatisticsError(f"labels of shape {labels.shape} but scores of {scores.shape}")
    _, patient = np.unique(patient_ids, return_inverse=True)
    n_patients = int(patient.max(initial=-1)) + 1
    if n_patients < 2:
        raise StatisticsError(f"{n_patients} patient; a bootstrap over patients needs two or more")
    pairings = [
        _pair(labels[:, column], checked_scores(labels[:, column], scores[:, column]), patient)
        for column in range(labels.shape[1])
        if one_class(labels[:, column]) is None
    ]
    generator = np.random.default_rng(seed)
    means: list[Float[np.ndarray, " some"]] = []
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        rows = min(_RESAMPLES_AT_ONCE, resamples - start)
        weights = draw_patients(n_patients, rows, generator)
        total, defined = np.zeros(rows), np.zeros(rows, dtype=np.int64)
        for pairing in pairings:
            areas, has_both = _weighted_areas(pairing, weights)
            total += areas
            defined += has_both
        means.append(total[defined > 0] / defined[defined > 0])
        if progress:
            progress(start + rows, resamples)
    return np.concatenate(means) if means else np.empty(0)


def draw_patients(
    n_patients: int, rows: int, generator: np.random.Generator
) -> Int[np.ndarray, "{rows} {n_patients}"]:
    """Return how often each patient is drawn: `rows` resamples, each with sum `n_patients`."""
    drawn = generator.integers(n_patients, size=(rows, n_patients))
    drawn += np.arange(rows)[:, None] * n_patients
    counts = np.bincount(drawn.ravel(), minlength=rows * n_patients)
    return counts.astype(np.int32).reshape(rows, n_patients)


@dataclass(frozen=True, eq=False)
class _Pairing:
    """Negative films in order of score, and where each positive film stands among them.

    `negative_patients` and `positive_patients` are patient numbers. A positive film scores higher
    than the first `below` negatives and at least as high as the first `up_to`.
    """

    negative_patients: Int[np.ndarray, " negatives"]
    positive_patients: Int[np.ndarray, " positives"]
    below: Int[np.ndarray, " positives"]
    up_to: Int[np.ndarray, " positives"]


def _pair(
    labels: Bool[np.ndarray, " films"],
    scores: Float[np.ndarray, " films"],
    patient: Int[np.ndarray, " films"],
) -> _Pairing:
    order = np.argsort(scores[~labels], kind="stable")
    ordered = scores[~labels][order]
    return _Pairing(
        patient[~labels][order],
        patient[labels],
        np.searchsorted(ordered, scores[labels], side="left"),
        np.searchsorted(ordered, scores[labels], side="right"),
    )


def _weighted_areas(
    pairing: _Pairing, weights: Int[np.ndarray, "rows patients"]
) -> tuple[Float[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """Return each resample's AUROC (0 where a class is lost) and whether it has both classes."""
    negative_weights = np.take(weights, pairing.negative_patients, axis=1)
    running = np.zeros((len(weights), pairing.negative_patients.size + 1), dtype=np.int64)
    np.cumsum(negative_weights, axis=1, out=running[:, 1:])
    positive_weights = np.take(weights, pairing.positive_patients, axis=1)
    beaten_twice = np.take(running, pairing.below, axis=1)
    beaten_twice += np.take(running, pairing.up_to, axis=1)
    concordant_twice = np.einsum("rp,rp->r", beaten_twice, positive_weights)
    pairs = running[:, -1] * positive_weights.sum(axis=1, dtype=np.int64)
    return concordant_twice / (2.0 * np.maximum(pairs, 1)), pairs > 0


def check_patients(
    labels: Bool[np.ndarray, " _films"], patient_ids: Int[np.ndarray, " _films"]
) -> None:
    """Raise `StatisticsError` unless there is a patient number a film."""
    if labels.shape != patient_ids.shape:
        raise StatisticsError(
            f"{labels.size} labels and {patient_ids.size} patient numbers; expected as many"
        )


def unbiased(count: int) -> float:
    """Return what makes a sum of squares over `count` clusters unbiased, once divided by it."""
    return count / (count - 1)


def disjoint_pairs(
    labels: Bool[np.ndarray, " films"], patient_ids: Int[np.ndarray, " films"]
) -> int:
    """Count the most pairs of a positive and a negative film with no patient used twice."""
    positive, negative = np.unique(patient_ids[labels]), np.unique(patient_ids[~labels])
    return min(positive.size, negative.size, np.union1d(positive, negative).size // 2)
