"""True and predicted labels in, how often films with one finding are called another out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from wetread.findings import LABELS
from wetread.records import OperatingPoint


@dataclass(frozen=True, eq=False)
class Confusion:
    """Rates of prediction among films that carry a label.

    `rates[i, j]` in [0, 1] is the share of the `n_films[i]` films with label i that are predicted
    to have label j; films may carry several labels, so a row need not sum to 1. A row without
    films and a column without a threshold (`has_threshold[j]` false) hold zeros and mean nothing.
    """

    rates: Float[np.ndarray, "labels labels"]
    n_films: Int[np.ndarray, " labels"]
    has_threshold: Bool[np.ndarray, " labels"]


def predicted_labels(
    scores: Float[np.ndarray, "films 15"], operating_points: Mapping[str, OperatingPoint]
) -> Bool[np.ndarray, "films 15"]:
    """Return which labels score at least their threshold; one without a threshold is False."""
    predicted = np.zeros(scores.shape, dtype=np.bool_)
    for column, label in enumerate(LABELS):
        if label in operating_points:
            values = scores[:, column].astype(np.float64)
            predicted[:, column] = values >= operating_points[label].threshold
    return predicted


def confuse(
    labels: Bool[np.ndarray, "films 15"],
    predicted: Bool[np.ndarray, "films 15"],
    operating_points: Mapping[str, OperatingPoint],
) -> Confusion:
    """Return how films of each label are predicted at the given operating points."""
    n_films = np.count_nonzero(labels, axis=0)
    together = labels.astype(np.float64).T @ predicted.astype(np.float64)
    return Confusion(
        rates=together / np.maximum(n_films, 1)[:, None],
        n_films=n_films,
        has_threshold=np.array([label in operating_points for label in LABELS]),
    )
