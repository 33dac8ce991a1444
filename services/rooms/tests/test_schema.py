import io
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateIndex, CreateTable

from madang_rooms.storage import schema
from madang_rooms.storage.models import Base
from madang_rooms.storage.sqlite import migrate


def tables(path: Path) -> set[str]:
    engine = create_engine(f"sqlite:///{path}")
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_the_migrations_create_the_schema_of_the_models(tmp_path: Path) -> None:
    path = tmp_path / "rooms.sqlite"

    migrate(path, wait_seconds=1)

    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_the_migrations_create_the_constraints_of_the_models(tmp_path: Path) -> None:
    migrate(tmp_path / "migrated.sqlite", wait_seconds=1)
    engine = create_engine(f"sqlite:///{tmp_path / 'modelled.sqlite'}")
    Base.metadata.create_all(engine)
    engine.dispose()

    migrated, modelled = [
        _described(tmp_path / name) for name in ("migrated.sqlite", "modelled.sqlite")
    ]

    assert migrated == modelled


def _described(path: Path) -> dict[str, object]:
    engine = create_engine(f"sqlite:///{path}")
    try:
        found = inspect(engine)
        return {
            name: (
                found.get_pk_constraint(name),
                sorted(map(str, found.get_foreign_keys(name))),
                sorted(map(str, found.get_unique_constraints(name))),
                sorted(map(str, found.get_check_constraints(name))),
                sorted(map(str, found.get_indexes(name))),
            )
            for name in Base.metadata.tables
        }
    finally:
        engine.dispose()


def test_a_downgrade_drops_everything_and_can_be_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "rooms.sqlite"
    migrate(path, wait_seconds=1)
    full = tables(path)

    migrate(path, wait_seconds=1, revision="base")
    empty = tables(path)
    migrate(path, wait_seconds=1)

    assert full == {*Base.metadata.tables, "alembic_version"}
    assert empty == {"alembic_version"}
    assert tables(path) == full


def test_a_downgrade_stops_at_the_revision(tmp_path: Path) -> None:
    path = tmp_path / "rooms.sqlite"
    migrate(path, wait_seconds=1, revision="0002")
    second = tables(path)
    migrate(path, wait_seconds=1)

    migrate(path, wait_seconds=1, revision="0002")

    assert tables(path) == second
    assert second < {*Base.metadata.tables, "alembic_version"}


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rooms.sqlite"
    migrate(path, wait_seconds=1)
    before = path.read_bytes()

    migrate(path, wait_seconds=1)

    assert path.read_bytes() == before


def test_a_failed_migration_is_rolled_back(tmp_path: Path) -> None:
    path = tmp_path / "rooms.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE invites (in_the_way INTEGER)")
    db.close()

    with pytest.raises(Exception, match="already exists"):
        migrate(path, wait_seconds=1)

    assert tables(path) == {"invites"}


def test_the_migrations_have_one_head() -> None:
    assert len(ScriptDirectory.from_config(schema.config()).get_heads()) == 1


def test_every_constraint_has_a_name() -> None:
    for table in Base.metadata.tables.values():
        for constraint in table.constraints:
            assert constraint.name, constraint
        for index in table.indexes:
            assert index.name, index


def test_the_models_compile_for_mysql() -> None:
    dialect = mysql.dialect()

    for table in Base.metadata.sorted_tables:
        made = str(CreateTable(table).compile(dialect=dialect))
        assert "ENGINE=InnoDB" in made
        assert "CHARSET=utf8mb4" in made
        for index in table.indexes:
            assert str(CreateIndex(index).compile(dialect=dialect))


def test_the_migrations_compile_for_mysql() -> None:
    ddl = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="mysql", opts={"as_sql": True, "output_buffer": ddl}
    )

    with Operations.context(context):
        for revision in reversed(
            list(ScriptDirectory.from_config(schema.config()).walk_revisions())
        ):
            revision.module.upgrade()

    for table in Base.metadata.tables:
        assert f"CREATE TABLE IF NOT EXISTS {table}" in ddl.getvalue()
    assert ddl.getvalue().count("ENGINE=InnoDB") == len(Base.metadata.tables)
