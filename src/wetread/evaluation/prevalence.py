"""Outcomes or probabilities and a prevalence in, what they mean at that prevalence out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import chi2, norm

from wetread.errors import InputError, StatisticsError
from wetread.evaluation.calibration import Judged, ScoredFilms, truth_as_json
from wetread.evaluation.curves import Undefined
from wetread.evaluation.intervals import check_patients
from wetread.evaluation.operating_points import Outcome
from wetread.evaluation.proportions import Share, plain, share_of
from wetread.evaluation.reliability import (
    Truth,
    checked_probabilities,
    resample_patients,
    truth_of,
)
from wetread.evaluation.summary import Metrics
from wetread.findings import LABELS, label_of
from wetread.records import Interval, Kind

_EDGE = 1e-6


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, or without where that is undefined."""

    value: float
    interval: Interval | Undefined


@dataclass(frozen=True)
class PredictiveValues:
    """Positive and negative predictive value at a prevalence that someone states."""

    positive: Estimate | Undefined
    negative: Estimate | Undefined


@dataclass(frozen=True)
class Shift:
    """A label's prevalence where its calibration was fitted, and on other films.

    `estimated` comes from the probabilities of those films alone, `found` from their labels.
    `corrected` is how true the probabilities are once they are moved to `estimated`.
    """

    fitted: Share
    estimated: Estimate
    found: Share
    corrected: Truth


def stated_prevalences(given: Sequence[str]) -> dict[str, float]:
    """Read LABEL=SHARE, a label once, a share more than 0 and less than 1.

    Raises:
        InputError: anything else; UnknownLabelError: none of the 15 labels.
    """
    stated: dict[str, float] = {}
    for text in given:
        name, _, share = text.partition("=")
        label = label_of(name)
        try:
            value = float(share)
        except ValueError:
            raise InputError(f"prevalence {text!r}; expected LABEL=SHARE, as Mass=0.01") from None
        if not 0 < value < 1:
            raise InputError(f"prevalence {text!r}; expected more than 0 and less than 1")
        if label in stated:
            raise InputError(f"prevalence of {label} is stated twice")
        stated[label] = value
    return stated


def values_at(
    outcome: Outcome, prevalence: float, level: float = 0.95
) -> PredictiveValues | Undefined:
    """Return the predictive values of a threshold at `prevalence`, in (0, 1).

    They follow from sensitivity and specificity by Bayes' rule. The intervals are symmetric on the
    logit scale (Mercaldo, Lau and Zhou, Statistics in Medicine 2007, equations 8 to 11; their
    adjusted estimates of table II where a share is 0 or 1), with as many films as independent ones
    would say as much, and the prevalence as known. Undefined without a film of a class; a single
    value also where no film is called so.

    Raises:
        StatisticsError: `prevalence` outside (0, 1).
    """
    if not 0 < prevalence < 1:
        raise StatisticsError(f"prevalence {prevalence}; expected more than 0 and less than 1")
    sensitivity, specificity = outcome.sensitivity, outcome.specificity
    if isinstance(sensitivity, Undefined):
        return sensitivity
    if isinstance(specificity, Undefined):
        return specificity
    odds = prevalence / (1 - prevalence)
    return PredictiveValues(
        positive=_predictive(sensitivity, specificity, odds, level),
        negative=_predictive(specificity, sensitivity, 1 / odds, level),
    )


def estimate_prevalence(
    probabilities: Float[np.ndarray, " _films"],
    patient_ids: Int[np.ndarray, " _films"],
    prior: float,
    level: float = 0.95,
) -> Estimate:
    """Return the prevalence among unlabeled films, from calibrated probabilities alone.

    `prior` is the prevalence of the films that the calibration was fitted on. The estimate is the
    maximum that the expectation maximisation of Saerens, Latinne and Decaestecker (Neural
    Computation 2002) climbs to. The likelihood has one maximum, which is found as the root of its
    slope: where scores say little the iteration takes thousands of steps and, stopped early, stays
    near `prior`. The interval is of the likelihood ratio, its drop multiplied by the design effect
    of the patients (Rao and Scott 1992). It knows nothing of the doubt in the calibration itself,
    and assumes that positive films look alike there and here.

    Raises:
        StatisticsError: probabilities or `prior` that are none, no film, or other lengths.
    """
    everyone = np.ones(probabilities.size, dtype=np.bool_)
    values = np.clip(checked_probabilities(everyone, probabilities), _EDGE, 1 - _EDGE)
    check_patients(everyone, patient_ids)
    if not values.size or not 0 < prior < 1:
        raise StatisticsError(f"{values.size} films and prior {prior}; expected films and a share")
    # How much likelier a positive film is to get this probability than a negative one, minus 1.
    excess = np.exp(logit(values) - logit(prior)) - 1.0

    def slopes(at: float) -> Float[np.ndarray, " films"]:
        return np.asarray(excess / (1.0 + at * excess))

    def likelihood(at: float) -> float:
        return float(np.log1p(at * excess).sum())

    low, high = _EDGE, 1 - _EDGE
    best = low
    if slopes(low).sum() > 0:
        best = high
        if slopes(high).sum() < 0:
            best = float(brentq(lambda at: float(slopes(at).sum()), low, high))
    _, patient = np.unique(patient_ids, return_inverse=True)
    n_patients = int(patient.max()) + 1
    each = slopes(best)
    each = each - each.mean()
    if n_patients < 2 or not each.any():
        return Estimate(best, Undefined(0, 0, "fewer than two patients or distinct scores"))
    by_patient = np.bincount(patient, each)
    effect = n_patients / (n_patients - 1) * np.sum(by_patient**2) / np.sum(each**2)
    enough = likelihood(best) - float(chi2.ppf(level, 1)) * max(float(effect), 1.0) / 2

    def bound(end: float) -> float:
        if end == best or likelihood(end) > enough:
            return float(round(end))
        return float(brentq(lambda at: likelihood(at) - enough, end, best))

    method = "likelihood ratio, films of a patient together (Rao and Scott)"
    return Estimate(best, Interval(bound(low), bound(high), level, method))


