import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from wetread.errors import StatisticsError
from wetread.evaluation.adjudicated import Estimate, Share, accuracy, judge, share_of
from wetread.evaluation.curves import Undefined
from wetread.records import OperatingPoint

POINT = OperatingPoint(0.5, 0.8, 0.8, "validation")
NO_POINT = Undefined(0, 5, "no positive film among 5")


def made_up(n=400, seed=0, films_each=2):
    """Readers, a label that is wrong in a fifth of the films, a model that knows the readers."""
    rng = np.random.default_rng(seed)
    readers = rng.random(n) < 0.3
    label = readers ^ (rng.random(n) < 0.2)
    scores = np.clip(0.35 * readers + 0.65 * rng.random(n), 0, 1)
    return readers, label, scores, np.arange(n) // films_each


def test_a_case_by_hand():
    """Eight films, the label with two errors, the model with one film out of order."""
    readers = np.array([1, 1, 1, 1, 0, 0, 0, 0], bool)
    label = np.array([1, 1, 1, 0, 1, 0, 0, 0], bool)
    scores = np.array([0.9, 0.8, 0.7, 0.3, 0.6, 0.5, 0.2, 0.1])
    found = judge(readers, label, scores, np.arange(8), POINT)
    for rate in (
        found.label.sensitivity,
        found.label.specificity,
        found.label.positive_predictive_value,
        found.label.negative_predictive_value,
    ):
        assert (rate.successes, rate.n, rate.value) == (3, 4, 0.75)
    assert (found.model.sensitivity.successes, found.model.sensitivity.n) == (3, 4)
    assert (found.model.specificity.successes, found.model.specificity.n) == (2, 4)  # 0.6, 0.5
    assert found.against_readers.value == (4 + 4 + 4 + 2) / 16
    assert found.against_label.value == 1.0  # the four highest scores are the labeled films
    assert found.difference.value == -2 / 16
    # One false alarm is allowed to the label's: after 0.6, before 0.5, three of four are found.
    assert (found.matched.specificity, found.matched.sensitivity.value) == (0.75, 0.75)
    assert found.matched.difference.value == 0.0
    assert isinstance(found.matched.difference.interval, Undefined)
    assert "fewer than 5 patients" in found.difference.interval.reason


def test_the_numbers_are_those_of_scikit_learn():
    readers, label, scores, patients = made_up()
    found = judge(readers, label, scores, patients, POINT)
    for called, ours in ((label, found.label), (scores >= 0.5, found.model)):
        (tn, fp), (fn, tp) = confusion_matrix(readers, called)
        assert ours.sensitivity.value == tp / (tp + fn)
        assert ours.specificity.value == tn / (tn + fp)
        assert ours.positive_predictive_value.value == tp / (tp + fp)
        assert ours.negative_predictive_value.value == tn / (tn + fn)
    against_readers, against_label = (roc_auc_score(t, scores) for t in (readers, label))
    assert found.against_readers.value == pytest.approx(against_readers)
    assert found.against_label.value == pytest.approx(against_label)
    assert found.difference.value == pytest.approx(against_readers - against_label)
    assert (found.n_images, found.n_patients) == (400, 200)


def test_the_bootstrap_is_that_of_drawing_patients_anew():
    """The intervals against a slow bootstrap that copies films and uses scikit-learn."""
    readers, label, scores, patients = made_up(n=160, films_each=4)
    found = judge(readers, label, scores, patients, POINT, resamples=600)
    rng, differences, gains = np.random.default_rng(99), [], []
    for _ in range(600):
        rows = np.concatenate([np.flatnonzero(patients == p) for p in rng.integers(40, size=40)])
        r, la, s = readers[rows], label[rows], scores[rows]
        differences.append(roc_auc_score(r, s) - roc_auc_score(la, s))
        allowed = (~r & la).sum()
        fits = [t for t in np.unique(s) if (~r & (s >= t)).sum() <= allowed]
        sensitivity = (r & (s >= min(fits))).sum() / r.sum() if fits else 0.0
        gains.append(sensitivity - (r & la).sum() / r.sum())
    for drawn, ours in ((differences, found.difference), (gains, found.matched.difference)):
        low, high = np.quantile(drawn, [0.025, 0.975])
        assert (ours.interval.low, ours.interval.high) == pytest.approx((low, high), abs=0.03)
        assert ours.interval.low < ours.value < ours.interval.high
    assert found.difference.interval.method == "patient bootstrap, 600 resamples, percentile"


