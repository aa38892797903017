import numpy as np
import polars as pl
import pytest

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined
from wetread.evaluation.label_audit import (
    RATES,
    FindingAudit,
    audit_as_json,
    audit_finding,
    confident_joint,
    noise_rates,
    rank_suspects,
    suspect_table,
)

LABELS = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=np.bool_)
SCORES = np.array([0.9, 0.8, 0.6, 0.1, 0.7, 0.3, 0.2, 0.1, 0.1, 0.45])


def simulated(n_films=6000, claimed=0.1, missed=0.2, blur=0.0, seed=3):
    """Labels turned at known rates, and the scores of a model that learned from them."""
    generator = np.random.default_rng(seed)
    true = generator.random(n_films) < 0.3
    turned = generator.random(n_films) < np.where(true, missed, claimed)
    ideal = np.where(true, 1 - missed, claimed)
    scores = np.clip(ideal + blur * generator.normal(size=n_films), 0, 1)
    return true, true ^ turned, scores, np.arange(n_films) // 3


def test_a_confident_joint_by_hand():
    # with: mean of .9 .8 .6 .1 = .6; without: mean of .3 .7 .8 .9 .9 .55 = .69
    # labeled: .9 .8 .6 are with, .1 (.9) is without; unlabeled: .7 is with, .3 .2 .1 .1 are
    # without, .45 (.55) is of neither class.
    joint = confident_joint(LABELS, SCORES)
    np.testing.assert_allclose(joint.thresholds, [4.15 / 6, 0.6])
    np.testing.assert_array_equal(joint.counts, [[4, 1], [1, 3]])
    # Rows scaled to six unlabeled and four labeled films of ten.
    np.testing.assert_allclose(joint.joint, [[0.48, 0.12], [0.1, 0.3]])


def test_rates_by_hand():
    rates = noise_rates(LABELS, SCORES, np.arange(10), resamples=50)
    expected = (1 / 4, 1 / 5, 0.1 / 0.58, 0.12 / 0.42)
    for name, value in zip(RATES, expected, strict=True):
        assert rates[name].value == pytest.approx(value)
        assert rates[name].interval.low <= value <= rates[name].interval.high


def test_the_order_by_hand():
    found = rank_suspects(LABELS, SCORES, confident_joint(LABELS, SCORES))
    # First the two off the diagonal, by their margins of -.8 and -.4, then by margin.
    assert found.order[:5].tolist() == [3, 4, 9, 2, 5]
    assert set(found.order[5:7]) == {1, 6}  # a margin of .6 each
    assert np.flatnonzero(found.is_off_diagonal).tolist() == [3, 4]
    np.testing.assert_allclose(found.margins[[3, 4, 9, 0]], [-0.8, -0.4, 0.1, 0.8])


def test_a_film_confident_in_both_classes_counts_for_the_higher_score():
    labels = np.array([1, 1, 0, 0], dtype=np.bool_)
    scores = np.array([0.2, 0.4, 0.9, 0.3])  # thresholds .3 with, .4 without: worse than chance
    joint = confident_joint(labels, scores)
    np.testing.assert_allclose(joint.thresholds, [0.4, 0.3])
    np.testing.assert_array_equal(joint.counts, [[1, 1], [2, 0]])


def test_the_noise_of_an_ideal_model_is_found_exactly():
    true, labels, scores, patients = simulated()
    rates = noise_rates(labels, scores, patients, resamples=100)
    assert rates["claimed"].value == pytest.approx(labels[~true].mean(), abs=1e-9)
    assert rates["missed"].value == pytest.approx((~labels[true]).mean(), abs=1e-9)
    assert rates["wrong_positive"].value == pytest.approx((~true[labels]).mean(), abs=1e-9)
    assert rates["wrong_negative"].value == pytest.approx(true[~labels].mean(), abs=1e-9)


