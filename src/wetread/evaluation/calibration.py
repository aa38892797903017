"""Labels and scores of validation films in, what makes probabilities of scores out, and its worth.

A calibration is fitted on validation and judged on test. What it promises holds for the prevalence
of the films it was fitted on: `wetread.evaluation.prevalence` is about others.
`wetread.evaluation.calibrator` says what a calibration is and applies it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit

from wetread.evaluation.calibrator import (
    Calibration,
    Method,
    calibration_as_json,
    logits_of,
)
from wetread.evaluation.curves import Undefined, too_few
from wetread.evaluation.proportions import plain
from wetread.evaluation.reliability import (
    PatientResamples,
    Reliability,
    Truth,
    checked_probabilities,
    reliability,
    resample_patients,
    truth_of,
)
from wetread.findings import LABELS


@dataclass(frozen=True, eq=False)
class ScoredFilms:
    """Labels and scores of the films of a split, columns in the order of `LABELS`."""

    labels: Bool[np.ndarray, "films 15"]
    scores: Float[np.ndarray, "films 15"]
    patient_ids: Int[np.ndarray, " films"]


@dataclass(frozen=True)
class Judged:
    """A calibration and how true probabilities are: `before` are the scores taken as such.

    `promised` is what the calibrated scores gave on the films that they were fitted on, `before`
    and `after` are of the judged films, as are the diagrams.
    """

    calibration: Calibration
    promised: Truth
    before: Truth
    after: Truth
    diagram_before: Reliability
    diagram_after: Reliability


def fit_calibration(
    labels: Bool[np.ndarray, " _films"], scores: Float[np.ndarray, " _films"], method: Method
) -> Calibration | Undefined:
    """Fit `method` on validation films; undefined with fewer than five films of a class.

    "platt" (Platt 1999) and "temperature" (Guo et al., ICML 2017, here one a finding) maximize the
    likelihood of logit(score). Both draw the labels in from 0 and 1 by Platt's prior (his section
    2.2), so that separable films give a finite slope, which is kept from turning negative: a
    calibration never reverses an order. "isotonic" is the rising step function of least squares
    (Zadrozny and Elkan, KDD 2002), for hundreds of positives.

    Raises:
        StatisticsError: scores outside [0, 1] or not finite, or other lengths.
    """
    values = checked_probabilities(labels, scores)
    if undefined := too_few(labels):
        return undefined
    if method == "isotonic":
        return _isotonic(labels, values)
    n_positive, n_negative = int(labels.sum()), int((~labels).sum())
    targets = np.where(labels, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    return Calibration(method, *_logistic(logits_of(values), targets, method == "platt"))


def judge_calibrations(
    fitted_on: ScoredFilms, judged_on: ScoredFilms, method: Method, *, resamples: int = 1000
) -> dict[str, Judged | Undefined]:
    """Fit a calibration a label on some films and judge it on others, by patient bootstrap.

    Raises:
        StatisticsError: see `fit_calibration` and `truth_of`.
    """
    drawn = [resample_patients(films.patient_ids, resamples) for films in (fitted_on, judged_on)]
    return {
        label: _judge(
            (fitted_on.labels[:, i], fitted_on.scores[:, i], drawn[0]),
            (judged_on.labels[:, i], judged_on.scores[:, i], drawn[1]),
            method,
        )
        for i, label in enumerate(LABELS)
    }


def calibrations_as_json(judged: Mapping[str, Judged | Undefined]) -> dict[str, object]:
    """Return calibrations and their worth as plain values for JSON, a label each."""
    return {label: _judged_as_json(one) for label, one in judged.items()}


_Finding = tuple[Bool[np.ndarray, " _films"], Float[np.ndarray, " _films"], PatientResamples]


def _judge(fitted_on: _Finding, judged_on: _Finding, method: Method) -> Judged | Undefined:
    labels, scores, drawn = fitted_on
    calibration = fit_calibration(labels, scores, method)
    if isinstance(calibration, Undefined):
        return calibration
    promised = truth_of(labels, calibration.apply(scores), drawn)
    labels, scores, drawn = judged_on
    calibrated = calibration.apply(scores)
    return Judged(
        calibration=calibration,
        promised=promised,
        before=truth_of(labels, scores, drawn),
        after=truth_of(labels, calibrated, drawn),
        diagram_before=reliability(labels, scores),
        diagram_after=reliability(labels, calibrated),
    )


def _logistic(
    x: Float[np.ndarray, " films"], targets: Float[np.ndarray, " films"], has_intercept: bool
) -> tuple[float, float]:
    """Return slope (at least 0) and intercept of largest likelihood."""

    def loss(at: Float[np.ndarray, " 2"]) -> tuple[float, Float[np.ndarray, " 2"]]:
        logits = at[0] * x + at[1]
        over = (expit(logits) - targets) / x.size
        value = np.mean(np.logaddexp(0, logits) - targets * logits)
        return float(value), np.array([over @ x, over.sum()])

    free = None if has_intercept else 0.0
    best = minimize(
        loss,
        np.array([1.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None), (free, free)],
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 1000},
    )
    return float(best.x[0]), float(best.x[1])


def _isotonic(
    labels: Bool[np.ndarray, " films"], scores: Float[np.ndarray, " films"]
) -> Calibration:
    levels, first, counts = np.unique(scores, return_inverse=True, return_counts=True)
    shares = np.bincount(first, labels) / counts
    steps = isotonic_regression(shares, weights=counts).x
    corner = np.ones(levels.size, dtype=np.bool_)
    corner[1:-1] = (steps[1:-1] != steps[:-2]) | (steps[1:-1] != steps[2:])
    return Calibration(
        "isotonic",
        scores=tuple(levels[corner].tolist()),
        probabilities=tuple(steps[corner].tolist()),
    )


def _judged_as_json(one: Judged | Undefined) -> dict[str, object]:
    if isinstance(one, Undefined):
        return {"undefined": one.reason}
    return {
        "calibration": calibration_as_json(one.calibration),
        "promised": truth_as_json(one.promised),
        "before": truth_as_json(one.before),
        "after": truth_as_json(one.after),
    }


def truth_as_json(truth: Truth) -> dict[str, object]:
    """Return how true probabilities are as plain values for JSON."""
    return {
        "calibration_error": truth.error,
        "calibration_error_interval": plain(truth.error_interval),
        "calibration_error_by_chance": truth.error_by_chance,
        "brier": truth.brier,
        "brier_interval": plain(truth.brier_interval),
    }
