"""Two sets of scores, or two groups of films, in; how far apart their AUROC are and how sure out.

Films of a patient resemble each other, so patients are what varies. Few patients carry a rare
finding, and a normal quantile then rejects too often: the tests here are Student's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata, t

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, checked_scores, one_class
from wetread.evaluation.intervals import (
    ClusteredVariance,
    check_patients,
    clustered_variance,
    disjoint_pairs,
    patient_sums,
    satterthwaite,
    structural_components,
    unbiased,
)
from wetread.evaluation.resampled import mean_aurocs, resample_areas
from wetread.findings import LABELS
from wetread.records import Interval

MIN_PATIENTS: Final = 5
"""With fewer patients of a class no test holds its level (docs/evaluation.md has the figures)."""
_ROUNDING = 1e-12  # a standard error below it is that of equal components


@dataclass(frozen=True)
class Significance:
    """What chance does to a difference: its interval, and the two-sided p of no difference.

    `p_holm` is `p_value` after Holm's correction over the differences that were tested together.
    """

    standard_error: float
    interval: Interval
    p_value: float
    p_holm: float


@dataclass(frozen=True)
class Difference:
    """Two AUROC; `difference` is the first minus the second."""

    first: float
    second: float
    difference: float
    test: Significance | Undefined


@dataclass(frozen=True)
class Comparison:
    """The mean over the `mean_over` findings with both classes, and all 15 findings in order."""

    n_images: int
    n_patients: int
    n_positive: Mapping[str, int]
    mean_over: int
    mean_first: float | Undefined
    mean_second: float | Undefined
    mean_difference: float | Undefined
    mean_interval: Interval | Undefined
    findings: Mapping[str, Difference | Undefined]


def compare_scores(
    labels: Bool[np.ndarray, "_films 15"],
    first: Float[np.ndarray, "_films 15"],
    second: Float[np.ndarray, "_films 15"],
    patient_ids: Int[np.ndarray, " _films"],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare two sets of scores of the same films, columns in the order of `LABELS`.

    A finding: `paired_delong`, corrected by `holm`. The mean: percentile interval of the difference
    on the same patient resamples. `progress` is told resamples done and in all. Raises
    `StatisticsError` as those do, and for a level outside 0 to 1 or no resample.
    """
    check_settings(level, resamples)
    findings = correct_together(
        {
            label: paired_delong(labels[:, i], first[:, i], second[:, i], patient_ids, level)
            for i, label in enumerate(LABELS)
        }
    )
    means = []
    for number, scores in enumerate((first, second)):

        def report(done: int, total: int, before: int = number * resamples) -> None:
            if progress:
                progress(before + done, 2 * total)

        means.append(
            mean_aurocs(
                resample_areas(
                    labels, scores, patient_ids, resamples=resamples, seed=seed, progress=report
                )
            )
        )
    defined = [one for one in findings.values() if not isinstance(one, Undefined)]
    n_positive = {label: int(labels[:, i].sum()) for i, label in enumerate(LABELS)}
    none = Undefined(sum(n_positive.values()), 0, "no finding with both classes")
    interval: Interval | Undefined = none
    if means[0].size:
        low, high = np.quantile(means[0] - means[1], [(1 - level) / 2, (1 + level) / 2])
        method = f"patient bootstrap of the difference, {resamples:,} resamples, percentile"
        interval = Interval(float(low), float(high), level, method)

    def mean(of: Callable[[Difference], float]) -> float | Undefined:
        return float(np.mean([of(one) for one in defined])) if defined else none

    return Comparison(
        n_images=len(labels),
        n_patients=int(np.unique(patient_ids).size),
        n_positive=n_positive,
        mean_over=len(defined),
        mean_first=mean(lambda one: one.first),
        mean_second=mean(lambda one: one.second),
        mean_difference=mean(lambda one: one.difference),
        mean_interval=interval,
        findings=findings,
    )


def paired_delong(
    labels: Bool[np.ndarray, " _films"],
    first: Float[np.ndarray, " _films"],
    second: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
    level: float = 0.95,
) -> Difference | Undefined:
    """Compare the AUROC of two sets of scores of the same films; undefined with one class.

    The variance of the difference is that of the differences of structural components (DeLong,
    DeLong and Clarke-Pearson, Biometrics 1988), summed within patients (Obuchowski 1997); with one
    film a patient that is DeLong's variance exactly. The test is undefined with fewer than
    `MIN_PATIENTS` patients of a class, and where all patients differ alike.

    Where both scores order all films alike the difference is 0 and certain. Where they merely order
    every positive and negative film alike, as two that separate them perfectly, the bound is exact:
    k disjoint pairs of patients are all ordered alike with a probability of (1 - d) ** k, where d
    is how often two scores disagree, and no difference of AUROC is larger than d.

    Raises `StatisticsError` when a score is not finite or the lengths differ.
    """
    values = [checked_scores(labels, scores) for scores in (first, second)]
    check_patients(labels, patient_ids)
    if undefined := one_class(labels):
        return undefined
    components = [structural_components(labels, scores) for scores in values]
    area, other = (float(one[labels].mean()) for one in components)
    if few := _too_few(labels, patient_ids):
        return Difference(area, other, area - other, few)
    change = components[0] - components[1]
    if not change.any():
        same = bool((rankdata(values[0]) == rankdata(values[1])).all())
        bound = 0.0 if same else 1 - (1 - level) ** (1 / disjoint_pairs(labels, patient_ids))
        method = "all films ordered alike" if same else "exact bound: no pair ordered otherwise"
        interval = Interval(0.0 - bound, bound, level, method)
        return Difference(area, other, 0.0, Significance(0.0, interval, 1.0, 1.0))
    variance = clustered_variance(labels, change, patient_ids)
    assert isinstance(variance, ClusteredVariance)  # `_too_few` has seen to it
    method = "DeLong of paired scores, clustered by patient"
    test = student(labels, area - other, variance.total, [variance], level, method)
    return Difference(area, other, area - other, test)


