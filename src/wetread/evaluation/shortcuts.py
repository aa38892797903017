"""Labels, scores and the view of each film in; how far view alone goes, and how scores follow it.

A patient too ill to stand is filmed lying, from the front (AP): the view tells who is ill without a
look at the lungs, and a model that reads the view has learned a shortcut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import logit

from wetread.errors import StatisticsError
from wetread.evaluation.comparison import MIN_PATIENTS
from wetread.evaluation.curves import Undefined, auroc, checked_scores
from wetread.evaluation.intervals import check_patients, delong_interval
from wetread.evaluation.resampled import draw_patients
from wetread.records import Interval

_EDGE = 1e-6  # a score of 0 or 1 has no logit


@dataclass(frozen=True)
class ViewShortcut:
    """What view says of a label, and of a score.

    `auroc` is that of "the view is AP" taken as a score: 0.5 where view says nothing, below where
    the label is commoner in PA; `model_auroc` is that of the score itself. `variance_share` is eta
    squared of the score's logit: the share of its variance over films that lies between the views.
    """

    auroc: float | Undefined
    auroc_interval: Interval | Undefined
    model_auroc: float | Undefined
    model_auroc_interval: Interval | Undefined
    variance_share: float | Undefined
    variance_share_interval: Interval | Undefined


def view_shortcut(
    labels: Bool[np.ndarray, " _films"],
    scores: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
    is_ap: Bool[np.ndarray, " _films"],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> ViewShortcut:
    """Return how far view goes for one label; `is_ap` is true where the film was taken AP.

    The AUROC has DeLong's interval clustered by patient, the share of the variance a percentile
    interval over patient resamples. That is never below 0, and a little above by chance alone.
    Undefined with fewer than `MIN_PATIENTS` patients of a view. Raises `StatisticsError` when a
    score lies outside 0 to 1 or is not finite, or the lengths differ.
    """
    values = checked_scores(labels, scores)
    check_patients(labels, patient_ids)
    if values.size and (values.min() < 0 or values.max() > 1):
        raise StatisticsError("scores outside 0 to 1, expected shares")
    for is_view, view in ((is_ap, "AP"), (~is_ap, "PA")):
        count = np.unique(patient_ids[is_view]).size
        if count < MIN_PATIENTS:
            n_positive = int(labels.sum())
            reason = f"{count} patients filmed {view}, expected {MIN_PATIENTS}"
            few = Undefined(n_positive, labels.size - n_positive, reason)
            return ViewShortcut(few, few, few, few, few, few)
    alone = is_ap.astype(np.float64)
    share = _variance_share(labels, values, patient_ids, is_ap, resamples, seed, level)
    return ViewShortcut(
        auroc(labels, alone),
        delong_interval(labels, alone, patient_ids, level),
        auroc(labels, values),
        delong_interval(labels, values, patient_ids, level),
        *share,
    )


def _variance_share(
    labels: Bool[np.ndarray, " films"],
    values: Float[np.ndarray, " films"],
    patient_ids: Int[np.ndarray, " films"],
    is_ap: Bool[np.ndarray, " films"],
    resamples: int,
    seed: int,
    level: float,
) -> tuple[float | Undefined, Interval | Undefined]:
    logits = logit(np.clip(values, _EDGE, 1 - _EDGE))
    logits -= logits.mean()  # sums of squares then keep their digits
    if np.ptp(logits) == 0:
        n_positive = int(labels.sum())
        constant = Undefined(n_positive, labels.size - n_positive, "the scores do not vary")
        return constant, constant
    _, patient = np.unique(patient_ids, return_inverse=True)
    n_patients = int(patient.max()) + 1
    sums = np.stack(
        [
            np.bincount(patient, weights=part, minlength=n_patients)
            for view in (is_ap, ~is_ap)
            for part in (view.astype(np.float64), logits * view)
        ]
        + [np.bincount(patient, weights=logits**2, minlength=n_patients)]
    )
    weights = draw_patients(n_patients, resamples, np.random.default_rng(seed))
    shares = _shares(weights @ sums.T)
    low, high = np.quantile(shares[~np.isnan(shares)], [(1 - level) / 2, (1 + level) / 2])
    method = f"patient bootstrap, {resamples:,} resamples, percentile"
    value = float(_shares(sums.sum(axis=1)[None])[0])
    return value, Interval(float(low), float(high), level, method)


def _shares(sums: Float[np.ndarray, "rows 5"]) -> Float[np.ndarray, " rows"]:
    """Return the share between the views; NaN where a resample has one view or no variance."""
    n_ap, of_ap, n_pa, of_pa, squares = sums.T
    usable = (n_ap > 0) & (n_pa > 0)
    middle = (of_ap + of_pa) ** 2 / (n_ap + n_pa)
    between = of_ap**2 / np.maximum(n_ap, 1) + of_pa**2 / np.maximum(n_pa, 1) - middle
    whole = squares - middle
    usable &= whole > 0
    shares = between / np.where(usable, whole, 1.0)
    return np.where(usable, np.clip(shares, 0.0, 1.0), np.nan)
