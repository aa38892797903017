import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from wetread.errors import StatisticsError
from wetread.evaluation.confident_normal import (
    clustered_wilson,
    confident_normals,
    confident_threshold,
)
from wetread.evaluation.curves import Undefined
from wetread.evaluation.reading_room import ReadingRoom

ABNORMAL = np.array([True] * 5 + [False] * 5)
SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.7, 0.35, 0.5, 0.6, 0.8, 0.9])


@pytest.mark.parametrize(
    ("miss_rate", "threshold"),
    [(0.0, 0.8), (0.19, 0.8), (0.2, 0.5), (0.39, 0.5), (0.4, 0.35), (0.6, 0.3), (0.99, 0.2)],
)
def test_the_threshold_is_the_lowest_that_keeps_the_stated_miss_rate(miss_rate, threshold):
    assert confident_threshold(ABNORMAL, SCORES, miss_rate) == threshold
    assert (SCORES[ABNORMAL] >= threshold).mean() <= miss_rate


def test_a_rate_that_floats_round_down_still_allows_its_films():
    abnormal = np.arange(110) < 100
    scores = np.arange(110)[::-1] / 110
    threshold = confident_threshold(abnormal, scores, 0.29)
    assert (scores[abnormal] >= threshold).sum() == 29


def test_tied_abnormal_films_stay_below_together():
    scores = np.array([0.5, 0.5, 0.1, 0.5, 0.6])
    abnormal = np.array([True, True, True, False, False])
    assert confident_threshold(abnormal, scores, 0.34) == 0.6


def test_no_threshold_where_there_is_none():
    never = confident_threshold(np.array([True, False]), np.array([0.9, 0.1]), 0.02)
    assert isinstance(never, Undefined)
    assert "miss rate of 0.02" in never.reason
    assert isinstance(confident_threshold(ABNORMAL[:5], SCORES[:5], 0.02), Undefined)
    with pytest.raises(StatisticsError, match="miss rate of 1"):
        confident_threshold(ABNORMAL, SCORES, 1.0)
    with pytest.raises(StatisticsError, match="NaN"):
        confident_threshold(ABNORMAL, np.full(10, np.nan), 0.02)


def found_in(room, patients=None, **options):
    patients = np.arange(10) if patients is None else patients
    critical = np.arange(10) == 4
    return confident_normals(room, ABNORMAL, critical, SCORES, patients, [(0.2, 0.5)], **options)[0]


def test_hours_by_hand():
    # One abnormal and four normal films of ten are above: 1/10 x 80 s + 4/10 x 40 s a film.
    one = found_in(ReadingRoom(900.0, 1, abnormal_factor=2.0))
    assert one.hours == pytest.approx(900 * (0.1 * 80 + 0.4 * 40) / 3600)
    assert (one.miss_rate, one.n_missed, one.n_missed_critical) == (0.2, 1, 1)
    assert (one.normal_share, one.film_share) == (0.8, pytest.approx(0.5))
    assert one.hours_interval.low < one.hours < one.hours_interval.high
    # With one abnormal film in ten: of 60 s on average, abnormal 2 x 60 / 1.1.
    one = found_in(ReadingRoom(900.0, 1, abnormal_factor=2.0), abnormal_share=0.1)
    assert one.hours == pytest.approx(900 * 60 / 1.1 * (0.1 * 0.2 * 2 + 0.9 * 0.8) / 3600)
    assert one.hours_interval.low < one.hours < one.hours_interval.high


def test_the_interval_of_hours_is_that_of_resampled_films():
    # Two scores and one film a patient: the share above is binomial.
    generator = np.random.default_rng(1)
    abnormal = np.arange(2000) < 500
    scores = np.where(abnormal, 0.0, (generator.random(2000) < 0.3).astype(np.float64))
    one = confident_normals(
        ReadingRoom(1440.0, 1, abnormal_factor=1.0), abnormal, abnormal, scores, np.arange(2000),
        [(0.0, 1.0)], abnormal_share=0.25, resamples=4000,
    )[0]  # fmt: skip
    share = scores[~abnormal].mean()
    half = 1.96 * np.sqrt(share * (1 - share) / 1500) * 0.75 * 24
    assert one.hours == pytest.approx(share * 0.75 * 24)
    assert one.hours_interval.low == pytest.approx(one.hours - half, abs=0.07 * half)
    assert one.hours_interval.high == pytest.approx(one.hours + half, abs=0.07 * half)


def test_patients_with_many_films_widen_the_interval():
    room, patients = ReadingRoom(900.0, 1), np.array([0, 0, 0, 1, 2, 3, 4, 5, 5, 5])
    alone, together = found_in(room), found_in(room, patients)
    assert together.hours == alone.hours
    widths = [one.hours_interval.high - one.hours_interval.low for one in (alone, together)]
    assert widths[1] > widths[0]


@pytest.mark.parametrize("n_hits", [0, 1, 7, 39, 40])
def test_with_one_film_a_patient_the_interval_is_wilsons(n_hits):
    found = clustered_wilson(np.arange(40) < n_hits, np.arange(40))
    expected = proportion_confint(n_hits, 40, method="wilson")
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)


def test_films_seen_twice_say_no_more_than_films_seen_once():
    hits = np.arange(40) < 7
    twice = clustered_wilson(np.repeat(hits, 2), np.repeat(np.arange(40), 2))
    once = proportion_confint(7, 40, method="wilson")
    assert (twice.low, twice.high) == pytest.approx(once, rel=0.03)
    none = clustered_wilson(np.zeros(80, dtype=np.bool_), np.repeat(np.arange(40), 2))
    assert (none.low, none.high) == pytest.approx(proportion_confint(0, 40, method="wilson"))


def test_patients_whose_films_differ_are_not_credited_with_more_films():
    hits = np.tile([True, False], 20)
    found = clustered_wilson(hits, np.repeat(np.arange(20), 2))
    assert (found.low, found.high) == pytest.approx(proportion_confint(20, 40, method="wilson"))


def test_counts_that_give_no_interval_are_errors():
    with pytest.raises(StatisticsError, match="no film"):
        clustered_wilson(np.empty(0, dtype=np.bool_), np.empty(0, dtype=np.int64))
    with pytest.raises(StatisticsError, match="1 patient"):
        found_in(ReadingRoom(900.0, 1), np.zeros(10, dtype=np.int64))
