"""Labels and scores of a finding in, the threshold above which it is called positive out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from wetread.evaluation.curves import Undefined, roc_curve
from wetread.records import OperatingPoint, Split


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
    return OperatingPoint(
        threshold=float(curve.thresholds[index]),
        sensitivity=float(curve.true_positive_rate[index]),
        specificity=float(1 - curve.false_positive_rate[index]),
        split=split,
    )
