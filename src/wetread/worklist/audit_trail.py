"""Who looked at what in, lines that nobody can change or take away unseen out.

Each line holds the hash of the one before it, and a row of its own how many lines there are and the
hash of the last: a line that is changed, moved or deleted breaks the chain, the last one too. Who
can write the whole database can write a whole new chain; keep the head elsewhere against that
(`head_of`, shown with the statistics).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from wetread.worklist.tables import AUDIT, AUDIT_HEAD

_BEGINNING: Final = "0" * 64
_AT_ONCE: Final = 1000


@dataclass(frozen=True)
class Head:
    """How many lines there are, and the hash of the last."""

    lines: int
    hash: str


@dataclass(frozen=True)
class Broken:
    """Where the chain first breaks: the number of the line, and why."""

    line_id: int
    reason: str


def add_line(
    db: Connection, who: str, action: str, subject: str, detail: Mapping[str, Any], now: float
) -> int:
    """Add a line at the end and return its number.

    Args:
        db: a connection of `Store.write`; what is done and its line are kept or lost together.
        who: the user, token or part of the node.
        action: "view", "login", "verdict", ...
        subject: what it was done to: "study 17".
        detail: plain values; nothing that a reader of the trail must not see.
        now: seconds since 1970.
    """
    head = _locked(db)
    line = {
        "at": round(now, 3),
        "who": _printable(who)[:64],
        "action": _printable(action)[:64],
        "subject": _printable(subject)[:200],
        "detail": dict(detail),
        "previous": head.hash,
    }
    line["hash"] = _hash(line)
    key = db.execute(insert(AUDIT).values(line)).inserted_primary_key
    db.execute(update(AUDIT_HEAD).values(lines=head.lines + 1, hash=line["hash"]))
    return int(key[0]) if key else 0


def head_of(db: Connection) -> Head:
    """Return the end of the trail."""
    row = db.execute(select(AUDIT_HEAD)).one()
    return Head(int(row.lines), row.hash)


def verify(db: Connection) -> Broken | None:
    """Return where the trail was tampered with; None where it is whole."""
    head, expected, count, last = head_of(db), _BEGINNING, 0, 0
    while rows := db.execute(
        select(AUDIT).where(AUDIT.c.id > last).order_by(AUDIT.c.id).limit(_AT_ONCE)
    ).all():
        for row in rows:
            line = dict(row._mapping)
            if line["previous"] != expected:
                return Broken(row.id, "the line before it is missing or was moved")
            if _hash(line) != line["hash"]:
                return Broken(row.id, "it was changed")
            expected, last, count = line["hash"], row.id, count + 1
    if (count, expected) != (head.lines, head.hash):
        return Broken(last + 1, "lines are missing at the end")
    return None


def _printable(text: str) -> str:
    """Return what every database takes: a name that failed to log in may hold anything."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _locked(db: Connection) -> Head:
    """Return the head, and let nobody else add a line until this transaction ends."""
    row = db.execute(select(AUDIT_HEAD).with_for_update()).one()
    return Head(int(row.lines), row.hash)


def _hash(line: Mapping[str, Any]) -> str:
    told = {key: line[key] for key in ("at", "who", "action", "subject", "detail", "previous")}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
