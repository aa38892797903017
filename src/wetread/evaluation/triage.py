"""Scores of a run and a reading room in, what another reading order would change out.

Three orders are simulated on the same films, arrivals and reading times: first come first read,
flagged films first, and films sorted by score, the most urgent first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import t as student

from wetread.errors import ReadingRoomError, StatisticsError
from wetread.evaluation.confident_normal import (
    ConfidentNormal,
    clustered_wilson,
    confident_normals,
    confident_threshold,
)
from wetread.evaluation.curves import Undefined, checked_scores, one_class
from wetread.evaluation.reading_room import (
    ReadingRoom,
    check_room,
    draw_period,
    film_shares,
    time_to_report,
)
from wetread.findings import LABELS, NO_FINDING
from wetread.records import Interval

ORDERS: Final = ("first_come", "flagged_first", "by_score")
GROUPS: Final = (
    "critical",
    "critical_unflagged",
    "abnormal",
    "abnormal_unflagged",
    "normal",
    "all",
)
_NO_FINDING: Final = LABELS.index(NO_FINDING.name)
STATISTICS: Final = ("median", "mean", "p90", "p95", "longest")
MISS_RATES: Final = (0.01, 0.02, 0.03, 0.04, 0.05)


@dataclass(frozen=True, eq=False)
class TriagedFilms:
    """What is known of each test film: a film is abnormal without the label No Finding.

    `critical`: it carries one of the critical labels; `flagged`: a critical score reaches its
    threshold; `urgency`: in [0, 1], higher is read first when films are sorted.
    """

    abnormal: Bool[np.ndarray, " films"]
    critical: Bool[np.ndarray, " films"]
    flagged: Bool[np.ndarray, " films"]
    urgency: Float[np.ndarray, " films"]


@dataclass(frozen=True)
class Estimate:
    """The mean of a statistic over the replications that have it, in minutes."""

    value: float
    interval: Interval | Undefined
    replications: int


Times = Mapping[str, Mapping[str, Mapping[str, Estimate | Undefined]]]
"""By order, group of films and statistic."""


@dataclass(frozen=True)
class Triage:
    """Times to report and, of the two other orders, their differences to first come.

    `n_films` is the mean number of films of each group in a replication; `longest` the longest time
    of all replications, in minutes, by order and group (absent for a group without a film).
    """

    times: Times
    differences: Times
    n_films: Mapping[str, float]
    longest: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class ScoredFilms:
    """The films of a split, columns in the order of `LABELS`; higher scores mean more likely."""

    labels: Bool[np.ndarray, "films 15"]
    scores: Float[np.ndarray, "films 15"]
    patient_ids: Int[np.ndarray, " films"]


@dataclass(frozen=True, eq=False)
class Study:
    """A simulation with its settings, and what films the run is confident are normal.

    `n_films`, `n_patients`, `n_critical` and `n_abnormal` are of the test films, the shares are of
    the films that arrive. `sensitivity` is the share of critical test films that are flagged.
    `undefined` says for each stated miss rate that has no threshold why.
    """

    room: ReadingRoom
    critical: tuple[str, ...]
    n_films: int
    n_patients: int
    n_critical: int
    n_abnormal: int
    abnormal_share: float
    critical_share: float
    flagged_share: float
    sensitivity: float
    sensitivity_interval: Interval
    days: int
    replications: int
    seed: int
    triage: Triage
    miss_rate: float
    confident: tuple[ConfidentNormal, ...]
    undefined: tuple[tuple[float, Undefined], ...]


def study_triage(
    test: ScoredFilms,
    validation: ScoredFilms,
    thresholds: Mapping[str, float],
    critical: Sequence[str],
    room: ReadingRoom,
    *,
    miss_rate: float = 0.02,
    abnormal_share: float | None = None,
    days: int = 10,
    replications: int = 20,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Return what `triage_films`, `simulate_triage` and `confident_normals` say of a run.

    `thresholds` of the critical labels and those of No Finding come from validation. Raises
    `StatisticsError` and `ReadingRoomError` as those do.
    """
    check_room(room)
    films = triage_films(test.labels, test.scores, validation.scores, thresholds, critical)
    stated = sorted({*MISS_RATES, miss_rate})
    found = [
        confident_threshold(
            ~validation.labels[:, _NO_FINDING], validation.scores[:, _NO_FINDING], rate
        )
        for rate in stated
    ]
    shares = film_shares(films.abnormal, abnormal_share)
    hits = films.flagged[films.critical]
    return Study(
        room=room,
        critical=tuple(critical),
        n_films=films.abnormal.size,
        n_patients=int(np.unique(test.patient_ids).size),
        n_critical=int(films.critical.sum()),
        n_abnormal=int(films.abnormal.sum()),
        abnormal_share=float(shares @ films.abnormal),
        critical_share=float(shares @ films.critical),
        flagged_share=float(shares @ films.flagged),
        sensitivity=float(hits.mean()),
        sensitivity_interval=clustered_wilson(hits, test.patient_ids[films.critical]),
        days=days,
        replications=replications,
        seed=seed,
        triage=simulate_triage(
            films,
            room,
            abnormal_share=abnormal_share,
            days=days,
            replications=replications,
            seed=seed,
            progress=progress,
        ),
        miss_rate=miss_rate,
        confident=tuple(
            confident_normals(
                room,
                films.abnormal,
                films.critical,
                test.scores[:, _NO_FINDING],
                test.patient_ids,
                [
                    (rate, threshold)
                    for rate, threshold in zip(stated, found, strict=True)
                    if not isinstance(threshold, Undefined)
                ],
                abnormal_share=abnormal_share,
                seed=seed,
            )
        ),
        undefined=tuple(
            (rate, threshold)
            for rate, threshold in zip(stated, found, strict=True)
            if isinstance(threshold, Undefined)
        ),
    )


