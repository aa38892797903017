import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from wetread.errors import ReadingRoomError, StatisticsError
from wetread.evaluation.curves import Undefined
from wetread.evaluation.reading_room import ReadingRoom
from wetread.evaluation.triage import (
    GROUPS,
    ORDERS,
    STATISTICS,
    ScoredFilms,
    TriagedFilms,
    over_replications,
    simulate_triage,
    study_triage,
    triage_films,
)
from wetread.findings import LABELS

PNEUMOTHORAX, NO_FINDING = LABELS.index("Pneumothorax"), LABELS.index("No Finding")
READING_MIN = 1.0


def films_by_chance(seed=0, count=500, critical=0.1, sensitivity=0.1, false_alarms=0.1):
    """Films whose flags find `sensitivity` of the critical ones; their scores say nothing."""
    generator = np.random.default_rng(seed)
    is_critical = generator.random(count) < critical
    abnormal = is_critical | (generator.random(count) < 0.3)
    chance = np.where(is_critical, sensitivity, false_alarms)
    return TriagedFilms(
        abnormal, is_critical, generator.random(count) < chance, generator.random(count)
    )


def exponential_room(load, readers):
    return ReadingRoom(
        load * readers * 1440 / READING_MIN,
        readers,
        reading_times="exponential",
        abnormal_factor=1.0,
    )


def erlang_wait(load, readers):
    """Mean minutes of waiting in M/M/c (Erlang 1917)."""
    offered = load * readers
    last = offered**readers / math.factorial(readers) / (1 - load)
    waits = last / (sum(offered**k / math.factorial(k) for k in range(readers)) + last)
    return waits * READING_MIN / (readers * (1 - load))


def agrees(estimate, expected, within=0.2):
    """Whether theory is within two half-widths of the interval, which must be narrow to tell."""
    half = (estimate.interval.high - estimate.interval.low) / 2
    assert half < within * expected, "too few replications to tell"
    return abs(estimate.value - expected) < 2 * half


@pytest.mark.parametrize(
    ("load", "readers", "days"), [(0.5, 1, 3), (0.7, 1, 4), (0.7, 2, 2), (0.8, 4, 1)]
)
def test_random_scores_wait_as_erlang_says_in_every_order(load, readers, days):
    triage = simulate_triage(
        films_by_chance(), exponential_room(load, readers), days=days, replications=8, seed=1
    )
    expected = erlang_wait(load, readers) + READING_MIN
    for order in ORDERS:
        assert agrees(triage.times[order]["all"]["mean"], expected), order
    for order in ORDERS[1:]:
        change = triage.differences[order]["all"]["mean"]
        assert abs(change.value) < 0.05 * expected


@pytest.mark.parametrize(("load", "readers"), [(0.7, 1), (0.7, 2)])
def test_flags_of_a_known_share_wait_as_cobham_says(load, readers):
    # Cobham, Operations Research 1954, Eq. 6: exponential reading, c readers, no preemption.
    flagged = np.arange(500) < 150
    films = TriagedFilms(flagged, flagged, flagged, flagged.astype(np.float64))
    triage = simulate_triage(
        films, exponential_room(load, readers), days=4 // readers, replications=8, seed=2
    )
    all_wait = erlang_wait(load, readers)
    first = all_wait * (1 - load) / (1 - 0.3 * load)
    for order in ("flagged_first", "by_score"):
        times = triage.times[order]
        assert agrees(times["critical"]["mean"], first + READING_MIN)
        assert agrees(times["normal"]["mean"], first / (1 - load) + READING_MIN)
    assert agrees(triage.times["first_come"]["critical"]["mean"], all_wait + READING_MIN)


def test_lognormal_reading_waits_as_pollaczek_and_khinchine_say():
    load, variation = 0.6, 1.2
    room = ReadingRoom(load * 1440, 1, variation=variation, abnormal_factor=1.0)
    triage = simulate_triage(films_by_chance(), room, days=4, replications=8, seed=3)
    expected = load * READING_MIN * (1 + variation**2) / 2 / (1 - load) + READING_MIN
    for order in ORDERS:
        assert agrees(triage.times[order]["all"]["mean"], expected)


