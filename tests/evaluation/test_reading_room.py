import math

import numpy as np
import pytest

from wetread.errors import ReadingRoomError
from wetread.evaluation.reading_room import (
    DAY_S,
    HOSPITAL_DAY,
    Period,
    ReadingRoom,
    check_room,
    draw_period,
    film_shares,
    mean_reading_s,
    time_to_report,
)

ROOM = ReadingRoom(1000.0, 1)
HOUR_S = 3600.0


def period_of(arrival_s, reading_s):
    count = len(arrival_s)
    return Period(
        np.arange(count),
        np.array(arrival_s, dtype=np.float64),
        np.array(reading_s, dtype=np.float64),
        np.ones(count, dtype=np.bool_),
    )


def random_period(seed, count=3000, load=0.9):
    generator = np.random.default_rng(seed)
    reading = generator.lognormal(4, 0.8, count)
    return period_of(np.cumsum(generator.exponential(reading.mean() / load, count)), reading)


def test_four_films_are_read_as_by_hand():
    # The first is begun at once; then C (1.0) goes before B and D (0.5), and B came before D.
    period = period_of([0, 10, 20, 30], [100, 40, 30, 20])
    reported = time_to_report(ROOM, period, np.array([0.0, 0.5, 1.0, 0.5]))
    assert reported.tolist() == [100, 170 - 10, 130 - 20, 190 - 30]


def test_first_come_with_one_reader_is_lindleys_recursion():
    period = random_period(1)
    wait, expected = 0.0, []
    for number, reading in enumerate(period.reading_s):
        expected.append(wait + reading)
        if number + 1 < len(period.arrival_s):
            gap = period.arrival_s[number + 1] - period.arrival_s[number]
            wait = max(wait + reading - gap, 0.0)
    np.testing.assert_allclose(
        time_to_report(ROOM, period, np.zeros(len(period.film))), expected, rtol=1e-6
    )


def test_first_come_with_three_readers_is_the_recursion_of_kiefer_and_wolfowitz():
    period, free_at, expected = random_period(2, load=2.7), [0.0] * 3, []
    for arrival, reading in zip(period.arrival_s, period.reading_s, strict=True):
        begin = max(arrival, min(free_at))
        free_at[free_at.index(min(free_at))] = begin + reading
        expected.append(begin + reading - arrival)
    room = ReadingRoom(1000.0, 3)
    found = time_to_report(room, period, np.zeros(len(period.film)))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("seed", [3, 4])
def test_no_order_changes_the_work_that_waits(seed):
    # Kleinrock's conservation law on a path: sum of reading time x wait, over whole busy periods.
    period = random_period(seed)
    orders = [
        np.zeros(len(period.film)),
        np.random.default_rng(seed).random(len(period.film)),
        -period.reading_s,
    ]
    sums, means = [], []
    for urgency in orders:
        wait = time_to_report(ROOM, period, urgency) - period.reading_s
        assert (wait > -1e-6).all()
        sums.append(float(wait @ period.reading_s))
        means.append(wait.mean())
    np.testing.assert_allclose(sums, sums[0], rtol=1e-9)
    assert means[2] < 0.8 * means[0]  # shortest first: the order did change who waits


def test_readers_begin_within_their_hours_and_finish_what_they_began():
    room = ReadingRoom(100.0, 1, opens_hour=8.0, closes_hour=18.0)
    night, last, late = 3 * HOUR_S, 18 * HOUR_S - 10, 18 * HOUR_S - 5
    found = time_to_report(room, period_of([night, last, late], [60, 60, 60]), np.zeros(3))
    assert found == pytest.approx([5 * HOUR_S + 60, 60, DAY_S + 8 * HOUR_S + 60 - late])


@pytest.mark.parametrize("opens", [7.3, 8.1, 9.99999])
def test_an_hour_with_a_fraction_opens_too(opens):
    room = ReadingRoom(100.0, 2, opens_hour=opens, closes_hour=18.0)
    found = time_to_report(room, period_of([40 * DAY_S + 7.123], [60]), np.zeros(1))
    assert found == pytest.approx([round(opens * HOUR_S) - 7.123 + 60])


