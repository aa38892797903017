"""What is known of a study in, its place in the order of reading out: a pure function.

The order is first come, first served, moved forward by bonuses: a study is read as if it had come
so much earlier. So nothing starves: one that has come waits for no study that comes more than
`Rules.longest_s` after it, however urgent that is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from wetread.findings import NO_FINDING
from wetread.worklist.states import FilmState

StudyStatus = Literal["waiting", "flagged", "clear", "look"]
"""Of a study: not scored yet, a finding reaches its point, none does, or a person must look."""

URGENT: Final[Mapping[str, int]] = {"STAT": 2, "HIGH": 1, "URGENT": 1, "ASAP": 1}
"""Stated priorities (PS3.3 C.4.11) that raise: in full, or by half."""


@dataclass(frozen=True)
class Rules:
    """Bonuses in seconds, by what raises a study; none lowers it but the last two together.

    `normal_score` is a threshold on the score of No Finding with the share of abnormal films that
    reach it, `normal_miss_rate`, as measured; a study whose films all do is put off by
    `normal_delay_s`. None, the default: no study is.
    """

    stated_s: float = 4 * 3600.0
    critical_s: float = 3 * 3600.0
    flagged_s: float = 1 * 3600.0
    look_s: float = 1 * 3600.0
    critical: frozenset[str] = frozenset({"Pneumothorax"})
    normal_score: float | None = None
    normal_miss_rate: float | None = None
    normal_delay_s: float = 2 * 3600.0

    @property
    def longest_s(self) -> float:
        """The most that a later study may come before an earlier one."""
        raised = self.stated_s + max(self.critical_s, self.flagged_s, self.look_s)
        return raised + (self.normal_delay_s if self.puts_off else 0.0)

    @property
    def puts_off(self) -> bool:
        """Whether confidently normal studies are read later."""
        return self.normal_score is not None and self.normal_miss_rate is not None


@dataclass(frozen=True)
class FilmFacts:
    """A film's state, the findings that reach their point with their scores, and No Finding's."""

    state: FilmState
    findings: Mapping[str, float] = field(default_factory=dict)
    no_finding_score: float = 0.0


@dataclass(frozen=True)
class Place:
    """`place` in seconds, the lowest is read first; `reason` in plain words, empty for none."""

    place: float
    reason: str
    status: StudyStatus
    findings: Mapping[str, float]


def place_of(
    received_at: float, urgency: str, films: Sequence[FilmFacts], rules: Rules | None = None
) -> Place:
    """Return a study's place in the order.

    Args:
        received_at: when its first film came, seconds since 1970.
        urgency: the stated priority, "STAT" or empty.
        films: what is known of each.
        rules: the site's; the defaults where there are none.
    """
    rules = rules or Rules()
    findings: dict[str, float] = {}
    for film in films:
        for label, score in film.findings.items():
            if label != NO_FINDING.name:
                findings[label] = max(score, findings.get(label, 0.0))
    findings = dict(sorted(findings.items(), key=lambda one: (-one[1], one[0])))
    status = _status(films, findings)
    stated = rules.stated_s * URGENT.get(urgency.upper(), 0) / 2
    bonus, why = _bonus(films, findings, rules)
    reasons = [f"stated {urgency.upper()}"] * (stated > 0) + [why] * (bonus > 0)
    place = received_at - stated - bonus
    if not reasons and status == "clear" and _is_normal(films, rules):
        place += rules.normal_delay_s
        reasons = [f"confidently normal, {100 * (rules.normal_miss_rate or 0):.1f} % missed"]
    return Place(place, "; ".join(reasons), status, findings)


def _status(films: Sequence[FilmFacts], findings: Mapping[str, float]) -> StudyStatus:
    states = {film.state for film in films}
    if findings:
        return "flagged"
    if states & {"refused", "failed", "flagged"}:
        return "look"
    return "waiting" if not states or states & {"received", "scoring"} else "clear"


def _bonus(
    films: Sequence[FilmFacts], findings: Mapping[str, float], rules: Rules
) -> tuple[float, str]:
    """Return the largest bonus and what it is for."""
    bonuses = [(0.0, "")]
    for label in findings:
        bonus = rules.critical_s if label in rules.critical else rules.flagged_s
        bonuses.append((bonus, label.replace("_", " ")))
    words = {"refused": "not read by the machine", "failed": "not read by the machine"}
    words["flagged"] = "doubtful film"
    bonuses += [(rules.look_s, words[film.state]) for film in films if film.state in words]
    return max(bonuses, key=lambda one: one[0])


def _is_normal(films: Sequence[FilmFacts], rules: Rules) -> bool:
    if not rules.puts_off or not films:
        return False
    threshold = rules.normal_score or 0.0
    return all(film.state == "scored" and film.no_finding_score >= threshold for film in films)
