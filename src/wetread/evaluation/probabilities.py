"""Scores of validation and of the judged films in, all that they say as probabilities out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wetread.evaluation.calibration import (
    Judged,
    ScoredFilms,
    calibrations_as_json,
    judge_calibrations,
)
from wetread.evaluation.calibrator import Method
from wetread.evaluation.curves import Undefined
from wetread.evaluation.prevalence import (
    PredictiveValues,
    Shift,
    measure_shifts,
    shifts_as_json,
    stated_as_json,
    values_at_stated,
)
from wetread.evaluation.summary import Metrics
from wetread.records import Kind


@dataclass(frozen=True)
class Probabilities:
    """Calibrations by `method`, what a shift of prevalence does to them, predictive values.

    All but `values` have all 15 labels; those are of the labels whose prevalence is `stated`.
    """

    method: Method
    calibrations: Mapping[str, Judged | Undefined]
    shifts: Mapping[str, Shift | Undefined]
    stated: Mapping[str, float]
    values: Mapping[str, Mapping[Kind, PredictiveValues | Undefined]]


def judge_probabilities(
    fitted_on: ScoredFilms,
    judged_on: ScoredFilms,
    metrics: Metrics,
    method: Method,
    stated: Mapping[str, float],
    *,
    resamples: int = 1000,
) -> Probabilities:
    """Calibrate on validation films and judge on others, whose `metrics` are given.

    Raises:
        StatisticsError: scores outside [0, 1] or not finite, other lengths, fewer than two
            patients, or a stated prevalence outside (0, 1).
    """
    calibrations = judge_calibrations(fitted_on, judged_on, method, resamples=resamples)
    return Probabilities(
        method=method,
        calibrations=calibrations,
        shifts=measure_shifts(fitted_on, judged_on, calibrations, resamples=resamples),
        stated=stated,
        values=values_at_stated(metrics, stated),
    )


def probabilities_as_json(one: Probabilities) -> dict[str, object]:
    """Return plain values for JSON: a number that is undefined becomes None."""
    return {
        "calibration": {
            "method": one.method,
            "chosen_on": "validation",
            "findings": calibrations_as_json(one.calibrations),
        },
        "prevalence": {
            "findings": shifts_as_json(one.shifts),
            "stated": stated_as_json(one.values, one.stated),
        },
    }