def test_perfect_scores_are_the_lower_bound():
    room, base = exponential_room(0.85, 1), films_by_chance(count=400)
    perfect = replace(base, flagged=base.critical, urgency=base.critical.astype(np.float64))
    options = {"days": 1, "replications": 2, "seed": 4}
    best = simulate_triage(perfect, room, **options).times
    bound = best["flagged_first"]["critical"]["mean"].value
    assert best["by_score"]["critical"]["mean"].value == bound
    assert isinstance(best["flagged_first"]["critical_unflagged"]["mean"], Undefined)
    for sensitivity, false_alarms in [(0.9, 0.0), (1.0, 0.3), (0.8, 0.2), (0.1, 0.1)]:
        films = films_by_chance(count=400, sensitivity=sensitivity, false_alarms=false_alarms)
        films = replace(films, critical=base.critical, abnormal=base.abnormal)
        times = simulate_triage(films, room, **options).times
        assert times["first_come"]["critical"]["mean"] == best["first_come"]["critical"]["mean"]
        assert bound < times["flagged_first"]["critical"]["mean"].value
        assert bound < times["by_score"]["critical"]["mean"].value


def test_who_is_overtaken_waits_longer_and_the_longest_time_is_said():
    films = films_by_chance(sensitivity=0.8, false_alarms=0.1)
    triage = simulate_triage(films, exponential_room(0.9, 1), days=2, replications=4, seed=5)
    changes = triage.differences["flagged_first"]
    assert changes["critical"]["mean"].interval.high < 0
    assert changes["critical_unflagged"]["mean"].value > 0
    assert changes["normal"]["mean"].interval.low > 0
    for order in ORDERS:
        longest = triage.times[order]["normal"]["longest"]
        assert triage.longest[order]["normal"] >= longest.value
        assert triage.longest[order]["all"] == max(triage.longest[order].values())


def test_a_difference_is_of_the_same_films():
    room = exponential_room(0.9, 1)
    triage = simulate_triage(films_by_chance(), room, days=2, replications=4, seed=6)
    change = triage.differences["flagged_first"]["normal"]["mean"]
    times = [triage.times[order]["normal"]["mean"] for order in ("flagged_first", "first_come")]
    assert change.value == pytest.approx(times[0].value - times[1].value)
    widths = [one.interval.high - one.interval.low for one in (change, *times)]
    assert widths[0] < 0.5 * min(widths[1:])  # common random numbers


def test_the_same_seed_gives_the_same_numbers():
    def simulate(seed):
        return simulate_triage(
            films_by_chance(), ReadingRoom(400.0, 1), days=1, replications=2, seed=seed
        )

    assert simulate(7) == simulate(7)
    assert simulate(7).times != simulate(8).times


def test_a_stated_prevalence_is_that_of_the_simulated_films():
    triage = simulate_triage(
        films_by_chance(), ReadingRoom(900.0, 1), abnormal_share=0.1, days=2, replications=3
    )
    assert triage.n_films["abnormal"] / triage.n_films["all"] == pytest.approx(0.1, abs=0.015)
    both = triage.n_films["normal"] + triage.n_films["abnormal"]
    assert both == pytest.approx(triage.n_films["all"])


def test_progress_is_told_to_the_end():
    told = []
    simulate_triage(
        films_by_chance(),
        ReadingRoom(50.0, 1),
        days=1,
        replications=2,
        progress=lambda *at: told.append(at),
    )
    assert told == [(number, 6) for number in range(1, 7)]


def test_groups_that_few_replications_have_are_undefined_or_without_interval():
    rare = np.arange(500) < 1
    films = TriagedFilms(np.arange(500) < 200, rare, ~rare, rare.astype(np.float64))
    triage = simulate_triage(films, ReadingRoom(30.0, 1), days=1, replications=3, seed=0)
    for times in triage.times.values():
        for groups in times.values():
            for one in groups.values():
                assert isinstance(one, Undefined) or math.isfinite(one.value)
    assert isinstance(triage.times["first_come"]["critical"]["mean"], Undefined)
    assert "critical" not in triage.longest["first_come"]


@pytest.mark.parametrize("options", [{"days": 0}, {"replications": 1}])
def test_nothing_to_simulate_is_an_error(options):
    with pytest.raises(ReadingRoomError, match="at least 1 and 2"):
        simulate_triage(films_by_chance(), ReadingRoom(10.0, 1), **options)


