import numpy as np
import pytest

from wetread.evaluation.curves import Undefined, auroc
from wetread.evaluation.group_means import MEASURES, Grouped, MeanGap, group_means
from wetread.evaluation.resampled import draw_patients


def cohort(seed=1, n_patients=60, films_each=3, n_findings=4, n_groups=3):
    """Films in groups that share patients; the last finding is rare, one has no threshold."""
    generator = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients) * 7, films_each)
    labels = generator.random((patients.size, n_findings)) < [0.4, 0.3, 0.5, 0.02]
    scores = (generator.normal(size=labels.shape) + labels).round(1)  # with ties
    return Grouped(
        labels,
        scores,
        scores >= 0.5,
        np.array([True, False, True, True]),
        patients,
        generator.integers(n_groups, size=patients.size),
        n_groups,
    )


def slow_means(films, chosen, group, findings):
    """Return the mean AUROC of `group` and of the rest on the film numbers `chosen`."""
    areas = []
    for side in (films.codes[chosen] == group, films.codes[chosen] != group):
        rows = chosen[side]
        areas.append([auroc(films.labels[rows, f], films.scores[rows, f]) for f in findings])
    kept = [pair for pair in zip(*areas, strict=True) if all(isinstance(x, float) for x in pair)]
    return np.mean(kept, axis=0)


def test_means_and_their_resamples_are_those_of_a_loop_that_copies_films():
    films = cohort()
    found = group_means(films, resamples=40, seed=3, level=0.9)
    everyone = np.arange(films.codes.size)
    draws = draw_patients(60, 32, generator := np.random.default_rng(3))
    draws = np.concatenate([draws, draw_patients(60, 8, generator)])
    _, patient = np.unique(films.patient_ids, return_inverse=True)
    for group, means in enumerate(found):
        one = means["auroc"]
        assert one.over == 3  # the rare finding has too few patients
        own, rest = slow_means(films, everyone, group, range(3))
        assert one.value == pytest.approx(own)
        assert (one.gap.group, one.gap.rest) == pytest.approx((own, rest))
        assert one.gap.difference == pytest.approx(own - rest)
        gaps = []
        for drawn in draws:
            own, rest = slow_means(films, np.repeat(everyone, drawn[patient]), group, range(3))
            gaps.append(own - rest)
        low, high = np.quantile(gaps, [0.05, 0.95])
        assert (one.gap.interval.low, one.gap.interval.high) == pytest.approx((low, high))
        tail = 1 + min(np.sum(np.array(gaps) <= 0), np.sum(np.array(gaps) >= 0))
        assert one.gap.p_value == pytest.approx(min(2 * tail / 41, 1.0))


def test_rates_are_counted_over_findings_with_a_threshold():
    films = cohort(seed=2)
    for group, means in enumerate(group_means(films, resamples=5, seed=0, level=0.95)):
        here = films.codes == group
        for measure, wanted in (("sensitivity", films.labels), ("specificity", ~films.labels)):
            hits = films.called == films.labels
            used = [0, 2] if measure == "sensitivity" else [0, 2, 3]
            expected = [hits[here & wanted[:, f], f].mean() for f in used]
            assert means[measure].over == len(used)
            assert means[measure].value == pytest.approx(np.mean(expected))


def test_a_group_without_films_and_one_without_a_rest_are_undefined():
    films = cohort(seed=4)
    alone = Grouped(
        films.labels, films.scores, films.called, films.has_threshold, films.patient_ids,
        np.zeros_like(films.codes), 2,
    )  # fmt: skip
    full, empty = group_means(alone, resamples=5, seed=0, level=0.95)
    for measure in MEASURES:
        assert isinstance(full[measure].value, float)
        assert isinstance(full[measure].gap, Undefined)
        assert isinstance(empty[measure].value, Undefined)
        assert "5 patients" in empty[measure].value.reason
        assert empty[measure].over == 0


def test_what_is_the_same_in_all_patients_has_no_interval():
    films = cohort(seed=5)
    all_called = Grouped(
        films.labels, films.scores, np.ones_like(films.called), films.has_threshold,
        films.patient_ids, films.codes, 3,
    )  # fmt: skip
    one = group_means(all_called, resamples=20, seed=0, level=0.95)[0]["sensitivity"]
    assert one.value == 1.0
    assert isinstance(one.interval, Undefined)
    assert isinstance(one.gap, Undefined)


def test_a_real_gap_is_found_and_none_where_there_is_none():
    generator = np.random.default_rng(6)
    patients = np.repeat(np.arange(300), 2)
    labels = generator.random((600, 2)) < 0.4
    codes = (patients % 2).astype(np.int64)
    noise = generator.normal(size=labels.shape)
    for spoiled, is_gap in ((codes == 0, True), (patients % 4 < 2, False)):
        scores = noise + np.where(spoiled[:, None], 0.3, 2.0) * labels
        called = scores > 1
        films = Grouped(labels, scores, called, np.ones(2, dtype=bool), patients, codes, 2)
        means = group_means(films, resamples=400, seed=1, level=0.95)
        first, second = (one["auroc"].gap for one in means)
        assert isinstance(first, MeanGap)
        assert (first.p_value < 0.01) == is_gap
        assert (first.interval.high < 0) == is_gap
        assert second.difference == pytest.approx(-first.difference)
        assert second.p_value == pytest.approx(first.p_value)
