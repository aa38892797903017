import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from wetread.errors import StatisticsError
from wetread.evaluation.curves import Undefined
from wetread.evaluation.proportions import plain, share_of, wilson_interval


@given(st.integers(1, 3000), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_that_of_statsmodels(n, share, level):
    successes = round(share * n)
    interval = wilson_interval(successes, n, level)
    expected = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-12)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe, Statistics in Medicine 1998, table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)  # fmt: skip
def test_wilson_is_as_published(successes, n, low, high):
    interval = wilson_interval(successes, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)
    assert (interval.level, interval.method) == (0.95, "Wilson")


def test_no_film_has_no_share():
    assert isinstance(wilson_interval(0, 0), Undefined)
    share = share_of(np.zeros(0, bool), np.zeros(0, int), none="no positive film")
    assert isinstance(share, Undefined)
    assert share.reason == "no positive film"
    assert plain(share) is None


@pytest.mark.parametrize(
    ("given", "says"), [((5, 4), "0 to 4"), ((-1, 4), "0 to 4"), ((1, 4, 1.0), "less than 1")]
)
def test_counts_that_cannot_be_are_refused(given, says):
    with pytest.raises(StatisticsError, match=says):
        wilson_interval(*given)


def test_one_film_a_patient_is_plain_wilson():
    hits = np.arange(40) < 13
    share = share_of(hits, np.arange(40))
    assert share.n_independent == pytest.approx(40)
    assert share.by_patient.low == pytest.approx(share.interval.low)
    assert share.by_patient.high == pytest.approx(share.interval.high)


@pytest.mark.parametrize("n_hits", [0, 6, 20])
def test_copies_of_a_film_say_no_more_than_the_film(n_hits):
    """Twenty patients with four equal films each count as twenty films."""
    hits = np.repeat(np.arange(20) < n_hits, 4)
    share = share_of(hits, np.repeat(np.arange(20), 4))
    alone = wilson_interval(n_hits, 20)
    # 79/80 over 19/20: what the correction for a finite sample of films and of patients differs by.
    assert share.n_independent == pytest.approx(20 if n_hits in (0, 20) else 20 * 0.95 / 0.9875)
    assert share.by_patient.low == pytest.approx(alone.low, abs=0.005)
    assert share.by_patient.high == pytest.approx(alone.high, abs=0.005)
    assert share.n == 80


def test_unlike_films_of_a_patient_never_count_for_more_than_films():
    hits = np.tile([True, False], 30)
    share = share_of(hits, np.repeat(np.arange(30), 2))
    assert share.n_independent == 60


def test_interval_that_keeps_patients_together_holds_its_level_where_wilson_does_not():
    generator, held, held_plain = np.random.default_rng(1), 0, 0
    for _ in range(400):
        patients = np.repeat(np.arange(80), 6)
        own = np.repeat(generator.beta(0.6, 1.4, size=80), 6)  # mean 0.3
        share = share_of(generator.random(480) < own, patients)
        held += share.by_patient.low <= 0.3 <= share.by_patient.high
        held_plain += share.interval.low <= 0.3 <= share.interval.high
    assert held / 400 == pytest.approx(0.95, abs=0.033)
    assert held_plain / 400 < 0.85


def test_one_patient_has_no_interval_of_patients():
    share = share_of(np.array([True, False]), np.array([7, 7]))
    assert isinstance(share.by_patient, Undefined)
    assert plain(share)["interval_by_patient"] is None
    assert plain(share)["interval"]["method"] == "Wilson"
