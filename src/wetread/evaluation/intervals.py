"""Labels, scores and patients in, the variance and the confidence interval of an AUROC out.

Films of one patient resemble each other (the NIH test list has nine films a patient), so films
are never taken as independent here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit, logit
from scipy.stats import rankdata, t

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, checked_scores, one_class
from wetread.records import Interval


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


def satterthwaite(variance: float, parts: Sequence[ClusteredVariance]) -> float:
    """Return the degrees of freedom of a `variance` made of `parts` (Satterthwaite 1946).

    They lie between those of the class with the fewest patients and those of all classes together.
    """
    terms = [
        term
        for one in parts
        for term in (
            (one.of_positives, one.patients_with_positives - 1),
            (one.of_negatives, one.patients_with_negatives - 1),
        )
    ]
    counts = [count for _, count in terms]
    free = variance**2 / sum(value**2 / count for value, count in terms)
    return float(min(max(free, min(counts)), sum(counts)))


def delong_interval(
    labels: Bool[np.ndarray, " _films"],
    scores: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
    level: float = 0.95,
) -> Interval | Undefined:
    """Return the interval of an AUROC from `delong_variance`, symmetric on the logit scale.

    The logit keeps it within [0, 1] and holds its level for areas near 1, where the plain interval
    falls short (Pepe 2003, section 5.2.4); Student's t with `satterthwaite` degrees of freedom does
    so for few positive films, where the normal quantile falls short. Perfect separation
    has no estimated variance; the bound there is exact: k disjoint pairs of patients are all in
    the right order with a probability of at most area ** k. Undefined with fewer than two
    patients of either class, and when all components are equal (a constant score).
    """
    values = checked_scores(labels, scores)
    check_patients(labels, patient_ids)
    if undefined := one_class(labels):
        return undefined
    components = structural_components(labels, values)
    variance = clustered_variance(labels, components, patient_ids)
    if isinstance(variance, Undefined):
        return variance
    area = float(components[labels].mean())
    if area in (0.0, 1.0):
        bound = float(((1 - level) / 2) ** (1 / disjoint_pairs(labels, patient_ids)))
        low, high = (bound, 1.0) if area == 1.0 else (0.0, 1.0 - bound)
        return Interval(low, high, level, "exact bound at perfect separation")
    if variance.total <= 0.0:
        n_positive = int(labels.sum())
        return Undefined(n_positive, labels.size - n_positive, "the scores do not vary")
    free = satterthwaite(variance.total, [variance])
    half_width = float(t.ppf((1 + level) / 2, free)) * variance.total**0.5 / (area * (1 - area))
    return Interval(
        float(expit(logit(area) - half_width)),
        float(expit(logit(area) + half_width)),
        level,
        "DeLong, clustered by patient, logit scale, Student's t",
    )


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
