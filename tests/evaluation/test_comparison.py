import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t
from statsmodels.stats.multitest import multipletests

from tests.evaluation.test_intervals import pairwise_variance, simulate
from wetread.errors import StatisticsError
from wetread.evaluation.comparison import (
    Difference,
    Significance,
    compare_scores,
    group_gap,
    holm,
    paired_delong,
)
from wetread.evaluation.curves import Undefined, auroc
from wetread.evaluation.intervals import delong_variance
from wetread.evaluation.resampled import draw_patients, mean_aurocs, resample_areas
from wetread.findings import LABELS

# Albumin, total protein, K-G score and "benefits from surgery" of 43 patients with ovarian cancer:
# the example of DeLong, DeLong and Clarke-Pearson (Biometrics 1988), as printed in the SAS/STAT
# User's Guide, "Comparing Receiver Operating Characteristic Curves", with SAS's results.
OVARIAN = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0
1.6 5.6 5 1  3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1
4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1
3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1
3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1
3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1
3.6 6.6 5 1
"""


def both_of(found):
    """Return a difference and its test, which must be there."""
    assert isinstance(found, Difference)
    assert isinstance(found.test, Significance)
    return found, found.test


def covariances(labels, scores):
    """DeLong's 2 x 2 covariance of two AUROC from all pairs of films (Biometrics 1988)."""
    better = np.sign(scores[:, labels][:, :, None] - scores[:, ~labels][:, None, :]) / 2 + 0.5
    by_positive, by_negative = better.mean(axis=2), better.mean(axis=1)
    return np.cov(by_positive) / labels.sum() + np.cov(by_negative) / (~labels).sum()


@pytest.mark.parametrize(
    ("test", "area", "difference", "error", "p"),
    [(0, 0.7366, 0.0108, 0.0953, 0.9102), (1, 0.6478, -0.0780, 0.1046, 0.4561)],
    ids=["albumin", "total protein"],
)
def test_it_is_delongs_published_example(test, area, difference, error, p):
    table = np.array(OVARIAN.split(), dtype=np.float64).reshape(-1, 4)
    labels, scores, score = table[:, 3] == 1, table[:, test], 10 - table[:, 2]
    found, chance = both_of(paired_delong(labels, scores, score, np.arange(43)))
    assert (found.first, found.second) == pytest.approx((area, 0.7258), abs=5e-5)
    assert found.difference == pytest.approx(difference, abs=5e-5)
    assert chance.standard_error == pytest.approx(error, abs=5e-5)
    z = abs(found.difference) / chance.standard_error
    assert 2 * norm.sf(z) == pytest.approx(p, abs=5e-5)
    # 12 patients do not benefit, so Student's t is a little more careful than SAS's normal.
    assert p < chance.p_value < p + 0.01


def test_the_standard_error_is_delongs_where_each_patient_has_a_film():
    generator = np.random.default_rng(1)
    labels, first, patients = simulate(generator, 60, 1)
    second = first + generator.normal(size=60)
    found, chance = both_of(paired_delong(labels, first, second, patients))
    s = covariances(labels, np.array([first, second]))
    assert found.difference == pytest.approx(auroc(labels, first) - auroc(labels, second))
    assert chance.standard_error**2 == pytest.approx(s[0, 0] + s[1, 1] - 2 * s[0, 1])


def test_a_difference_by_hand():
    # The first separates perfectly, the second has one pair of 25 the wrong way round: placements
    # differ by 0.2, 0, 0, 0, 0 in each class, of variance 0.008 over five films: 0.0016 + 0.0016.
    # Two equal variances over four degrees of freedom each have eight together.
    labels = np.arange(10) >= 5
    first = np.arange(10.0)
    second = np.array([0.0, 1.0, 2.0, 3.0, 5.0, 4.0, 6.0, 7.0, 8.0, 9.0])
    found, chance = both_of(paired_delong(labels, first, second, np.arange(10)))
    assert (found.first, found.second) == (1.0, 0.96)
    assert found.difference == pytest.approx(0.04)
    assert chance.standard_error == pytest.approx(0.0032**0.5)
    assert chance.p_value == pytest.approx(2 * t.sf(0.5**0.5, 8))
    half_width = t.ppf(0.975, 8) * 0.0032**0.5
    assert chance.interval.low == pytest.approx(0.04 - half_width)
    assert "t with 8.0 degrees" in chance.interval.method


def test_against_a_constant_score_it_is_the_test_of_one():
    labels, scores, patients = simulate(np.random.default_rng(2), 40, 3, shared=1.0)
    _, chance = both_of(paired_delong(labels, scores, np.zeros(scores.size), patients))
    variance = delong_variance(labels, scores, patients)
    assert chance.standard_error == pytest.approx(variance**0.5)


