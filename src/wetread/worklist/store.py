"""The address of a database in, a store out: SQLite in a file, or PostgreSQL for several machines.

    store = open_store("sqlite:////var/lib/wetread/store.db")
    with store.write() as db:
        add_film(db, ...)

The modules beside this one are functions over such a connection.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from wetread.errors import InputError, StoreError, first_line

_BUSY_SECONDS: Final = 30
MIGRATIONS: Final = Path(__file__).with_name("migrations")


class Store:
    """A database with wetread's tables; safe for threads, and for several processes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._one_writer = threading.Lock() if engine.dialect.name == "sqlite" else None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that is committed, durably, when the block ends without an error.

        Raises:
            StoreError: the database cannot be reached or written; nothing of the block is kept.
            InputError: a value that the tables do not allow; nor is it then.
        """
        # SQLite has one writer at a time and makes others poll: a lock wakes the next at once.
        if self._one_writer:
            with self._one_writer, self._begin(write=True) as db:
                yield db
        else:
            with self._begin(write=True) as db:
                yield db

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction for reading: one state of the store, whatever is written meanwhile.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._begin(write=False) as db:
            yield db

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _begin(self, *, write: bool) -> Iterator[Connection]:
        options: dict[str, Any] = {"writes": write}
        if self.engine.dialect.name == "postgresql" and not write:
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        try:
            with self.engine.connect() as db, db.execution_options(**options).begin():
                yield db
        except IntegrityError:  # whose text holds the row, and so what is of a patient
            raise InputError("store: a value that its tables do not allow") from None
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise StoreError(f"store: {_reason(error)}") from None


def open_store(url: str) -> Store:
    """Open the store at a database URL; its tables are made, or brought to this version.

    Args:
        url: "sqlite:///PATH" or "postgresql://USER:PASSWORD@HOST/NAME".

    Raises:
        InputError: no such URL.
        StoreError: it cannot be reached, or is of a newer version.
    """
    try:
        address = make_url(url)
    except ArgumentError:
        raise InputError(
            "store: no database URL; expected sqlite:///PATH or postgresql://..."
        ) from None
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+pg8000")
    if address.get_backend_name() == "sqlite" and address.database:
        _make_folder(Path(address.database).parent)
    options: dict[str, Any] = {"pool_size": 16, "max_overflow": 32, "hide_parameters": True}
    if address.get_backend_name() == "sqlite":
        options["connect_args"] = {"timeout": _BUSY_SECONDS}
    else:
        options["pool_pre_ping"] = True
    try:
        engine = create_engine(address, **options)
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise InputError(f"store: {first_line(error)}; expected sqlite or postgresql") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    store = Store(engine)
    try:
        _migrate(store)
    except BaseException:
        store.close()
        raise
    return store


def migrations(db: Connection) -> Config:
    """Return Alembic's configuration of the store that `db` is connected to."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = db
    return config


def _migrate(store: Store) -> None:
    with store.write() as db:
        if db.dialect.name == "postgresql":  # of processes that start at once, one migrates
            db.exec_driver_sql("SELECT pg_advisory_xact_lock(7761)")
        try:
            command.upgrade(migrations(db), "head")
        except CommandError as error:
            raise StoreError(
                f"store: of a newer version of wetread? ({first_line(error)})"
            ) from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made ({error.strerror})") from None


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(db: Connection) -> None:
    """Begin; a writer takes the lock now, since one that reads first could not take it later."""
    writes = db.get_execution_options().get("writes", False)
    db.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _reason(error: Exception) -> str:
    """Return what went wrong without the statement, whose values may be of a patient."""
    origin = getattr(error, "orig", None)
    if isinstance(origin, sqlite3.Error):
        return first_line(origin)
    return f"cannot be reached or written ({type(origin or error).__name__})"
