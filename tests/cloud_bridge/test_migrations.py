"""A migrated ledger is the schema, and what protects acknowledged rows is really switched on."""

from contextlib import closing
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, insert, inspect, select

from cloud_bridge.ledger.database import Database
from cloud_bridge.migrations import configuration
from cloud_bridge.schema import households, metadata


def test_a_migrated_database_is_the_schema(each_database: Database) -> None:
    with each_database.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_the_migrations_make_the_constraints_of_the_schema(each_database: Database) -> None:
    """compare_metadata looks at no primary keys and few constraints."""
    made = create_engine("sqlite://")
    metadata.create_all(made)
    with each_database.reading() as connection:
        there, wanted = inspect(connection), inspect(made)
        for table in metadata.tables:
            for look in ("get_pk_constraint", "get_foreign_keys", "get_unique_constraints"):
                assert _names(getattr(there, look)(table)) == _names(getattr(wanted, look)(table))
    made.dispose()


def _names(found: object) -> list[tuple[object, ...]]:
    rows = found if isinstance(found, list) else [found]
    keys = ("constrained_columns", "column_names", "referred_table", "referred_columns")
    return sorted(tuple(tuple(row.get(key) or ()) for key in keys) for row in rows)


def test_there_is_one_newest_revision() -> None:
    assert len(ScriptDirectory.from_config(configuration()).get_heads()) == 1


def test_migrating_again_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(Database.at(path)) as database, database.transaction() as connection:
        connection.execute(insert(households).values(id="home-1", created_ms=1))
    with closing(Database.at(path)) as database, database.reading() as connection:
        assert connection.execute(select(households.c.id)).scalar_one() == "home-1"


def test_sqlite_syncs_every_commit_and_only_the_relaxed_ones_not(database: Database) -> None:
    with database.transaction() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("synchronous", "journal_mode", "foreign_keys")
        }
    assert settings == {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1}
    with database.relaxed() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1


def test_reading_waits_for_no_writer(database: Database) -> None:
    with database.transaction() as writer:
        writer.execute(insert(households).values(id="home-1", created_ms=1))
        with database.reading() as reader:
            assert reader.execute(select(households)).all() == []
