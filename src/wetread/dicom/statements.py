"""A first read in, the sentences that every result says of it out; nothing of the patient."""

from __future__ import annotations

from typing import Final

from wetread.findings import LABELS, NO_FINDING
from wetread.records import FirstRead

NOTICE: Final = (
    "Preliminary read by a machine, not reviewed by a physician. "
    "Research use only: not a medical device."
)


def findings_of(read: FirstRead) -> list[str]:
    """Return the findings at their operating point, the highest score first."""
    one = read.prediction
    named = [label for label in one.findings if label != NO_FINDING.name]
    return sorted(named, key=lambda label: (-score_of(read, label), label))


def score_of(read: FirstRead, label: str) -> float:
    """Return the score of a label; the film was not refused."""
    return read.prediction.scores[LABELS.index(label)]


def summary_of(read: FirstRead) -> str:
    """Return what the machine says, in one sentence."""
    one = read.prediction
    if one.status == "refused":
        return f"Not read by the machine: {one.reason}."
    named = [f"{name.replace('_', ' ')} {score_of(read, name):.2f}" for name in findings_of(read)]
    said = f"Flagged: {', '.join(named)}." if named else "No finding reaches its operating point."
    doubt = f" Doubtful: {one.reason}." if one.status == "flagged" else ""
    return said + doubt
