"""Films as they come in, are claimed and scored: what the receiver and the workers write.

Each function works on a connection of `Store.write` and is whole or not done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from wetread.dicom.header import Header
from wetread.errors import StoreError
from wetread.records import FirstRead
from wetread.worklist.order import place_study
from wetread.worklist.priority import Rules
from wetread.worklist.states import FilmState, sources_of
from wetread.worklist.tables import FILMS, PATIENTS, PREDICTIONS, STUDIES

MOST_ATTEMPTS: Final = 5
"""Claims of a film before it is taken for one that ends its workers."""
_GOING: Final = "store: something of the film is being removed; it may be sent again"


@dataclass(frozen=True)
class StoredFile:
    """A film's file below the folder of films, and the hash of its data set."""

    content_sha256: str
    file: str
    n_bytes: int


@dataclass(frozen=True)
class Added:
    """What became of a film that came in; `is_conflict`: another came under its UID before."""

    film_id: int
    study_id: int
    is_new: bool
    is_conflict: bool


@dataclass(frozen=True)
class Claimed:
    """A film that a worker may score until its lease ends."""

    film_id: int
    study_id: int
    sop_uid: str
    content_sha256: str
    file: str
    received_at: float
    model: str = ""


@dataclass(frozen=True)
class MadeFile:
    """A result below the folder of results: `what` is "sr", "sc", "gsps" or "hl7"."""

    what: str
    file: str


def add_film(
    db: Connection,
    header: Header,
    stored: StoredFile,
    sender: str,
    now: float,
    rules: Rules | None = None,
) -> Added:
    """Add a film, with its study and patient; the same film again changes nothing.

    Raises:
        StoreError: something of it is being removed just now; it may be sent again.
    """
    if db.dialect.name == "postgresql":  # of two films under one UID the later sees the first
        db.execute(select(func.pg_advisory_xact_lock(func.hashtext(header.sop_uid))))
    same = and_(FILMS.c.sop_uid == header.sop_uid, FILMS.c.content_sha256 == stored.content_sha256)
    if known := _known(db, same):
        return known
    study_id = _study(db, header, now)
    under_uid = select(FILMS.c.id).where(FILMS.c.sop_uid == header.sop_uid)
    is_conflict = db.execute(under_uid.limit(1)).first() is not None
    found = _insert_new(
        db,
        FILMS,
        study_id=study_id,
        sop_uid=header.sop_uid,
        content_sha256=stored.content_sha256,
        sop_class=header.sop_class,
        series_uid=header.series_uid,
        modality=header.modality,
        view=header.view,
        file=stored.file,
        n_bytes=stored.n_bytes,
        received_at=now,
        received_from=sender[:64],
        is_conflict=is_conflict,
        state="received",
        reason="",
        attempts=0,
        model="",
    )
    place_study(db, study_id, rules)
    return Added(_expected(found), study_id, is_new=True, is_conflict=is_conflict)


def claim_films(
    db: Connection,
    worker: str,
    most: int,
    now: float,
    lease_seconds: float,
    model: str = "",
    rules: Rules | None = None,
) -> list[Claimed]:
    """Take films to score by a model, the oldest first: waiting ones, and a lost worker's.

    A film that was claimed `MOST_ATTEMPTS` times and never came back is failed instead, and its
    study gets the place of one that a person must look at.
    """
    lost = and_(FILMS.c.state == "scoring", FILMS.c.lease_until < now)
    free = or_(FILMS.c.state == "received", lost)
    broken = f"scoring was broken off {MOST_ATTEMPTS} times"
    failed = db.execute(
        update(FILMS)
        .where(free, FILMS.c.attempts >= MOST_ATTEMPTS)
        .values(state="failed", reason=broken, claimed_by=None, lease_until=None)
        .returning(FILMS.c.study_id)
    )
    for study_id in sorted(set(failed.scalars())):
        place_study(db, study_id, rules)
    oldest = (
        select(FILMS).where(free).order_by(FILMS.c.id).limit(most).with_for_update(skip_locked=True)
    )
    rows = db.execute(oldest).all()
    if rows:
        db.execute(
            update(FILMS)
            .where(FILMS.c.id.in_([row.id for row in rows]))
            .values(
                state="scoring",
                attempts=FILMS.c.attempts + 1,
                claimed_by=worker,
                lease_until=now + lease_seconds,
            )
        )
    return [
        Claimed(
            *(row.id, row.study_id, row.sop_uid, row.content_sha256, row.file, row.received_at),
            row.model,
        )
        for row in rows
    ]


