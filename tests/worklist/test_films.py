"""Films through their states: claimed by one worker at a time, finished once, never lost."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import func, select, text

from tests.hospital import first_read, uid
from wetread.dicom.header import Header
from wetread.errors import InputError, StoreError
from wetread.worklist.deliveries import (
    add_deliveries,
    bury,
    claim_deliveries,
    delivered,
    give_up,
    put_off,
    release_deliveries,
    send_again,
)
from wetread.worklist.films import (
    MOST_ATTEMPTS,
    Claimed,
    MadeFile,
    StoredFile,
    add_film,
    claim_films,
    fail_film,
    finish_film,
    release_films,
    renew_lease,
    score_again,
)
from wetread.worklist.order import place_study
from wetread.worklist.states import DELIVERY_MOVES, FILM_MOVES
from wetread.worklist.store import Store, open_store
from wetread.worklist.tables import DELIVERIES, FILMS, PATIENTS, PREDICTIONS, STUDIES

DX = "1.2.840.10008.5.1.4.1.1.1.1"
MORE: dict[str, Any] = {
    "record": {"scores": {}, "findings": []},
    "maps": None,
    "map_side": 0,
    "measures": {},
}


def header(number: int, **changes: Any) -> Header:
    told = {
        "patient_id": f"P{number}",
        "patient_name": f"Secret^{number}",
        "accession": f"A{number}",
    }
    return Header(uid("f", number), DX, uid("s", number), uid("r", number), **(told | changes))


def stored(content: object) -> StoredFile:
    digest = uid(content)[5:].zfill(64)[:64]
    return StoredFile(digest, f"{digest[:2]}/{digest}.dcm", 10)


def fill(store: Store, count: int) -> None:
    with store.write() as db:
        for number in range(count):
            add_film(db, header(number), stored(number), "TEST", 100.0 + number)


def claim(store: Store, worker: str, most: int = 100, now: float = 200.0) -> list[Claimed]:
    with store.write() as db:
        return claim_films(db, worker, most, now, 10.0)


def states(store: Store) -> Counter[str]:
    with store.read() as db:
        return Counter(db.execute(select(FILMS.c.state)).scalars())


def test_the_same_film_again_changes_nothing_and_another_under_its_uid_is_kept(
    store: Store,
) -> None:
    with store.write() as db:
        first = add_film(db, header(1), stored("a"), "TEST", 1.0)
        again = add_film(db, header(1), stored("a"), "OTHER", 2.0)
        other = add_film(db, header(1), stored("b"), "TEST", 3.0)
    assert (first.is_new, again.is_new, other.is_new) == (True, False, True)
    assert (first.is_conflict, again.is_conflict, other.is_conflict) == (False, False, True)
    assert first.film_id == again.film_id != other.film_id
    assert states(store) == {"received": 2}


def test_films_of_a_study_and_studies_of_a_patient_are_put_together(store: Store) -> None:
    with store.write() as db:
        same = {"study_uid": "1.2"}
        for number, changes in enumerate((same, same, {"patient_id": "P0"}, {"patient_id": ""})):
            given = header(number, **{k: v for k, v in changes.items() if k != "study_uid"})
            if "study_uid" in changes:
                given = Header(given.sop_uid, DX, "1.2", "1.3", patient_id="P0")
            add_film(db, given, stored(number), "TEST", 1.0)
        counts = [
            db.execute(select(func.count()).select_from(table)).scalar()
            for table in (FILMS, STUDIES, PATIENTS)
        ]
    assert counts == [4, 3, 2]


def test_claims_at_the_same_time_never_overlap(store: Store) -> None:
    fill(store, 60)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda n: claim(store, f"w{n}", 15), range(6)))
    ids = [film.film_id for some in found for film in some]
    assert len(ids) == len(set(ids)) == 60


def test_films_added_at_the_same_time_are_added_once(store: Store) -> None:
    def add(number: int) -> bool:
        with store.write() as db:
            return add_film(db, header(number % 10), stored(number % 10), "TEST", 1.0).is_new

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(add, range(60))) == 10
    assert states(store) == {"received": 10}


def test_a_lost_worker_s_films_go_to_others_after_the_lease_and_it_cannot_finish(
    store: Store,
) -> None:
    fill(store, 2)
    lost = claim(store, "lost", now=200.0)
    assert claim(store, "other", now=209.0) == []
    with store.write() as db:
        renew_lease(db, lost[:1], "lost", 300.0)
    found = claim(store, "other", now=211.0)
    assert [film.film_id for film in found] == [lost[1].film_id]
    with store.write() as db:
        assert finish_film(db, lost[1], "lost", first_read(), MORE) is None
        assert finish_film(db, found[0], "other", first_read(), MORE) is not None
        assert finish_film(db, found[0], "other", first_read(), MORE) is None
    assert states(store) == {"scored": 1, "scoring": 1}


def test_a_film_that_ends_its_workers_is_failed(store: Store) -> None:
    fill(store, 1)
    for attempt in range(MOST_ATTEMPTS):
        assert len(claim(store, f"w{attempt}", now=200.0 + 20 * attempt)) == 1
    assert claim(store, "last", now=1000.0) == []
    assert states(store) == {"failed": 1}
    with store.write() as db:
        assert score_again(db, [1]) == 1
    assert len(claim(store, "new")) == 1


def test_a_film_that_was_given_back_has_lost_no_attempt(store: Store) -> None:
    fill(store, 1)
    for attempt in range(2 * MOST_ATTEMPTS):
        found = claim(store, f"w{attempt}")
        with store.write() as db:
            release_films(db, found, f"w{attempt}")
    assert states(store) == {"received": 1}


def test_the_same_model_again_keeps_one_prediction_and_another_is_current(store: Store) -> None:
    fill(store, 1)
    other = first_read(("Edema",))
    reads = [
        first_read(),
        first_read(("Mass",)),
        type(other)(**{**vars(other), "bundle_sha256": "c" * 64}),
    ]
    for read in reads:
        (film,) = claim(store, "w")
        with store.write() as db:
            assert finish_film(db, film, "w", read, MORE)
            score_again(db, [film.film_id])
    with store.read() as db:
        rows = db.execute(select(PREDICTIONS).order_by(PREDICTIONS.c.id)).all()
    assert [row.is_current for row in rows] == [False, True]
    assert len({row.bundle_sha256 for row in rows}) == 2


@pytest.mark.parametrize("state", FILM_MOVES)
def test_a_film_leaves_a_state_only_as_the_table_allows(store: Store, state: str) -> None:
    moves = {
        "scored": lambda db, film: finish_film(db, film, "w", first_read(), MORE),
        "failed": lambda db, film: fail_film(db, film, "w", "no"),
        "received": lambda db, film: release_films(db, [film], "w"),
    }
    for target, move in moves.items():
        with store.write() as db:
            db.execute(text("DELETE FROM predictions"))
            db.execute(text("DELETE FROM films"))
            add_film(db, header(1), stored(1), "TEST", 1.0)
        (film,) = claim(store, "w")
        with store.write() as db:
            db.execute(FILMS.update().values(state=state))
            move(db, film)
        (found,) = states(store)
        assert found == (target if target in FILM_MOVES[state] else state)  # type: ignore[index]


def test_a_study_s_place_follows_what_is_known_of_its_films(store: Store) -> None:
    fill(store, 1)
    (film,) = claim(store, "w")
    record = {"scores": {"Pneumothorax": 0.9, "No Finding": 0.1}, "findings": ["Pneumothorax"]}
    with store.write() as db:
        finish_film(db, film, "w", first_read(), MORE | {"record": record})
        place_study(db, film.study_id)
        row = db.execute(select(STUDIES)).one()
    assert (row.status, row.place_reason) == ("flagged", "Pneumothorax")
    assert row.place < row.received_at
    assert row.findings == [["Pneumothorax", 0.9]]


def deliver(store: Store) -> int:
    fill(store, 1)
    (film,) = claim(store, "w")
    made = [MadeFile("sr", "a"), MadeFile("sc", "b"), MadeFile("hl7", "c")]
    to = [("pacs", frozenset({"sr", "sc"})), ("ris", frozenset({"hl7"}))]
    with store.write() as db:
        number = finish_film(db, film, "w", first_read(), MORE)
        assert number is not None
        assert add_deliveries(db, number, made, to, 100.0) == 3
        assert add_deliveries(db, number, made, to, 100.0) == 0
    return number


def test_a_result_is_tried_again_later_and_dead_after_all(store: Store) -> None:
    deliver(store)
    with store.write() as db:
        one, two = claim_deliveries(db, "pacs", "s", 10, 100.0, 10.0)
        assert claim_deliveries(db, "pacs", "t", 10, 105.0, 10.0) == []
        put_off(db, one, "s", "busy", 150.0)
        release_deliveries(db, [two], "s", 100.0, "broken")
        assert [x.attempts for x in claim_deliveries(db, "pacs", "s", 10, 120.0, 10.0)] == [1]
        again = claim_deliveries(db, "pacs", "t", 10, 150.0, 10.0)
        assert {x.delivery_id for x in again} == {one.delivery_id, two.delivery_id}
        give_up(db, one, "t", "never")
        delivered(db, [two.delivery_id], "nobody", 151.0)
        assert bury(db, "pacs", 99.0, "old") == 0
        rows = dict(db.execute(select(DELIVERIES.c.id, DELIVERIES.c.state)).all())  # type: ignore[arg-type]
        assert rows[one.delivery_id] == "dead"
        assert rows[two.delivery_id] == "sending"
        assert send_again(db, list(rows), 200.0) == 1
        assert len(claim_deliveries(db, "pacs", "u", 10, 200.0, 10.0)) == 2


def test_no_table_of_states_has_a_dead_end_but_delivered() -> None:
    for moves in (FILM_MOVES, DELIVERY_MOVES):
        reached = {target for targets in moves.values() for target in targets}
        assert reached <= set(moves)
        assert {state for state, targets in moves.items() if not targets} <= {"delivered"}


def test_a_store_that_is_opened_again_has_what_it_had(store: Store) -> None:
    fill(store, 3)
    again = open_store(store.engine.url.render_as_string(hide_password=False))
    assert states(again) == {"received": 3}
    again.close()


def test_a_block_that_fails_keeps_nothing(store: Store) -> None:
    def broken() -> None:
        with store.write() as db:
            add_film(db, header(1), stored(1), "TEST", 1.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert states(store) == {}


def test_errors_of_the_store_name_no_patient(store: Store) -> None:
    with pytest.raises(StoreError) as error, store.write() as db:
        db.execute(text("SELECT * FROM nothing WHERE name = :name"), {"name": "Secret^1"})
    assert "Secret" not in str(error.value)


@pytest.mark.parametrize("url", ["", "nothing", "mysql://x/y", "sqlite:////proc/none/store.db"])
def test_an_address_that_is_none_is_one_line(url: str) -> None:
    with pytest.raises((InputError, StoreError)) as error:
        open_store(url)
    assert "\n" not in str(error.value)


def test_a_newer_store_is_refused(store: Store) -> None:
    with store.write() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer version"):
        open_store(store.engine.url.render_as_string(hide_password=False))


def test_places_of_claims_are_the_oldest_first(store: Store) -> None:
    fill(store, 9)
    times = [film.received_at for film in claim(store, "w", 9)]
    assert all(one < other for one, other in pairwise(times))
