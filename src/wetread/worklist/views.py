"""The store in, what is shown of it out: pages of studies in reading order, a study whole, counts.

Plain values, ready for JSON. Each function works on a connection of `Store.read`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, and_, func, or_, select

from wetread.worklist.tables import DELIVERIES, FILMS, PATIENTS, PREDICTIONS, STUDIES, VERDICTS

Which = Literal["unread", "read", "all"]
Values = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """Some rows, and where the next page begins; None at the end."""

    items: list[Values]
    next_after: tuple[float, int] | None


def list_studies(
    db: Connection, which: Which, search: str, after: tuple[float, int] | None, limit: int
) -> Page:
    """Return studies in reading order, those that were read by the time of that, newest first.

    Args:
        db: a connection of `Store.read`.
        which: those not read yet, those read, or all in reading order.
        search: the beginning of a patient's number or name, or a whole accession number.
        after: where the page before ended.
        limit: the most studies.
    """
    key = -STUDIES.c.read_at if which == "read" else STUDIES.c.place
    query = select(STUDIES, PATIENTS.c.patient_number, PATIENTS.c.name, key.label("key"))
    query = query.join(PATIENTS, PATIENTS.c.id == STUDIES.c.patient_id)
    if which != "all":
        is_read = STUDIES.c.read_at.is_not(None)
        query = query.where(is_read if which == "read" else ~is_read)
    if search:
        begins = search.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        query = query.where(
            or_(
                STUDIES.c.accession == search,
                PATIENTS.c.patient_number.like(begins, escape="\\"),
                func.lower(PATIENTS.c.name).like(begins.lower(), escape="\\"),
            )
        )
    if after is not None:
        query = query.where(or_(key > after[0], and_(key == after[0], STUDIES.c.id > after[1])))
    rows = db.execute(query.order_by(key, STUDIES.c.id).limit(limit + 1)).all()
    more = (rows[limit - 1].key, rows[limit - 1].id) if len(rows) > limit else None
    return Page([_study(row) for row in rows[:limit]], more)


def study(db: Connection, study_id: int) -> Values | None:
    """Return a study with its patient, films, first reads and verdicts; None without it."""
    row = db.execute(
        select(STUDIES, PATIENTS.c.patient_number, PATIENTS.c.name)
        .add_columns(PATIENTS.c.birth_date, PATIENTS.c.sex)
        .join(PATIENTS, PATIENTS.c.id == STUDIES.c.patient_id)
        .where(STUDIES.c.id == study_id)
    ).one_or_none()
    if row is None:
        return None
    rows = db.execute(select(FILMS).where(FILMS.c.study_id == study_id).order_by(FILMS.c.id)).all()
    films = [film_of(one) | {"prediction": current_read(db, one.id)} for one in rows]
    given = verdicts(db, [one["id"] for one in films])
    for one in films:
        one["verdicts"] = [verdict for verdict in given if verdict["film"] == one["id"]]
    born = row.birth_date.isoformat() if row.birth_date else None
    return _study(row) | {"birth_date": born, "sex": row.sex, "films": films}


def film(db: Connection, film_id: int) -> Any:
    """Return a film's row; None without it."""
    return db.execute(select(FILMS).where(FILMS.c.id == film_id)).one_or_none()


def prediction(db: Connection, film_id: int) -> Any:
    """Return the row of a film's current first read; None while it has none."""
    key = and_(PREDICTIONS.c.film_id == film_id, PREDICTIONS.c.is_current)
    return db.execute(select(PREDICTIONS).where(key)).one_or_none()


def current_read(db: Connection, film_id: int) -> Values | None:
    """Return a film's current first read; None while it has none."""
    row = prediction(db, film_id)
    return read_of(row) if row is not None else None


def reads(db: Connection, film_id: int) -> list[Values]:
    """Return all first reads of a film, the newest first: one a model."""
    key = PREDICTIONS.c.film_id == film_id
    rows = db.execute(select(PREDICTIONS).where(key).order_by(PREDICTIONS.c.made_at.desc()))
    return [read_of(row) for row in rows]


