import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from wetread.errors import StatisticsError
from wetread.evaluation.comparison import Difference, Significance, group_gap, holm
from wetread.evaluation.curves import Undefined, auroc
from wetread.evaluation.group_means import MEASURES, MeanGap
from wetread.evaluation.intervals import delong_interval
from wetread.evaluation.subgroups import Attribute, _rate, evaluate_subgroups
from wetread.findings import LABELS

THRESHOLDS = {label: 0.5 for label in LABELS if label != "Hernia"}


def cohort(seed=1, n_patients=90, films_each=3):
    generator = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients), films_each)
    labels = generator.random((patients.size, 15)) < 0.3
    labels[:, 1] = patients < 3  # three patients
    labels[:, 2] = False
    scores = generator.normal(size=labels.shape) + labels
    sex = Attribute("Sex", ("F", "M"), patients % 2)
    age = Attribute("Age", ("young", "middle", "old", "ancient"), generator.integers(3, size=270))
    return labels, scores, patients, [sex, age]


def groups_of(resamples=40, **changes):
    labels, scores, patients, attributes = cohort()
    given = {"thresholds": THRESHOLDS, "resamples": resamples} | changes
    return evaluate_subgroups(labels, scores, patients, attributes, **given)


def test_every_group_is_there_in_order_with_its_count():
    _, _, patients, (_, age) = cohort()
    found = groups_of()
    assert [(one.attribute, one.name) for one in found] == [
        ("Sex", "F"), ("Sex", "M"),
        ("Age", "young"), ("Age", "middle"), ("Age", "old"), ("Age", "ancient"),
    ]  # fmt: skip
    assert (found[0].n_images, found[0].n_patients) == (135, 45)
    assert found[3].n_images == np.sum(age.codes == 1)
    assert found[3].n_patients == np.unique(patients[age.codes == 1]).size
    empty = found[-1]
    assert (empty.n_images, empty.n_patients) == (0, 0)
    assert list(empty.findings) == list(LABELS)
    assert all(isinstance(one.auroc, Undefined) for one in empty.findings.values())
    assert all(isinstance(empty.means[measure].value, Undefined) for measure in MEASURES)


def test_a_finding_in_a_group_is_that_of_its_films_alone():
    labels, scores, patients, (sex, _) = cohort()
    women = sex.codes == 0
    one = groups_of()[0].findings["Mass"]
    y, x = labels[women, 4], scores[women, 4]
    assert (one.n_positive, one.n_negative) == (y.sum(), (~y).sum())
    assert one.auroc == auroc(y, x)
    assert one.auroc_interval == delong_interval(y, x, patients[women])
    assert one.sensitivity.value == np.mean(x[y] >= 0.5)
    assert one.specificity.value == np.mean(x[~y] < 0.5)
    assert (one.sensitivity.n, one.specificity.n) == (y.sum(), (~y).sum())
    expected = group_gap(labels[:, 4], scores[:, 4], patients, women)
    assert (one.gap.difference, one.gap.test.p_value) == (
        expected.difference, expected.test.p_value,
    )  # fmt: skip


def test_what_too_few_patients_would_give_is_undefined_with_its_count():
    found = groups_of()[0].findings
    few = found[LABELS[1]]
    assert few.auroc.reason == "2 patients of a class, expected 5"
    assert (few.auroc.n_positive, few.n_positive) == (6, 6)
    assert isinstance(few.gap, Difference)
    assert isinstance(few.gap.test, Undefined)
    assert isinstance(few.sensitivity, Undefined)
    assert few.specificity.n == 129
    none = found[LABELS[2]]
    assert none.auroc.reason == "no positive film among 135"
    assert isinstance(none.gap, Undefined)
    assert found["Hernia"].sensitivity.reason == "no threshold from validation"


def test_holm_counts_each_gap_once_and_both_of_a_pair_get_its_p():
    found = groups_of()
    counted = [found[0], *found[2:5]]
    tests = [
        one.gap.test
        for group in counted
        for one in group.findings.values()
        if isinstance(one.gap, Difference) and isinstance(one.gap.test, Significance)
    ]
    assert len(tests) == 4 * 13
    assert [one.p_holm for one in tests] == holm([one.p_value for one in tests]).tolist()
    for label in LABELS:
        here, there = (group.findings[label].gap for group in found[:2])
        if isinstance(here, Difference) and isinstance(here.test, Significance):
            assert there.difference == pytest.approx(-here.difference)
            assert there.test.p_holm == here.test.p_holm
    for measure in MEASURES:
        gaps = [group.means[measure].gap for group in counted]
        assert all(isinstance(gap, MeanGap) for gap in gaps)
        assert [gap.p_holm for gap in gaps] == holm([gap.p_value for gap in gaps]).tolist()
        assert found[1].means[measure].gap.p_holm == gaps[0].p_holm


