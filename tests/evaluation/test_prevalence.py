import json

import numpy as np
import pytest
from scipy.special import expit, logit

from wetread.errors import InputError, StatisticsError, UnknownLabelError
from wetread.evaluation.calibration import ScoredFilms, fit_calibration
from wetread.evaluation.curves import Undefined
from wetread.evaluation.operating_points import Outcome, choose_points, outcome_at
from wetread.evaluation.prevalence import (
    estimate_prevalence,
    move_prior,
    stated_prevalences,
    values_at,
)
from wetread.evaluation.probabilities import judge_probabilities, probabilities_as_json
from wetread.evaluation.proportions import share_of
from wetread.evaluation.reliability import calibration_error
from wetread.evaluation.summary import evaluate_scores
from wetread.findings import LABELS
from wetread.records import KINDS


def outcome(found, positive, cleared, negative):
    """Return the outcome of as many films, each of another patient."""
    none = Undefined(0, 0, "not asked")
    return Outcome(
        found, negative - cleared, positive - found, cleared,
        share_of(np.arange(positive) < found, np.arange(positive)),
        share_of(np.arange(negative) < cleared, np.arange(negative)), none, none,
    )  # fmt: skip


def test_predictive_values_by_hand():
    # Sensitivity 0.8, specificity 0.9: of 1,000 films 20 are positive, 16 of them and 98 others
    # are called.
    values = values_at(outcome(80, 100, 90, 100), 0.02)
    assert values.positive.value == pytest.approx(16 / (16 + 98))
    assert values.negative.value == pytest.approx(882 / (882 + 4))


def test_intervals_are_those_of_mercaldo():
    """Equations 8 to 11 with the counts of their table VIII (240 of 418, 288 of 375) at 3 %."""
    values = values_at(outcome(240, 418, 288, 375), 0.03)
    se, sp, odds = 240 / 418, 288 / 375, 0.03 / 0.97
    spread = ((1 - se) / (se * 418) + sp / ((1 - sp) * 375)) ** 0.5
    center = np.log(se * odds / (1 - sp))
    expected = expit([center - 1.959964 * spread, center + 1.959964 * spread])
    found = values.positive.interval
    assert (found.low, found.high) == pytest.approx(tuple(expected), rel=1e-6)
    spread = ((1 - sp) / (sp * 375) + se / ((1 - se) * 418)) ** 0.5
    center = np.log(sp / odds / (1 - se))
    expected = expit([center - 1.959964 * spread, center + 1.959964 * spread])
    found = values.negative.interval
    assert (found.low, found.high) == pytest.approx(tuple(expected), rel=1e-6)
    assert "Mercaldo" in found.method


def test_a_share_of_one_still_has_doubt():
    values = values_at(outcome(20, 20, 50, 50), 0.1)
    assert values.positive.value == values.negative.value == 1.0
    for one in (values.positive, values.negative):
        assert 0.3 < one.interval.low < 1.0
        assert one.interval.high == 1.0


def test_the_interval_of_a_predictive_value_holds_its_level():
    generator, held, rounds = np.random.default_rng(0), 0, 400
    truth = 0.8 * 0.05 / (0.8 * 0.05 + 0.1 * 0.95)
    for _ in range(rounds):
        drawn = outcome(generator.binomial(60, 0.8), 60, generator.binomial(300, 0.9), 300)
        interval = values_at(drawn, 0.05).positive.interval
        held += interval.low <= truth <= interval.high
    assert held / rounds == pytest.approx(0.95, abs=0.033)


def test_films_of_a_patient_count_together():
    labels = np.repeat(np.arange(60) < 20, 4)
    scores = np.repeat(np.random.default_rng(1).random(60) + 0.5 * (np.arange(60) < 20), 4) / 2
    apart = values_at(outcome_at(labels, scores, np.arange(240), 0.4), 0.1).positive.interval
    together = values_at(
        outcome_at(labels, scores, np.repeat(np.arange(60), 4), 0.4), 0.1
    ).positive.interval
    ratio = (logit(together.high) - logit(together.low)) / (logit(apart.high) - logit(apart.low))
    assert ratio == pytest.approx(2, rel=0.05)


