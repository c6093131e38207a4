"""Bringing a store up to date with Alembic, from any earlier version."""

import sqlite3
import time
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import OperationalError

from eyas.errors import EyasError

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0003"
_LOCK = 0x65796173
"""Any number, the same in every program: who holds it migrates, the others wait. ("eyas")"""
BUSY_TIMEOUT = 30.0
"""Seconds that a SQLite store waits for another program to be done with it."""


def migrate(engine: Engine) -> None:
    """Run the migrations this store has not seen, all in one transaction; nothing when there are none.

    Programs that open a new store together wait for the first. Raises EyasError for a database that is not a store
    or was written by a newer eyas.
    """
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        version = _version(connection)
        if sqlite:
            # Only after a look at the tables: a file that is no store stays as it is.
            _write_ahead(connection)
        if version == HEAD:
            return
    with engine.connect() as connection:
        # Tables are rebuilt by dropping them, which must not delete what refers to them; within a transaction
        # SQLite does not hear this.
        if sqlite:
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.rollback()
        with connection.begin():
            connection.exec_driver_sql("BEGIN IMMEDIATE" if sqlite else f"SELECT pg_advisory_xact_lock({_LOCK})")
            version = _version(connection)
            if version != HEAD:
                check_version(version, f"the store {connection.engine.url.render_as_string()}")
                upgrade(connection)
        if sqlite:
            connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def _write_ahead(connection: Connection) -> None:
    """Let readers not wait for the writer; the file remembers it. Raises OperationalError when it stays locked."""
    patience = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            return
        except OperationalError as error:
            # A file that another program writes to before it keeps such a log refuses this at once: SQLite's own
            # timeout does not hold here.
            busy = isinstance(error.orig, sqlite3.Error) and error.orig.sqlite_errorname == "SQLITE_BUSY"
            if not busy or time.monotonic() > patience:
                raise
            connection.rollback()
            time.sleep(0.02)


def _version(connection: Connection) -> str | None:
    """The migration the store stands at; None for an empty database."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if tables:
        raise EyasError(
            f"the database {connection.engine.url.render_as_string()} holds other tables ({', '.join(tables[:3])}) "
            "and is no store of eyas; give a database of its own"
        )
    return None


def check_version(version: str | None, what: str) -> None:
    """Raise EyasError when `what` was written by an eyas that knew more migrations than this one."""
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if version is not None and version not in known:
        raise EyasError(f"{what} was written by a newer eyas (version {version}); update this one")


def upgrade(connection: Connection, version: str = "head") -> None:
    """Run the migrations up to `version` (the newest: head) within the transaction of `connection`."""
    # Alembic takes long to load and is needed once in a store's life.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, version)