def test_films_whose_group_is_not_known_are_in_no_group_nor_in_the_rest():
    labels, scores, patients, (sex, _) = cohort()
    unknown = patients >= 60
    codes = np.where(unknown, -1, sex.codes)
    some = Attribute("Sex", sex.groups, codes)
    few = Attribute("Sex", sex.groups, sex.codes[~unknown])
    one = evaluate_subgroups(labels, scores, patients, [some], THRESHOLDS, resamples=20)
    other = evaluate_subgroups(
        labels[~unknown], scores[~unknown], patients[~unknown], [few], THRESHOLDS, resamples=20
    )
    assert one == other


def test_an_attribute_that_is_known_of_no_film_leaves_all_undefined():
    labels, scores, patients, (sex, _) = cohort()
    nobody = Attribute("Sex", sex.groups, np.full(patients.size, -1))
    found = evaluate_subgroups(labels, scores, patients, [nobody], THRESHOLDS, resamples=5)
    assert [one.n_images for one in found] == [0, 0]
    assert all(isinstance(one.means["auroc"].gap, Undefined) for one in found)


def test_progress_is_told_over_all_attributes():
    told = []
    groups_of(progress=lambda *at: told.append(at))
    assert told[-1] == (80, 80)
    assert sorted(told) == told


@pytest.mark.parametrize(("hits", "n"), [(0, 12), (7, 12), (12, 12), (381, 400)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_a_rate_of_one_film_a_patient_has_wilsons_interval(hits, n, level):
    found = _rate(np.arange(n) < hits, np.arange(n), level)
    expected = proportion_confint(hits, n, alpha=1 - level, method="wilson")
    assert (found.interval.low, found.interval.high) == pytest.approx(expected)
    assert (found.value, found.n) == (hits / n, n)


def test_a_rate_counts_patients_where_their_films_are_all_alike():
    hits = np.repeat(np.arange(40) < 30, 5)
    found = _rate(hits, np.repeat(np.arange(40), 5), 0.95)
    low, high = proportion_confint(30, 40, method="wilson")
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), abs=2e-3)
    always = _rate(np.ones(200, dtype=bool), np.repeat(np.arange(40), 5), 0.95)
    assert always.interval.low == pytest.approx(proportion_confint(40, 40, method="wilson")[0])


def test_the_interval_of_a_rate_holds_its_level_for_films_that_are_alike():
    generator, held, rounds = np.random.default_rng(3), 0, 600
    for _ in range(rounds):
        hits = generator.random((60, 6)) < generator.beta(2, 1, size=60)[:, None]
        interval = _rate(hits.ravel(), np.repeat(np.arange(60), 6), 0.95).interval
        held += interval.low <= 2 / 3 <= interval.high
    assert held / rounds == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda y, x, p: (y, x[:-1], p), "expected as many"),
        (lambda y, x, p: (y, np.where(y, np.nan, x), p), "NaN"),
        (lambda y, x, p: (y, x, np.zeros_like(p)), "1 patient; subgroups need two"),
    ],
)
def test_what_does_not_match_is_refused(change, says):
    labels, scores, patients, attributes = cohort()
    with pytest.raises(StatisticsError, match=says):
        evaluate_subgroups(*change(labels, scores, patients), attributes, THRESHOLDS)


def test_attributes_of_other_films_and_settings_out_of_range_are_refused():
    labels, scores, patients, (sex, _) = cohort()
    short = Attribute("Sex", sex.groups, sex.codes[:-1])
    with pytest.raises(StatisticsError, match="expected as many"):
        evaluate_subgroups(labels, scores, patients, [short], THRESHOLDS)
    with pytest.raises(StatisticsError, match="level 95"):
        groups_of(level=95.0)
    with pytest.raises(StatisticsError, match="0 resamples"):
        groups_of(resamples=0)
