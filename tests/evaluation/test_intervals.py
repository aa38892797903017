import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined, auroc
from wetread.evaluation.intervals import delong_interval, delong_variance

few_films = st.lists(
    st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 9)), min_size=4, max_size=40
)


def pairwise_variance(labels, scores, patients):
    """Obuchowski's variance from all pairs of films, by the formulas of Biometrics 1997."""
    positive, negative = np.flatnonzero(labels), np.flatnonzero(~labels)
    better = np.array(
        [[np.sign(scores[p] - scores[n]) / 2 + 0.5 for n in negative] for p in positive]
    )
    area = better.mean()
    everyone = sorted(set(patients))
    sums = {one: [0.0, 0.0] for one in everyone}
    for row, film in enumerate(positive):
        sums[patients[film]][0] += better[row].mean() - area
    for column, film in enumerate(negative):
        sums[patients[film]][1] += better[:, column].mean() - area
    n_with = [len(set(patients[positive])), len(set(patients[negative])), len(everyone)]
    if min(n_with[:2]) < 2:
        return None
    correction = [count / (count - 1) for count in n_with]
    m, n = len(positive), len(negative)
    s10 = correction[0] / m * sum(sums[one][0] ** 2 for one in everyone)
    s01 = correction[1] / n * sum(sums[one][1] ** 2 for one in everyone)
    s11 = correction[2] * sum(sums[one][0] * sums[one][1] for one in everyone)
    return s10 / m + s01 / n + 2 * s11 / (m * n)


def delong_1988_variance(labels, scores):
    """DeLong's variance from the placement values of all pairs, films independent."""
    positive, negative = scores[labels], scores[~labels]
    better = np.sign(positive[:, None] - negative[None, :]) / 2 + 0.5
    by_positive, by_negative = better.mean(axis=1), better.mean(axis=0)
    return by_positive.var(ddof=1) / positive.size + by_negative.var(ddof=1) / negative.size


def simulate(generator, n_patients, films_each, shift=1.0, shared=0.0):
    """Draw films whose label and score both depend on the patient by `shared` (0 = not)."""
    patients = np.repeat(np.arange(n_patients), films_each)
    labels = np.repeat(generator.random(n_patients) < 0.3, films_each)
    scores = generator.normal(size=patients.size) + shift * labels
    scores += shared * np.repeat(generator.normal(size=n_patients), films_each)
    return labels, scores, patients


def test_variance_by_hand():
    # Placements: 0.5 and 1 of the positives (variance 1/8), 1 and 0.5 of the negatives (1/8).
    labels = np.array([True, True, False, False])
    scores = np.array([3.0, 5.0, 1.0, 4.0])
    assert delong_variance(labels, scores, np.arange(4)) == pytest.approx(1 / 16 + 1 / 16)


@given(few_films)
def test_variance_equals_that_from_all_pairs(rows):
    labels = np.array([row[0] for row in rows])
    scores = np.array([row[1] for row in rows], dtype=np.float64)
    patients = np.array([row[2] for row in rows])
    variance = delong_variance(labels, scores, patients)
    expected = pairwise_variance(labels, scores, patients) if 0 < labels.mean() < 1 else None
    if expected is None:
        assert isinstance(variance, Undefined)
    else:
        assert variance == pytest.approx(expected, abs=1e-12)
        assert variance > -1e-12


def test_one_film_a_patient_is_delong_1988():
    labels, scores, patients = simulate(np.random.default_rng(1), 300, 1)
    scores = np.round(scores, 1)  # with ties
    expected = delong_1988_variance(labels, scores)
    assert delong_variance(labels, scores, patients) == pytest.approx(expected, rel=1e-12)


def coverage(films_each, shared, cluster, rounds=400):
    generator = np.random.default_rng(2)
    truth_labels, truth_scores, _ = simulate(generator, 40_000, 1, shared=shared)
    truth = auroc(truth_labels, truth_scores)
    held = 0
    for _ in range(rounds):
        labels, scores, patients = simulate(generator, 80, films_each, shared=shared)
        ids = patients if cluster else np.arange(patients.size)
        interval = delong_interval(labels, scores, ids)
        held += interval.low <= truth <= interval.high
    return held / rounds


def test_interval_holds_its_level():
    # Three standard errors of a share of 400 around 0.95 are 0.033.
    assert coverage(1, 0.0, cluster=True) == pytest.approx(0.95, abs=0.033)


