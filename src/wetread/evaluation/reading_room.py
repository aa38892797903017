"""Films that come to a reading room and an order in, when each is reported out: SimPy's events.

Readers are alike and each reads a film at a time, always the waiting film of the highest urgency,
of equals the one that came first. A film that is being read is never put aside.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, Literal

import numpy as np
import simpy
from jaxtyping import Bool, Float, Int

from wetread.errors import ReadingRoomError

Arrivals = Literal["flat", "day"]
ReadingTimes = Literal["lognormal", "exponential"]

Events = Generator[simpy.Event, None, None]

DAY_S: Final = 86_400.0
HOSPITAL_DAY: Final = (
    *(1, 1, 1, 1, 1, 2),  # midnight to six: emergencies
    *(4, 5, 6, 7, 7, 7),  # rounds with portable films, then clinics
    *(6, 6, 6, 5, 5, 4),
    *(3, 3, 2, 2, 1, 1),
)
"""How many films come in each hour from midnight on, in relation to one another: an assumption."""


@dataclass(frozen=True)
class ReadingRoom:
    """How many films come, and who reads them when and how fast.

    `reading_seconds` is the mean over all films; `variation` the standard deviation of a lognormal
    time over its mean (an exponential one has 1); an abnormal film takes `abnormal_factor` times as
    long as a normal one. Readers begin no film outside `opens_hour` to `closes_hour` of a day.
    """

    films_per_day: float
    readers: int
    reading_seconds: float = 60.0
    variation: float = 0.7
    abnormal_factor: float = 1.4
    reading_times: ReadingTimes = "lognormal"
    arrivals: Arrivals = "flat"
    opens_hour: float = 0.0
    closes_hour: float = 24.0

    @property
    def work_hours(self) -> float:
        """Hours of reading that a day's films hold."""
        return self.films_per_day * self.reading_seconds / 3600

    @property
    def load(self) -> float:
        """Hours of reading that come in a day over those that the readers have."""
        return self.work_hours / (self.readers * (self.closes_hour - self.opens_hour))


def check_room(room: ReadingRoom) -> None:
    """Raise `ReadingRoomError` for a room that cannot be, or that never keeps up."""
    for what, value in (
        ("films a day", room.films_per_day),
        ("readers", room.readers),
        ("seconds of reading", room.reading_seconds),
        ("as abnormal factor", room.abnormal_factor),
    ):
        if not 0 < value < math.inf:
            raise ReadingRoomError(f"{value:g} {what}, expected more than 0")
    if not 0 <= room.variation < math.inf:
        raise ReadingRoomError(f"a variation of {room.variation:g}, expected 0 or more")
    if not 0 <= room.opens_hour < room.closes_hour <= 24:
        raise ReadingRoomError(
            f"hours {room.opens_hour:g}-{room.closes_hour:g}, expected two of 0 to 24, rising"
        )
    if room.load >= 1:
        most = room.films_per_day / room.load
        raise ReadingRoomError(
            f"load {room.load:.2f}: {room.work_hours:.1f} hours of reading come in a day and "
            f"{room.work_hours / room.load:.1f} hours of readers are there, so the queue grows "
            f"without end; expected a load below 1: at least {int(room.readers * room.load) + 1} "
            f"readers, fewer than {most:.0f} films a day, longer hours or shorter reading"
        )


@dataclass(frozen=True, eq=False)
class Period:
    """Films in the order in which they come; the orders of reading are compared on the same ones.

    `film` is the row of the film that was drawn, `is_measured` leaves out those of the warm-up and
    those that come after the period.
    """

    film: Int[np.ndarray, " films"]
    arrival_s: Float[np.ndarray, " films"]
    reading_s: Float[np.ndarray, " films"]
    is_measured: Bool[np.ndarray, " films"]


def film_shares(
    abnormal: Bool[np.ndarray, " films"], abnormal_share: float | None = None
) -> Float[np.ndarray, " films"]:
    """Return with what probability an arriving film is each test film; they sum to 1.

    All are alike, or, with `abnormal_share` in (0, 1), abnormal films together have that share.
    """
    if abnormal_share is None:
        return np.full(abnormal.size, 1 / abnormal.size)
    if not 0 < abnormal_share < 1:
        raise ReadingRoomError(f"a share of {abnormal_share:g} abnormal, expected within 0 to 1")
    n_abnormal = int(abnormal.sum())
    return np.where(
        abnormal, abnormal_share / n_abnormal, (1 - abnormal_share) / (abnormal.size - n_abnormal)
    )


