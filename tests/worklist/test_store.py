"""What the store promises beyond one film: migrations, one state, errors, and races."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, select, text

from tests.worklist.test_films import MORE, claim, fill, first_read, header, stored
from wetread.errors import InputError, StoreError
from wetread.worklist.films import (
    MOST_ATTEMPTS,
    Claimed,
    add_film,
    finish_film,
    release_films,
)
from wetread.worklist.order import place_study
from wetread.worklist.store import Store, open_store
from wetread.worklist.tables import FILMS, METADATA, PATIENTS, STUDIES


def test_migrations_make_the_tables_that_the_code_knows(store: Store) -> None:
    with store.write() as db:
        assert compare_metadata(MigrationContext.configure(db), METADATA) == []


def test_a_reader_sees_one_state_whatever_is_written(store: Store) -> None:
    fill(store, 1)
    count = select(func.count()).select_from(FILMS)
    with store.read() as db:
        before = db.execute(count).scalar()
        fill(store, 3)
        assert db.execute(count).scalar() == before == 1
    with store.read() as db:
        assert db.execute(count).scalar() == 3


SECRET = "Mustermann^Erika"


def _twice(db: Connection) -> None:
    row = {"patient_number": SECRET, "issuer": "", "name": SECRET, "sex": "F"}
    db.execute(insert(PATIENTS), [row, row])


def _without(db: Connection) -> None:
    row = {"patient_number": "1", "issuer": "", "name": SECRET, "sex": None}
    db.execute(insert(PATIENTS), [row])


@pytest.mark.parametrize("do", [_twice, _without])
def test_a_row_that_is_refused_is_not_told_of(store: Store, do: Any) -> None:
    with pytest.raises((InputError, StoreError)) as error, store.write() as db:
        do(db)
    assert SECRET not in str(error.value)
    assert error.value.__suppress_context__


def test_the_password_of_a_database_is_not_told() -> None:
    with pytest.raises(StoreError) as error:
        open_store("postgresql://u:hunter2@127.0.0.1:1/x")
    assert "hunter2" not in str(error.value)


def meanwhile(store: Store, first: Any, second: Any) -> None:
    """Begin a second transaction while a first is not committed yet."""
    with ThreadPoolExecutor(1) as thread:

        def run() -> None:
            with store.write() as db:
                second(db)

        with store.write() as db:
            first(db)
            running = thread.submit(run)
            time.sleep(0.3)
        running.result(20)


def test_of_two_films_that_come_at_once_under_one_uid_one_is_a_conflict(store: Store) -> None:
    add = partial(add_film, sender="TEST", now=1.0)
    of_study = {"study_uid": "1.2.3"}
    with store.write() as db:
        add(db, replace(header(2), **of_study), stored(2))
    film = replace(header(1), **of_study)
    found = []
    meanwhile(
        store,
        lambda db: found.append(add(db, film, stored("one"))),
        lambda db: found.append(add(db, film, stored("other"))),
    )
    assert [one.is_conflict for one in found] == [False, True]


def test_two_workers_that_finish_films_of_one_study_at_once_lose_nothing(store: Store) -> None:
    with store.write() as db:
        for number in range(2):
            film = replace(header(number, patient_id="P"), study_uid="1.2.3")
            add_film(db, film, stored(number), "TEST", 1.0)
    (mine,), (yours,) = claim(store, "a", 1), claim(store, "b", 1)

    def finish(db: Connection, film: Claimed, worker: str, label: str) -> None:
        record = {"record": {"scores": {label: 0.5}, "findings": [label]}}
        finish_film(db, film, worker, first_read(), MORE | record)
        place_study(db, film.study_id)

    meanwhile(
        store,
        lambda db: finish(db, mine, "a", "Mass"),
        lambda db: finish(db, yours, "b", "Edema"),
    )
    with store.read() as db:
        study = db.execute(select(STUDIES)).one()
    assert {label for label, _ in study.findings} == {"Mass", "Edema"}


def test_a_study_waits_in_its_stated_place_before_it_is_scored(store: Store) -> None:
    with store.write() as db:
        add_film(db, header(1, urgency="STAT"), stored(1), "TEST", 9000.0)
        study = db.execute(select(STUDIES)).one()
    assert study.place < 9000.0
    assert study.status == "waiting"


def test_a_study_whose_film_ended_its_workers_is_shown_for_a_person(store: Store) -> None:
    fill(store, 1)
    for attempt in range(MOST_ATTEMPTS + 1):
        films = claim(store, "w", now=200.0 + 11.0 * attempt)
    assert films == []
    with store.read() as db:
        study = db.execute(select(STUDIES)).one()
    assert study.status == "look"
    assert study.place < study.received_at


def test_studies_without_a_patient_s_number_are_not_of_one_patient(store: Store) -> None:
    long = "1." + "2" * 61
    with store.write() as db:
        for number in (1, 2):
            other = replace(header(number, patient_id=""), study_uid=f"{long}{number}")
            add_film(db, other, stored(number), "TEST", 1.0)
        assert db.execute(select(func.count()).select_from(PATIENTS)).scalar() == 2


def test_a_database_of_another_program_is_refused(store: Store) -> None:
    with store.write() as db:
        db.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(StoreError) as error:
        open_store(store.engine.url.render_as_string(hide_password=False))
    assert "\n" not in str(error.value)


def test_films_given_back_are_whole_again(store: Store) -> None:
    fill(store, 2)
    films = claim(store, "w")
    with store.write() as db:
        release_films(db, films, "other")
    assert claim(store, "v") == []
    with store.write() as db:
        release_films(db, films, "w")
    assert len(claim(store, "v")) == 2
