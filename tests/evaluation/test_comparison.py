import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.test_intervals import simulate
from wetread.errors import StatisticsError
from wetread.evaluation.comparison import compare_scores, holm, paired_delong
from wetread.evaluation.curves import Undefined, auroc
from wetread.evaluation.intervals import bootstrap_means, delong_variance
from wetread.findings import LABELS


def covariances(labels, scores):
    """DeLong's 2 x 2 covariance of two AUROC from all pairs of films (Biometrics 1988)."""
    better = np.sign(scores[:, labels][:, :, None] - scores[:, ~labels][:, None, :]) / 2 + 0.5
    by_positive, by_negative = better.mean(axis=2), better.mean(axis=1)
    return np.cov(by_positive) / labels.sum() + np.cov(by_negative) / (~labels).sum()


def test_it_is_delongs_test_where_each_patient_has_a_film():
    generator = np.random.default_rng(1)
    labels, first, patients = simulate(generator, 60, 1)
    second = first + generator.normal(size=60)
    found = paired_delong(labels, first, second, patients)
    assert not isinstance(found, Undefined)
    s = covariances(labels, np.array([first, second]))
    error = np.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])
    assert found.difference == pytest.approx(auroc(labels, first) - auroc(labels, second))
    z = found.difference / error
    assert found.p_value == pytest.approx(
        2 * (1 - 0.5 * (1 + math.erf(abs(z) / np.sqrt(2)))), abs=1e-9
    )
    assert found.interval.high - found.interval.low == pytest.approx(2 * 1.959964 * error, abs=1e-6)


def test_a_difference_by_hand():
    # Placements of the first: 1, 1 | 1, 1. Of the second: 0.5, 1 | 1, 0.5. Differences: 0.5, 0 | 0,
    # 0.5, each class with variance 1/8 over two films: 1/16 + 1/16.
    labels = np.array([True, True, False, False])
    first, second = np.array([5.0, 6.0, 1.0, 2.0]), np.array([3.0, 5.0, 1.0, 4.0])
    found = paired_delong(labels, first, second, np.arange(4))
    assert not isinstance(found, Undefined)
    assert (found.first, found.second, found.difference) == (1.0, 0.75, 0.25)
    assert found.p_value == pytest.approx(0.479500, abs=1e-6)  # z = 0.25 / sqrt(1/8)


def test_against_a_constant_score_it_is_the_test_of_one():
    labels, scores, patients = simulate(np.random.default_rng(2), 40, 3, shared=1.0)
    found = paired_delong(labels, scores, np.zeros(scores.size), patients)
    assert not isinstance(found, Undefined)
    variance = delong_variance(labels, scores, patients)
    width = found.interval.high - found.interval.low
    assert width == pytest.approx(2 * 1.959964 * variance**0.5, abs=1e-6)


@given(st.integers(0, 10_000))
def test_the_other_way_round_is_the_opposite_and_order_is_all_that_counts(seed):
    generator = np.random.default_rng(seed)
    labels, first, patients = simulate(generator, 15, 2)
    second = generator.normal(size=30).round(1)
    one = paired_delong(labels, first, second, patients)
    other = paired_delong(labels, np.exp(second), 3 * first, patients)
    if isinstance(one, Undefined):
        assert isinstance(other, Undefined)
    else:
        assert one.difference == pytest.approx(-other.difference)
        assert one.p_value == pytest.approx(other.p_value)
        assert one.interval.low == pytest.approx(-other.interval.high)


def test_equal_order_is_no_difference():
    labels, scores, patients = simulate(np.random.default_rng(3), 20, 2)
    found = paired_delong(labels, scores, 2 * scores + 1, patients)
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert (found.interval.low, found.interval.high) == (0.0, 0.0)


def test_the_level_is_held_where_films_of_a_patient_are_alike():
    """Of two equally good scores 5 % of the tests say otherwise, not more."""
    generator, rejected = np.random.default_rng(4), 0
    for _ in range(400):
        labels, truth, patients = simulate(generator, 80, 4, shared=1.0)
        blur = np.repeat(generator.normal(size=(2, 80)), 4, axis=1)
        found = paired_delong(labels, truth + blur[0], truth + blur[1], patients)
        rejected += found.p_value < 0.05
    assert 0.02 < rejected / 400 < 0.09


def test_too_few_of_a_class_is_undefined():
    labels = np.array([True, True, False, False])
    scores = np.arange(4.0)
    assert isinstance(paired_delong(labels, scores, scores, np.array([1, 1, 2, 3])), Undefined)
    nothing = np.zeros(4, dtype=bool)
    assert isinstance(paired_delong(nothing, scores, scores, np.arange(4)), Undefined)
    with pytest.raises(StatisticsError, match="NaN"):
        paired_delong(labels, scores, np.array([0, 1, 2, np.nan]), np.arange(4))


def test_holm_by_hand():
    # 0.01 x 4, 0.02 x 3, then 0.03 x 2 = 0.06 at least as high as before, then 0.9 x 1.
    assert holm([0.9, 0.01, 0.03, 0.02]).tolist() == pytest.approx([0.9, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.6]).tolist() == [1.0, 1.0]
    assert holm([]).size == 0
    with pytest.raises(StatisticsError, match="outside 0 to 1"):
        holm([1.5])


def test_all_findings_are_compared_and_the_mean_is_paired():
    generator = np.random.default_rng(5)
    patients = np.repeat(np.arange(100), 2)
    labels = generator.random((200, len(LABELS))) < 0.3
    labels[:, 3] = False
    first = generator.normal(size=labels.shape) + labels
    second = first + 0.1 * generator.normal(size=labels.shape)
    found = compare_scores(labels, first, second, patients, resamples=200)
    assert list(found.findings) == list(LABELS)
    assert isinstance(found.findings[LABELS[3]], Undefined)
    assert (found.n_images, found.n_patients, found.mean_over) == (200, 100, 14)
    means = [bootstrap_means(labels, x, patients, resamples=200, seed=0) for x in (first, second)]
    low, high = np.quantile(means[0] - means[1], [0.025, 0.975])
    assert (found.mean_interval.low, found.mean_interval.high) == pytest.approx((low, high))
    assert high - low < 0.5 * (np.quantile(means[0], 0.975) - np.quantile(means[0], 0.025))
    tested = [one for one in found.findings.values() if not isinstance(one, Undefined)]
    assert [one.p_holm for one in tested] == holm([one.p_value for one in tested]).tolist()