@given(st.integers(0, 10_000))
def test_the_other_way_round_is_the_opposite_and_order_is_all_that_counts(seed):
    generator = np.random.default_rng(seed)
    labels, first, patients = simulate(generator, 25, 2)
    second = generator.normal(size=50).round(1)
    one = paired_delong(labels, first, second, patients)
    other = paired_delong(labels, np.exp(second), 3 * first, patients)
    if isinstance(one, Undefined):
        assert isinstance(other, Undefined)
        return
    assert one.difference == pytest.approx(-other.difference)
    if isinstance(one.test, Undefined):
        assert one.test == other.test
    else:
        assert one.test.p_value == pytest.approx(other.test.p_value)
        assert one.test.interval.low == pytest.approx(-other.test.interval.high)


def test_equal_order_is_no_difference():
    labels, scores, patients = simulate(np.random.default_rng(3), 30, 2)
    found, chance = both_of(paired_delong(labels, scores, 2 * scores + 1, patients))
    assert (found.difference, chance.p_value) == (0.0, 1.0)
    assert (chance.interval.low, chance.interval.high) == (0.0, 0.0)


def test_two_perfect_scores_may_still_differ_on_other_films():
    labels = np.arange(30) >= 20
    first = np.arange(30.0)
    second = np.concatenate([np.arange(20)[::-1], np.arange(20, 30)]).astype(float)
    found, chance = both_of(paired_delong(labels, first, second, np.arange(30)))
    assert (found.first, found.second, found.difference, chance.p_value) == (1.0, 1.0, 0.0, 1.0)
    # If they disagreed on a share d of pairs, ten disjoint ones would agree with (1 - d) ** 10.
    assert (1 - chance.interval.high) ** 10 == pytest.approx(0.05)
    assert chance.interval.low == -chance.interval.high


def test_a_difference_that_is_the_same_in_all_patients_has_no_p():
    labels = np.arange(12) >= 6
    perfect = np.arange(12.0)
    found = paired_delong(labels, perfect, np.zeros(12), np.arange(12))
    assert found.difference == 0.5
    assert isinstance(found.test, Undefined)
    assert "alike" in found.test.reason


@pytest.mark.parametrize("positives", [20, 6])
def test_the_level_is_held(positives):
    """Of two equally good scores 5 % of the tests say otherwise, with few positives too.

    A normal quantile would say so in 9 % with six positive patients.
    """
    generator, rejected, rounds = np.random.default_rng(4), 0, 400
    patients = np.repeat(np.arange(80), 4)
    labels = patients < positives
    for _ in range(rounds):
        truth = generator.normal(size=320) + labels + np.repeat(generator.normal(size=80), 4)
        blur = np.repeat(generator.normal(size=(2, 80)), 4, axis=1)
        _, chance = both_of(paired_delong(labels, truth + blur[0], truth + blur[1], patients))
        rejected += chance.p_value < 0.05
    assert 0.02 < rejected / rounds < 0.08


