"""Labels, scores and patients in, intervals of an AUROC, of their mean and of an AUPRC out.

Films of one patient resemble each other (the NIH test list has nine films a patient), so films
are never taken as independent here: all intervals know which films belong together.
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
    return clustered_variance(labels, structural_components(labels, values), patient_ids)


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


def clustered_variance(
    labels: Bool[np.ndarray, " _films"],
    components: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
) -> float | Undefined:
    """Return the variance of the mean of `components`, or of differences of components.

    Undefined with fewer than two patients of either class.
    """
    n_positive, n_negative = int(labels.sum()), int((~labels).sum())
    _, patient = np.unique(patient_ids, return_inverse=True)
    n_patients = int(patient.max()) + 1
    around = components - components[labels].mean()
    positive_sums = np.bincount(patient[labels], around[labels], n_patients)
    negative_sums = np.bincount(patient[~labels], around[~labels], n_patients)
    with_positive = np.unique(patient[labels]).size
    with_negative = np.unique(patient[~labels]).size
    if undefined := _one_patient(labels, patient_ids):
        return undefined
    return float(
        _unbiased(with_positive) * np.sum(positive_sums**2) / n_positive**2
        + _unbiased(with_negative) * np.sum(negative_sums**2) / n_negative**2
        + 2
        * _unbiased(n_patients)
        * np.sum(positive_sums * negative_sums)
        / n_positive
        / n_negative
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
        bound = float(((1 - level) / 2) ** (1 / _disjoint_pairs(labels, patient_ids)))
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


def patient_bootstrap(
    labels: Bool[np.ndarray, "_films _findings"],
    scores: Float[np.ndarray, "_films _findings"],
    patient_ids: Int[np.ndarray, " _films"],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval | Undefined:
    """Return `mean_interval` of `resample_areas`."""
    found = resample_areas(labels, scores, patient_ids, resamples=resamples, seed=seed)
    return mean_interval(found, level)


def bootstrap_means(
    labels: Bool[np.ndarray, "_films _findings"],
    scores: Float[np.ndarray, "_films _findings"],
    patient_ids: Int[np.ndarray, " _films"],
    *,
    resamples: int,
    seed: int,
) -> Float[np.ndarray, " means"]:
    """Return the mean AUROC of each patient resample; one without any finding is left out."""
    return _means(resample_areas(labels, scores, patient_ids, resamples=resamples, seed=seed))


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


def check_patients(
    labels: Bool[np.ndarray, " _films"], patient_ids: Int[np.ndarray, " _films"]
) -> None:
    """Raise `StatisticsError` unless there is a patient number a film."""
    if labels.shape != patient_ids.shape:
        raise StatisticsError(
            f"{labels.size} labels and {patient_ids.size} patient numbers; expected as many"
        )


def _one_patient(
    labels: Bool[np.ndarray, " films"], patient_ids: Int[np.ndarray, " films"]
) -> Undefined | None:
    fewest = min(np.unique(patient_ids[of]).size for of in (labels, ~labels))
    if fewest >= 2:
        return None
    n_positive = int(labels.sum())
    reason = "fewer than two patients of one class"
    return Undefined(n_positive, labels.size - n_positive, reason)


def _unbiased(count: int) -> float:
    return count / (count - 1)


def _disjoint_pairs(
    labels: Bool[np.ndarray, " films"], patient_ids: Int[np.ndarray, " films"]
) -> int:
    """Count the most pairs of a positive and a negative film with no patient used twice."""
    positive, negative = np.unique(patient_ids[labels]), np.unique(patient_ids[~labels])
    return min(positive.size, negative.size, np.union1d(positive, negative).size // 2)
