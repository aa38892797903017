"""Labels and probabilities of one finding in, how true the probabilities are out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, checked_scores
from wetread.evaluation.intervals import check_patients
from wetread.evaluation.resampled import draw_patients
from wetread.records import Interval


@dataclass(frozen=True)
class Reliability:
    """Bins of films in order of probability: their mean probability, their share of positives."""

    n_films: tuple[int, ...]
    predicted: tuple[float, ...]
    observed: tuple[float, ...]


@dataclass(frozen=True)
class Truth:
    """How true probabilities are: calibration error and Brier score, each with its interval.

    `error_by_chance` is the calibration error that perfect probabilities of this size would show on
    as many films; one near it is no evidence of any error.
    """

    error: float
    error_interval: Interval
    error_by_chance: float
    brier: float
    brier_interval: Interval


def reliability(
    labels: Bool[np.ndarray, " _films"], probabilities: Float[np.ndarray, " _films"], bins: int = 10
) -> Reliability:
    """Return at most `bins` bins with as many films each (equal mass); ties stay together.

    Raises:
        StatisticsError: probabilities outside [0, 1] or not finite, or other lengths.
    """
    values = checked_probabilities(labels, probabilities)
    parts = _parts(values, bins)
    return Reliability(
        tuple(len(part) for part in parts),
        tuple(float(values[part].mean()) for part in parts),
        tuple(float(labels[part].mean()) for part in parts),
    )


def calibration_error(
    labels: Bool[np.ndarray, " _films"], probabilities: Float[np.ndarray, " _films"], bins: int = 10
) -> float | Undefined:
    """Return the expected calibration error over equal-mass bins (Naeini et al., AAAI 2015).

    It is the mean over films of |share of positives - mean probability| of their bin; that of a
    perfect forecast is above 0 by chance, the more the fewer films. Undefined without a film;
    errors as `reliability`.
    """
    found = reliability(labels, probabilities, bins)
    if not found.n_films:
        return Undefined(0, 0, "no film")
    gaps = np.abs(np.array(found.predicted) - np.array(found.observed))
    return float(np.average(gaps, weights=found.n_films))


@dataclass(frozen=True, eq=False)
class PatientResamples:
    """Resamples of the patients of some films; several findings may share them.

    `patient` is the number of each film's patient; a row of `weights` says how often each patient
    is drawn.
    """

    patient: Int[np.ndarray, " films"]
    weights: Float[np.ndarray, "resamples patients"]


def resample_patients(
    patient_ids: Int[np.ndarray, " films"], resamples: int = 1000, seed: int = 0
) -> PatientResamples:
    """Draw patients with replacement; raises `StatisticsError` for fewer than two."""
    _, patient = np.unique(patient_ids, return_inverse=True)
    n_patients = int(patient.max(initial=-1)) + 1
    if n_patients < 2:
        raise StatisticsError(f"{n_patients} patient; a bootstrap over patients needs two or more")
    weights = draw_patients(n_patients, resamples, np.random.default_rng(seed))
    return PatientResamples(patient, weights.astype(np.float64))


def truth_of(
    labels: Bool[np.ndarray, " _films"],
    probabilities: Float[np.ndarray, " _films"],
    drawn: PatientResamples,
    *,
    bins: int = 10,
    level: float = 0.95,
) -> Truth:
    """Return calibration error and Brier score with patient-bootstrap intervals.

    The bins are those of all films. The calibration error of a resample is higher than that of all
    films by chance; its interval is drawn back by that bias (basic bootstrap, Davison and Hinkley
    1997, section 5.2), but not below 0 nor beyond the estimate. That of the Brier score is the
    percentile interval.

    Raises:
        StatisticsError: see `reliability`.
    """
    values = checked_probabilities(labels, probabilities)
    check_patients(labels, drawn.patient)
    parts = _parts(values, bins)
    n_patients = drawn.weights.shape[1]
    # A resample is a weight a patient, so its sums are weights times the sums of each patient.
    by_patient = np.stack(
        [np.bincount(drawn.patient[part], (values - labels)[part], n_patients) for part in parts]
        + [np.bincount(drawn.patient, (values - labels) ** 2), np.bincount(drawn.patient)],
        axis=1,
    )
    *gaps, squares, n_films = (drawn.weights @ by_patient).T
    errors = np.abs(gaps).sum(axis=0) / n_films
    sums = by_patient.sum(axis=0)
    error = float(np.abs(sums[:-2]).sum() / values.size)
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = 2 * error - np.quantile(errors, tails)[::-1]
    brier = np.quantile(squares / n_films, tails)
    method = f"patient bootstrap, {len(drawn.weights):,} resamples"
    return Truth(
        error=error,
        error_interval=Interval(
            max(min(float(low), error), 0.0), max(float(high), error), level, f"{method}, basic"
        ),
        error_by_chance=_error_by_chance(values, parts),
        brier=float(sums[-2] / values.size),
        brier_interval=Interval(float(brier[0]), float(brier[1]), level, f"{method}, percentile"),
    )


def checked_probabilities(
    labels: Bool[np.ndarray, " _films"], probabilities: Float[np.ndarray, " _films"]
) -> Float[np.ndarray, " _films"]:
    """Return them as float64, or raise `StatisticsError` where they are not shares, one a label."""
    values = checked_scores(labels, probabilities)
    if ((values < 0) | (values > 1)).any():
        raise StatisticsError("scores outside 0 to 1; expected numbers from 0 to 1")
    return values


def _error_by_chance(
    values: Float[np.ndarray, " films"], parts: list[Int[np.ndarray, " _some"]]
) -> float:
    """Return the mean calibration error of independent films that keep to their probabilities.

    The gap of a bin is then nearly normal with variance sum p (1 - p), and the mean of its absolute
    value is sqrt(2 / pi) of its standard deviation.
    """
    deviations = [float(np.sqrt(np.sum(values[part] * (1 - values[part])))) for part in parts]
    return float((2 / np.pi) ** 0.5 * sum(deviations) / values.size)


def _parts(values: Float[np.ndarray, " films"], bins: int) -> list[Int[np.ndarray, " _some"]]:
    """Return the films of each bin, lowest first; by midranks, so that ties stay together."""
    bin_of = ((rankdata(values) - 0.5) * bins / max(values.size, 1)).astype(np.int64)
    return [np.flatnonzero(bin_of == one) for one in np.unique(bin_of)]
