import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined
from wetread.evaluation.resampled import (
    draw_patients,
    mean_aurocs,
    mean_interval,
    resample_areas,
)


def mean_aurocs_of(labels, scores, patients, **settings):
    return mean_aurocs(resample_areas(labels, scores, patients, **settings))


def interval_of(labels, scores, patients, level=0.95, **settings):
    return mean_interval(resample_areas(labels, scores, patients, **settings), level)


@pytest.fixture
def tied_films():
    """90 films of 25 patients, three findings of which one is rare, scores with many ties."""
    generator = np.random.default_rng(4)
    patients = generator.integers(100, 125, size=90)
    labels = generator.random((90, 3)) < [0.4, 0.2, 0.03]
    scores = np.round(generator.normal(size=(90, 3)) + labels, 1).astype(np.float32)
    return labels, scores, patients


def test_bootstrap_equals_a_loop_of_scikit_learn(tied_films):
    labels, scores, patients = tied_films
    means = mean_aurocs_of(labels, scores, patients, resamples=70, seed=9)
    # The same draws, in the blocks that the module draws them in.
    generator, (_, numbers) = np.random.default_rng(9), np.unique(patients, return_inverse=True)
    blocks = [draw_patients(25, rows, generator) for rows in (32, 32, 6)]
    expected, n_left_out = [], 0
    for counts in np.vstack(blocks):
        weights = counts[numbers]
        areas = []
        for column in range(3):
            drawn = weights > 0
            if len(set(labels[drawn, column])) < 2:
                n_left_out += 1
                continue
            areas.append(
                roc_auc_score(
                    labels[drawn, column], scores[drawn, column], sample_weight=weights[drawn]
                )
            )
        expected.append(np.mean(areas))
    assert n_left_out > 0, "the rare finding should be lost in some resample"
    np.testing.assert_allclose(means, expected, atol=1e-9, rtol=0)


def test_auprc_of_a_resample_is_scikit_learns_of_the_films_drawn(tied_films):
    labels, scores, patients = tied_films
    found = resample_areas(labels, scores, patients, resamples=20, seed=9)
    _, numbers = np.unique(patients, return_inverse=True)
    for row, counts in enumerate(draw_patients(25, 20, np.random.default_rng(9))):
        weights = counts[numbers]
        for column in range(2):
            expected = average_precision_score(
                labels[:, column], scores[:, column], sample_weight=weights
            )
            assert found.auprc[row, column] == pytest.approx(expected, abs=1e-9)


def test_bootstrap_interval_is_the_percentiles_of_its_means(tied_films):
    interval = interval_of(*tied_films, resamples=200, seed=5, level=0.9)
    means = mean_aurocs_of(*tied_films, resamples=200, seed=5)
    assert (interval.low, interval.high) == pytest.approx(np.percentile(means, [5, 95]))
    assert interval.level == 0.9
    assert interval.method == "patient bootstrap, 200 resamples, percentile"


def test_bootstrap_repeats_with_its_seed_and_leaves_the_global_generator_alone(tied_films):
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what is tested
    first = interval_of(*tied_films, resamples=50, seed=5)
    assert first == interval_of(*tied_films, resamples=50, seed=5)
    assert first != interval_of(*tied_films, resamples=50, seed=6)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_draw_takes_as_many_patients_as_there_are():
    counts = draw_patients(50, 400, np.random.default_rng(0))
    assert (counts.sum(axis=1) == 50).all()
    # A patient is missing from a resample with probability (1 - 1/50) ** 50.
    assert (counts == 0).mean() == pytest.approx((1 - 1 / 50) ** 50, abs=0.01)


def test_bootstrap_draws_patients_not_films():
    """Copies of a film in the same patient say nothing new, so the interval must not shrink."""
    generator, patients = np.random.default_rng(6), np.arange(60)
    labels = generator.random(60) < 0.3
    scores = generator.normal(size=60) + labels
    once = interval_of(labels[:, None], scores[:, None], patients, resamples=300)
    nine_times = interval_of(
        *(np.repeat(array, 9)[:, None] for array in (labels, scores)),
        np.repeat(patients, 9),
        resamples=300,
    )
    assert nine_times == once


def test_finding_with_one_class_is_left_out_of_the_mean(tied_films):
    labels, scores, patients = tied_films
    without = mean_aurocs_of(labels[:, :2], scores[:, :2], patients, resamples=40, seed=1)
    labels[:, 2] = False
    np.testing.assert_array_equal(
        mean_aurocs_of(labels, scores, patients, resamples=40, seed=1), without
    )


def test_bootstrap_without_any_defined_finding_is_undefined():
    labels = np.zeros((6, 2), dtype=np.bool_)
    result = interval_of(labels, np.random.default_rng(0).random((6, 2)), np.arange(6))
    assert isinstance(result, Undefined)
    assert result.reason == "no finding with both classes"


def test_bootstrap_refuses_one_patient(tied_films):
    labels, scores, patients = tied_films
    with pytest.raises(StatisticsError, match="1 patient; "):
        interval_of(labels, scores, np.zeros_like(patients))


def test_bootstrap_refuses_scores_that_are_not_finite_and_other_lengths(tied_films):
    labels, scores, patients = tied_films
    with pytest.raises(StatisticsError, match=r"labels of shape \(90, 3\) but scores of \(89, 3\)"):
        interval_of(labels, scores[:89], patients)
    with pytest.raises(StatisticsError, match="90 labels and 5 patient numbers"):
        interval_of(labels, scores, patients[:5])
    scores[3, 1] = np.nan
    with pytest.raises(StatisticsError, match="NaN or infinite"):
        interval_of(labels, scores, patients)