def test_the_interval_over_replications_is_students():
    values = np.array([3.0, 4.0, 8.0, 5.0])
    found, theirs = over_replications(values), ttest_1samp(values, 0).confidence_interval()
    assert found.value == 5
    assert (found.interval.low, found.interval.high) == pytest.approx((theirs.low, theirs.high))
    assert isinstance(over_replications(values[:1]).interval, Undefined)
    assert isinstance(over_replications(values[:0]), Undefined)


def scored(count=60, seed=1):
    generator = np.random.default_rng(seed)
    labels = np.zeros((count, 15), dtype=np.bool_)
    labels[np.arange(count), generator.integers(15, size=count)] = True
    labels[:3] = False
    labels[0, PNEUMOTHORAX] = labels[1, NO_FINDING] = labels[2, 0] = True
    scores = generator.random((count, 15)) * 0.6 + 0.4 * labels
    return ScoredFilms(labels, scores, generator.integers(count // 2, size=count))


def test_flags_and_urgency_by_hand():
    labels = np.zeros((3, 15), dtype=np.bool_)
    labels[0, PNEUMOTHORAX] = labels[1, 0] = labels[2, NO_FINDING] = True
    scores = np.full((3, 15), 0.5)
    scores[:, PNEUMOTHORAX] = [0.30, 0.20, 0.10]
    scores[:, NO_FINDING] = [0.6, 0.05, 0.9]
    validation = np.full((4, 15), 0.5)
    validation[:, PNEUMOTHORAX] = [0.1, 0.15, 0.25, 0.4]
    validation[:, NO_FINDING] = [0.1, 0.3, 0.7, 0.8]
    films = triage_films(labels, scores, validation, {"Pneumothorax": 0.2}, ["Pneumothorax"])
    assert films.abnormal.tolist() == [True, True, False]
    assert films.critical.tolist() == [True, False, False]
    assert films.flagged.tolist() == [True, True, False]  # a score at the threshold is flagged
    # Pneumothorax outranks 3, 2 and half of one of 4; 1 - No Finding 2, 4 and none.
    assert films.urgency.tolist() == [3 / 4, 1.0, 0.5 / 4]


@pytest.mark.parametrize(
    ("change", "critical", "said"),
    [
        (lambda labels, _: labels[:, NO_FINDING].fill(True), ["Pneumothorax"], "are normal"),
        (lambda labels, _: labels[:, NO_FINDING].fill(False), ["Pneumothorax"], "are abnormal"),
        (lambda labels, _: labels[:, PNEUMOTHORAX].fill(False), ["Pneumothorax"], "--critical"),
        (lambda _, scores: scores[0].fill(np.nan), ["Pneumothorax"], "1 of 60 scores are NaN"),
        (lambda *_: None, ["No Finding"], "critical No Finding, expected findings"),
        (lambda *_: None, [], "critical nothing"),
    ],
)
def test_films_that_tell_nothing_are_refused(change, critical, said):
    films = scored()
    change(films.labels, films.scores)
    with pytest.raises(StatisticsError, match=said):
        triage_films(films.labels, films.scores, films.scores, {"Pneumothorax": 0.5}, critical)


def test_a_study_says_what_its_parts_say():
    test, validation = scored(200, 2), scored(150, 3)
    study = study_triage(
        test,
        validation,
        {"Pneumothorax": 0.5},
        ["Pneumothorax"],
        ReadingRoom(200.0, 1),
        miss_rate=0.1,
        abnormal_share=0.4,
        days=1,
        replications=2,
    )
    hits = test.scores[test.labels[:, PNEUMOTHORAX], PNEUMOTHORAX] >= 0.5
    assert study.sensitivity == hits.mean()
    assert study.sensitivity_interval.low < study.sensitivity <= study.sensitivity_interval.high
    assert study.abnormal_share == pytest.approx(0.4)
    assert study.n_abnormal == (~test.labels[:, NO_FINDING]).sum()
    said = [one.stated for one in study.confident] + [rate for rate, _ in study.undefined]
    assert sorted(said) == [0.01, 0.02, 0.03, 0.04, 0.05, 0.1]
    assert set(study.triage.times) == set(ORDERS)
    assert set(study.triage.times["by_score"]) == set(GROUPS)
    assert set(study.triage.times["by_score"]["all"]) == set(STATISTICS)
