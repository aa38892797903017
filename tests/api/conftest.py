"""A node with a few films, its REST interface, and someone of each role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydicom import dcmwrite

from tests.hospital import film, settings
from wetread.api.app import create_app
from wetread.inference.tuning import Spread
from wetread.node.intake import take_film
from wetread.node.parts import Parts, now, open_parts
from wetread.node.worker import load_models, score_once
from wetread.worklist.accounts import add_token, add_user

PASSWORD = "correct horse battery"
ROLES = ("reader", "admin", "system")


def dicom_file(number: int, **elements: Any) -> bytes:
    """Return a film as a file."""
    out = BytesIO()
    dcmwrite(out, film(number, **elements), enforce_file_format=True)
    return out.getvalue()


@dataclass(frozen=True)
class Site:
    """A node and its REST interface; `tokens` by role."""

    parts: Parts
    client: TestClient
    tokens: dict[str, str]

    def as_(self, role: str) -> dict[str, str]:
        """Return the headers of someone of a role."""
        return {"Authorization": f"Bearer {self.tokens[role]}"}


def make_site(parts: Parts) -> Site:
    """Add someone of each role, by token and by password."""
    tokens = {}
    with parts.store.write() as db:
        for role in ROLES:
            tokens[role] = add_token(db, f"a {role}", role, "test", now(), None)  # type: ignore[arg-type]
            add_user(db, role, PASSWORD, role, now())  # type: ignore[arg-type]
    client = TestClient(create_app(parts), raise_server_exceptions=False)
    return Site(parts, client, tokens)


@contextmanager
def scored_site(folder: Path) -> Iterator[Site]:
    """Give a node whose four films are scored; their results cannot be delivered."""
    archive = {"name": "nowhere", "host": "127.0.0.1", "port": 1}
    parts = open_parts(settings(folder, [archive]))
    try:
        for number in range(4):
            take_film(parts.store, parts.films, dicom_file(number), "TEST", now())
        score_once(parts, load_models(parts.config), Spread(1, 1, 4))
        yield make_site(parts)
    finally:
        parts.close()


@pytest.fixture(scope="package")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A node with scored films, for all tests; none may change what another sees."""
    with scored_site(tmp_path_factory.mktemp("site")) as one:
        yield one


@pytest.fixture
def scored_alone(tmp_path: Path) -> Iterator[Site]:
    """A node with scored films for one test."""
    with scored_site(tmp_path) as one:
        yield one


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An empty node."""
    parts = open_parts(settings(tmp_path))
    yield make_site(parts)
    parts.close()