def test_too_few_patients_of_a_class_have_areas_but_no_test():
    labels = np.arange(20) < 8
    scores = np.random.default_rng(5).normal(size=20)
    patients = np.where(labels, np.arange(20) // 2, np.arange(20))
    found = paired_delong(labels, scores, -scores, patients)
    assert isinstance(found, Difference)
    assert isinstance(found.test, Undefined)
    assert found.test.reason == "4 patients with the label, a test needs 5"
    assert found.first == auroc(labels, scores)
    nothing = np.zeros(20, dtype=bool)
    assert isinstance(paired_delong(nothing, scores, scores, np.arange(20)), Undefined)
    with pytest.raises(StatisticsError, match="NaN"):
        paired_delong(labels, scores, np.where(labels, np.nan, scores), patients)
    with pytest.raises(StatisticsError, match="expected as many"):
        paired_delong(labels, scores, scores[:-1], patients)


def test_a_gap_of_independent_groups_has_the_sum_of_their_variances():
    labels, scores, patients = simulate(np.random.default_rng(6), 120, 3, shared=1.0)
    group = patients < 40
    found, chance = both_of(group_gap(labels, scores, patients, group))
    expected = [pairwise_variance(labels[x], scores[x], patients[x]) for x in (group, ~group)]
    areas = [auroc(labels[x], scores[x]) for x in (group, ~group)]
    assert (found.first, found.second) == pytest.approx(areas)
    assert chance.standard_error**2 == pytest.approx(sum(expected))
    assert "independent" in chance.interval.method


def test_a_gap_of_groups_that_share_patients_is_that_of_the_patient_bootstrap():
    generator = np.random.default_rng(7)
    labels, scores, patients = simulate(generator, 200, 4, shared=2.0)
    group = generator.random(labels.size) < 0.5
    found, chance = both_of(group_gap(labels, scores, patients, group))
    assert "patients in both" in chance.interval.method
    gaps = []
    for drawn in draw_patients(200, 1000, generator):
        films = np.repeat(np.arange(labels.size), drawn[patients])
        sides = [films[group[films]], films[~group[films]]]
        areas = [auroc(labels[side], scores[side]) for side in sides]
        gaps.append(areas[0] - areas[1])
    assert chance.standard_error == pytest.approx(np.std(gaps), rel=0.08)
    # The doubt shared by both sides is no doubt about their gap.
    alone = [pairwise_variance(labels[x], scores[x], patients[x]) for x in (group, ~group)]
    assert chance.standard_error < 0.8 * sum(alone) ** 0.5
    turned, other = both_of(group_gap(labels, scores, patients, ~group))
    assert turned.difference == pytest.approx(-found.difference)
    assert other.p_value == pytest.approx(chance.p_value)


def test_a_gap_needs_both_classes_on_both_sides():
    labels = np.arange(40) % 2 == 0
    scores = np.random.default_rng(8).normal(size=40)
    one = group_gap(labels, scores, np.arange(40), labels)
    assert isinstance(one, Undefined)
    assert one.reason == "no negative film among 20"
    few = group_gap(labels, scores, np.arange(40), np.arange(40) < 6)
    assert isinstance(few, Difference)
    assert isinstance(few.test, Undefined)


def test_holm_by_hand():
    # 0.01 x 4, 0.02 x 3, then 0.03 x 2 = 0.06 at least as high as before, then 0.9 x 1.
    assert holm([0.9, 0.01, 0.03, 0.02]).tolist() == pytest.approx([0.9, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.6]).tolist() == [1.0, 1.0]
    assert holm([]).size == 0
    with pytest.raises(StatisticsError, match="outside 0 to 1"):
        holm([1.5])


def test_holm_is_that_of_statsmodels():
    generator = np.random.default_rng(9)
    for _ in range(5):
        p_values = (generator.random(15) ** 4).round(2)  # with ties and zeros
        expected = multipletests(p_values, method="holm")[1]
        assert holm(p_values.tolist()) == pytest.approx(expected, abs=1e-12)


def cohort():
    generator = np.random.default_rng(5)
    patients = np.repeat(np.arange(100), 2)
    labels = generator.random((200, len(LABELS))) < 0.3
    labels[:, 3] = False
    labels[:, 4] = np.arange(200) < 4  # two patients
    first = generator.normal(size=labels.shape) + labels
    second = first + 0.1 * generator.normal(size=labels.shape)
    return labels, first, second, patients


def test_all_findings_are_compared_and_the_mean_is_paired():
    labels, first, second, patients = cohort()
    told = []
    found = compare_scores(
        labels, first, second, patients, resamples=200, progress=lambda *at: told.append(at)
    )
    assert list(found.findings) == list(LABELS)
    assert isinstance(found.findings[LABELS[3]], Undefined)
    assert (found.n_images, found.n_patients, found.mean_over) == (200, 100, 14)
    assert found.n_positive[LABELS[4]] == 4
    assert told[0][1] == 400
    assert told[-1] == (400, 400)
    means = [
        mean_aurocs(resample_areas(labels, x, patients, resamples=200, seed=0))
        for x in (first, second)
    ]
    low, high = np.quantile(means[0] - means[1], [0.025, 0.975])
    assert (found.mean_interval.low, found.mean_interval.high) == pytest.approx((low, high))
    assert high - low < 0.5 * (np.quantile(means[0], 0.975) - np.quantile(means[0], 0.025))


def test_estimate_and_interval_of_the_mean_are_over_the_same_findings():
    """A finding with too few patients for a test of its own still counts in both."""
    labels, first, second, patients = cohort()
    second[:, 4] = -first[:, 4]
    found = compare_scores(labels, first, second, patients, resamples=200)
    assert isinstance(found.findings[LABELS[4]].test, Undefined)
    areas = [
        np.mean([auroc(labels[:, i], scores[:, i]) for i in range(15) if i != 3])
        for scores in (first, second)
    ]
    assert (found.mean_first, found.mean_second) == pytest.approx(areas)
    assert found.mean_difference == pytest.approx(areas[0] - areas[1])
    assert found.mean_interval.low < found.mean_difference < found.mean_interval.high


def test_holm_counts_the_findings_that_have_a_test():
    found = compare_scores(*cohort(), resamples=20)
    chances = [
        one.test
        for one in found.findings.values()
        if isinstance(one, Difference) and isinstance(one.test, Significance)
    ]
    assert len(chances) == 13
    assert [one.p_holm for one in chances] == holm([one.p_value for one in chances]).tolist()


@pytest.mark.parametrize(("level", "resamples"), [(95.0, 10), (0.0, 10), (0.95, 0)])
def test_settings_out_of_range_are_refused(level, resamples):
    with pytest.raises(StatisticsError, match="expected"):
        compare_scores(*cohort(), level=level, resamples=resamples)