def test_a_period_has_the_films_that_its_room_says():
    abnormal = np.arange(10) < 5
    room = ReadingRoom(2000.0, 2, variation=0.7, abnormal_factor=1.5)
    shares = film_shares(abnormal, 0.2)
    period = draw_period(room, abnormal, shares, 20, np.random.default_rng(5))
    measured = period.is_measured
    assert abs(measured.sum() - 40_000) < 4 * math.sqrt(40_000)
    assert (period.arrival_s[measured] // DAY_S).min() == 1  # a day of warm-up
    assert (period.arrival_s[measured] // DAY_S).max() == 20
    assert period.arrival_s.max() > 40 * DAY_S
    assert (np.diff(period.arrival_s) >= 0).all()
    is_abnormal = abnormal[period.film]
    assert is_abnormal.mean() == pytest.approx(0.2, abs=0.01)
    assert period.reading_s.mean() == pytest.approx(60, rel=0.02)
    ratio = period.reading_s[is_abnormal].mean() / period.reading_s[~is_abnormal].mean()
    assert ratio == pytest.approx(1.5, rel=0.03)
    normal = period.reading_s[~is_abnormal]
    assert normal.std() / normal.mean() == pytest.approx(0.7, rel=0.03)
    gaps = np.diff(period.arrival_s)
    assert gaps.std() / gaps.mean() == pytest.approx(1, rel=0.02)  # Poisson


def test_films_of_a_hospital_day_come_at_its_hours():
    room = ReadingRoom(2000.0, 2, arrivals="day")
    abnormal = np.arange(4) < 2
    period = draw_period(room, abnormal, film_shares(abnormal), 30, np.random.default_rng(6))
    hours = np.bincount((period.arrival_s % DAY_S // HOUR_S).astype(int), minlength=24)
    expected = np.array(HOSPITAL_DAY) / sum(HOSPITAL_DAY) * hours.sum()
    assert (np.abs(hours - expected) < 4.5 * np.sqrt(expected)).all()
    assert len(HOSPITAL_DAY) == 24


def test_a_constant_reading_time_has_no_variation():
    abnormal = np.arange(4) < 2
    room = ReadingRoom(500.0, 1, variation=0.0, abnormal_factor=1.0)
    period = draw_period(room, abnormal, film_shares(abnormal), 1, np.random.default_rng(7))
    np.testing.assert_allclose(period.reading_s, 60)


def test_shares_and_mean_times_by_hand():
    abnormal = np.array([True, False, False])
    np.testing.assert_allclose(film_shares(abnormal), 1 / 3)
    np.testing.assert_allclose(film_shares(abnormal, 0.5), [0.5, 0.25, 0.25])
    times = mean_reading_s(ReadingRoom(1.0, 1, abnormal_factor=2.0), abnormal, 0.5)
    np.testing.assert_allclose(times, [80, 40, 40])
    with pytest.raises(ReadingRoomError, match="share of 1 abnormal"):
        film_shares(abnormal, 1.0)


def test_a_room_that_never_keeps_up_is_refused_with_what_would():
    room = ReadingRoom(2000.0, 1)
    assert room.load == pytest.approx(2000 / 1440)
    with pytest.raises(
        ReadingRoomError,
        match=r"load 1\.39: 33\.3 hours .* 24\.0 hours .* at least 2 .* 1440 films",
    ):
        check_room(room)
    check_room(ReadingRoom(2000.0, 2))
    with pytest.raises(ReadingRoomError, match=r"load 1\.00.* at least 2 readers"):
        check_room(ReadingRoom(600.0, 1, closes_hour=10.0))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"films_per_day": 0.0}, "0 films a day"),
        ({"films_per_day": math.nan}, "nan films a day"),
        ({"films_per_day": math.inf}, "inf films a day"),
        ({"readers": 0}, "0 readers"),
        ({"reading_seconds": -1.0}, "-1 seconds"),
        ({"variation": -0.1}, "variation of -0.1"),
        ({"abnormal_factor": 0.0}, "0 as abnormal factor"),
        ({"opens_hour": 18.0, "closes_hour": 8.0}, "hours 18-8"),
        ({"closes_hour": 25.0}, "hours 0-25"),
    ],
)
def test_a_room_that_cannot_be_is_named(wrong, said):
    with pytest.raises(ReadingRoomError, match=said):
        check_room(ReadingRoom(**({"films_per_day": 100.0, "readers": 1} | wrong)))