def verdicts(db: Connection, film_ids: Sequence[int]) -> list[Values]:
    """Return what readers said of films."""
    key = VERDICTS.c.film_id.in_(film_ids)
    rows = db.execute(select(VERDICTS).where(key).order_by(VERDICTS.c.id))
    return [
        {
            "film": row.film_id,
            "reader": row.reader,
            "label": row.label,
            "is_present": row.is_present,
            "text": row.text,
            "given_at": row.given_at,
            "is_blinded": row.is_blinded,
        }
        for row in rows
    ]


def list_deliveries(
    db: Connection, state: str | None, destination: str | None, after: int, limit: int
) -> Page:
    """Return deliveries by their number."""
    query = select(DELIVERIES, FILMS.c.study_id).where(DELIVERIES.c.id > after)
    query = query.join(PREDICTIONS, PREDICTIONS.c.id == DELIVERIES.c.prediction_id)
    query = query.join(FILMS, FILMS.c.id == PREDICTIONS.c.film_id)
    if state is not None:
        query = query.where(DELIVERIES.c.state == state)
    if destination is not None:
        query = query.where(DELIVERIES.c.destination == destination)
    rows = db.execute(query.order_by(DELIVERIES.c.id).limit(limit + 1)).all()
    shown = ("id", "study_id", "what", "destination", "state", "attempts", "created_at", "due_at")
    items = [
        {key: getattr(row, key) for key in (*shown, "delivered_at", "last_error")}
        for row in rows[:limit]
    ]
    return Page(items, (0.0, rows[limit - 1].id) if len(rows) > limit else None)


def statistics(db: Connection) -> Values:
    """Return counts of the whole store, by state."""

    def by(*columns: Any) -> list[Any]:
        return list(db.execute(select(*columns, func.count()).group_by(*columns)).all())

    waiting = func.min(FILMS.c.received_at)
    return {
        "studies": {row[0]: row[1] for row in by(STUDIES.c.status)},
        "unread": db.execute(
            select(func.count()).where(STUDIES.c.read_at.is_(None)).select_from(STUDIES)
        ).scalar(),
        "films": {row[0]: row[1] for row in by(FILMS.c.state)},
        "conflicts": db.execute(
            select(func.count()).where(FILMS.c.is_conflict).select_from(FILMS)
        ).scalar(),
        "oldest_waiting": db.execute(select(waiting).where(FILMS.c.state == "received")).scalar(),
        "deliveries": [
            {"destination": row[0], "state": row[1], "count": row[2]}
            for row in by(DELIVERIES.c.destination, DELIVERIES.c.state)
        ],
    }


def film_of(row: Any) -> Values:
    """Return what is shown of a film's row."""
    shown = ("id", "study_id", "sop_uid", "series_uid", "modality", "view", "state", "reason")
    return {key: getattr(row, key) for key in (*shown, "received_at", "is_conflict")}


def read_of(row: Any) -> Values:
    """Return what is shown of a prediction's row."""
    thresholds = {label: point["threshold"] for label, point in row.points.items()}
    return {
        "id": row.id,
        "model": row.bundle_name,
        "model_sha256": row.bundle_sha256,
        "made_at": row.made_at,
        "operating_point": row.kind,
        "thresholds": thresholds,
        "boxes": row.boxes,
        "has_maps": bool(row.map_side),
        "is_current": row.is_current,
        **{key: value for key, value in row.record.items() if key != "path"},
    }


def _study(row: Any) -> Values:
    shown = ("id", "study_uid", "accession", "description", "age_years", "urgency", "received_at")
    found = {key: getattr(row, key) for key in (*shown, "place", "place_reason", "status")}
    found |= {"read_at": row.read_at, "read_by": row.read_by, "version": row.version}
    return found | {
        "patient_number": row.patient_number,
        "patient_name": row.name,
        "study_at": row.study_at.isoformat() if row.study_at else None,
        "findings": [{"label": label, "score": score} for label, score in row.findings],
    }
