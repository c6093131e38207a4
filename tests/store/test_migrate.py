"""Every store is brought to today's tables, whole or not at all, and loses nothing on the way."""

import multiprocessing
import shutil
import sqlite3
import threading
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, select

from eyas.errors import EyasError
from eyas.store import migrate
from eyas.store.conversations import record
from eyas.store.database import Store, file_url, open_url
from eyas.store.search import search
from eyas.store.tables import Base, Conversation, Message
from tests.store.turns import turn

NEXT = """
from alembic import op
import sqlalchemy as sa

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("conversation") as batch:
        batch.alter_column("title", existing_type=sa.Text(), nullable=True)
        batch.add_column(sa.Column("mood", sa.Text(), server_default="calm", nullable=False))
"""


def test_the_migrations_make_the_tables_of_the_program(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        found = compare_metadata(context, Base.metadata)
    # The search index stands in its migration alone.
    assert [one for one in found if "message_search" not in str(one)] == []


def test_the_head_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(migrate.MIGRATIONS)).get_heads() == [migrate.HEAD]


def test_a_store_of_the_first_version_is_upgraded_and_loses_nothing(url: str, sqlite: Store) -> None:
    with sqlite.session() as session:
        done = record(session, turn("Where is the bakery?", "In Mill Lane."))
    engine = create_engine(url)
    with engine.begin() as connection, sqlite.session() as session:
        migrate.upgrade(connection, "0001")
        for table in (Conversation.__table__, Message.__table__):
            rows = [dict(row._mapping) for row in session.execute(select(table).order_by(table.c.id))]
            connection.execute(table.insert(), rows)
    engine.dispose()
    store = open_url(url)
    with store.session() as old, sqlite.session() as new:
        assert search(old, "bakery")[0] == search(new, "bakery")[0]
        for table in (Conversation.__table__, Message.__table__):
            assert set(map(str, old.execute(select(table)))) == set(map(str, new.execute(select(table))))
        record(
            old, turn("Where is the bakery?", "In Mill Lane.", "And the harbour?", "South.", parent_id=done.message_id)
        )
        assert len(search(old, "harbour")) == 1
    store.close()


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations of an eyas to come, which rebuilds a table that others refer to."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "0004_next.py").write_text(NEXT)
    return folder


def test_rebuilding_a_table_does_not_delete_what_refers_to_it(
    sqlite: Store, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite.session() as session:
        record(session, turn("hi", "hello"))
    monkeypatch.setattr(migrate, "MIGRATIONS", later)
    monkeypatch.setattr(migrate, "HEAD", "0004")
    migrate.migrate(sqlite.engine)
    with sqlite.session() as session:
        assert session.connection().exec_driver_sql("SELECT mood FROM conversation").all() == [("calm",)]
        assert len(session.scalars(select(Message)).all()) == 2
        assert session.connection().exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_migration_that_fails_changes_nothing(url: str, later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_url(url)
    with store.session() as session:
        record(session, turn("hi", "hello"))
    script = later / "versions" / "0004_next.py"
    script.write_text(script.read_text() + "    op.drop_table('nowhere')\n")
    monkeypatch.setattr(migrate, "MIGRATIONS", later)
    monkeypatch.setattr(migrate, "HEAD", "0004")
    with pytest.raises(EyasError, match="cannot be opened: .*nowhere"):
        open_url(url)
    monkeypatch.undo()
    store.close()
    again = open_url(url)
    with again.session() as session:
        assert len(session.scalars(select(Message)).all()) == 2
        columns = session.connection().exec_driver_sql("SELECT * FROM conversation").keys()
    again.close()
    assert "mood" not in columns


def open_at_once(url: str, together: Barrier) -> None:
    together.wait(60)
    open_url(url).close()


def test_programs_that_open_a_new_store_together_all_can(url: str) -> None:
    fork = multiprocessing.get_context("fork")
    together = fork.Barrier(6)
    programs = [fork.Process(target=open_at_once, args=(url, together)) for _ in range(6)]
    for program in programs:
        program.start()
    for program in programs:
        program.join(60)
    assert [program.exitcode for program in programs] == [0] * 6
    store = open_url(url)
    with store.session() as session:
        record(session, turn("hi", "hello"))
    store.close()


def test_a_new_store_waits_for_a_program_that_writes_to_its_file(tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        soon = threading.Timer(0.3, other.rollback)
        soon.start()
        open_url(file_url(file)).close()
        soon.join()


def test_a_new_store_that_stays_locked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "BUSY_TIMEOUT", 0.1)
    file = tmp_path / "new.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(EyasError, match=r"new\.db cannot be opened: database is locked"):
            open_url(file_url(file))


def test_a_store_is_sqlite_that_any_program_reads(sqlite: Store, life: Path) -> None:
    with sqlite.session() as session:
        record(session, turn("hi", "hello"))
    with sqlite3.connect(life / "eyas.db") as plain:
        assert plain.execute(
            "SELECT role, text, json_extract(content, '$.content') FROM message ORDER BY id"
        ).fetchall() == [
            ("user", "hi", "hi"),
            ("assistant", "hello", "hello"),
        ]
    plain.close()