def test_values_without_films_are_undefined():
    films = np.array([True, True, False])
    scores = np.array([0.1, 0.2, 0.3])
    nobody = values_at(outcome_at(films, scores, np.arange(3), 0.9), 0.1)
    assert isinstance(nobody.positive, Undefined)
    assert nobody.negative.value == pytest.approx(0.9)
    assert isinstance(
        values_at(outcome_at(films & False, scores, np.arange(3), 0.2), 0.1), Undefined
    )
    with pytest.raises(StatisticsError, match="prevalence 1"):
        values_at(outcome(1, 2, 1, 2), 1.0)


def em(probabilities, prior, steps):
    """The iteration of Saerens et al. 2002, equations 9 and 10."""
    at = prior
    for _ in range(steps):
        positive = probabilities * at / prior
        at = np.mean(positive / (positive + (1 - probabilities) * (1 - at) / (1 - prior)))
    return at


def shifted(prior, prevalence, n, seed, apart=2.0, each=1):
    """Draw films of `prevalence` with probabilities that hold where it is `prior`."""
    generator = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n // each), each)
    labels = np.repeat(generator.random(n // each) < prevalence, each)
    own = np.repeat(generator.normal(size=n // each), each) if each > 1 else 0.0
    noise = 0.6 * generator.normal(size=n) + 0.8 * own if each > 1 else generator.normal(size=n)
    x = noise + apart * labels
    return labels, expit(apart * x - apart**2 / 2 + logit(prior)), patients


def test_the_estimate_is_where_the_iteration_ends():
    for prior, prevalence in ((0.1, 0.3), (0.3, 0.05), (0.5, 0.5)):
        _, probabilities, patients = shifted(prior, prevalence, 400, 1)
        found = estimate_prevalence(probabilities, patients, prior).value
        assert found == pytest.approx(em(probabilities, prior, 20_000), abs=1e-5)


def test_an_iteration_that_is_stopped_early_stays_near_the_prior():
    """Why the maximum is found as a root: scores that say little move in tiny steps."""
    _, probabilities, patients = shifted(0.02, 0.2, 20_000, 2, apart=0.5)
    found = estimate_prevalence(probabilities, patients, 0.02).value
    assert found == pytest.approx(0.2, abs=0.03)
    assert em(probabilities, 0.02, 20) < 0.06


def test_estimate_by_hand():
    # Certain scores: the share of films above one half.
    probabilities = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert estimate_prevalence(probabilities, np.arange(8), 0.5).value == pytest.approx(
        0.25, abs=1e-4
    )


@pytest.mark.parametrize(("prior", "prevalence"), [(0.1, 0.3), (0.3, 0.05), (0.02, 0.02)])
def test_a_known_shift_is_recovered_and_the_corrected_probabilities_are_true(prior, prevalence):
    labels, probabilities, patients = shifted(prior, prevalence, 20_000, 3)
    estimate = estimate_prevalence(probabilities, patients, prior)
    assert estimate.value == pytest.approx(prevalence, abs=0.01)
    assert estimate.interval.low < prevalence < estimate.interval.high
    moved = move_prior(probabilities, prior, estimate.value)
    assert calibration_error(labels, moved) < 0.01
    if prior != prevalence:
        assert calibration_error(labels, probabilities) > 0.05


@pytest.mark.parametrize("each", [1, 5])
def test_the_interval_of_the_estimate_holds_its_level(each):
    held, rounds = 0, 300
    for seed in range(rounds):
        _, probabilities, patients = shifted(0.3, 0.15, 500, seed, each=each)
        interval = estimate_prevalence(probabilities, patients, 0.3).interval
        held += interval.low <= 0.15 <= interval.high
    assert held / rounds == pytest.approx(0.95, abs=0.038)


def test_films_without_the_finding_give_an_estimate_at_the_edge_with_a_bound():
    _, probabilities, patients = shifted(0.3, 0.0, 300, 4)
    estimate = estimate_prevalence(probabilities, patients, 0.3)
    assert estimate.value < 0.02
    assert estimate.interval.low == 0.0
    assert estimate.value < estimate.interval.high < 0.06


def test_scores_that_say_nothing_have_no_interval():
    estimate = estimate_prevalence(np.full(50, 0.2), np.arange(50), 0.2)
    assert isinstance(estimate.interval, Undefined)


def test_moving_the_prior_by_hand_and_back():
    # Odds 1 at prior 1/2 become odds 1/9 at prevalence 1/10.
    assert move_prior(np.array([0.5]), 0.5, 0.1) == pytest.approx([0.1])
    values = np.linspace(0.01, 0.99, 20)
    assert move_prior(move_prior(values, 0.2, 0.03), 0.03, 0.2) == pytest.approx(values)


def test_bad_probabilities_are_refused():
    with pytest.raises(StatisticsError, match="outside 0 to 1"):
        estimate_prevalence(np.array([1.2, 0.1]), np.arange(2), 0.2)
    with pytest.raises(StatisticsError, match="0 films"):
        estimate_prevalence(np.zeros(0), np.arange(0), 0.2)
    with pytest.raises(StatisticsError, match="prior 0"):
        estimate_prevalence(np.array([0.2, 0.1]), np.arange(2), 0.0)
    with pytest.raises(StatisticsError, match="2 labels and 3 patient"):
        estimate_prevalence(np.array([0.2, 0.1]), np.arange(3), 0.2)


def test_stated_prevalences_are_read():
    assert stated_prevalences(["Mass=0.01", "pleural thickening=2e-3"]) == {
        "Mass": 0.01, "Pleural_Thickening": 0.002,
    }  # fmt: skip
    assert stated_prevalences([]) == {}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["Mass"], "expected LABEL=SHARE"),
        (["Mass=often"], "expected LABEL=SHARE"),
        (["Mass=0"], "more than 0 and less than 1"),
        (["Mass=1"], "more than 0 and less than 1"),
        (["Mass=-0.1"], "more than 0 and less than 1"),
        (["Mass=nan"], "more than 0 and less than 1"),
        (["Mass=0.1", "mass=0.2"], "stated twice"),
    ],
)
def test_prevalence_that_cannot_be_is_refused(given, says):
    with pytest.raises(InputError, match=says):
        stated_prevalences(given)
    with pytest.raises(UnknownLabelError, match="unknown label 'Cough'"):
        stated_prevalences(["Cough=0.1"])


def test_everything_together_as_json():
    generator, sets = np.random.default_rng(5), []
    for n, share in ((300, 0.3), (400, 0.1)):
        labels = generator.random((n, 15)) < share
        labels[:, 13] = False
        scores = expit(generator.normal(size=(n, 15)) + 2 * labels - 1)
        sets.append(ScoredFilms(labels, scores, np.arange(n) // 2))
    points = choose_points(sets[0].labels, sets[0].scores, "validation")
    metrics = evaluate_scores(
        sets[1].labels, sets[1].scores, sets[1].patient_ids, "test", points, resamples=20
    )
    stated = {"Mass": 0.01, "Hernia": 0.002}
    found = judge_probabilities(*sets, metrics, "platt", stated, resamples=20)
    shift = found.shifts["Mass"]
    assert shift.fitted.value == sets[0].labels[:, 4].mean()
    assert shift.found.value == sets[1].labels[:, 4].mean()
    calibration = fit_calibration(sets[0].labels[:, 4], sets[0].scores[:, 4], "platt")
    probabilities = calibration.apply(sets[1].scores[:, 4])
    assert shift.estimated == estimate_prevalence(
        probabilities, sets[1].patient_ids, shift.fitted.value
    )
    assert shift.estimated.value == pytest.approx(0.1, abs=0.05)
    assert shift.corrected.error < found.calibrations["Mass"].after.error
    values = json.loads(json.dumps(probabilities_as_json(found), allow_nan=False))
    assert values["calibration"]["method"] == "platt"
    prevalence = values["prevalence"]
    assert list(prevalence["findings"]) == list(LABELS)
    assert prevalence["findings"]["Hernia"] == {
        "undefined": "0 positive films, expected at least 5"
    }
    few = {"undefined": "0 positive films, expected at least 5"}
    assert prevalence["stated"]["Hernia"] == {"prevalence": 0.002} | dict.fromkeys(KINDS, few)
    mass = prevalence["stated"]["Mass"]
    assert mass["balanced"]["positive_predictive_value"]["value"] == pytest.approx(
        values_at(metrics.findings["Mass"].outcome, 0.01).positive.value
    )
