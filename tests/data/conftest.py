"""A store in either database, for what is to be shown of both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data.sql import SqlStore, open_sql_store
from tests.postgres import Postgres
from tests.stores import LABELS


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that has its tables, or makes them when it is opened."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.empty_store()


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    opened = open_sql_store(url)
    opened.know_bundle("bundle-1", LABELS)
    yield opened
    opened.close()