def draw_period(
    room: ReadingRoom,
    abnormal: Bool[np.ndarray, " rows"],
    shares: Float[np.ndarray, " rows"],
    days: int,
    generator: np.random.Generator,
    warm_up_days: int = 1,
) -> Period:
    """Draw the films of `warm_up_days` + `days` + as many days again, with their reading times.

    Films come as a Poisson process, each the film of a row with its probability in `shares`
    (`film_shares`). Those after the measured days keep the room busy until the last measured film
    is read.
    """
    total_days = warm_up_days + 2 * days
    n_films = int(generator.poisson(room.films_per_day * total_days))
    arrival_s = np.sort(
        generator.integers(total_days, size=n_films) * DAY_S
        + _times_of_day(room, generator, n_films)
    )
    film = generator.choice(len(shares), size=n_films, p=shares)
    spread = _spread(room, generator, n_films)
    reading_s = mean_reading_s(room, abnormal, float(shares @ abnormal))[film] * spread
    day = arrival_s // DAY_S
    is_measured = (day >= warm_up_days) & (day < warm_up_days + days)
    return Period(film, arrival_s, reading_s, is_measured)


def mean_reading_s(
    room: ReadingRoom, abnormal: Bool[np.ndarray, " rows"], abnormal_share: float
) -> Float[np.ndarray, " rows"]:
    """Return the mean reading time of each film, such that that of all is `reading_seconds`."""
    factors = np.where(abnormal, room.abnormal_factor, 1.0)
    mean_factor = 1 + abnormal_share * (room.abnormal_factor - 1)
    return np.asarray(room.reading_seconds * factors / mean_factor)


def time_to_report(
    room: ReadingRoom, period: Period, urgency: Float[np.ndarray, " films"]
) -> Float[np.ndarray, " measured"]:
    """Simulate the room; return the seconds from arrival to report of each measured film.

    `urgency` has any unit: higher is read first. The room starts empty.
    """
    environment = simpy.Environment(initial_time=0.0)
    arrival, reading = period.arrival_s.tolist(), period.reading_s.tolist()
    behind, reported = (-urgency).tolist(), [0.0] * len(arrival)
    # Whole seconds: the clock then meets the hour exactly.
    opens_s, closes_s = round(room.opens_hour * 3600), round(room.closes_hour * 3600)
    to_report = set(np.flatnonzero(period.is_measured).tolist())
    waiting: list[tuple[float, int]] = []
    idle: list[simpy.Event] = []
    all_reported = environment.event()

    def films() -> Events:
        for film, at in enumerate(arrival):
            yield environment.timeout(max(at - environment.now, 0.0))
            heappush(waiting, (behind[film], film))
            if idle:
                idle.pop().succeed()

    def reader() -> Events:
        while to_report:
            if not opens_s <= environment.now % DAY_S < closes_s:
                yield environment.timeout((opens_s - environment.now) % DAY_S)
            elif waiting:
                film = heappop(waiting)[1]
                yield environment.timeout(reading[film])
                reported[film] = environment.now
                to_report.discard(film)
            else:
                idle.append(environment.event())
                yield idle[-1]
        if not all_reported.triggered:
            all_reported.succeed()

    environment.process(films())
    for _ in range(room.readers):
        environment.process(reader())
    environment.run(until=all_reported)
    return np.asarray((np.array(reported) - period.arrival_s)[period.is_measured])


def _times_of_day(
    room: ReadingRoom, generator: np.random.Generator, n_films: int
) -> Float[np.ndarray, " films"]:
    hourly = np.ones(24) if room.arrivals == "flat" else np.array(HOSPITAL_DAY, dtype=np.float64)
    up_to_hour = np.concatenate(([0.0], np.cumsum(hourly) / hourly.sum()))
    return np.asarray(np.interp(generator.random(n_films), up_to_hour, np.arange(25) * 3600.0))


def _spread(
    room: ReadingRoom, generator: np.random.Generator, n_films: int
) -> Float[np.ndarray, " films"]:
    """Draw reading times over their mean."""
    if room.reading_times == "exponential":
        return generator.exponential(size=n_films)
    variance = np.log1p(room.variation**2)
    return np.asarray(generator.lognormal(-variance / 2, np.sqrt(variance), n_films))
