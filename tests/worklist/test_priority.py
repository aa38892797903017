"""The reading order: what raises a study, that nothing lowers it, and that nothing starves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.findings import LABELS
from wetread.worklist.priority import FilmFacts, Rules, place_of

STATES = ("received", "scoring", "scored", "flagged", "refused", "failed")
FILMS = st.lists(
    st.builds(
        FilmFacts,
        st.sampled_from(STATES),
        st.dictionaries(st.sampled_from(LABELS), st.floats(0, 1), max_size=4),
        st.floats(0, 1),
    ),
    max_size=4,
)
URGENCIES = st.sampled_from(["", "STAT", "HIGH", "ROUTINE", "low", "stat", "whatever"])
RULES = st.builds(
    Rules,
    stated_s=st.floats(0, 1e5),
    critical_s=st.floats(0, 1e5),
    flagged_s=st.floats(0, 1e5),
    look_s=st.floats(0, 1e5),
    normal_delay_s=st.floats(0, 1e5),
)
NORMAL = st.builds(
    Rules,
    normal_score=st.floats(0, 1),
    normal_miss_rate=st.floats(0, 0.5),
    normal_delay_s=st.floats(0, 1e5),
)


@given(st.floats(0, 1e9), URGENCIES, FILMS, RULES)
def test_nothing_lowers_a_study_below_its_first_come_place(
    came: float, urgency: str, films: list[FilmFacts], rules: Rules
) -> None:
    found = place_of(came, urgency, films, rules)
    assert found.place <= came


@given(st.floats(0, 1e9), st.floats(0, 1e7), URGENCIES, URGENCIES, FILMS, FILMS, RULES | NORMAL)
def test_no_study_waits_for_one_that_came_more_than_the_bound_later(
    came: float,
    later: float,
    one: str,
    other: str,
    films: list[FilmFacts],
    others: list[FilmFacts],
    rules: Rules,
) -> None:
    first = place_of(came, one, films, rules)
    second = place_of(came + rules.longest_s + later + 1, other, others, rules)
    assert first.place < second.place


@given(URGENCIES, FILMS, FILMS)
def test_one_more_film_never_lowers_a_study_that_nothing_puts_off(
    urgency: str, films: list[FilmFacts], more: list[FilmFacts]
) -> None:
    assert place_of(0.0, urgency, films + more).place <= place_of(0.0, urgency, films).place


@pytest.mark.parametrize(
    ("films", "urgency", "hours", "status", "reason"),
    [
        ([FilmFacts("scored")], "", 0, "clear", ""),
        ([FilmFacts("received")], "", 0, "waiting", ""),
        ([], "", 0, "waiting", ""),
        ([FilmFacts("scored", {"Mass": 0.4})], "", 1, "flagged", "Mass"),
        (
            [FilmFacts("scored", {"Mass": 0.9, "Pneumothorax": 0.2})],
            "",
            3,
            "flagged",
            "Pneumothorax",
        ),
        ([FilmFacts("scored", {"No Finding": 0.9})], "", 0, "clear", ""),
        ([FilmFacts("refused")], "", 1, "look", "not read by the machine"),
        ([FilmFacts("scored"), FilmFacts("failed")], "", 1, "look", "not read by the machine"),
        ([FilmFacts("flagged")], "", 1, "look", "doubtful film"),
        ([FilmFacts("scored")], "STAT", 4, "clear", "stated STAT"),
        ([FilmFacts("scored", {"Mass": 0.4})], "high", 3, "flagged", "stated HIGH; Mass"),
        ([FilmFacts("scored")], "ROUTINE", 0, "clear", ""),
    ],
)
def test_each_study_has_its_place_and_a_reason(
    films: list[FilmFacts], urgency: str, hours: float, status: str, reason: str
) -> None:
    found = place_of(1e6, urgency, films)
    assert found.place == 1e6 - 3600 * hours
    assert (found.status, found.reason) == (status, reason)


def test_confidently_normal_studies_are_put_off_only_where_the_site_says_so() -> None:
    normal = [FilmFacts("scored", {}, 0.95), FilmFacts("scored", {}, 0.99)]
    assert place_of(0.0, "", normal).place == 0
    assert place_of(0.0, "", normal, Rules(normal_score=0.9)).place == 0
    rules = Rules(normal_score=0.9, normal_miss_rate=0.013)
    found = place_of(0.0, "", normal, rules)
    assert (found.place, found.reason) == (7200, "confidently normal, 1.3 % missed")
    assert place_of(0.0, "STAT", normal, rules).place < 0
    assert place_of(0.0, "", [*normal, FilmFacts("received")], rules).place == 0
    assert place_of(0.0, "", [FilmFacts("scored", {}, 0.8)], rules).place == 0
