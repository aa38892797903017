import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined
from wetread.evaluation.operating_points import (
    KINDS,
    choose_points,
    outcome_at,
    sensitive_point,
    specific_point,
    youden_point,
)
from wetread.evaluation.proportions import wilson_interval
from wetread.findings import LABELS
from wetread.records import OperatingPoint


def test_point_by_hand():
    labels = np.array([False, False, False, True, False, True])
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    # At 0.4 both positives are found and three of the four negatives cleared.
    expected = OperatingPoint(0.4, 1.0, 0.75, "validation", n_positive=2, n_negative=4)
    assert youden_point(labels, scores, "validation") == expected


def test_of_equal_points_the_highest_threshold_is_taken():
    labels = np.array([True, False, True, False])
    scores = np.array([0.8, 0.6, 0.4, 0.2])
    assert youden_point(labels, scores, "validation").threshold == 0.8


def test_threshold_stays_finite_when_every_threshold_is_worse_than_none():
    point = youden_point(np.array([True, False]), np.array([0.1, 0.9]), "train")
    assert np.isfinite(point.threshold)
    assert point.split == "train"


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=30).filter(
        lambda pairs: len({label for label, _ in pairs}) == 2
    )
)
def test_point_is_what_its_threshold_gives_and_no_threshold_is_better(pairs):
    labels = np.array([label for label, _ in pairs])
    scores = np.array([score for _, score in pairs], dtype=np.float32) / 10

    def rates(threshold):
        called = scores >= threshold
        return called[labels].mean(), (~called)[~labels].mean()

    point = youden_point(labels, scores, "validation")
    assert (point.sensitivity, point.specificity) == pytest.approx(rates(point.threshold))
    best = max(sum(rates(score)) for score in scores)
    assert point.sensitivity + point.specificity == pytest.approx(best)


EVERY = (youden_point, sensitive_point, specific_point)


@pytest.mark.parametrize("point", EVERY)
def test_one_class_is_undefined(point):
    result = point(np.array([True, True]), np.array([0.1, 0.2]), "validation")
    assert isinstance(result, Undefined)


def test_extreme_points_by_hand():
    # 20 positives at 0.41 to 0.60 and 20 negatives at 0.31 to 0.50: 19 of 20 is 0.95 exactly.
    labels = np.repeat([True, False], 20)
    scores = np.concatenate((np.arange(41, 61), np.arange(31, 51))) / 100
    sensitive = sensitive_point(labels, scores, "validation")
    assert (sensitive.threshold, sensitive.sensitivity) == (0.42, 0.95)
    assert sensitive.specificity == pytest.approx(11 / 20)
    specific = specific_point(labels, scores, "validation")
    assert (specific.threshold, specific.specificity) == (0.5, 0.95)
    assert specific.sensitivity == pytest.approx(11 / 20)
    assert (specific.n_positive, specific.n_negative, specific.split) == (20, 20, "validation")


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 30)), min_size=2, max_size=60).filter(
        lambda pairs: len({label for label, _ in pairs}) == 2
    )
)
def test_extreme_points_are_the_last_thresholds_that_keep_their_aim(pairs):
    labels = np.array([label for label, _ in pairs])
    scores = np.array([score for _, score in pairs]) / 10
    levels = np.unique(scores)
    sensitivity = np.array([(scores >= level)[labels].mean() for level in levels])
    specificity = np.array([(scores < level)[~labels].mean() for level in levels])
    point = sensitive_point(labels, scores, "validation")
    assert point.threshold == levels[sensitivity >= 0.95].max()
    point = specific_point(labels, scores, "validation")
    if (specificity >= 0.95).any():
        assert point.threshold == levels[specificity >= 0.95].min()
    else:
        assert point.reason == "no threshold reaches specificity 0.95"


def test_too_few_films_of_a_class_give_no_point_rather_than_a_fragile_one():
    labels = np.zeros((40, 15), bool)
    labels[:4, 0] = labels[:5, 1] = labels[:36, 2] = True
    scores = np.random.default_rng(0).random((40, 15))
    points = choose_points(labels, scores, "validation")
    assert list(points) == list(LABELS)
    assert list(points[LABELS[1]]) == list(KINDS)
    for label, reason in (
        (LABELS[0], "4 positive films, expected at least 5"),
        (LABELS[2], "4 negative films, expected at least 5"),
        (LABELS[3], "0 positive films, expected at least 5"),
    ):
        assert {point.reason for point in points[label].values()} == {reason}
    assert not any(isinstance(point, Undefined) for point in points[LABELS[1]].values())


def test_outcome_by_hand():
    labels = np.array([True, True, True, False, False, False, False])
    scores = np.array([0.9, 0.5, 0.1, 0.6, 0.2, 0.3, 0.4], dtype=np.float32)
    outcome = outcome_at(labels, scores, np.arange(7), 0.5)
    assert (outcome.n_true_positive, outcome.n_false_negative) == (2, 1)
    assert (outcome.n_false_positive, outcome.n_true_negative) == (1, 3)
    for share, hits, n in (
        (outcome.sensitivity, 2, 3),
        (outcome.specificity, 3, 4),
        (outcome.positive_predictive_value, 2, 3),
        (outcome.negative_predictive_value, 3, 4),
    ):
        assert (share.n_hits, share.n, share.value) == (hits, n, hits / n)
        assert share.interval == wilson_interval(hits, n)


def test_outcome_without_films_says_which_are_missing():
    labels, scores = np.array([True, True]), np.array([0.1, 0.2])
    high = outcome_at(labels, scores, np.arange(2), 0.5)
    assert high.specificity.reason == "no negative film"
    assert high.positive_predictive_value.reason == "no film is called"
    low = outcome_at(~labels, scores, np.arange(2), 0.05)
    assert low.sensitivity.reason == "no positive film"
    assert low.negative_predictive_value.reason == "every film is called"


def test_outcome_of_films_that_do_not_match_is_refused():
    with pytest.raises(StatisticsError, match="2 labels and 3 patient numbers"):
        outcome_at(np.array([True, False]), np.array([0.1, 0.2]), np.arange(3), 0.5)


@pytest.mark.parametrize("point", EVERY)
def test_score_that_is_not_finite_is_refused(point):
    with pytest.raises(StatisticsError):
        point(np.array([True, False]), np.array([0.1, np.nan]), "validation")
