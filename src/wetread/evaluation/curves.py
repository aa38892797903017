"""Labels and scores of one finding in, its ROC curve, AUROC and average precision out.

A finding with one class only has no curve: the functions then return `Undefined`, never NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from wetread.errors import StatisticsError


@dataclass(frozen=True)
class Undefined:
    """A number that these films cannot give, the counts they have and the reason."""

    n_positive: int
    n_negative: int
    reason: str

    def __str__(self) -> str:
        """Return what a table or a figure shows in place of the number."""
        return f"undefined (n = {self.n_positive})"


@dataclass(frozen=True, eq=False)
class RocCurve:
    """A ROC curve as its corners, from (0, 0) to (1, 1).

    A film is called positive when its score is at least `thresholds[i]`; the first threshold is
    infinite (no film). Tied scores give one corner, so a straight line joins two corners.
    """

    false_positive_rate: Float[np.ndarray, " corners"]
    true_positive_rate: Float[np.ndarray, " corners"]
    thresholds: Float[np.ndarray, " corners"]


def checked_scores(
    labels: Bool[np.ndarray, " _films"], scores: Float[np.ndarray, " _films"]
) -> Float[np.ndarray, " _films"]:
    """Return `scores` as float64, or raise `StatisticsError` where they cannot be used.

    They must be finite and as many as `labels`.
    """
    if labels.shape != scores.shape:
        raise StatisticsError(f"{labels.size} labels and {scores.size} scores; expected as many")
    if not np.isfinite(scores).all():
        count = int(np.count_nonzero(~np.isfinite(scores)))
        raise StatisticsError(f"{count} of {scores.size} scores are NaN or infinite")
    return scores.astype(np.float64)


def one_class(labels: Bool[np.ndarray, " films"]) -> Undefined | None:
    """Return why these labels allow no ROC curve, or None where both classes are there."""
    n_positive = int(np.count_nonzero(labels))
    n_negative = labels.size - n_positive
    if n_positive and n_negative:
        return None
    missing = "positive" if n_negative else "negative"
    reason = f"no {missing} film among {labels.size}" if labels.size else "no film"
    return Undefined(n_positive, n_negative, reason)


def too_few(labels: Bool[np.ndarray, " films"], at_least: int = 5) -> Undefined | None:
    """Return why no threshold or calibration is chosen on these labels, or None where one is.

    Each class needs `at_least` that many films.
    """
    n_positive = int(np.count_nonzero(labels))
    n_negative = labels.size - n_positive
    for count, name in ((n_positive, "positive"), (n_negative, "negative")):
        if count < at_least:
            reason = f"{count} {name} film{'s' * (count != 1)}, expected at least {at_least}"
            return Undefined(n_positive, n_negative, reason)
    return None


def roc_curve(
    labels: Bool[np.ndarray, " _films"], scores: Float[np.ndarray, " _films"]
) -> RocCurve | Undefined:
    """Return the empirical ROC curve; higher scores mean "more likely positive".

    Raises `StatisticsError` when a score is not finite or the lengths differ.
    """
    values = checked_scores(labels, scores)
    if undefined := one_class(labels):
        return undefined
    true_positives, false_positives, thresholds = _counts_by_threshold(labels, values)
    return RocCurve(
        np.concatenate(([0.0], false_positives / false_positives[-1])),
        np.concatenate(([0.0], true_positives / true_positives[-1])),
        np.concatenate(([np.inf], thresholds)),
    )


def auroc(
    labels: Bool[np.ndarray, " _films"], scores: Float[np.ndarray, " _films"]
) -> float | Undefined:
    """Return the area under the empirical ROC curve, in [0, 1].

    It is the Mann-Whitney estimate: the share of (positive, negative) pairs in which the positive
    film scores higher, a tie counting one half. That equals the trapezoid area (Hanley and
    McNeil, Radiology 1982). Raises `StatisticsError` as `roc_curve` does.
    """
    values = checked_scores(labels, scores)
    if undefined := one_class(labels):
        return undefined
    n_positive = int(np.count_nonzero(labels))
    n_negative = labels.size - n_positive
    rank_sum = float(rankdata(values)[labels].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def average_precision(
    labels: Bool[np.ndarray, " _films"], scores: Float[np.ndarray, " _films"]
) -> float | Undefined:
    """Return the area under the precision-recall curve (auprc) by the step estimator, in [0, 1].

    It is the sum of precision times the gain in recall over falling thresholds, without the
    interpolation that flatters (Davis and Goadrich, ICML 2006). Read it beside the prevalence,
    which is what a random score gives. Raises `StatisticsError` as `roc_curve` does.
    """
    values = checked_scores(labels, scores)
    if undefined := one_class(labels):
        return undefined
    true_positives, false_positives, _ = _counts_by_threshold(labels, values)
    precision = true_positives / (true_positives + false_positives)
    recall_gain = np.diff(true_positives, prepend=0.0) / true_positives[-1]
    return float(np.sum(precision * recall_gain))


def _counts_by_threshold(
    labels: Bool[np.ndarray, " films"], scores: Float[np.ndarray, " films"]
) -> tuple[
    Float[np.ndarray, " values"], Float[np.ndarray, " values"], Float[np.ndarray, " values"]
]:
    """Count true and false positives at each distinct score, from the highest down."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last_of_tie = np.concatenate((np.flatnonzero(np.diff(ordered)), [ordered.size - 1]))
    true_positives = np.cumsum(labels[order], dtype=np.float64)[last_of_tie]
    return true_positives, last_of_tie + 1.0 - true_positives, ordered[last_of_tie]
