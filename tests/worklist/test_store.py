"""What the store promises beyond one film: migrations, one state, errors, and races."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, select, text

from tests.worklist.test_films import MORE, claim, fill, first_read, header, stored
from wetread.errors import InputError, StoreError
from wetread.worklist.films import MOST_ATTEMPTS, Added, add_film, finish_film, release_films
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


def at_once(count: int, do: Any) -> list[Any]:
    """Do something in as many threads, which begin together."""
    start = threading.Barrier(count)

    def one(number: int) -> Any:
        start.wait()
        return do(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_of_films_that_come_at_once_under_one_uid_all_but_one_are_conflicts(store: Store) -> None:
    def add(number: int) -> Added:
        with store.write() as db:
            return add_film(db, header(1), stored(number), "TEST", 1.0)

    for _ in range(3):
        added = at_once(6, add)
    with store.read() as db:
        assert db.execute(select(func.count()).select_from(FILMS)).scalar() == 6
        fine = select(func.count()).select_from(FILMS).where(~FILMS.c.is_conflict)
        assert db.execute(fine).scalar() == 1
    assert not any(one.is_new for one in added)


def test_two_workers_that_finish_films_of_one_study_at_once_lose_nothing(store: Store) -> None:
    labels = ("Mass", "Edema", "Hernia", "Nodule")
    with store.write() as db:
        for number in range(4):
            one = header(number, patient_id="P")
            same = type(one)(**(vars(one) | {"study_uid": "1.2.3"}))
            add_film(db, same, stored(number), "TEST", 1.0)
    films = [claim(store, f"w{number}", 1)[0] for number in range(4)]

    def finish(number: int) -> None:
        label = labels[number]
        record = {"record": {"scores": {label: 0.5}, "findings": [label]}}
        with store.write() as db:
            finish_film(db, films[number], f"w{number}", first_read(), MORE | record)
            place_study(db, films[number].study_id)

    at_once(4, finish)
    with store.read() as db:
        study = db.execute(select(STUDIES)).one()
    assert {label for label, _ in study.findings} == set(labels)


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
            one = header(number, patient_id="")
            other = type(one)(**(vars(one) | {"study_uid": f"{long}{number}"}))
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
