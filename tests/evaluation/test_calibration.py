import json

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from wetread.errors import StatisticsError
from wetread.evaluation.calibration import (
    ScoredFilms,
    calibrations_as_json,
    fit_calibration,
    judge_calibrations,
)
from wetread.evaluation.calibrator import (
    METHODS,
    Calibration,
    calibration_as_json,
    calibration_from_json,
)
from wetread.evaluation.curves import Undefined, auroc
from wetread.evaluation.reliability import calibration_error
from wetread.findings import LABELS


def films(n=600, slope=0.5, intercept=-1.0, seed=0):
    """Draw films whose true probability is expit(slope x logit(score) + intercept)."""
    generator = np.random.default_rng(seed)
    scores = expit(generator.normal(0, 2, n))
    return generator.random(n) < expit(slope * logit(scores) + intercept), scores


def test_platt_is_that_of_scikit_learn():
    labels, scores = films()
    mine = fit_calibration(labels, scores, "platt")
    theirs = _SigmoidCalibration().fit(logit(scores), labels)
    assert (mine.slope, mine.intercept) == pytest.approx((-theirs.a_, -theirs.b_), abs=1e-4)
    assert mine.apply(scores) == pytest.approx(theirs.predict(logit(scores)), abs=1e-5)


@pytest.mark.parametrize("method", ["platt", "temperature"])
def test_likelihood_is_that_of_scikit_learn(method):
    """Drawn-in targets are films of either class, weighted."""
    labels, scores = films(seed=1)
    n, p = np.count_nonzero(~labels), np.count_nonzero(labels)
    target = np.where(labels, (p + 1) / (p + 2), 1 / (n + 2))
    model = LogisticRegression(C=np.inf, fit_intercept=method == "platt", tol=1e-10, max_iter=1000)
    x = np.tile(logit(scores), 2)[:, None]
    model.fit(x, np.repeat([1, 0], labels.size), np.concatenate((target, 1 - target)))
    mine = fit_calibration(labels, scores, method)
    assert mine.slope == pytest.approx(model.coef_[0, 0], abs=1e-4)
    assert mine.intercept == pytest.approx(float(np.ravel(model.intercept_)[0]), abs=1e-4)


def test_isotonic_is_that_of_scikit_learn():
    labels, scores = films(seed=2)
    scores = np.round(scores, 2)  # with ties
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    mine = fit_calibration(labels, scores, "isotonic")
    at = np.linspace(0, 1, 501)
    assert mine.apply(at) == pytest.approx(theirs.predict(at), abs=1e-12)
    assert len(mine.scores) < np.unique(scores).size


def test_platt_finds_what_the_films_were_drawn_from():
    calibration = fit_calibration(*films(n=40_000), "platt")
    assert (calibration.slope, calibration.intercept) == pytest.approx((0.5, -1.0), abs=0.05)
    temperature = fit_calibration(*films(n=40_000, intercept=0.0), "temperature")
    assert (temperature.slope, temperature.intercept) == pytest.approx((0.5, 0.0), abs=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_a_card_holds_all_that_applying_needs(method):
    fitted = fit_calibration(*films(), method)
    kept = calibration_from_json(json.loads(json.dumps(calibration_as_json(fitted))))
    at = np.linspace(0, 1, 101)
    assert np.array_equal(kept.apply(at), fitted.apply(at))
    if method != "isotonic":
        expected = expit(fitted.slope * logit(np.clip(at, 1e-6, 1 - 1e-6)) + fitted.intercept)
        assert kept.apply(at) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "values",
    [
        {"method": "guess", "slope": 1, "intercept": 0},
        {"method": "platt", "slope": None, "intercept": 0},
        {"method": "isotonic", "scores": [0.2, 0.1], "probabilities": [0.0, 1.0]},
        {"method": "isotonic", "scores": [], "probabilities": []},
        {},
    ],
)
def test_what_is_no_calibration_is_not_taken_for_one(values):
    with pytest.raises((KeyError, TypeError, ValueError)):
        calibration_from_json(values)


@pytest.mark.parametrize("method", METHODS)
def test_calibration_makes_true_probabilities_of_other_films(method):
    labels, scores = films(n=5000, slope=1.0 if method == "platt" else 0.5,
                           intercept=-1.5 if method == "platt" else 0.0, seed=3)  # fmt: skip
    calibration = fit_calibration(labels[:3000], scores[:3000], method)
    labels, scores = labels[3000:], scores[3000:]
    after = calibration.apply(scores)
    assert calibration_error(labels, after) < 0.5 * calibration_error(labels, scores)
    assert brier_score_loss(labels, after) < brier_score_loss(labels, scores)


