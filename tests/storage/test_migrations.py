"""The tables in code and the migrated database are the same thing."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from storage import migrate, triggers
from storage.db import Database
from storage.tables import Base


def test_the_tables_are_those_of_the_head_revision(database: Database) -> None:
    assert migrate.read_revision(database) == migrate.newest_revision()
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_ledgers_triggers_are_in_force(database: Database) -> None:
    with database.engine.connect() as connection:
        assert triggers.list_expected(connection.dialect.name) <= triggers.list_names(connection)


def test_migrating_again_changes_nothing(database: Database) -> None:
    migrate.upgrade(database)
    assert migrate.read_revision(database) == migrate.newest_revision()


def test_a_migration_is_named_after_its_revision() -> None:
    scripts = ScriptDirectory.from_config(migrate.build_config())
    assert migrate.newest_revision() == scripts.get_current_head()
    assert migrate.known_revisions() == {one.revision for one in scripts.walk_revisions()}


def test_a_database_without_tables_stands_nowhere(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    try:
        assert migrate.read_revision(database) is None
    finally:
        database.close()


def test_every_foreign_key_and_due_date_is_indexed(database: Database) -> None:
    inspector = inspect(database.engine)
    for table in Base.metadata.sorted_tables:
        covered = set(inspector.get_pk_constraint(table.name)["constrained_columns"][:1])
        covered |= {c["column_names"][0] for c in inspector.get_unique_constraints(table.name)}
        for index in inspector.get_indexes(table.name):
            covered |= {name for name in index["column_names"] if name}
        for column in table.columns:
            if column.foreign_keys or column.name in {"due_at", "next_at"}:
                assert column.name in covered, f"{table.name}.{column.name} has no index"
