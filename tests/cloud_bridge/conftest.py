"""Ledgers for the bridge's tests: SQLite always, PostgreSQL where its server is installed."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_bridge.ledger.database import Database
from tests.cloud_bridge.ledger_fixtures import Chain, Databases, Home, PostgresDatabases, Signing


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    return Databases(tmp_path_factory.mktemp("ledgers"))


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[PostgresDatabases]:
    if shutil.which("initdb") is None:
        pytest.skip("no PostgreSQL server on this machine")
    directory = Path(tempfile.mkdtemp(prefix="meethub-pg-"))  # a socket's path must be short
    server = PostgresDatabases(directory)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(directory)


@pytest.fixture
def database(sqlite_databases: Databases) -> Iterator[Database]:
    """A fresh SQLite ledger."""
    with sqlite_databases.fresh() as fresh:
        yield fresh


@pytest.fixture(params=["sqlite", "postgresql"])
def each_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh ledger on each of the two engines."""
    name = "sqlite_databases" if request.param == "sqlite" else "postgres_databases"
    with request.getfixturevalue(name).fresh() as fresh:
        yield fresh


@pytest.fixture
def home(each_database: Database) -> Home:
    return Home(each_database)


@pytest.fixture
def hub(home: Home) -> Chain:
    """The first key of a registered hub."""
    return home.register(Chain(Signing(1)))
