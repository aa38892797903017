"""A simulated reading room in; its section of the report, its lines of text and its JSON out."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, Final

from wetread.evaluation.curves import Undefined
from wetread.evaluation.reading_room import ReadingRoom
from wetread.evaluation.triage import ORDERS, STATISTICS, Estimate, Study, Times
from wetread.records import Interval
from wetread.report.durations import duration, duration_with_interval
from wetread.report.figures import DARK, LIGHT, Theme
from wetread.report.figures_triage import ORDER_NAMES, draw_hours, draw_times
from wetread.report.section import Drawing, Table, Text

TITLE: Final = "What it would change"
_DRAWN: Final = ("critical", "critical_unflagged", "abnormal", "normal")
_SHORT_NAMES: Final = {
    "first_come": "as they come",
    "flagged_first": "flagged first",
    "by_score": "sorted",
}
_COLUMNS: Final = {
    "median": "half within",
    "p90": "90 % within",
    "p95": "95 % within",
    "mean": "mean",
}


def triage_parts(study: Study) -> list[Text | Table | Drawing]:
    """Return the section of the report."""
    triage = study.triage
    headline = _headline(study)
    names = _group_names(study)
    drawn = {key: names[key] for key in _DRAWN}

    def draw(theme: Theme) -> bytes:
        return draw_times(triage, drawn, headline, theme)

    parts: list[Text | Table | Drawing] = [
        Text(_room_in_words(study)),
        Drawing(
            "triage",
            f"Time from film to report in three reading orders. {headline}. {_in_words(study)}",
            draw(LIGHT),
            draw(DARK),
            caption="Dot: half of the films are reported by then; its pale bar is the 95 % "
            f"interval of that over {study.replications} simulated periods. Tick: 95 % are "
            f"reported. The test films have {study.n_critical:,} critical ones to draw from: with "
            "others the flag may find more or fewer.",
        ),
        Text(_cost(study)),
        Table(
            ("Films, order", "films", *_COLUMNS.values(), "mean, change", "longest"),
            tuple(_time_row(study, key, order) for key in names for order in ORDERS),
            title=f"Time from film to report, with 95 % intervals over {study.replications} "
            f"periods of {study.days} days; changes are paired, against first come",
        ),
    ]
    return [*parts, *_confident_parts(study), *_assumptions(study)]


def triage_lines(study: Study) -> list[str]:
    """Return what the command line says: a table of times, and the main sentences."""
    names = _group_names(study)
    rows = [("half | 95 % of films within", *(ORDER_NAMES[order] for order in ORDERS))]
    for key, name in names.items():
        cells = []
        for order in ORDERS:
            median, late = (study.triage.times[order][key][one] for one in ("median", "p95"))
            cells.append(f"{_short(median)} | {_short(late)}")
        rows.append((name, *cells))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return [*lines, "", f"{_headline(study)}.", _cost(study), _confident_in_words(study)]


def triage_as_json(study: Study) -> dict[str, Any]:
    """Return every number as plain values; times are in minutes, one that is undefined is None."""
    triage = study.triage
    return {
        "settings": {
            **asdict(study.room),
            "critical": list(study.critical),
            "days": study.days,
            "replications": study.replications,
            "seed": study.seed,
            "miss_rate": study.miss_rate,
        },
        "load": study.room.load,
        "work_hours": study.room.work_hours,
        "films": {
            "n_images": study.n_films,
            "n_patients": study.n_patients,
            "n_critical": study.n_critical,
            "n_abnormal": study.n_abnormal,
            "abnormal_share": study.abnormal_share,
            "critical_share": study.critical_share,
            "simulated": dict(triage.n_films),
        },
        "flag": {
            "flagged_share": study.flagged_share,
            "sensitivity": study.sensitivity,
            "sensitivity_interval": asdict(study.sensitivity_interval),
        },
        "minutes_to_report": _times_as_json(triage.times),
        "minutes_against_first_come": _times_as_json(triage.differences),
        "longest_of_all": {order: dict(groups) for order, groups in triage.longest.items()},
        "confident_normal": [asdict(one) for one in study.confident],
        "undefined": {f"{stated:g}": why.reason for stated, why in study.undefined},
    }


def _group_names(study: Study) -> dict[str, str]:
    finding = " or ".join(name.replace("_", " ") for name in study.critical)
    if len(finding) > 40:
        finding = f"{len(study.critical)} findings"
    return {
        "critical": f"Critical: {finding}",
        "critical_unflagged": "Critical, but not flagged",
        "abnormal": "Abnormal",
        "abnormal_unflagged": "Abnormal, but not flagged",
        "normal": "Normal",
        "all": "All films",
    }


def _headline(study: Study) -> str:
    first, flagged = (
        study.triage.times[order]["critical"]["median"] for order in ("first_come", "flagged_first")
    )
    change = study.triage.differences["flagged_first"]["critical"]["median"]
    if not (isinstance(first, Estimate) and isinstance(flagged, Estimate)):
        return "No critical film came in the simulated periods"
    if not isinstance(change, Estimate) or not _is_told(change):
        return (
            "Reading flagged films first makes no difference to critical films that can be told: "
            f"half are reported within {duration(first.value)} either way"
        )
    said = (
        f"Half of the critical films are reported within {duration(flagged.value)} when flagged "
        f"films go first, instead of {duration(first.value)} as they come"
    )
    if study.sensitivity_interval.low <= study.flagged_share:
        # As many of the critical films might be flagged as of all others.
        said += f", but on {study.n_critical:,} critical test films the flag may be chance"
    return said


def _cost(study: Study) -> str:
    """Say who waits longer."""
    sentences = []
    for order, name in (("flagged_first", "flagged films go first"), ("by_score", "sorted")):
        normal = study.triage.differences[order]["normal"]["mean"]
        if isinstance(normal, Estimate):
            sentences.append(f"{_change(normal)} when {name}")
    said = f"A normal film waits {' and '.join(sentences)}. " if sentences else ""
    missed = study.triage.differences["flagged_first"]["critical_unflagged"]["mean"]
    low, high = study.sensitivity_interval.low, study.sensitivity_interval.high
    said += (
        f"{1 - study.sensitivity:.0%} of the {study.n_critical:,} critical test films are not "
        f"flagged ({1 - high:.0%} to {1 - low:.0%})"
    )
    if isinstance(missed, Estimate):
        said += f"; these wait {_change(missed)} when flagged films go first"
    if not isinstance(study.triage.times["first_come"]["all"]["longest"], Undefined):
        longest = {order: duration(study.triage.longest[order]["all"]) for order in ORDERS}
        said += (
            f". The longest time of any film is {longest['first_come']} as they come, "
            f"{longest['flagged_first']} with flagged films first and {longest['by_score']} sorted"
        )
    return f"{said}."


def _change(one: Estimate) -> str:
    if not _is_told(one):
        return "no longer and no shorter on average, as far as can be told,"
    direction = "longer" if one.value > 0 else "shorter"
    assert isinstance(one.interval, Interval)
    low, high = sorted(abs(end) for end in (one.interval.low, one.interval.high))
    size = replace(one.interval, low=low, high=high)
    return f"{duration_with_interval(abs(one.value), size)} {direction} on average"


def _is_told(change: Estimate) -> bool:
    """Return whether the interval of a difference leaves out 0."""
    interval = change.interval
    return not isinstance(interval, Undefined) and not interval.low <= 0 <= interval.high


def _in_words(study: Study) -> str:
    names, said = _group_names(study), []
    for key in _DRAWN:
        cells = []
        for order in ORDERS:
            median, late = (study.triage.times[order][key][one] for one in ("median", "p95"))
            cells.append(f"{ORDER_NAMES[order].lower()} {_short(median)} and {_short(late)}")
        said.append(f"{names[key]}, half and 95 % within: {'; '.join(cells)}.")
    return " ".join(said)


def _room_in_words(study: Study) -> str:
    room = study.room
    readers = "1 reader" if room.readers == 1 else f"{room.readers} readers"
    said = (
        f"{room.films_per_day:,g} films a day and {readers}, {_hours(room)}, who need "
        f"{room.reading_seconds:g} seconds a film on average: load {room.load:.2f}. "
        f"{study.critical_share:.1%} of the films are critical and {study.abnormal_share:.0%} "
        f"abnormal; the run flags {study.flagged_share:.0%} of all and {study.sensitivity:.0%} of "
        "the critical ones. "
    )
    if (room.opens_hour, room.closes_hour) != (0, 24):
        said += "A film that comes while no reader is there waits for one in any order. "
    if room.load < 0.5:
        said += "At this load few films wait, so no order can change much. "
    return said.strip()


def _hours(room: ReadingRoom) -> str:
    if (room.opens_hour, room.closes_hour) == (0, 24):
        return "round the clock"
    return f"from {room.opens_hour:g} to {room.closes_hour:g} o'clock"


def _time_row(study: Study, key: str, order: str) -> tuple[str, ...]:
    triage = study.triage
    times, longest = triage.times[order][key], triage.longest[order].get(key)
    against = triage.differences.get(order, {}).get(key)
    return (
        f"{key.replace('_', ', ').capitalize()}: {_SHORT_NAMES[order]}",
        f"{triage.n_films[key]:,.0f}",
        *(_with_interval(times[one]) for one in _COLUMNS),
        "" if against is None else _with_interval(against["mean"], signed=True),
        "undefined" if longest is None else duration(longest),
    )


def _with_interval(one: Estimate | Undefined, signed: bool = False) -> str:
    if isinstance(one, Undefined):
        return "undefined"
    return duration_with_interval(one.value, one.interval, signed)


def _short(one: Estimate | Undefined) -> str:
    return "undefined" if isinstance(one, Undefined) else duration(one.value)


def _confident_in_words(study: Study) -> str:
    for one in study.confident:
        if one.stated == study.miss_rate:
            low, high = one.hours_interval.low, one.hours_interval.high
            missed = one.miss_rate_interval
            return (
                f"Films that the run is confident are normal hold {one.hours:.1f} "
                f"({low:.1f} to {high:.1f}) of the {study.room.work_hours:.1f} reader hours a day; "
                "these could be read later or in a batch. They are those whose score of No Finding "
                f"is at least {one.threshold:.3f}, chosen on validation so that at most "
                f"{one.stated:.1%} of the abnormal films are among them. On test it is "
                f"{one.miss_rate:.1%} ({missed.low:.1%} to {missed.high:.1%}), {one.n_missed:,} "
                f"films of {study.n_abnormal:,}, and {one.n_missed_critical:,} of the "
                f"{study.n_critical:,} critical ones."
            )
    why = dict(study.undefined).get(study.miss_rate)
    return f"No threshold for confidently normal films: {why.reason if why else 'none asked for'}."


def _confident_parts(study: Study) -> list[Text | Table | Drawing]:
    words = Text(_confident_in_words(study))
    if not study.confident:
        return [words]
    rows = tuple(
        (
            f"{one.stated:.1%}",
            f"{one.threshold:.3f}",
            f"{one.miss_rate:.1%} ({one.miss_rate_interval.low:.1%} to "
            f"{one.miss_rate_interval.high:.1%})",
            f"{one.n_missed:,} of {study.n_abnormal:,}",
            f"{one.n_missed_critical:,} of {study.n_critical:,}",
            f"{one.normal_share:.0%}",
            f"{one.hours:.1f} ({one.hours_interval.low:.1f} to {one.hours_interval.high:.1f})",
        )
        for one in study.confident
    )

    def draw(theme: Theme) -> bytes:
        return draw_hours(study.confident, study.room.work_hours, study.miss_rate, theme)

    in_numbers = "; ".join(f"{one.hours:.1f} hours at {one.stated:.1%}" for one in study.confident)
    return [
        words,
        Drawing(
            "triage_hours",
            "Hours of reading a day in confidently normal films, by the miss rate chosen on "
            f"validation: {in_numbers}.",
            draw(LIGHT),
            draw(DARK),
            caption="Band: 95 % interval by patient bootstrap of the test films.",
        ),
        Table(
            (
                "Miss rate, chosen",
                "threshold",
                "miss rate on test",
                "abnormal missed",
                "critical missed",
                "normal films above",
                "hours a day",
            ),
            rows,
            title="Confidently normal films",
        ),
    ]


def _assumptions(study: Study) -> list[Text | Table | Drawing]:
    room = study.room
    shape = (
        "exponential"
        if room.reading_times == "exponential"
        else f"lognormal, standard deviation {room.variation:g} of the mean"
    )
    profile = "the same rate all day" if room.arrivals == "flat" else "the rates of a hospital day"
    rows = (
        ("Arrivals", f"Poisson, {profile}, {room.films_per_day:,g} films a day"),
        ("Readers", f"{room.readers}, {_hours(room)}, all alike; a film begun is finished"),
        (
            "Reading time",
            f"{shape}; mean {room.reading_seconds:g} s over all films, abnormal ones "
            f"{room.abnormal_factor:g} times as long; the flag changes no reading time",
        ),
        (
            "Films",
            f"drawn from {study.n_films:,} test films of {study.n_patients:,} patients, "
            f"{study.abnormal_share:.0%} abnormal; truth is the label",
        ),
        ("Critical", f"labeled {', '.join(study.critical)}".replace("_", " ")),
        (
            "Flagged first",
            "a film whose score of a critical finding reaches its operating point goes before the "
            "others; within both, first come first read",
        ),
        (
            "Sorted by score",
            "the highest rank among validation films goes first: of the critical scores or of "
            "1 - the score of No Finding",
        ),
        (
            "Simulated",
            f"{study.replications} periods of {study.days} days after a day of warm-up, seed "
            f"{study.seed}; the orders read the same films at the same speed",
        ),
    )
    warning = (
        "This is a simulation, not a clinical trial: no patient was read sooner. Critical and "
        "normal are text-mined labels, which are noisy, so some films called missed are right to "
        "be and some called normal are not. Intervals of times are of the simulation with these "
        "test films; how well the flag does on other films, its own interval says. Confidently "
        "normal films must still be read."
    )
    return [Table(("Assumption", "here"), rows, "Assumptions", wraps=True), Text(warning, True)]


def _times_as_json(times: Times) -> dict[str, Any]:
    return {
        order: {
            group: {
                statistic: None
                if isinstance(one := estimates[statistic], Undefined)
                else _plain(one)
                for statistic in STATISTICS
            }
            for group, estimates in groups.items()
        }
        for order, groups in times.items()
    }


def _plain(one: Estimate) -> dict[str, Any]:
    interval = None if isinstance(one.interval, Undefined) else asdict(one.interval)
    return {"value": one.value, "interval": interval, "replications": one.replications}