def test_interval_holds_its_level_for_several_films_a_patient_only_with_patients_together():
    assert coverage(6, 1.0, cluster=True) == pytest.approx(0.95, abs=0.033)
    assert coverage(6, 1.0, cluster=False) < 0.75


def test_interval_is_symmetric_on_the_logit_scale_and_names_its_estimator():
    labels, scores, patients = simulate(np.random.default_rng(3), 100, 1)
    interval = delong_interval(labels, scores, patients)
    area = auroc(labels, scores)
    center, low, high = (np.log(x / (1 - x)) for x in (area, interval.low, interval.high))
    assert center - low == pytest.approx(high - center)
    positive, negative = scores[labels], scores[~labels]
    better = np.sign(positive[:, None] - negative[None, :]) / 2 + 0.5
    parts = [better.mean(axis=axis).var(ddof=1) / better.shape[1 - axis] for axis in (1, 0)]
    free = sum(parts) ** 2 / sum(
        part**2 / (size - 1) for part, size in zip(parts, better.shape, strict=True)
    )
    quantile = scipy.stats.t.ppf(0.975, free)
    half_width = quantile * np.sqrt(delong_1988_variance(labels, scores)) / (area * (1 - area))
    assert high - center == pytest.approx(half_width, rel=1e-6)
    assert interval.level == 0.95
    assert "DeLong" in interval.method


def test_interval_holds_its_level_with_few_positive_films():
    generator, truth, held = np.random.default_rng(5), scipy.stats.norm.cdf(0.5**0.5), 0
    labels = np.arange(200) < 8
    for _ in range(800):
        interval = delong_interval(labels, generator.normal(size=200) + labels, np.arange(200))
        held += interval.low <= truth <= interval.high
    # Three standard errors of a share of 800 are 0.023; the normal quantile covers 0.914.
    assert held / 800 == pytest.approx(0.95, abs=0.023)


def test_wider_level_gives_wider_interval():
    labels, scores, patients = simulate(np.random.default_rng(3), 100, 1)
    narrow = delong_interval(labels, scores, patients, level=0.9)
    wide = delong_interval(labels, scores, patients, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("reverse", [False, True])
def test_perfect_separation_keeps_its_doubt(reverse):
    labels = np.arange(10) >= 7
    scores = np.linspace(0, 1, 10) * (-1 if reverse else 1)
    interval = delong_interval(labels, scores, np.arange(10))
    bound = 0.025 ** (1 / 3)  # three positive films: three disjoint pairs
    expected = (0.0, 1 - bound) if reverse else (bound, 1.0)
    assert (interval.low, interval.high) == pytest.approx(expected)


def test_perfect_separation_counts_patients_not_films():
    labels = np.repeat([False, False, False, True, True], 20)
    interval = delong_interval(labels, labels.astype(np.float64), np.repeat(np.arange(5), 20))
    assert interval.low == pytest.approx(0.025 ** (1 / 2))


def test_perfect_separation_uses_no_patient_in_two_pairs():
    labels = np.tile([False, True], 4)  # four patients, each with a film of either class
    interval = delong_interval(labels, labels.astype(np.float64), np.repeat(np.arange(4), 2))
    assert interval.low == pytest.approx(0.025 ** (1 / 2))


@pytest.mark.parametrize(
    ("labels", "scores", "patients", "reason"),
    [
        ([1, 0, 0, 0], [3.0, 1, 2, 4], [1, 2, 3, 4], "fewer than two patients of one class"),
        ([1, 1, 0, 0], [3.0, 5, 2, 4], [1, 1, 2, 3], "fewer than two patients of one class"),
        ([1, 1, 0, 0], [1.0, 1, 1, 1], [1, 2, 3, 4], "the scores do not vary"),
        ([0, 0, 0, 0], [1.0, 2, 3, 4], [1, 2, 3, 4], "no positive film among 4"),
    ],
)
def test_interval_that_films_cannot_give_is_undefined(labels, scores, patients, reason):
    result = delong_interval(np.array(labels, bool), np.array(scores), np.array(patients))
    assert isinstance(result, Undefined)
    assert result.reason == reason


def test_patients_must_be_as_many_as_films():
    labels, scores = np.array([True, False]), np.array([1.0, 0.0])
    with pytest.raises(StatisticsError, match="2 labels and 3 patient numbers"):
        delong_variance(labels, scores, np.arange(3))
