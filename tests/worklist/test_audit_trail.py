from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, insert, select, update

from wetread.worklist.audit_trail import add_line, head_of, verify
from wetread.worklist.store import Store
from wetread.worklist.tables import AUDIT


def write(store: Store, *numbers: int) -> None:
    for number in numbers:
        with store.write() as db:
            add_line(
                db, "ann", "view study", f"1.2.{number}", {"n": number, "x": 0.1}, number + 0.1
            )


@pytest.fixture
def trail(store: Store) -> Store:
    write(store, *range(5))
    return store


def broken(store: Store):
    with store.read() as db:
        return verify(db)


def ids(store: Store) -> list[int]:
    with store.read() as db:
        return list(db.execute(select(AUDIT.c.id).order_by(AUDIT.c.id)).scalars())


def test_an_empty_trail_and_an_untouched_one_are_whole(store: Store):
    assert broken(store) is None
    write(store, 1, 2, 3)
    assert broken(store) is None
    with store.read() as db:
        assert head_of(db).lines == 3


@pytest.mark.parametrize("at", range(5))
def test_a_deleted_line_shows_the_last_too(trail: Store, at: int):
    line = ids(trail)[at]
    with trail.write() as db:
        db.execute(delete(AUDIT).where(AUDIT.c.id == line))
    found = broken(trail)
    assert found is not None
    assert found.line_id in {line, line + 1}


@pytest.mark.parametrize(
    "change",
    [{"who": "bob"}, {"at": 9.0}, {"action": "x"}, {"subject": "1.2.9"}, {"detail": {"n": 9}}],
)
def test_a_changed_line_shows(trail: Store, change: dict):
    line = ids(trail)[2]
    with trail.write() as db:
        db.execute(update(AUDIT).where(AUDIT.c.id == line).values(change))
    found = broken(trail)
    assert found is not None
    assert found.line_id == line


def test_two_lines_that_changed_places_show(trail: Store):
    first, second = ids(trail)[1:3]
    with trail.write() as db:
        for old, new in ((first, 10_000), (second, first), (10_000, second)):
            db.execute(update(AUDIT).where(AUDIT.c.id == old).values(id=new))
    found = broken(trail)
    assert found is not None
    assert found.line_id == first


def test_a_line_that_was_put_in_shows(trail: Store):
    with trail.write() as db:
        last = db.execute(select(AUDIT).order_by(AUDIT.c.id.desc()).limit(1)).one()
        values = {"at": 1.0, "who": "eve", "action": "x", "subject": "", "detail": {}}
        db.execute(insert(AUDIT).values(**values, previous=last.hash, hash="0" * 64))
    assert broken(trail) is not None


def test_a_transaction_that_fails_leaves_no_line(trail: Store):
    class GoneError(Exception): ...

    def fail() -> None:
        with trail.write() as db:
            add_line(db, "ann", "login", "", {}, 1.0)
            raise GoneError

    with pytest.raises(GoneError):
        fail()
    assert len(ids(trail)) == 5
    assert broken(trail) is None


def test_lines_of_concurrent_writers_make_one_chain(store: Store):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: write(store, number, number), range(20)))
    assert len(ids(store)) == 40
    assert broken(store) is None


def test_text_that_no_database_takes_is_kept_printable(store: Store):
    with store.write() as db:
        add_line(db, "a\x00\ud800b" + "x" * 100, "login\n", "s" * 300, {"name": "é\x00"}, 1.0)
    assert broken(store) is None
    with store.read() as db:
        assert db.execute(select(AUDIT.c.who)).scalar_one().startswith("a??bxx")