@pytest.mark.parametrize("method", METHODS)
def test_calibration_keeps_the_order_and_the_range(method):
    labels, scores = films(seed=4)
    probabilities = fit_calibration(labels, scores, method).apply(np.linspace(0, 1, 1001))
    assert (np.diff(probabilities) >= 0).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    if method != "isotonic":
        calibrated = fit_calibration(labels, scores, method).apply(scores)
        assert auroc(labels, calibrated) == pytest.approx(auroc(labels, scores))


@pytest.mark.parametrize("method", METHODS)
def test_scores_that_are_worse_than_chance_are_not_turned_round(method):
    labels, scores = films(seed=5)
    calibration = fit_calibration(~labels, scores, method)
    probabilities = calibration.apply(scores)
    if method == "temperature":
        assert probabilities == pytest.approx(0.5)
    else:
        assert probabilities.mean() == pytest.approx((~labels).mean(), abs=0.02)
    assert (np.diff(calibration.apply(np.linspace(0, 1, 101))) >= 0).all()


@pytest.mark.parametrize("method", ["platt", "temperature"])
def test_separable_films_give_a_finite_slope(method):
    labels = np.arange(30) >= 24
    calibration = fit_calibration(labels, np.where(labels, 0.9, 0.1), method)
    # The likelihood is largest where every film gets its drawn-in target; here two scores do.
    if method == "platt":
        assert calibration.apply(np.array([0.1, 0.9])) == pytest.approx([1 / 26, 7 / 8], abs=1e-4)
    assert 0 < calibration.slope < 20


def test_one_score_for_all_becomes_the_share_of_positives():
    labels = np.arange(40) < 10
    for method in ("platt", "isotonic"):
        probabilities = fit_calibration(labels, np.full(40, 0.7), method).apply(np.array([0.7]))
        assert probabilities == pytest.approx([0.25], abs=0.02)


def test_scores_of_zero_and_one_have_a_probability():
    calibration = Calibration("platt", slope=0.5, intercept=-1.0)
    assert np.isfinite(calibration.apply(np.array([0.0, 1.0]))).all()


@pytest.mark.parametrize("method", METHODS)
def test_few_films_of_a_class_cannot_be_calibrated(method):
    labels = np.arange(50) < 4
    result = fit_calibration(labels, np.linspace(0, 1, 50), method)
    assert result == Undefined(4, 46, "4 positive films, expected at least 5")


def test_bad_scores_are_refused():
    labels = np.arange(20) < 10
    with pytest.raises(StatisticsError, match="NaN"):
        fit_calibration(labels, np.full(20, np.nan), "platt")
    with pytest.raises(StatisticsError, match="outside 0 to 1"):
        fit_calibration(labels, np.full(20, 1.5), "platt")
    with pytest.raises(StatisticsError, match="20 labels and 19 scores"):
        fit_calibration(labels, np.zeros(19), "platt")


def test_a_calibration_is_fitted_on_some_films_and_judged_on_others():
    generator = np.random.default_rng(6)
    sets = []
    for n in (300, 200):
        labels = generator.random((n, 15)) < 0.2
        labels[:, 13] = False
        scores = expit(generator.normal(size=(n, 15)) + labels)
        sets.append(ScoredFilms(labels, scores, np.arange(n) // 3))
    judged = judge_calibrations(*sets, "platt", resamples=50)
    assert list(judged) == list(LABELS)
    mass, hernia = judged["Mass"], judged["Hernia"]
    assert mass.calibration == fit_calibration(sets[0].labels[:, 4], sets[0].scores[:, 4], "platt")
    after = mass.calibration.apply(sets[1].scores[:, 4])
    before = calibration_error(sets[1].labels[:, 4], sets[1].scores[:, 4])
    assert mass.before.error == pytest.approx(before)
    assert mass.after.error == pytest.approx(calibration_error(sets[1].labels[:, 4], after))
    assert sum(mass.diagram_after.n_films) == 200
    on_its_own = mass.calibration.apply(sets[0].scores[:, 4])
    assert mass.promised.brier == pytest.approx(brier_score_loss(sets[0].labels[:, 4], on_its_own))
    assert isinstance(hernia, Undefined)
    values = json.loads(json.dumps(calibrations_as_json(judged), allow_nan=False))
    assert values["Mass"]["calibration"]["slope"] == mass.calibration.slope
    assert values["Mass"]["after"]["brier"] == mass.after.brier
    assert values["Hernia"] == {"undefined": "0 positive films, expected at least 5"}