def test_the_noise_of_a_blurred_model_is_close_and_the_order_right():
    true, labels, scores, patients = simulated(blur=0.08)
    audit = audit_finding(labels, scores, patients, resamples=200)
    assert audit.rates["claimed"].value == pytest.approx(0.1, abs=0.03)
    assert audit.rates["missed"].value == pytest.approx(0.2, abs=0.04)
    is_wrong = labels != true
    assert audit.n_wrong == pytest.approx(is_wrong.sum(), rel=0.15)
    assert is_wrong[audit.suspects.order[:300]].mean() > 0.97
    assert is_wrong[audit.suspects.order[-300:]].mean() < 0.05
    assert sorted(audit.suspects.order) == list(range(labels.size))


def test_no_noise_is_no_noise():
    true, labels, scores, patients = simulated(claimed=0.0, missed=0.0)
    rates = noise_rates(labels, scores, patients, resamples=20)
    n_patients = np.unique(patients[labels]).size
    assert rates["missed"].value == 0
    assert rates["missed"].interval.low == 0
    # None among so many patients: the exact bound of Clopper and Pearson.
    assert rates["missed"].interval.high == pytest.approx(1 - 0.025 ** (1 / n_patients))
    assert "exact" in rates["missed"].interval.method
    assert (labels == true).all()


def test_intervals_cover_the_noise_and_know_patients():
    covered, widths = 0, []
    for seed in range(30):
        _, labels, scores, _ = simulated(n_films=600, seed=seed)
        rates = noise_rates(labels, scores, np.arange(600) // 3, resamples=200, seed=seed)
        covered += rates["claimed"].interval.low <= 0.1 <= rates["claimed"].interval.high
    assert 25 <= covered <= 30
    _, labels, scores, _ = simulated(n_films=200)
    for copies in (1, 4):  # the same films four times are no more patients
        many = [np.repeat(one, copies) for one in (labels, scores, np.arange(200))]
        interval = noise_rates(*many, resamples=300)["claimed"].interval
        widths.append(interval.high - interval.low)
    assert widths[1] == pytest.approx(widths[0], rel=0.02)


def test_what_cannot_be_given_is_undefined():
    none = audit_finding(np.zeros(5, np.bool_), np.linspace(0, 1, 5), np.arange(5))
    assert isinstance(none, Undefined)
    assert audit_as_json(none)["undefined"] == "no positive film among 5"
    equal = confident_joint(LABELS, np.full(10, 0.3))
    assert isinstance(equal, Undefined)
    assert "do not vary" in equal.reason
    one_patient = np.where(LABELS, 7, np.arange(10))
    audit = audit_finding(LABELS, SCORES, one_patient)
    assert isinstance(audit, FindingAudit)
    assert all(isinstance(rate, Undefined) for rate in audit.rates.values())
    assert audit_as_json(audit)["rates"] == dict.fromkeys(RATES)


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        (np.full(10, np.nan), "NaN"),
        (SCORES[:9], "9 scores"),
        (SCORES + 1, "expected 0 to 1"),
    ],
)
def test_scores_that_cannot_be_used_are_refused(scores, says):
    with pytest.raises(StatisticsError, match=says):
        confident_joint(LABELS, scores)


def test_the_numbers_and_the_table_of_suspects():
    audit = audit_finding(LABELS, SCORES, np.arange(10), resamples=20)
    said = audit_as_json(audit)
    assert (said["n_positive"], said["n_negative"], said["n_off_diagonal"]) == (4, 6, 2)
    assert said["n_wrong"] == pytest.approx(2.2)
    assert set(said["rates"]) == set(RATES)
    films = pl.DataFrame(
        {
            "image_index": [f"{i}.png" for i in range(10)],
            "split": ["train_val"] * 10,
            "score.Mass": SCORES,
        }
    )
    table = suspect_table(films, {"Mass": audit})
    assert table["image_index"][:3].to_list() == ["3.png", "4.png", "9.png"]
    assert table["rank"].to_list() == list(range(1, 11))
    assert table["label"][:2].to_list() == [True, False]
    assert suspect_table(films, {}).is_empty()