def group_gap(
    labels: Bool[np.ndarray, " _films"],
    scores: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
    in_group: Bool[np.ndarray, " _films"],
    level: float = 0.95,
) -> Difference | Undefined:
    """Compare the AUROC of a score in a group of films (the first) with that in the others.

    The variance is the sum of both clustered variances of DeLong, less twice the covariance that
    patients with films on both sides bring: the products of their two sums of structural
    components (Obuchowski 1997). Without such patients the groups are independent. Undefined where
    either side has one class; the test as in `paired_delong`. Raises `StatisticsError` when a
    score is not finite or the lengths differ.
    """
    values = checked_scores(labels, scores)
    check_patients(labels, patient_ids)
    _, patient = np.unique(patient_ids, return_inverse=True)
    n_patients = int(patient.max(initial=-1)) + 1
    areas, sums, variances = [], [], []
    few: Undefined | None = None
    for side in (in_group, ~in_group):
        if undefined := one_class(labels[side]):
            return undefined
        components = structural_components(labels[side], values[side])
        areas.append(float(components[labels[side]].mean()))
        few = few or _too_few(labels[side], patient_ids[side])
        sums.append(patient_sums(labels[side], components, patient[side], n_patients).sum(axis=0))
        variances.append(clustered_variance(labels[side], components, patient_ids[side]))
    gap = areas[0] - areas[1]
    parts = [one for one in variances if isinstance(one, ClusteredVariance)]
    if few:
        return Difference(areas[0], areas[1], gap, few)
    covariance = unbiased(n_patients) * float(np.sum(sums[0] * sums[1]))
    total = sum(one.total for one in parts) - 2 * covariance
    on_both_sides = np.intersect1d(patient[in_group], patient[~in_group]).size
    of = "with patients in both" if on_both_sides else "of independent groups"
    test = student(labels, gap, total, parts, level, f"DeLong {of}, clustered by patient")
    return Difference(areas[0], areas[1], gap, test)


def correct_together(
    differences: Mapping[str, Difference | Undefined],
) -> dict[str, Difference | Undefined]:
    """Return `differences` with `p_holm` corrected over those of them that have a test."""
    tests = {
        name: one.test
        for name, one in differences.items()
        if not isinstance(one, Undefined) and not isinstance(one.test, Undefined)
    }
    corrected = dict(zip(tests, holm([one.p_value for one in tests.values()]), strict=True))
    return {
        name: replace(one, test=replace(tests[name], p_holm=float(corrected[name])))
        if name in tests and not isinstance(one, Undefined)
        else one
        for name, one in differences.items()
    }


def holm(p_values: Sequence[float]) -> Float[np.ndarray, " tests"]:
    """Return p-values corrected for their number by Holm (Scand. J. Statist. 1979), in their order.

    Raises:
        StatisticsError: a value outside [0, 1].
    """
    given = np.asarray(p_values, dtype=np.float64)
    if not ((given >= 0) & (given <= 1)).all():
        raise StatisticsError("a p-value outside 0 to 1")
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(given.size, 0, -1))
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def check_settings(level: float, resamples: int) -> None:
    """Raise `StatisticsError` unless `level` lies within 0 to 1 and there is a resample."""
    if not 0 < level < 1:
        raise StatisticsError(f"level {level:g}, expected a share between 0 and 1, as 0.95")
    if resamples < 1:
        raise StatisticsError(f"{resamples} resamples, expected one or more")


def _too_few(
    labels: Bool[np.ndarray, " films"], patient_ids: Int[np.ndarray, " films"]
) -> Undefined | None:
    for wanted, words in ((labels, "with the label"), (~labels, "without the label")):
        count = np.unique(patient_ids[wanted]).size
        if count < MIN_PATIENTS:
            n_positive = int(labels.sum())
            reason = f"{count} patients {words}, a test needs {MIN_PATIENTS}"
            return Undefined(n_positive, labels.size - n_positive, reason)
    return None


def student(
    labels: Bool[np.ndarray, " films"],
    difference: float,
    variance: float,
    parts: Sequence[ClusteredVariance],
    level: float,
    method: str,
) -> Significance | Undefined:
    """Test a difference by Student's t, its degrees of freedom by `satterthwaite`."""
    error = max(variance, 0.0) ** 0.5
    if error < _ROUNDING:
        n_positive = int(labels.sum())
        reason = "all patients differ alike, so chance cannot be told"
        return Undefined(n_positive, labels.size - n_positive, reason)
    free = satterthwaite(variance, parts)
    half_width = float(t.ppf((1 + level) / 2, free)) * error
    p_value = float(2 * t.sf(abs(difference) / error, free))
    interval = Interval(
        difference - half_width,
        difference + half_width,
        level,
        f"{method}, t with {free:.1f} degrees of freedom",
    )
    return Significance(error, interval, p_value, p_value)