def finish_film(
    db: Connection,
    film: Claimed,
    worker: str,
    read: FirstRead,
    more: dict[str, Any],
) -> int | None:
    """Keep a film's first read and return the prediction's number.

    None, and nothing is kept, where the film is no longer this worker's: its lease ran out and
    another took it.

    Args:
        db: a connection of `Store.write`.
        film: as it was claimed.
        worker: who claimed it.
        read: what the bundle says.
        more: the columns `record`, `maps`, `map_side` and `measures` of the prediction.
    """
    one = read.prediction
    if not _leave(db, [film.film_id], worker, one.status, one.reason):
        return None
    db.execute(
        update(PREDICTIONS).where(PREDICTIONS.c.film_id == film.film_id).values(is_current=False)
    )
    values = {
        "bundle_name": read.bundle_name[:200],
        "made_at": read.made_at.timestamp(),
        "kind": read.kind,
        "points": {label: asdict(point) for label, point in read.points.items()},
        "boxes": {
            label: [[box.x, box.y, box.width, box.height] for box in boxes]
            for label, boxes in read.boxes.items()
        },
        "is_current": True,
        **more,
    }
    key = and_(
        PREDICTIONS.c.film_id == film.film_id,
        PREDICTIONS.c.bundle_sha256 == read.bundle_sha256,
    )
    known = db.execute(select(PREDICTIONS.c.id).where(key)).scalar()
    if known is not None:
        db.execute(update(PREDICTIONS).where(PREDICTIONS.c.id == known).values(values))
        return int(known)
    values |= {"film_id": film.film_id, "bundle_sha256": read.bundle_sha256}
    return _number(db.execute(insert(PREDICTIONS).values(values)).inserted_primary_key)


def release_films(db: Connection, films: Sequence[Claimed], worker: str) -> None:
    """Give films back that were not tried, to be claimed again: the worker stops."""
    mine = [film.film_id for film in films]
    _leave(db, mine, worker, "received", "", attempts=FILMS.c.attempts - 1)


def fail_film(db: Connection, film: Claimed, worker: str, reason: str) -> None:
    """Say that a film could not be scored; it is shown for a person to look at."""
    _leave(db, [film.film_id], worker, "failed", reason)


def renew_lease(db: Connection, films: Sequence[Claimed], worker: str, until: float) -> None:
    """Keep films that are still being scored."""
    mine = and_(FILMS.c.id.in_([film.film_id for film in films]), FILMS.c.claimed_by == worker)
    db.execute(update(FILMS).where(mine).values(lease_until=until))


def score_again(db: Connection, film_ids: Sequence[int], model: str = "") -> int:
    """Let films be scored anew, by another model too; return how many are done and can be."""
    done = and_(FILMS.c.id.in_(film_ids), FILMS.c.state.in_(sources_of("received")))
    idle = and_(done, FILMS.c.state != "scoring")
    values = {"state": "received", "reason": "", "attempts": 0, "model": model}
    return db.execute(update(FILMS).where(idle).values(values)).rowcount


def _leave(
    db: Connection,
    film_ids: Sequence[int],
    worker: str,
    state: FilmState,
    reason: str,
    **more: Any,
) -> int:
    mine = and_(
        FILMS.c.id.in_(film_ids),
        FILMS.c.state.in_(sources_of(state)),
        FILMS.c.claimed_by == worker,
    )
    values = {"state": state, "reason": reason, "claimed_by": None, "lease_until": None, **more}
    return db.execute(update(FILMS).where(mine).values(values)).rowcount


def _known(db: Connection, same: ColumnElement[bool]) -> Added | None:
    columns = select(FILMS.c.id, FILMS.c.study_id, FILMS.c.is_conflict)
    row = db.execute(columns.where(same)).first()
    return Added(row.id, row.study_id, is_new=False, is_conflict=row.is_conflict) if row else None


def _study(db: Connection, header: Header, now: float) -> int:
    """Return the study of a film; what its films say is kept of the first that says it."""
    key = STUDIES.c.study_uid == header.study_uid
    known = _held(db, select(STUDIES.c.id).where(key))
    if known is not None:
        return int(known)
    found = _insert_new(
        db,
        STUDIES,
        patient_id=_patient(db, header),
        study_uid=header.study_uid,
        accession=header.accession,
        study_at=header.study_at,
        description=header.description,
        age_years=header.age_years,
        urgency=header.urgency,
        received_at=now,
        place=now,
        place_reason="",
        status="waiting",
        findings=[],
        version=0,
    )
    if found is None:
        found = _held(db, select(STUDIES.c.id).where(key))
    return _expected(found)


def _patient(db: Connection, header: Header) -> int:
    # Without a number two films may be of two people: each study has a patient of its own then.
    study = hashlib.sha256(header.study_uid.encode()).hexdigest()[:32]
    number = header.patient_id or f"(none) {study}"
    key = and_(PATIENTS.c.patient_number == number, PATIENTS.c.issuer == header.issuer)
    known = _held(db, select(PATIENTS.c.id).where(key))
    if known is not None:
        return int(known)
    found = _insert_new(
        db,
        PATIENTS,
        patient_number=number,
        issuer=header.issuer,
        name=header.patient_name,
        birth_date=header.birth_date,
        sex=header.sex,
    )
    if found is None:
        found = _held(db, select(PATIENTS.c.id).where(key))
    return _expected(found)


def _held(db: Connection, query: Select[int]) -> int | None:
    """Return the number of a row, which cannot be removed until this transaction ends."""
    return db.execute(query.with_for_update(read=True, key_share=True)).scalar()


def _expected(found: int | None) -> int:
    if found is None:
        raise StoreError(_GOING)
    return found


def _insert_new(db: Connection, table: Table, **values: Any) -> int | None:
    """Insert a row and return its number, or None where another has its unique values."""
    dialect = postgresql if db.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(values).on_conflict_do_nothing().returning(table.c.id)
    found = db.execute(statement).scalar()
    return None if found is None else int(found)


def _number(key: Any) -> int:
    return int(key[0])
