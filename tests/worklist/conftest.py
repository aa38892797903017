"""An empty store, of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wetread.worklist.store import Store, open_store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    is_file = request.param == "sqlite"
    url = (
        f"sqlite:///{tmp_path / 'store.db'}" if is_file else request.getfixturevalue("postgres_url")
    )
    one = open_store(url)
    yield one
    one.close()
