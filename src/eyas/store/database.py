"""Opening the store of a life: SQLite beside the models, or PostgreSQL by `EYAS_DB`."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from eyas.errors import EyasError
from eyas.store.clean import dump_json
from eyas.store.migrate import BUSY_TIMEOUT, migrate

FILE_NAME = "eyas.db"
VARIABLE = "EYAS_DB"
_WRITERS = 0x65796174
"""Any number: the lock that writers of one PostgreSQL store pass to each other."""


class Store:
    """The database of one life. Any thread may open sessions; writers wait for each other."""

    def __init__(self, engine: Engine, life: Path | None) -> None:
        self.engine, self.life = engine, life
        self._sessions = sessionmaker(engine, expire_on_commit=False, info={"life": life})

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: committed at the end of the block, rolled back when it raises.

        Reading holds nothing back. On SQLite the first write waits for other writers; who reads something and then
        writes what follows from it takes `write_lock` first. Raises EyasError when the database fails (disk full,
        file damaged, server gone).
        """
        try:
            with self._sessions.begin() as session:
                yield session
        except (OperationalError, DatabaseError) as error:
            # Subclasses, such as IntegrityError, tell the caller about its own data.
            if type(error) not in (OperationalError, DatabaseError):
                raise
            raise EyasError(f"the store {where(self.engine)} failed: {reason(error)}") from error

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def close(self) -> None:
        self.engine.dispose()


def store_url(life: Path) -> str | URL:
    """Where the store of `life` is: `EYAS_DB` when it is set, else `LIFE/eyas.db`."""
    return os.environ.get(VARIABLE) or file_url(life / FILE_NAME)


def file_url(file: Path) -> URL:
    """The URL of a SQLite file, whatever characters its name has."""
    return URL.create("sqlite", database=str(file))


def has_store(life: Path) -> bool:
    """Whether there is a store to open; asking makes none."""
    return bool(os.environ.get(VARIABLE)) or (life / FILE_NAME).is_file()


def open_store(life: Path) -> Store:
    """The store of a life, made or brought up to date as needed. Raises EyasError when it cannot be opened."""
    if not life.is_dir():
        raise EyasError(f"there is no life {life}; make one with `eyas raise {life}`")
    return open_url(store_url(life), life)


def open_existing(life: Path) -> Store:
    """The store of a life that has one. Raises EyasError when it has none, or it cannot be opened."""
    if life.is_dir() and not has_store(life):
        raise EyasError(f"{life} has no store yet; `eyas serve {life}` makes one")
    return open_store(life)


def open_url(url: str | URL, life: Path | None = None) -> Store:
    """The store behind a database URL. Raises EyasError naming the URL without its password."""
    engine = _engine(url)
    try:
        migrate(engine)
    except EyasError:
        engine.dispose()
        raise
    except (SQLAlchemyError, sqlite3.Error) as error:
        engine.dispose()
        why = reason(error)
        if "not a database" in why or "malformed" in why:
            why += "; move the file away and put a backup back with `eyas restore`"
        raise EyasError(f"the store {where(engine)} cannot be opened: {why}") from error
    return Store(engine, life)


def _engine(url: str | URL) -> Engine:
    try:
        url = make_url(url)
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+psycopg")
        kind = url.get_backend_name()
        if kind not in ("sqlite", "postgresql"):
            raise EyasError(f"{VARIABLE} must be a sqlite or postgresql URL, not {kind}")
        engine = create_engine(url, pool_pre_ping=kind == "postgresql", json_serializer=dump_json)
    except ModuleNotFoundError as error:
        raise EyasError(f"{VARIABLE} needs {error.name}; `pip install 'eyas[postgres]'` brings it") from error
    except SQLAlchemyError as error:
        raise EyasError(f"{VARIABLE} is no database URL: {reason(error)}") from error
    if kind == "sqlite":
        event.listen(engine, "connect", _sqlite_settings)
    return engine


def where(engine: Engine) -> str:
    """The file of a SQLite store, or the URL of another without its password."""
    return engine.url.database or ":memory:" if engine.dialect.name == "sqlite" else engine.url.render_as_string()


def reason(error: Exception) -> str:
    """What the database itself said, on one line."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def write_lock(session: Session) -> None:
    """Wait until this session alone may write, until its end: what it reads from now on is still so when it writes."""
    # Straight to the driver: what waits in the session is written after this, not before.
    connection = session.connection()
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")
    elif not getattr(connection.connection.dbapi_connection, "in_transaction", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _sqlite_settings(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Writers wait for each other, what is committed survives a killed program, what is deleted is overwritten."""
    cursor = connection.cursor()
    settings = (f"busy_timeout={BUSY_TIMEOUT * 1000:.0f}", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON")
    for setting in settings:
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()
