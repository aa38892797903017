import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined
from wetread.evaluation.reliability import (
    calibration_error,
    reliability,
    resample_patients,
    truth_of,
)


def test_bins_and_error_by_hand():
    # Two bins of two films: means 0.15 and 0.7; shares of positives 0.5 and 0.5.
    labels = np.array([False, True, True, False])
    probabilities = np.array([0.1, 0.2, 0.6, 0.8])
    found = reliability(labels, probabilities, bins=2)
    assert found.n_films == (2, 2)
    assert found.predicted == pytest.approx((0.15, 0.7))
    assert found.observed == (0.5, 0.5)
    assert calibration_error(labels, probabilities, bins=2) == pytest.approx((0.35 + 0.2) / 2)


def test_bins_weigh_by_their_films():
    labels = np.array([True, False, False, False])
    probabilities = np.array([0.2, 0.2, 0.2, 0.9])  # ties stay together: bins of three and one
    found = reliability(labels, probabilities, bins=2)
    assert found.n_films == (3, 1)
    expected = (3 * abs(1 / 3 - 0.2) + 1 * 0.9) / 4
    assert calibration_error(labels, probabilities, bins=2) == pytest.approx(expected)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=60),
    st.integers(1, 12),
)
def test_every_film_is_in_one_bin_and_no_value_in_two(pairs, bins):
    labels = np.array([label for label, _ in pairs])
    probabilities = np.array([value for _, value in pairs]) / 20
    found = reliability(labels, probabilities, bins)
    assert sum(found.n_films) == labels.size
    assert len(found.n_films) <= bins
    assert list(found.predicted) == sorted(set(found.predicted))
    assert np.average(found.observed, weights=found.n_films) == pytest.approx(labels.mean())
    assert np.average(found.predicted, weights=found.n_films) == pytest.approx(probabilities.mean())


def test_bins_of_distinct_values_hold_as_many_films():
    found = reliability(np.ones(100, bool), np.linspace(0, 1, 100))
    assert found.n_films == (10,) * 10


def test_truth_has_the_same_numbers_and_the_bootstrap_is_that_of_copied_films():
    generator = np.random.default_rng(1)
    patients = generator.integers(12, size=60)
    labels, probabilities = generator.random(60) < 0.4, generator.random(60)
    drawn = resample_patients(patients, resamples=40, seed=3)
    truth = truth_of(labels, probabilities, drawn, level=0.8)
    assert truth.error == pytest.approx(calibration_error(labels, probabilities))
    assert truth.brier == pytest.approx(brier_score_loss(labels, probabilities))
    bin_of = np.empty(60, int)
    bin_of[np.argsort(probabilities)] = np.arange(60) // 6
    errors, briers = [], []
    for weights in drawn.weights.astype(int):
        rows = np.repeat(np.arange(60), weights[drawn.patient])
        gaps = [(probabilities - labels)[rows[bin_of[rows] == one]].sum() for one in range(10)]
        errors.append(np.abs(gaps).sum() / rows.size)
        briers.append(brier_score_loss(labels[rows], probabilities[rows]))
    low, high = np.quantile(briers, [0.1, 0.9])
    assert (truth.brier_interval.low, truth.brier_interval.high) == pytest.approx((low, high))
    low, high = np.quantile(errors, [0.1, 0.9])
    expected = (
        np.clip(2 * truth.error - high, 0, truth.error),
        max(2 * truth.error - low, truth.error),
    )
    assert (truth.error_interval.low, truth.error_interval.high) == pytest.approx(expected)
    assert truth.error_interval.method == "patient bootstrap, 40 resamples, basic"


def draw(generator, off=0.0, n_patients=150, each=4):
    """Draw films whose true probabilities depend on their patient; the stated ones are `off`."""
    patients = np.repeat(np.arange(n_patients), each)
    true = np.repeat(generator.uniform(0.05, 0.6, n_patients), each)
    return generator.random(patients.size) < true, true + off, patients


def test_perfect_probabilities_show_the_error_expected_by_chance():
    generator = np.random.default_rng(2)
    truths = [truth_of(*with_drawn(draw(generator), 2)) for _ in range(200)]
    shown = np.mean([one.error for one in truths])
    assert shown == pytest.approx(np.mean([one.error_by_chance for one in truths]), rel=0.05)


def with_drawn(films, resamples, seed=0):
    labels, probabilities, patients = films
    return labels, probabilities, resample_patients(patients, resamples, seed)


def test_intervals_hold_their_level():
    """The true calibration error of probabilities that are 0.15 too high is 0.15."""
    generator, rounds = np.random.default_rng(3), 200
    # E (p - y)^2 = (p - q)^2 + q (1 - q) with q uniform on [0.05, 0.6].
    mean, square = 0.325, 0.325**2 + 0.55**2 / 12
    brier = 0.15**2 + mean - square
    held = np.zeros(2)
    for number in range(rounds):
        truth = truth_of(*with_drawn(draw(generator, off=0.15), 300, number))
        held += (
            truth.error_interval.low <= 0.15 <= truth.error_interval.high,
            truth.brier_interval.low <= brier <= truth.brier_interval.high,
        )
    # Three standard errors of a share of 200 around 0.95 are 0.046. The calibration error is no
    # smooth function of the films: its interval is known to fall a little short.
    assert held[0] / rounds > 0.84
    assert held[1] / rounds == pytest.approx(0.95, abs=0.046)


def test_no_film_has_no_truth():
    nothing = np.zeros(0)
    assert isinstance(calibration_error(nothing > 0, nothing), Undefined)
    assert reliability(nothing > 0, nothing).n_films == ()


def test_bad_input_is_refused():
    labels = np.array([True, False])
    with pytest.raises(StatisticsError, match="outside 0 to 1"):
        reliability(labels, np.array([0.2, 1.1]))
    with pytest.raises(StatisticsError, match="NaN"):
        calibration_error(labels, np.array([0.2, np.nan]))
    with pytest.raises(StatisticsError, match="2 labels and 3 scores"):
        calibration_error(labels, np.zeros(3))
    with pytest.raises(StatisticsError, match="1 patient; a bootstrap"):
        resample_patients(np.array([4, 4]))
    with pytest.raises(StatisticsError, match="2 labels and 3 patient numbers"):
        truth_of(labels, np.array([0.2, 0.3]), resample_patients(np.arange(3)))
