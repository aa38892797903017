"""Labels and scores of validation films in, probabilities and how true they are out.

A calibration is fitted on validation and judged on test. What it promises holds for the prevalence
of the films it was fitted on: `wetread.evaluation.prevalence` is about others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import isotonic_regression, minimize, minimize_scalar
from scipy.special import expit, log1p, logit

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, checked_scores, one_class
from wetread.evaluation.intervals import check_patients, draw_patients
from wetread.records import Interval

Method = Literal["platt", "temperature", "isotonic"]
_EDGE = 1e-6  # a score of 0 or 1 has no logit


@dataclass(frozen=True)
class Calibration:
    """How a score of one finding becomes a probability.

    "platt": expit(slope x logit(score) + intercept); "temperature": the same without an intercept;
    "isotonic": straight lines between the corners (`scores`, `probabilities`), flat outside.
    """

    method: Method
    slope: float = 1.0
    intercept: float = 0.0
    scores: tuple[float, ...] = ()
    probabilities: tuple[float, ...] = ()

    def apply(self, scores: Float[np.ndarray, " films"]) -> Float[np.ndarray, " films"]:
        """Return probabilities, float64, in the order of `scores`, which lie in [0, 1]."""
        values = _checked(scores)
        if self.method == "isotonic":
            return np.asarray(np.interp(values, self.scores, self.probabilities))
        return np.asarray(expit(self.slope * _logits(values) + self.intercept))


def fit_calibration(
    labels: Bool[np.ndarray, " _films"], scores: Float[np.ndarray, " _films"], method: Method
) -> Calibration | Undefined:
    """Fit `method` on validation films; undefined with one class.

    "platt" and "temperature" maximise the likelihood; Platt's targets are drawn in from 0 and 1 by
    his prior (Platt 1999, section 2.2), so that separable films give a finite slope, which is kept
    from turning negative: a calibration never reverses the order. "isotonic" is the rising step
    function of least squares (Zadrozny and Elkan, KDD 2002), for hundreds of positives.

    Raises:
        StatisticsError: scores outside [0, 1] or not finite, or other lengths.
    """
    values = _checked(checked_scores(labels, scores))
    if undefined := one_class(labels):
        return undefined
    if method == "isotonic":
        return _isotonic(labels, values)
    x = _logits(values)
    if method == "temperature":
        found = minimize_scalar(
            lambda slope: _loss(slope * x, labels.astype(np.float64)),
            bounds=(1e-3, 1e3),
            method="bounded",
        )
        return Calibration("temperature", slope=float(found.x))
    n_positive, n_negative = int(labels.sum()), int((~labels).sum())
    targets = np.where(labels, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))

    def loss(at: Float[np.ndarray, " 2"]) -> tuple[float, Float[np.ndarray, " 2"]]:
        logits = at[0] * x + at[1]
        over = (expit(logits) - targets) / x.size
        return _loss(logits, targets), np.array([over @ x, over.sum()])

    start = np.array([1.0, 0.0])
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    return Calibration("platt", slope=float(best.x[0]), intercept=float(best.x[1]))


@dataclass(frozen=True)
class Reliability:
    """Bins of films in order of probability: their mean probability, their share of positives."""

    n_films: tuple[int, ...]
    predicted: tuple[float, ...]
    observed: tuple[float, ...]


def reliability(
    labels: Bool[np.ndarray, " _films"], probabilities: Float[np.ndarray, " _films"], bins: int = 10
) -> Reliability:
    """Return at most `bins` bins with as many films each (equal-mass); ties stay together."""
    values = _checked(checked_scores(labels, probabilities))
    parts = _parts(values, bins)
    return Reliability(
        tuple(len(part) for part in parts),
        tuple(float(values[part].mean()) for part in parts),
        tuple(float(labels[part].mean()) for part in parts),
    )


def calibration_error(
    labels: Bool[np.ndarray, " _films"], probabilities: Float[np.ndarray, " _films"], bins: int = 10
) -> float:
    """Return the expected calibration error over equal-mass bins (Naeini et al., AAAI 2015).

    It is the mean over films of |share of positives - mean probability| of their bin; that of a
    perfect forecast is above 0 by chance, the more the fewer films.
    """
    found = reliability(labels, probabilities, bins)
    gaps = np.abs(np.array(found.predicted) - np.array(found.observed))
    return float(np.average(gaps, weights=found.n_films))


def brier_score(
    labels: Bool[np.ndarray, " _films"], probabilities: Float[np.ndarray, " _films"]
) -> float:
    """Return the mean squared difference of probability and label (Brier 1950), in [0, 1]."""
    return float(np.mean((_checked(checked_scores(labels, probabilities)) - labels) ** 2))


def bootstrap_calibration(
    labels: Bool[np.ndarray, " _films"],
    probabilities: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Interval, Interval]:
    """Return patient-bootstrap intervals of the calibration error and of the Brier score.

    The bins are those of all films. The calibration error of a resample is higher than that of all
    films by chance; its interval is drawn back by that bias (basic bootstrap), and not below 0.
    """
    values = _checked(checked_scores(labels, probabilities))
    check_patients(labels, patient_ids)
    _, patient = np.unique(patient_ids, return_inverse=True)
    n_patients = int(patient.max(initial=-1)) + 1
    if n_patients < 2:
        raise StatisticsError(f"{n_patients} patient; a bootstrap over patients needs two or more")
    parts = _parts(values, 10)
    errors = (values - labels) ** 2
    # A resample is a weight a patient, so the sums of a bin are weights times sums a patient.
    sums = np.stack([_by_patient((values - labels)[p], patient[p], n_patients) for p in parts])
    counts = _by_patient(np.ones_like(values), patient, n_patients)
    squares = _by_patient(errors, patient, n_patients)
    weights = draw_patients(n_patients, resamples, np.random.default_rng(seed))
    total = weights @ counts
    gaps = np.abs(weights @ sums.T).sum(axis=1) / total
    tails = [(1 - level) / 2, (1 + level) / 2]
    found = calibration_error(labels, values)
    low, high = 2 * found - np.quantile(gaps, tails)[::-1]
    method = f"patient bootstrap, {resamples:,} resamples"
    brier = np.quantile(weights @ squares / total, tails)
    return (
        Interval(max(float(low), 0.0), max(float(high), 0.0), level, f"{method}, basic"),
        Interval(float(brier[0]), float(brier[1]), level, f"{method}, percentile"),
    )


def _isotonic(
    labels: Bool[np.ndarray, " films"], scores: Float[np.ndarray, " films"]
) -> Calibration:
    levels, first, counts = np.unique(scores, return_inverse=True, return_counts=True)
    shares = np.bincount(first, labels) / counts
    steps = isotonic_regression(shares, weights=counts).x
    corner = np.ones(levels.size, dtype=bool)
    corner[1:-1] = (steps[1:-1] != steps[:-2]) | (steps[1:-1] != steps[2:])
    return Calibration(
        "isotonic",
        scores=tuple(levels[corner].tolist()),
        probabilities=tuple(steps[corner].tolist()),
    )


def _parts(values: Float[np.ndarray, " films"], bins: int) -> list[Int[np.ndarray, " some"]]:
    """Return the films of each bin; a value never falls into two bins."""
    order = np.argsort(values, kind="stable")
    edges = np.unique(np.linspace(0, values.size, bins + 1).round().astype(int)[1:-1])
    ordered = values[order]
    starts = np.unique(np.searchsorted(ordered, ordered[edges], side="left"))
    return [part for part in np.split(order, starts) if part.size]


def _by_patient(
    values: Float[np.ndarray, " films"], patient: Int[np.ndarray, " films"], n_patients: int
) -> Float[np.ndarray, " patients"]:
    return np.bincount(patient, values, n_patients)


def _logits(scores: Float[np.ndarray, " films"]) -> Float[np.ndarray, " films"]:
    return np.asarray(logit(np.clip(scores, _EDGE, 1 - _EDGE)))


def _loss(logits: Float[np.ndarray, " films"], targets: Float[np.ndarray, " films"]) -> float:
    """Return the mean cross-entropy."""
    softplus = np.maximum(logits, 0) + log1p(np.exp(-np.abs(logits)))
    return float(np.mean(softplus - targets * logits))


def _checked(scores: Float[np.ndarray, " films"]) -> Float[np.ndarray, " films"]:
    values = scores.astype(np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise StatisticsError("scores outside 0 to 1, expected shares")
    return values
