"""A store as one file and back: a copy of the SQLite file, or JSON lines that go into either database."""

import json
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Connection, MetaData, Table, create_engine, func, literal, select
from sqlalchemy.exc import SQLAlchemyError

from eyas.errors import EyasError
from eyas.files import file_atomic
from eyas.store.clean import dump_json
from eyas.store.database import FILE_NAME, Store, file_url, open_existing, open_store, open_url, reason
from eyas.store.migrate import HEAD, check_version, upgrade
from eyas.store.tables import Base, Message

KINDS = (".db", ".jsonl")
BATCH = 500
TABLES = Base.metadata.tables
Row = tuple[str, dict[str, Any]]


def backup(life: Path, file: Path) -> dict[str, int]:
    """Copy the store of `life`, as it stands at one moment, into `file`; gives the rows of each table.

    `file` ends in .db (a SQLite store) or .jsonl. The store may be in use. Raises EyasError when `file` exists
    already or has another ending.
    """
    _check_kind(file)
    store = open_existing(life)
    try:
        with file_atomic(file) as beside:
            if file.suffix == ".jsonl":
                with _snapshot(store) as connection:
                    _write_lines(connection, beside)
                    return _counts(connection)
            if store.is_sqlite:
                _copy_sqlite(Path(str(store.engine.url.database)), beside)
            else:
                with _snapshot(store) as connection:
                    _fill_file(beside, HEAD, _rows(connection))
            return _file_counts(beside)
    finally:
        store.close()


def restore(life: Path, file: Path, *, replace: bool = False) -> dict[str, int]:
    """Put the backup `file` into the store of `life`; gives the rows of each table.

    It happens whole or not at all, even while the store is in use. Raises EyasError when the file is damaged or of a
    newer eyas, and when the store holds something already, unless `replace`.
    """
    _check_kind(file)
    if not file.is_file():
        raise EyasError(f"there is no backup {file}")
    store = open_store(life)
    try:
        with _snapshot(store) as connection:
            if not replace and any(_counts(connection).values()):
                raise EyasError(f"the store of {life} is not empty; give --replace to put {file} in its place")
        with tempfile.TemporaryDirectory(dir=life, prefix=".restore") as folder:
            whole = Path(folder) / FILE_NAME
            _make_whole(file, whole)
            if store.is_sqlite:
                _copy_sqlite(whole, Path(str(store.engine.url.database)))
            else:
                _refill(store, whole)
            return _file_counts(whole)
    except SQLAlchemyError as error:
        raise EyasError(f"{file} cannot be put back: {reason(error)}") from error
    finally:
        store.close()


def _make_whole(file: Path, whole: Path) -> None:
    """Make a SQLite store of today of the backup `file`. Raises EyasError when it is damaged, foreign or newer."""
    if file.suffix == ".db":
        _copy_sqlite(file, whole)
    else:
        _fill_file(whole, *_read_lines(file))
    open_url(file_url(whole)).close()


def _check_kind(file: Path) -> None:
    if file.suffix not in KINDS:
        raise EyasError(f"a backup ends in {' or '.join(KINDS)}, and {file.name} does not")


@contextmanager
def _snapshot(store: Store) -> Iterator[Connection]:
    """A connection that sees the store as it stands now, whatever others write meanwhile."""
    with store.engine.connect() as connection:
        if store.is_sqlite:
            connection.exec_driver_sql("BEGIN")
        else:
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def _counts(connection: Connection) -> dict[str, int]:
    return {name: connection.scalar(select(func.count()).select_from(table)) or 0 for name, table in TABLES.items()}


def _rows(connection: Connection) -> Iterator[Row]:
    """Every row of a store, each after those that it refers to."""
    for table in Base.metadata.sorted_tables:
        rows = select(table)
        if table.name == "message":
            tree = select(Message.id, literal(0).label("depth")).where(Message.parent_id.is_(None)).cte(recursive=True)
            deeper = select(Message.id, tree.c.depth + 1).join(tree, Message.parent_id == tree.c.id)
            tree = tree.union_all(deeper)
            rows = rows.join(tree, table.c.id == tree.c.id).order_by(tree.c.depth)
        for row in connection.execute(rows.execution_options(yield_per=BATCH)).mappings():
            yield table.name, dict(row)