def triage_films(
    labels: Bool[np.ndarray, "_films 15"],
    scores: Float[np.ndarray, "_films 15"],
    validation_scores: Float[np.ndarray, "_validation 15"],
    thresholds: Mapping[str, float],
    critical: Sequence[str],
) -> TriagedFilms:
    """Return what an order needs to know of the test films, columns in the order of `LABELS`.

    A film is flagged when the score of a critical label is at least its threshold. Its urgency is
    the highest of its ranks: those of its critical scores and of 1 - the score of No Finding. A
    rank is the share of validation films that score less, for scores of two labels are on two
    scales and their ranks are on one.

    Raises:
        StatisticsError: no film is critical or none is normal, or a score is not finite.
    """
    for column in range(len(LABELS)):
        checked_scores(labels[:, column], scores[:, column])
    if not np.isfinite(validation_scores).all() or not len(validation_scores):
        raise StatisticsError("validation scores that are none, NaN or infinite")
    columns = [LABELS.index(name) for name in critical]
    if not columns or _NO_FINDING in columns:
        raise StatisticsError(f"critical {' and '.join(critical) or 'nothing'}, expected findings")
    is_critical = np.asarray(labels[:, columns].any(axis=1))
    abnormal = ~labels[:, _NO_FINDING]
    if undefined := one_class(abnormal):
        raise StatisticsError(
            f"all {len(labels)} films are {'abnormal' if undefined.n_positive else 'normal'}; "
            "expected films with and without the label No Finding"
        )
    if not is_critical.any():
        raise StatisticsError(
            f"none of {len(labels)} films is labeled {' or '.join(critical)}; name other findings "
            "by --critical"
        )
    cuts = np.array([thresholds[name] for name in critical])
    flagged = np.asarray((scores[:, columns] >= cuts).any(axis=1))
    ranks = [_ranks(scores[:, column], validation_scores[:, column]) for column in columns]
    ranks.append(_ranks(-scores[:, _NO_FINDING], -validation_scores[:, _NO_FINDING]))
    return TriagedFilms(abnormal, is_critical, flagged, np.max(ranks, axis=0))


