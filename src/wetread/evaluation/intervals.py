"""Labels, scores and patients in, confidence intervals of an AUROC and of their mean out.

Films of one patient resemble each other (the NIH test list has nine films a patient), so films
are never taken as independent here: both intervals know which films belong together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
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
    findings = []
    for labels_of, scores_of in zip(labels.T, scores.T, strict=True):
        if one_class(labels_of) is None:
            values = checked_scores(labels_of, scores_of)
            negatives = values[~labels_of], patient[~labels_of]
            ranked = rank_among(values[labels_of], *negatives, n_patients)
            findings.append((ranked, patient[labels_of]))
    generator = np.random.default_rng(seed)
    means: list[Float[np.ndarray, " some"]] = []
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        rows = min(_RESAMPLES_AT_ONCE, resamples - start)
        weights = np.ascontiguousarray(draw_patients(n_patients, rows, generator).T)
        total, defined = np.zeros(rows), np.zeros(rows, dtype=np.int64)
        for ranked, positives in findings:
            positive_weights = weights[positives]
            beaten, negatives_drawn = beaten_twice(ranked, weights)
            beaten *= positive_weights
            pairs = negatives_drawn * positive_weights.sum(axis=0, dtype=np.int64)
            total += beaten.sum(axis=0) / (2.0 * np.maximum(pairs, 1))
            defined += pairs > 0
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


def beaten_twice(
    ranked: Ranked, weights: Int[np.ndarray, "patients rows"]
) -> tuple[Int[np.ndarray, "positives rows"], Int[np.ndarray, " rows"]]:
    """Return twice the weight of the negatives that each positive beats, and of all negatives.

    A column of `weights` is a resample. A tie counts once of twice.
    """
    running = np.zeros((ranked.steps.shape[0] + 1, weights.shape[1]), dtype=np.int64)
    np.cumsum(ranked.steps @ weights, axis=0, out=running[1:])
    beaten = running[ranked.below]
    beaten += running[ranked.up_to]
    return beaten, running[-1]


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