def test_a_model_that_copies_the_label_gains_nothing():
    readers, label, _, patients = made_up()
    found = judge(readers, label, label.astype(float), patients, POINT)
    assert found.matched.difference.value == 0.0
    assert found.matched.specificity == found.label.specificity.value
    assert found.against_label.value == 1.0
    assert found.difference.value < 0


def test_a_model_better_than_its_label_is_seen_to_be():
    readers, label, _, patients = made_up()
    noise = 0.01 * np.random.default_rng(1).random(readers.size)
    found = judge(readers, label, readers + noise, patients, NO_POINT)
    assert found.matched.sensitivity.value == 1.0
    assert found.matched.difference.interval.low > 0
    assert found.difference.interval.low > 0
    assert found.model == NO_POINT


def test_a_constant_score_finds_nothing_at_the_labels_specificity():
    readers, label, scores, patients = made_up()
    found = judge(readers, label, np.full_like(scores, 0.5), patients, POINT)
    assert found.against_readers.value == 0.5
    assert isinstance(found.against_readers.interval, Undefined)
    assert (found.matched.sensitivity.value, found.matched.specificity) == (0.0, 1.0)


@pytest.mark.parametrize("value", [True, False])
def test_one_class_of_the_readers_is_undefined_with_its_counts(value):
    _, label, scores, patients = made_up(n=20)
    found = judge(np.full(20, value), label, scores, patients, POINT)
    for number in (found.against_readers, found.difference, found.matched):
        assert isinstance(number, Undefined)
        assert number.n_positive == 20 * value
    assert isinstance(found.label.specificity if value else found.label.sensitivity, Undefined)
    assert isinstance(found.against_label, Estimate)


def test_a_label_that_no_film_has_is_compared_all_the_same():
    readers, label, scores, patients = made_up()
    found = judge(readers, np.zeros_like(label), scores, patients, POINT)
    assert isinstance(found.against_label, Undefined)
    assert isinstance(found.difference, Undefined)
    assert isinstance(found.label.positive_predictive_value, Undefined)
    assert found.label.sensitivity.value == 0.0
    assert found.matched.specificity == 1.0
    assert found.matched.difference.interval.low >= 0


def test_no_film_at_all_is_undefined():
    nothing = np.zeros(0, bool)
    found = judge(nothing, nothing, np.zeros(0), np.zeros(0, np.int64), POINT)
    assert found.n_images == 0
    assert isinstance(found.matched, Undefined)
    assert isinstance(found.model.sensitivity, Undefined)


def test_the_seed_decides():
    given = made_up()
    assert judge(*given, POINT, seed=1) == judge(*given, POINT, seed=1)
    one, other = (judge(*given, POINT, seed=seed).difference.interval for seed in (1, 2))
    assert one != other


def test_what_cannot_be_compared_is_refused():
    readers, label, scores, patients = made_up(n=20)
    scores[3] = np.nan
    with pytest.raises(StatisticsError, match="1 of 20 scores are NaN"):
        judge(readers, label, scores, patients, POINT)
    with pytest.raises(StatisticsError, match="19 labels and 20 readings"):
        judge(readers, label[1:], np.zeros(20), patients, POINT)
    with pytest.raises(StatisticsError, match="20 labels and 19 patient numbers"):
        judge(readers, label, np.zeros(20), patients[1:], POINT)


def test_shares():
    assert share_of(0, 0) == Undefined(0, 0, "no film")
    share = share_of(3, 4)
    assert isinstance(share, Share)
    assert (share.value, share.interval.method) == (0.75, "Wilson")
    both = accuracy(np.array([True, False]), np.array([True, False]))
    assert both.sensitivity.value == both.specificity.value == 1.0
