"""Results on their way to archives: claimed, delivered, tried again for days, or dead.

Each function works on a connection of `Store.write`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, insert, or_, select, update

from wetread.worklist.films import MadeFile
from wetread.worklist.states import delivery_sources_of
from wetread.worklist.tables import DELIVERIES


@dataclass(frozen=True)
class Delivery:
    """A result that a sender may deliver until its lease ends."""

    delivery_id: int
    what: str
    destination: str
    file: str
    attempts: int
    created_at: float


def add_deliveries(
    db: Connection,
    prediction_id: int,
    made: Sequence[MadeFile],
    destinations: Sequence[tuple[str, frozenset[str]]],
    now: float,
) -> int:
    """Send results to each destination that takes them; what is on its way already stays.

    Args:
        db: a connection of `Store.write`.
        prediction_id: what they say.
        made: the files.
        destinations: the name of each and what it takes: "sr", "sc", ...
        now: seconds.
    """
    known = {
        (row.what, row.destination)
        for row in db.execute(
            select(DELIVERIES.c.what, DELIVERIES.c.destination).where(
                DELIVERIES.c.prediction_id == prediction_id
            )
        )
    }
    rows = [
        {
            "prediction_id": prediction_id,
            "what": one.what,
            "destination": name,
            "file": one.file,
            "state": "pending",
            "attempts": 0,
            "created_at": now,
            "due_at": now,
            "last_error": "",
        }
        for name, takes in destinations
        for one in made
        if one.what in takes and (one.what, name) not in known
    ]
    if rows:
        db.execute(insert(DELIVERIES), rows)
    return len(rows)


def claim_deliveries(
    db: Connection, destination: str, sender: str, most: int, now: float, lease_seconds: float
) -> list[Delivery]:
    """Take what is due for a destination, the oldest first, and what its sender lost."""
    free = or_(
        and_(DELIVERIES.c.state == "pending", DELIVERIES.c.due_at <= now),
        and_(DELIVERIES.c.state == "sending", DELIVERIES.c.lease_until < now),
    )
    rows = db.execute(
        select(DELIVERIES)
        .where(DELIVERIES.c.destination == destination, free)
        .order_by(DELIVERIES.c.due_at, DELIVERIES.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    ).all()
    if rows:
        db.execute(
            update(DELIVERIES)
            .where(DELIVERIES.c.id.in_([row.id for row in rows]))
            .values(
                state="sending",
                attempts=DELIVERIES.c.attempts + 1,
                claimed_by=sender,
                lease_until=now + lease_seconds,
            )
        )
    return [
        Delivery(row.id, row.what, destination, row.file, row.attempts + 1, row.created_at)
        for row in rows
    ]


def delivered(db: Connection, ids: Sequence[int], sender: str, now: float) -> None:
    """Say that a destination took these."""
    _leave(db, ids, sender, "delivered", delivered_at=now, last_error="")


def put_off(db: Connection, one: Delivery, sender: str, error: str, due_at: float) -> None:
    """Try again later."""
    _leave(db, [one.delivery_id], sender, "pending", due_at=due_at, last_error=error[:200])


def give_up(db: Connection, one: Delivery, sender: str, error: str) -> None:
    """Try no more: a person must look, and may `send_again`."""
    _leave(db, [one.delivery_id], sender, "dead", last_error=error[:200])


def bury(db: Connection, destination: str, before: float, error: str) -> int:
    """Give up what waits for a destination since before a time; return how many."""
    old = and_(
        DELIVERIES.c.destination == destination,
        DELIVERIES.c.state == "pending",
        DELIVERIES.c.created_at < before,
    )
    values = {"state": "dead", "last_error": error[:200]}
    return db.execute(update(DELIVERIES).where(old).values(values)).rowcount


def release_deliveries(
    db: Connection, some: Sequence[Delivery], sender: str, now: float, error: str = ""
) -> None:
    """Give back what was not tried, to be claimed at once; `error` is why, where that is known."""
    ids = [one.delivery_id for one in some]
    more = {"last_error": error[:200]} if error else {}
    _leave(db, ids, sender, "pending", due_at=now, attempts=DELIVERIES.c.attempts - 1, **more)


def send_again(db: Connection, ids: Sequence[int], now: float) -> int:
    """Make dead letters pending; return how many were dead."""
    dead = and_(DELIVERIES.c.id.in_(ids), DELIVERIES.c.state == "dead")
    values = {"state": "pending", "attempts": 0, "created_at": now, "due_at": now}
    return db.execute(update(DELIVERIES).where(dead).values(values)).rowcount


def _leave(db: Connection, ids: Sequence[int], sender: str, state: str, **values: object) -> None:
    mine = and_(
        DELIVERIES.c.id.in_(ids),
        DELIVERIES.c.state.in_(delivery_sources_of(state)),  # type: ignore[arg-type]
        DELIVERIES.c.claimed_by == sender,
    )
    values |= {"state": state, "claimed_by": None, "lease_until": None}
    db.execute(update(DELIVERIES).where(mine).values(values))
