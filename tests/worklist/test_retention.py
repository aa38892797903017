from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests.worklist.test_films import MORE, claim, first_read, header, stored
from wetread.worklist.audit_trail import add_line, verify
from wetread.worklist.deliveries import add_deliveries
from wetread.worklist.films import MadeFile, add_film, finish_film
from wetread.worklist.reading import Verdict, give_verdict
from wetread.worklist.retention import Purged, purge, unknown_files
from wetread.worklist.store import Store
from wetread.worklist.tables import (
    DELIVERIES,
    FILMS,
    METADATA,
    PATIENTS,
    PREDICTIONS,
    STUDIES,
    VERDICTS,
)


def add(store: Store, number: int, at: float, **more: Any) -> None:
    with store.write() as db:
        one = header(number, **{key: more[key] for key in more if key != "study"})
        if "study" in more:
            one = replace(one, study_uid=more["study"])
        add_film(db, one, stored(number), "TEST", at)


def finish(store: Store, *, delivered: bool = True) -> None:
    """Score all films and make results of each, of which one goes to two archives."""
    films = claim(store, "w")
    to = [("pacs", frozenset({"sr", "sc"})), ("other", frozenset({"sr"}))]
    with store.write() as db:
        for film in films:
            number = finish_film(db, film, "w", first_read(), MORE)
            made = [MadeFile(what, f"{film.content_sha256}-{what}") for what in ("sr", "sc")]
            add_deliveries(db, number, made, to, 1.0)
            give_verdict(db, film.film_id, "ann", Verdict("Mass", is_present=True), 1.0)
        if delivered:
            db.execute(update(DELIVERIES).values(state="delivered"))


def run(store: Store, before: float, *, force: bool = False) -> Purged:
    with store.write() as db:
        return purge(db, before, force=force)


def count(store: Store, *tables: Any) -> list[int]:
    with store.read() as db:
        return [db.execute(select(func.count()).select_from(table)).scalar() for table in tables]


def test_old_studies_go_with_all_that_was_made_of_them_and_the_trail_stays(store: Store) -> None:
    for number, at in enumerate((10.0, 20.0, 30.0)):
        add(store, number, at)
    finish(store)
    with store.write() as db:
        add_line(db, "ann", "view", "study 1", {}, 1.0)
    gone = run(store, 25.0)
    assert (gone.n_studies, gone.n_patients) == (2, 2)
    assert gone.films == tuple(sorted(stored(number).file for number in (0, 1)))
    assert gone.contents == tuple(sorted(stored(number).content_sha256 for number in (0, 1)))
    tables = (STUDIES, PATIENTS, FILMS, PREDICTIONS, VERDICTS, DELIVERIES)
    assert count(store, *tables) == [1, 1, 1, 1, 1, 3]
    assert count(store, METADATA.tables["audit"]) == [1]
    with store.read() as db:
        assert verify(db) is None
        assert unknown_files(db, [stored(n).file for n in range(3)]) == list(gone.films)
    assert run(store, 25.0) == Purged(0, 0, (), ())


def test_a_study_stays_whose_last_film_is_new_and_a_patient_with_another_study(
    store: Store,
) -> None:
    add(store, 1, 10.0, study="1.2.3")
    add(store, 2, 90.0, study="1.2.3")
    add(store, 3, 10.0, patient_id="P")
    add(store, 4, 90.0, patient_id="P")
    finish(store)
    gone = run(store, 50.0)
    assert (gone.n_studies, gone.n_patients) == (1, 0)
    assert gone.films == (stored(3).file,)
    assert count(store, STUDIES, FILMS) == [2, 3]


def test_what_is_not_scored_or_not_delivered_stays_unless_forced(store: Store) -> None:
    add(store, 1, 10.0)
    finish(store, delivered=False)
    add(store, 2, 10.0)
    for state in ("pending", "sending", "dead"):
        with store.write() as db:
            db.execute(update(DELIVERIES).values(state=state))
        assert run(store, 50.0).n_studies == 0
    assert run(store, 5.0, force=True).n_studies == 0
    assert run(store, 50.0, force=True).n_studies == 2
    assert count(store, STUDIES, PATIENTS, FILMS, DELIVERIES) == [0, 0, 0, 0]


def test_a_file_that_another_film_has_too_stays(store: Store) -> None:
    add(store, 1, 10.0)
    with store.write() as db:
        add_film(db, header(2), stored(1), "TEST", 90.0)
    finish(store)
    gone = run(store, 50.0)
    assert (gone.n_studies, gone.films, gone.contents) == (1, (), ())


@pytest.mark.parametrize("study", [None, "1.2.3"], ids=["of another study", "of the same"])
def test_a_film_that_comes_while_its_patient_goes_is_not_lost(
    store: Store, study: str | None
) -> None:
    """The film's transaction is open while the purge begins; after it the film is there."""
    more: dict[str, Any] = {"patient_id": "P"} | ({"study": study} if study else {})
    add(store, 1, 10.0, **more)
    finish(store)
    with ThreadPoolExecutor(1) as thread:
        with store.write() as db:
            one = header(2, patient_id="P")
            one = replace(one, study_uid=study or one.study_uid)
            add_film(db, one, stored(2), "TEST", 90.0)
            purging = thread.submit(run, store, 50.0)
            time.sleep(0.3)
        gone = purging.result(20)
    assert (gone.n_studies, gone.n_patients) == (0 if study else 1, 0)
    with store.read() as db:
        uids = set(db.execute(select(FILMS.c.sop_uid)).scalars())
    assert header(2).sop_uid in uids
    assert len(uids) == (2 if study else 1)


@pytest.mark.parametrize("study", [None, "1.2.3"], ids=["of another study", "of the same"])
def test_a_film_that_comes_after_a_purge_began_is_taken_anew(
    store: Store, study: str | None
) -> None:
    more: dict[str, Any] = {"patient_id": "P"} | ({"study": study} if study else {})
    add(store, 1, 10.0, **more)
    finish(store)
    with ThreadPoolExecutor(1) as thread:
        with store.write() as db:
            assert purge(db, 50.0).n_studies == 1
            coming = thread.submit(add, store, 2, 90.0, **more)
            time.sleep(0.3)
        coming.result(20)
    assert count(store, PATIENTS, STUDIES, FILMS) == [1, 1, 1]


def test_many_studies_go_at_once(store: Store) -> None:
    with store.write() as db:
        for number in range(620):
            add_film(db, header(number), stored(number), "TEST", 10.0)
        db.execute(update(FILMS).values(state="scored"))
    gone = run(store, 50.0)
    assert (gone.n_studies, gone.n_patients, len(gone.films)) == (620, 620, 620)
