"""The bridge's database: one engine, transactions that hold what they decide about, durable commits.

SQLite (WAL, synchronous=FULL: with NORMAL a power cut loses acknowledged rows) unless the URL names
PostgreSQL. The schema is the same; this file is the only one that knows the difference.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select, text

from cloud_bridge.migrations import upgrade
from cloud_bridge.schema import households, hubs

BUSY_S = 30
_READ = "meethub_read"


class Database:
    """Where the ledger is kept. url: sqlite:///file or postgresql+psycopg://…"""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url, "FULL")
        self._sqlite = self._engine.dialect.name == "sqlite"
        self._relaxed = _engine(url, "NORMAL") if self._sqlite else self._engine

    @classmethod
    def at(cls, path: Path) -> "Database":
        """The SQLite ledger in this file, brought to the newest schema; made when it is not there."""
        database = cls(f"sqlite:///{path}")
        database.migrate()
        return database

    def migrate(self) -> None:
        """Bring the tables to the newest revision; a database that is there already changes nothing."""
        with self.transaction() as connection:
            upgrade(connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction for deciding and writing: committed and on disk when the block ends.

        On SQLite it has the database for itself; on PostgreSQL call `lock` for what is decided about.
        """
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view that waits for no writer and holds none up."""
        snapshot = {} if self._sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._engine.connect().execution_options(**{_READ: True}, **snapshot) as connection:
            yield connection

    @contextmanager
    def relaxed(self) -> Iterator[Connection]:
        """A transaction that outlives a crash of the bridge, though maybe not a power cut: no disk sync."""
        with self._relaxed.begin() as connection:
            if not self._sqlite:
                connection.execute(text("SET LOCAL synchronous_commit TO OFF"))
            yield connection

    def close(self) -> None:
        self._relaxed.dispose()
        self._engine.dispose()


def lock(connection: Connection, household_ids: set[str], hub_ids: set[str]) -> None:
    """Hold these households' rows, then these hubs', each in the order of their ids, until the commit.

    One order everywhere, so that workers wait for each other and never in a circle. On SQLite the
    transaction holds the whole database already and nothing is asked.
    """
    if connection.dialect.name == "sqlite":
        return
    for table, ids in ((households, household_ids), (hubs, hub_ids)):
        rows = select(table.c.id).where(table.c.id.in_(sorted(ids))).order_by(table.c.id).with_for_update()
        connection.execute(rows).all()


def _engine(url: str, synchronous: str) -> Engine:
    # hide_parameters: what stands in a row never stands in an error's text, and so in no log
    engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"), hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare(synchronous))
        event.listen(engine, "begin", _begin)
    return engine


def _prepare(synchronous: str) -> Any:  # noqa: ANN401 (SQLAlchemy calls it with driver objects)
    def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 (sqlite3's connection)
        connection.isolation_level = None  # transactions begin where `_begin` says, not where sqlite3 guesses
        for pragma in (
            f"busy_timeout = {BUSY_S * 1000}",
            "journal_mode = WAL",
            f"synchronous = {synchronous}",
            "foreign_keys = ON",
        ):
            connection.execute("PRAGMA " + pragma)

    return prepare


def _begin(connection: Connection) -> None:
    """IMMEDIATE: what a transaction reads before it writes must not change in between."""
    reads = connection.get_execution_options().get(_READ, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
