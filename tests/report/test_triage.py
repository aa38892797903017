import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from wetread.evaluation.curves import Undefined
from wetread.evaluation.reading_room import ReadingRoom
from wetread.evaluation.triage import (
    GROUPS,
    MISS_RATES,
    ORDERS,
    STATISTICS,
    ScoredFilms,
    study_triage,
)
from wetread.findings import LABELS
from wetread.records import Interval
from wetread.report.durations import duration, duration_with_interval
from wetread.report.section import Drawing, Table, Text
from wetread.report.triage import triage_as_json, triage_lines, triage_parts

DOCUMENT = Path(__file__).parents[2] / "docs" / "triage.md"


def scored(seed, count=300):
    generator = np.random.default_rng(seed)
    labels = np.zeros((count, 15), dtype=np.bool_)
    labels[np.arange(count), generator.integers(15, size=count)] = True
    labels[: count // 3] = False
    labels[: count // 3, LABELS.index("No Finding")] = True
    scores = generator.random((count, 15)) * 0.6 + 0.4 * labels
    return ScoredFilms(labels, scores, generator.integers(count // 3, size=count))


@pytest.fixture(scope="module")
def study():
    return study_triage(
        scored(1),
        scored(2),
        {"Pneumothorax": 0.6},
        ["Pneumothorax"],
        ReadingRoom(1200.0, 1, opens_hour=0.0, closes_hour=23.0),
        days=2,
        replications=6,
    )


def words_of(parts):
    return " ".join(part.words for part in parts if isinstance(part, Text))


def test_the_section_says_the_main_numbers_in_words_figures_and_tables(study):
    parts = triage_parts(study)
    drawings = [part for part in parts if isinstance(part, Drawing)]
    assert [one.name for one in drawings] == ["triage", "triage_hours"]
    times = study.triage.times
    for order in ORDERS:
        assert duration(times[order]["critical"]["median"].value) in drawings[0].alt
    assert f"load {study.room.load:.2f}" in words_of(parts)
    assert f"{study.sensitivity:.0%} of the critical ones" in words_of(parts)
    assert f"of the {study.n_critical} critical test films" in words_of(parts)
    assert f"have {study.n_critical} critical ones to draw from" in drawings[0].caption
    assert "not a clinical trial" in words_of(parts)
    assert "waits for one in any order" in words_of(parts)  # nobody reads from 23 to 24
    table = next(part for part in parts if isinstance(part, Table))
    assert len(table.rows) == len(ORDERS) * len(GROUPS)
    assert all(len(row) == len(table.columns) for row in table.rows)
    for one in drawings:
        light, dark = (
            cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
            for png in (one.light, one.dark)
        )
        assert light.shape == dark.shape
        assert light[0, 0].mean() > 200 > 60 > dark[0, 0].mean()


def test_a_gain_is_said_only_where_it_can_be_told(study):
    busy = triage_lines(study)
    assert any("instead of" in line for line in busy)
    assert not any("may be chance" in line for line in busy)
    by_chance = replace(
        study, sensitivity_interval=replace(study.sensitivity_interval, low=study.flagged_share)
    )
    said = f"on {study.n_critical} critical test films the flag may be chance"
    assert any(said in line for line in triage_lines(by_chance))
    idle = study_triage(
        scored(1), scored(2), {"Pneumothorax": 0.6}, ["Pneumothorax"],
        ReadingRoom(5.0, 20), days=2, replications=3,
    )  # fmt: skip
    said = " ".join(triage_lines(idle))
    assert "no difference to critical films that can be told" in said
    assert "At this load few films wait" in words_of(triage_parts(idle))


def test_what_is_undefined_is_said(study):
    reason = Undefined(0, 0, "no film scores higher")
    without = replace(study, confident=(), undefined=((study.miss_rate, reason),))
    parts = triage_parts(without)
    assert "No threshold for confidently normal films: no film scores higher" in words_of(parts)
    assert [part.name for part in parts if isinstance(part, Drawing)] == ["triage"]
    none = {statistic: Undefined(0, 0, "none") for statistic in STATISTICS}
    times = {order: {**study.triage.times[order], "critical_unflagged": none} for order in ORDERS}
    changes = {order: {**study.triage.differences[order], "critical_unflagged": none}
               for order in ORDERS[1:]}  # fmt: skip
    all_flagged = replace(study, triage=replace(study.triage, times=times, differences=changes))
    table = next(part for part in triage_parts(all_flagged) if isinstance(part, Table))
    assert any("undefined" in row for row in table.rows)
    assert any("undefined | undefined" in line for line in triage_lines(all_flagged))
    plain = triage_as_json(all_flagged)["minutes_to_report"]["first_come"]["critical_unflagged"]
    assert plain == dict.fromkeys(STATISTICS)


def test_every_number_is_written_and_every_key_documented(study):
    plain = triage_as_json(study)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    median = plain["minutes_to_report"]["by_score"]["critical"]["median"]
    assert median["value"] == study.triage.times["by_score"]["critical"]["median"].value
    documented = set(re.findall(r"`(\w+)`", DOCUMENT.read_text("utf-8")))

    def keys(values):
        if isinstance(values, dict):
            for key, value in values.items():
                yield key
                yield from keys(value)
        elif isinstance(values, list):
            for value in values:
                yield from keys(value)

    stated = {f"{rate:g}" for rate in MISS_RATES}
    assert set(keys(plain)) - stated - {"abnormal", "critical", "normal", "all"} <= documented


def test_times_are_said_as_people_say_them():
    minutes = [0.0, 0.5, 0.995, 1.04, 9.94, 9.96, 100, 119.6, 1439, 2880, -30, 40000]
    assert [duration(float(one)) for one in minutes] == [
        "0 s", "30 s", "1 min", "1 min", "9.9 min", "10 min", "100 min", "2 h", "24 h", "2 days",
        "-30 min", "28 days",
    ]  # fmt: skip
    interval = Interval(-5.0, 90.0, 0.95, "Student")
    assert duration_with_interval(45.0, interval, signed=True) == "+45 (-5 to +90) min"
    undefined = Undefined(0, 0, "one")
    assert duration_with_interval(150.0, undefined) == "2.5 h (interval undefined)"