# -- SQLite files


def _copy_sqlite(source: Path, target: Path) -> None:
    """SQLite's own copy: one snapshot of the source, one transaction on the target. Raises EyasError."""
    new = not target.exists()
    try:
        with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as reading:
            if (found := reading.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
                raise EyasError(f"{source} is damaged: {found}")
            with closing(sqlite3.connect(target, timeout=30)) as writing:
                if new:
                    writing.execute("PRAGMA synchronous=OFF")  # `file_atomic` sees to that
                reading.backup(writing)
                if new:
                    writing.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise EyasError(f"{source} cannot be copied to {target}: {error}") from error


def _file_counts(file: Path) -> dict[str, int]:
    with closing(sqlite3.connect(file)) as connection:
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in TABLES}


def _fill_file(file: Path, version: str, rows: Iterable[Row]) -> None:
    engine = create_engine(file_url(file), json_serializer=dump_json)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            _fill(connection, version, rows)
            if (loose := connection.exec_driver_sql("PRAGMA foreign_key_check").first()) is not None:
                raise EyasError(
                    f"the backup is damaged: a row of {loose[0]} belongs to one of {loose[2]} that is missing"
                )
    finally:
        engine.dispose()


def _refill(store: Store, whole: Path) -> None:
    """Put the rows of a SQLite store in the place of all that a PostgreSQL store holds."""
    copy = open_url(file_url(whole))
    with closing(copy), _snapshot(copy) as reading, store.engine.begin() as connection:
        old = MetaData()
        old.reflect(connection)
        old.drop_all(connection)
        _fill(connection, HEAD, _rows(reading))


def _fill(connection: Connection, version: str, rows: Iterable[Row]) -> None:
    """Make the tables of `version`, insert `rows`, and bring all up to date."""
    upgrade(connection, version)
    for name, of_table in groupby(rows, key=lambda row: row[0]):
        table = Table(name, MetaData(), autoload_with=connection, resolve_fks=False)
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type.none_as_null = True
        while batch := [row for _, row in islice(of_table, BATCH)]:
            if any(row.keys() != set(table.columns.keys()) for row in batch):
                raise EyasError(f"the backup is damaged: a row of {name} has other columns than the table")
            connection.execute(table.insert(), batch)
    upgrade(connection)


# -- JSON lines


def _write_lines(connection: Connection, file: Path) -> None:
    """A line that names the version, a line a row, and a last line with their number."""
    with open(file, "w", encoding="utf-8") as out:
        out.write(dump_json({"eyas_store": HEAD, "created": time.time()}) + "\n")
        number = 0
        for table, row in _rows(connection):
            out.write(dump_json({"table": table, "row": row}) + "\n")
            number += 1
        out.write(dump_json({"rows": number}) + "\n")


def _read_lines(file: Path) -> tuple[str, Iterator[Row]]:
    """The version of a dump and its rows. Raises EyasError, the rows as they are read, when it is not whole."""
    lines = _lines(file)
    version = next(lines, {}).get("eyas_store")
    if not isinstance(version, str):
        raise EyasError(f"{file} is no backup of a store: its first line does not say so")
    check_version(version, f"the backup {file}")
    return version, _rows_of_lines(file, lines)


def _rows_of_lines(file: Path, lines: Iterator[dict[str, Any]]) -> Iterator[Row]:
    number = 0
    for line in lines:
        if "rows" in line:
            if line["rows"] != number:
                raise EyasError(f"{file} is damaged: it says {line['rows']} rows and holds {number}")
            return
        number += 1
        if line.get("table") not in TABLES or not isinstance(line.get("row"), dict):
            raise EyasError(f"{file} is damaged: line {number + 1} is no row of a store")
        yield line["table"], line["row"]
    raise EyasError(f"{file} is damaged: it ends after {number} rows")


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with open(file, "rb") as text:
        for number, line in enumerate(text, 1):
            try:
                value = json.loads(line)
            except ValueError as error:
                raise EyasError(f"{file} is damaged: line {number}: {error}") from error
            if not isinstance(value, dict):
                raise EyasError(f"{file} is damaged: line {number} is no row of a store")
            yield value