def simulate_triage(
    films: TriagedFilms,
    room: ReadingRoom,
    *,
    abnormal_share: float | None = None,
    days: int = 10,
    replications: int = 20,
    seed: int = 0,
    warm_up_days: int = 1,
    level: float = 0.95,
    progress: Callable[[int, int], None] | None = None,
) -> Triage:
    """Simulate `replications` periods of `days` days, each in all three orders.

    Intervals are Student's over the independent replications; those of a difference are of the
    paired differences, since a replication's films, arrivals and reading times are the same in all
    orders (common random numbers). They hold for these test films: a flag's sensitivity has an
    interval of its own. `progress` is told (simulations done, of how many).

    Raises:
        ReadingRoomError: the room cannot be or never keeps up, or there is nothing to simulate.
    """
    check_room(room)
    if days < 1 or replications < 2:
        raise ReadingRoomError(
            f"{days} days and {replications} replications, expected at least 1 and 2"
        )
    shares = film_shares(films.abnormal, abnormal_share)
    groups = _groups(films)
    values = np.zeros((replications, len(ORDERS), len(GROUPS), len(STATISTICS)))
    counts = np.zeros((replications, len(GROUPS)), dtype=np.int64)
    for replication in range(replications):
        generator = np.random.default_rng([seed, replication])
        period = draw_period(room, films.abnormal, shares, days, generator, warm_up_days)
        measured = period.film[period.is_measured]
        members = [groups[name][measured] for name in GROUPS]
        counts[replication] = [np.count_nonzero(member) for member in members]
        for number, order in enumerate(ORDERS):
            minutes = time_to_report(room, period, _urgency(films, order)[period.film]) / 60
            for group, member in enumerate(members):
                if member.any():
                    values[replication, number, group] = _statistics(minutes[member])
            if progress:
                progress(replication * len(ORDERS) + number + 1, replications * len(ORDERS))
    has = counts > 0
    longest = values[..., STATISTICS.index("longest")].max(axis=0)
    return Triage(
        times=_summarize(ORDERS, values, has, level),
        differences=_summarize(ORDERS[1:], values[:, 1:] - values[:, :1], has, level),
        n_films=dict(zip(GROUPS, counts.mean(axis=0).tolist(), strict=True)),
        longest={
            order: {
                name: float(longest[number, group])
                for group, name in enumerate(GROUPS)
                if has[:, group].any()
            }
            for number, order in enumerate(ORDERS)
        },
    )


def _ranks(
    scores: Float[np.ndarray, " films"], of: Float[np.ndarray, " others"]
) -> Float[np.ndarray, " films"]:
    """Return the share of `of` below each score, a tie counting one half."""
    ordered = np.sort(of)
    below = np.searchsorted(ordered, scores, side="left")
    return (below + np.searchsorted(ordered, scores, side="right")) / (2 * of.size)


def _groups(films: TriagedFilms) -> dict[str, Bool[np.ndarray, " films"]]:
    return {
        "critical": films.critical,
        "critical_unflagged": films.critical & ~films.flagged,
        "abnormal": films.abnormal,
        "abnormal_unflagged": films.abnormal & ~films.flagged,
        "normal": ~films.abnormal,
        "all": np.ones_like(films.abnormal),
    }


def _urgency(films: TriagedFilms, order: str) -> Float[np.ndarray, " films"]:
    if order == "first_come":
        return np.zeros(films.abnormal.size)
    return films.flagged.astype(np.float64) if order == "flagged_first" else films.urgency


def _statistics(minutes: Float[np.ndarray, " films"]) -> Float[np.ndarray, " statistics"]:
    median, p90, p95 = np.quantile(minutes, [0.5, 0.9, 0.95])
    return np.array([median, minutes.mean(), p90, p95, minutes.max()])


def _summarize(
    orders: Sequence[str],
    values: Float[np.ndarray, "replications orders groups statistics"],
    has: Bool[np.ndarray, "replications groups"],
    level: float,
) -> dict[str, dict[str, dict[str, Estimate | Undefined]]]:
    return {
        order: {
            name: {
                statistic: over_replications(values[has[:, group], number, group, column], level)
                for column, statistic in enumerate(STATISTICS)
            }
            for group, name in enumerate(GROUPS)
        }
        for number, order in enumerate(orders)
    }


def over_replications(
    values: Float[np.ndarray, " replications"], level: float = 0.95
) -> Estimate | Undefined:
    """Return the mean of independent replications with Student's interval.

    Undefined without a value; its interval is with fewer than two.
    """
    count = values.size
    if not count:
        return Undefined(0, 0, "no such film in any replication")
    mean = float(values.mean())
    if count < 2:
        return Estimate(mean, Undefined(0, 0, "such a film in one replication only"), count)
    half = float(student.ppf((1 + level) / 2, count - 1) * values.std(ddof=1) / np.sqrt(count))
    method = f"Student's t over {count} independent replications"
    return Estimate(mean, Interval(mean - half, mean + half, level, method), count)