def move_prior(
    probabilities: Float[np.ndarray, " films"], prior: float, prevalence: float
) -> Float[np.ndarray, " films"]:
    """Return probabilities of films with prevalence `prior` as they are with `prevalence`.

    Bayes' rule on the odds (Saerens et al. 2002, equation 4). All numbers lie in [0, 1].
    """
    shift = logit(np.clip(prevalence, _EDGE, 1 - _EDGE)) - logit(np.clip(prior, _EDGE, 1 - _EDGE))
    return np.asarray(expit(logit(np.clip(probabilities, _EDGE, 1 - _EDGE)) + shift))


def measure_shifts(
    fitted_on: ScoredFilms,
    judged_on: ScoredFilms,
    judged: Mapping[str, Judged | Undefined],
    *,
    resamples: int = 1000,
) -> dict[str, Shift | Undefined]:
    """Return the shift of each label between the two sets of films; undefined as its calibration.

    Raises:
        StatisticsError: see `estimate_prevalence` and `truth_of`.
    """
    drawn = resample_patients(judged_on.patient_ids, resamples)
    shifts: dict[str, Shift | Undefined] = {}
    for column, label in enumerate(LABELS):
        one = judged[label]
        if isinstance(one, Undefined):
            shifts[label] = one
            continue
        fitted = share_of(fitted_on.labels[:, column], fitted_on.patient_ids)
        labels, patients = judged_on.labels[:, column], judged_on.patient_ids
        found = share_of(labels, patients)
        assert not isinstance(fitted, Undefined)  # it has five films of each class
        assert not isinstance(found, Undefined)  # `truth_of` refused no films
        probabilities = one.calibration.apply(judged_on.scores[:, column])
        estimated = estimate_prevalence(probabilities, patients, fitted.value)
        moved = move_prior(probabilities, fitted.value, estimated.value)
        corrected = truth_of(labels, moved, drawn)
        shifts[label] = Shift(fitted, estimated, found, corrected)
    return shifts


def values_at_stated(
    metrics: Metrics, stated: Mapping[str, float]
) -> dict[str, dict[Kind, PredictiveValues | Undefined]]:
    """Return the predictive values of every operating point of the labels in `stated`.

    They are undefined where the point is.
    """
    return {
        label: {
            kind: point
            if isinstance(point, Undefined)
            else values_at(metrics.findings[label].outcomes[kind], prevalence)
            for kind, point in metrics.findings[label].points.items()
        }
        for label, prevalence in stated.items()
    }


def shifts_as_json(shifts: Mapping[str, Shift | Undefined]) -> dict[str, object]:
    """Return shifts as plain values for JSON, a label each."""
    return {label: _shift_as_json(one) for label, one in shifts.items()}


def stated_as_json(
    values: Mapping[str, Mapping[Kind, PredictiveValues | Undefined]],
    stated: Mapping[str, float],
) -> dict[str, object]:
    """Return predictive values at stated prevalences as plain values for JSON, a label each."""
    return {
        label: {"prevalence": stated[label]}
        | {kind: _values_as_json(one) for kind, one in kinds.items()}
        for label, kinds in values.items()
    }


def _shift_as_json(one: Shift | Undefined) -> dict[str, object]:
    if isinstance(one, Undefined):
        return {"undefined": one.reason}
    return {
        "validation": plain(one.fitted),
        "estimated": _estimate_as_json(one.estimated),
        "found": plain(one.found),
        "corrected": truth_as_json(one.corrected),
    }


def _values_as_json(one: PredictiveValues | Undefined) -> dict[str, object]:
    if isinstance(one, Undefined):
        return {"undefined": one.reason}
    return {
        "positive_predictive_value": _estimate_as_json(one.positive),
        "negative_predictive_value": _estimate_as_json(one.negative),
    }


def _estimate_as_json(one: Estimate | Undefined) -> dict[str, object] | None:
    if isinstance(one, Undefined):
        return None
    return {"value": one.value, "interval": plain(one.interval)}


def _predictive(right: Share, other: Share, odds: float, level: float) -> Estimate | Undefined:
    """Return the share of true answers among those answers of which `right` are given rightly.

    For the positive predictive value `right` is the sensitivity, `other` the specificity and `odds`
    are those of the finding; for the negative one all three are turned round.
    """
    if not right.n_hits and other.n_hits == other.n:
        return Undefined(right.n, other.n, "no film is called so")
    value = right.value * odds / (right.value * odds + (1 - other.value))
    z = float(norm.ppf((1 + level) / 2))
    exact = 0 < right.n_hits < right.n and 0 < other.n_hits < other.n
    add = 0.0 if exact else z**2
    n_right, n_other = right.n_independent + add, other.n_independent + add
    p_right = (right.value * right.n_independent + add / 2) / n_right
    p_other = (other.value * other.n_independent + add / 2) / n_other
    center = float(np.log(p_right * odds / (1 - p_other)))
    half = z * ((1 - p_right) / p_right / n_right + p_other / (1 - p_other) / n_other) ** 0.5
    low, high = float(expit(center - half)), float(expit(center + half))
    method = "logit, prevalence taken as known, films of a patient together (Mercaldo et al. 2007)"
    return Estimate(value, Interval(min(low, value), max(high, value), level, method))
