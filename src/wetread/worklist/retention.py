"""A time in, the studies of before it out of the store, and the files that are to go with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, CompoundSelect, Connection, delete, select, union

from wetread.worklist.states import DONE
from wetread.worklist.tables import DELIVERIES, FILMS, PATIENTS, PREDICTIONS, STUDIES

_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Purged:
    """What went.

    `films` are files below the folder of films, `contents` the hashes of films' data sets, by which
    results are filed: those that no film has now.
    """

    n_studies: int
    n_patients: int
    films: tuple[str, ...]
    contents: tuple[str, ...]


def purge(db: Connection, before: float, *, force: bool = False) -> Purged:
    """Remove studies whose last film came before a time, with all that was made of them.

    Patients without a study go too. A study stays while a film of it is not scored or a result of
    it not delivered, dead letters too, unless `force`. Lines of the audit trail stay.

    The files are to be removed once the transaction is committed: a file that a crash leaves is
    found by `unknown_files`, and no row ever names a file that is gone.

    Args:
        db: a connection of `Store.write`.
        before: seconds since 1970.
        force: remove studies with unfinished films and undelivered results too.
    """
    # Locked, so that no film comes to a study that goes.
    locked = db.execute(
        select(STUDIES.c.id, STUDIES.c.patient_id)
        .where(STUDIES.c.received_at < before)
        .where(STUDIES.c.id.not_in(_kept(before, force=force)))
        .order_by(STUDIES.c.id)
        .with_for_update()
    ).all()
    # Looked at again: while the lock was waited for, one may have come.
    kept = set(db.execute(_kept(before, force=force)).scalars())
    studies = [row.id for row in locked if row.id not in kept]
    patients = {row.patient_id for row in locked if row.id not in kept}
    films: set[str] = set()
    contents: set[str] = set()
    for some in _portions(studies):
        of_these = select(FILMS.c.file, FILMS.c.content_sha256).where(FILMS.c.study_id.in_(some))
        for row in db.execute(of_these):
            films.add(row.file)
            contents.add(row.content_sha256)
        db.execute(delete(STUDIES).where(STUDIES.c.id.in_(some)))  # and what refers to them
    n_patients = 0
    for some in _portions(sorted(patients)):
        these = PATIENTS.c.id.in_(some)
        db.execute(select(PATIENTS.c.id).where(these).order_by(PATIENTS.c.id).with_for_update())
        alone = PATIENTS.c.id.not_in(select(STUDIES.c.patient_id))
        n_patients += db.execute(delete(PATIENTS).where(these, alone)).rowcount
    return Purged(
        len(studies),
        n_patients,
        tuple(sorted(films - _named(db, FILMS.c.file, films))),
        tuple(sorted(contents - _named(db, FILMS.c.content_sha256, contents))),
    )


def unknown_files(db: Connection, films: Sequence[str]) -> list[str]:
    """Return those of some files below the folder of films that no film has."""
    return sorted(set(films) - _named(db, FILMS.c.file, set(films)))


def _kept(before: float, *, force: bool) -> CompoundSelect[int]:
    """Return the query of the studies that stay, though they began before."""
    later = select(FILMS.c.study_id).where(FILMS.c.received_at >= before)
    if force:
        return union(later)
    unfinished = select(FILMS.c.study_id).where(FILMS.c.state.not_in(DONE))
    undelivered = (
        select(FILMS.c.study_id)
        .join(PREDICTIONS, PREDICTIONS.c.film_id == FILMS.c.id)
        .join(DELIVERIES, DELIVERIES.c.prediction_id == PREDICTIONS.c.id)
        .where(DELIVERIES.c.state != "delivered")
    )
    return union(later, unfinished, undelivered)


def _named(db: Connection, column: Column[str], files: set[str]) -> set[str]:
    """Return those that rows name still: two films of the same content share a file."""
    found: set[str] = set()
    for some in _portions(sorted(files)):
        found |= set(db.execute(select(column).where(column.in_(some))).scalars())
    return found


def _portions(values: Sequence[int] | Sequence[str]) -> Iterator[Sequence[int] | Sequence[str]]:
    for at in range(0, len(values), _AT_ONCE):
        yield values[at : at + _AT_ONCE]
