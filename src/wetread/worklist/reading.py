"""What a reader does in, verdicts and studies that were read out.

Each function works on a connection of `Store.write`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, insert, select, update

from wetread.worklist.tables import PREDICTIONS, STUDIES, VERDICTS


@dataclass(frozen=True)
class Verdict:
    """What a reader says of a label; `is_blinded`: before the machine's read was shown."""

    label: str
    is_present: bool
    text: str = ""
    is_blinded: bool = False


def give_verdict(db: Connection, film_id: int, reader: str, one: Verdict, now: float) -> None:
    """Keep a reader's verdict of a label, in place of an earlier one."""
    withdraw_verdict(db, film_id, reader, one.label)
    current = and_(PREDICTIONS.c.film_id == film_id, PREDICTIONS.c.is_current)
    values = {
        "film_id": film_id,
        "prediction_id": db.execute(select(PREDICTIONS.c.id).where(current)).scalar(),
        "reader": reader,
        "label": one.label,
        "is_present": one.is_present,
        "text": one.text,
        "given_at": now,
        "is_blinded": one.is_blinded,
    }
    db.execute(insert(VERDICTS).values(values))


def withdraw_verdict(db: Connection, film_id: int, reader: str, label: str) -> bool:
    """Take a verdict back; False where there is none."""
    mine = (VERDICTS.c.film_id == film_id) & (VERDICTS.c.reader == reader)
    return db.execute(delete(VERDICTS).where(mine, VERDICTS.c.label == label)).rowcount > 0


def mark_read(db: Connection, study_id: int, version: int, reader: str, now: float | None) -> bool:
    """Take a study from the list of those to read, or with None put it back.

    False where it is not of this version any more: more was found of it since it was looked at.
    """
    key = and_(STUDIES.c.id == study_id, STUDIES.c.version == version)
    by = reader if now else None
    values = {"read_at": now, "read_by": by, "version": STUDIES.c.version + 1}
    return db.execute(update(STUDIES).where(key).values(values)).rowcount == 1
