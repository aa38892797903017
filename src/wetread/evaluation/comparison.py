"""Two sets of scores of the same films in, how much better one is and how sure that is out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import norm

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, checked_scores, one_class
from wetread.evaluation.intervals import (
    bootstrap_means,
    check_patients,
    clustered_variance,
    structural_components,
)
from wetread.findings import LABELS
from wetread.records import Interval


@dataclass(frozen=True)
class Difference:
    """Two AUROC of the same films; `difference` is the first minus the second.

    `p_value` is two-sided, of no difference; `p_holm` is it after Holm's correction over the
    findings that were compared.
    """

    first: float
    second: float
    difference: float
    interval: Interval
    p_value: float
    p_holm: float


@dataclass(frozen=True)
class Comparison:
    """The mean over the `mean_over` findings with both classes, and all 15 findings in order."""

    n_images: int
    n_patients: int
    mean_over: int
    mean_first: float | Undefined
    mean_second: float | Undefined
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
) -> Comparison:
    """Compare two sets of scores of the same films, columns in the order of `LABELS`.

    A finding: `paired_delong`, corrected by `holm`. The mean: percentile interval of the difference
    on the same patient resamples. Raises `StatisticsError` as those do.
    """
    paired = {
        label: paired_delong(labels[:, i], first[:, i], second[:, i], patient_ids, level)
        for i, label in enumerate(LABELS)
    }
    tested = {name: one for name, one in paired.items() if not isinstance(one, Undefined)}
    corrected = holm([one.p_value for one in tested.values()])
    tested = {
        name: replace(one, p_holm=float(p_holm))
        for (name, one), p_holm in zip(tested.items(), corrected, strict=True)
    }
    means = [
        bootstrap_means(labels, scores, patient_ids, resamples=resamples, seed=seed)
        for scores in (first, second)
    ]
    none = Undefined(0, len(labels), "no finding with both classes")
    interval: Interval | Undefined = none
    if means[0].size:
        low, high = np.quantile(means[0] - means[1], [(1 - level) / 2, (1 + level) / 2])
        method = f"patient bootstrap of the difference, {resamples:,} resamples, percentile"
        interval = Interval(float(low), float(high), level, method)
    return Comparison(
        n_images=len(labels),
        n_patients=int(np.unique(patient_ids).size),
        mean_over=len(tested),
        mean_first=float(np.mean([one.first for one in tested.values()])) if tested else none,
        mean_second=float(np.mean([one.second for one in tested.values()])) if tested else none,
        mean_interval=interval,
        findings={name: tested.get(name, one) for name, one in paired.items()},
    )


def paired_delong(
    labels: Bool[np.ndarray, " _films"],
    first: Float[np.ndarray, " _films"],
    second: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
    level: float = 0.95,
) -> Difference | Undefined:
    """Test whether two sets of scores of the same films have the same AUROC.

    The variance of the difference is that of the differences of structural components (DeLong,
    DeLong and Clarke-Pearson, Biometrics 1988), summed within patients (Obuchowski 1997); with one
    film a patient that is DeLong's test exactly. `p_holm` is left at `p_value`. Where all films are
    ordered alike the difference is 0 with p 1. Undefined with one class, or fewer than two patients
    of either. Raises `StatisticsError` when a score is not finite or the lengths differ.
    """
    both = [checked_scores(labels, scores) for scores in (first, second)]
    check_patients(labels, patient_ids)
    if undefined := one_class(labels):
        return undefined
    components = [structural_components(labels, scores) for scores in both]
    variance = clustered_variance(labels, components[0] - components[1], patient_ids)
    if isinstance(variance, Undefined):
        return variance
    area, other = (float(one[labels].mean()) for one in components)
    difference, error = area - other, max(variance, 0.0) ** 0.5
    half_width = float(norm.ppf((1 + level) / 2)) * error
    p_value = float(2 * norm.sf(abs(difference) / error)) if error else float(difference == 0)
    interval = Interval(
        difference - half_width,
        difference + half_width,
        level,
        "DeLong of paired scores, clustered by patient",
    )
    return Difference(area, other, difference, interval, p_value, p_value)


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
