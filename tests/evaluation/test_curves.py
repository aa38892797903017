import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, auroc, average_precision, roc_curve

LABELS = np.array([False, False, True, True])
SCORES = np.array([0.1, 0.4, 0.35, 0.8])

# Few distinct scores, so that ties within and between the classes are common.
films = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60).filter(
    lambda pairs: len({label for label, _ in pairs}) == 2
)


def split(pairs):
    labels, scores = zip(*pairs, strict=True)
    return np.array(labels), np.array(scores, dtype=np.float32) / 7


def test_curve_by_hand():
    curve = roc_curve(LABELS, SCORES)
    assert curve.thresholds.tolist() == [np.inf, 0.8, 0.4, 0.35, 0.1]
    assert curve.true_positive_rate.tolist() == [0, 0.5, 0.5, 1, 1]
    assert curve.false_positive_rate.tolist() == [0, 0, 0.5, 0.5, 1]


def test_areas_by_hand():
    assert auroc(LABELS, SCORES) == 0.75
    # Precision 1 at recall 0.5, then 2/3 at recall 1.
    assert average_precision(LABELS, SCORES) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_tie_counts_one_half():
    assert auroc(np.array([True, False]), np.array([0.5, 0.5])) == 0.5
    assert auroc(np.array([True, False, False]), np.array([0.5, 0.5, 0.1])) == 0.75


@given(films)
def test_areas_equal_those_of_scikit_learn(pairs):
    labels, scores = split(pairs)
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    expected = average_precision_score(labels, scores)
    assert average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)


@given(films)
def test_curve_equals_that_of_scikit_learn_and_its_trapezoid_is_the_auroc(pairs):
    labels, scores = split(pairs)
    curve = roc_curve(labels, scores)
    false_rate, true_rate, thresholds = sklearn_roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, false_rate, atol=1e-12)
    np.testing.assert_allclose(curve.true_positive_rate, true_rate, atol=1e-12)
    np.testing.assert_array_equal(curve.thresholds, thresholds)
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(auroc(labels, scores), abs=1e-12)


@pytest.mark.parametrize("function", [roc_curve, auroc, average_precision])
@pytest.mark.parametrize(
    ("labels", "counts", "text", "reason"),
    [
        ([False, False], (0, 2), "undefined (n = 0)", "no positive film among 2"),
        ([True, True, True], (3, 0), "undefined (n = 3)", "no negative film among 3"),
        ([], (0, 0), "undefined (n = 0)", "no film"),
    ],
)
def test_one_class_is_undefined_with_its_count(function, labels, counts, text, reason):
    given_labels = np.array(labels, dtype=np.bool_)
    result = function(given_labels, np.linspace(0, 1, len(labels)))
    assert isinstance(result, Undefined)
    assert (result.n_positive, result.n_negative) == counts
    assert str(result) == text
    assert result.reason == reason


@pytest.mark.parametrize("function", [roc_curve, auroc, average_precision])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_score_that_is_not_finite_is_refused(function, bad):
    with pytest.raises(StatisticsError, match="1 of 4 scores are NaN or infinite"):
        function(LABELS, np.array([0.1, bad, 0.2, 0.3]))


@pytest.mark.parametrize("function", [roc_curve, auroc, average_precision])
def test_lengths_that_differ_are_refused(function):
    with pytest.raises(StatisticsError, match="4 labels and 3 scores"):
        function(LABELS, SCORES[:3])
