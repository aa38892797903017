import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined
from wetread.evaluation.operating_points import youden_point
from wetread.records import OperatingPoint


def test_point_by_hand():
    labels = np.array([False, False, False, True, False, True])
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    # At 0.4 both positives are found and three of the four negatives cleared.
    assert youden_point(labels, scores, "validation") == OperatingPoint(
        0.4, 1.0, 0.75, "validation"
    )


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


def test_one_class_is_undefined():
    result = youden_point(np.array([True, True]), np.array([0.1, 0.2]), "validation")
    assert isinstance(result, Undefined)


def test_score_that_is_not_finite_is_refused():
    with pytest.raises(StatisticsError):
        youden_point(np.array([True, False]), np.array([0.1, np.nan]), "validation")
