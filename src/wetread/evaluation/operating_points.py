"""Labels and scores of a finding in, thresholds to call it positive and what they give out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from wetread.evaluation.curves import RocCurve, Undefined, checked_scores, roc_curve, too_few
from wetread.evaluation.intervals import check_patients
from wetread.evaluation.proportions import Share, share_of
from wetread.findings import LABELS
from wetread.records import KINDS, Kind, OperatingPoint, Split

AIM: Final = 0.95
"""What "high_sensitivity" and "high_specificity" reach on the films that they are chosen on."""

Points = Mapping[Kind, OperatingPoint | Undefined]


@dataclass(frozen=True)
class Outcome:
    """What a threshold gives on some films: counts, and shares where there is a film to count."""

    n_true_positive: int
    n_false_positive: int
    n_false_negative: int
    n_true_negative: int
    sensitivity: Share | Undefined
    specificity: Share | Undefined
    positive_predictive_value: Share | Undefined
    negative_predictive_value: Share | Undefined


def choose_points(
    labels: Bool[np.ndarray, "_films 15"], scores: Float[np.ndarray, "_films 15"], split: Split
) -> dict[str, Points]:
    """Return the operating points of every label; `split` is where the films come from.

    Choose on validation, never on test. All points of a label with fewer than five films of a class
    are undefined: such a threshold would be the score of one film. Raises `StatisticsError` when a
    score is not finite or the lengths differ.
    """
    return {label: _points(labels[:, i], scores[:, i], split) for i, label in enumerate(LABELS)}


def sensitive_point(
    labels: Bool[np.ndarray, " _films"],
    scores: Float[np.ndarray, " _films"],
    split: Split,
    at_least: float = AIM,
) -> OperatingPoint | Undefined:
    """Return the highest threshold whose sensitivity is `at_least` that; errors as `youden_point`.

    With fewer than 1 / (1 - `at_least`) positive films that is the lowest score of one of them; a
    further positive film then scores lower with a probability of 1 / (films + 1).
    """
    curve = roc_curve(labels, scores)
    if isinstance(curve, Undefined):
        return curve
    index = int(np.argmax(curve.true_positive_rate >= at_least))
    return _corner(curve, index, labels, split)


def specific_point(
    labels: Bool[np.ndarray, " _films"],
    scores: Float[np.ndarray, " _films"],
    split: Split,
    at_least: float = AIM,
) -> OperatingPoint | Undefined:
    """Return the lowest threshold whose specificity is `at_least` that; errors as `youden_point`.

    Undefined where the highest score is shared by too many negative films.
    """
    curve = roc_curve(labels, scores)
    if isinstance(curve, Undefined):
        return curve
    index = int(np.flatnonzero(1 - curve.false_positive_rate >= at_least)[-1])
    if index == 0:
        n_positive = int(np.count_nonzero(labels))
        reason = f"no threshold reaches specificity {at_least:g}"
        return Undefined(n_positive, labels.size - n_positive, reason)
    return _corner(curve, index, labels, split)


def youden_point(
    labels: Bool[np.ndarray, " _films"], scores: Float[np.ndarray, " _films"], split: Split
) -> OperatingPoint | Undefined:
    """Return the threshold with the largest sensitivity + specificity - 1 (Youden, Cancer 1950).

    A film is positive when its score is at least the threshold, which is one of `scores`. Of
    equally good thresholds the highest is taken: fewer false alarms. `split` is where the films
    come from: choose on validation, never on test. Raises `StatisticsError` when a score is not
    finite or the lengths differ.
    """
    curve = roc_curve(labels, scores)
    if isinstance(curve, Undefined):
        return curve
    # Not the first corner: its threshold is infinite and calls no film positive.
    index = int(np.argmax(curve.true_positive_rate[1:] - curve.false_positive_rate[1:])) + 1
    return _corner(curve, index, labels, split)


def outcome_at(
    labels: Bool[np.ndarray, " _films"],
    scores: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
    threshold: float,
) -> Outcome:
    """Return what calling the films with a score of at least `threshold` positive gives.

    Raises:
        StatisticsError: a score is not finite or the lengths differ.
    """
    called = checked_scores(labels, scores) >= threshold
    check_patients(labels, patient_ids)

    def share(hits: Bool[np.ndarray, " films"], of: Bool[np.ndarray, " films"], none: str) -> (
        Share | Undefined
    ):  # fmt: skip
        return share_of(hits[of], patient_ids[of], none=none)

    return Outcome(
        n_true_positive=int(np.count_nonzero(called & labels)),
        n_false_positive=int(np.count_nonzero(called & ~labels)),
        n_false_negative=int(np.count_nonzero(~called & labels)),
        n_true_negative=int(np.count_nonzero(~called & ~labels)),
        sensitivity=share(called, labels, "no positive film"),
        specificity=share(~called, ~labels, "no negative film"),
        positive_predictive_value=share(labels, called, "no film is called"),
        negative_predictive_value=share(~labels, ~called, "every film is called"),
    )


def _points(
    labels: Bool[np.ndarray, " films"], scores: Float[np.ndarray, " films"], split: Split
) -> Points:
    checked_scores(labels, scores)
    if undefined := too_few(labels):
        return dict.fromkeys(KINDS, undefined)
    return {
        "high_sensitivity": sensitive_point(labels, scores, split),
        "balanced": youden_point(labels, scores, split),
        "high_specificity": specific_point(labels, scores, split),
    }


def _corner(
    curve: RocCurve, index: int, labels: Bool[np.ndarray, " films"], split: Split
) -> OperatingPoint:
    n_positive = int(np.count_nonzero(labels))
    return OperatingPoint(
        threshold=float(curve.thresholds[index]),
        sensitivity=float(curve.true_positive_rate[index]),
        specificity=float(1 - curve.false_positive_rate[index]),
        split=split,
        n_positive=n_positive,
        n_negative=labels.size - n_positive,
    )
