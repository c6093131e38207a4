"""A backup holds all of a store, also of one in use, and goes back into either database."""

import json
import os
import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eyas.errors import EyasError
from eyas.store import migrate
from eyas.store.backup import backup, restore
from eyas.store.champion import promote
from eyas.store.conversations import feedback, record
from eyas.store.database import VARIABLE, Store, open_store, open_url
from eyas.store.search import search
from eyas.store.tables import (
    Base,
    Comparison,
    Dataset,
    DatasetRow,
    Draft,
    Evaluation,
    Flag,
    Group,
    Guideline,
    Label,
    Message,
    Person,
)
from tests.store.turns import turn


def fill(store: Store) -> None:
    """At least a row in every table, and a message made before the one it follows."""
    with store.session() as session:
        done = record(session, turn("Where is the bäckerei?", "In Mill Lane.", "And now?", "Closed.", user="ana"))
        answer = session.get_one(Message, done.message_id)
        session.add(
            Message(
                id="0" * 32,
                conversation_id=done.conversation_id,
                parent_id=answer.id,
                role="user",
                content={},
                chain="",
            )
        )
        feedback(session, done.message_id, rating=-1)
        session.add_all(
            [Group(id="g", title="t"), Guideline(version=3, text="Be kind."), Person(name="ben", token_sha256="")]
        )
        session.add(Draft(id="d", message_id=answer.id, author="assistant", text="x", critique=[{"point": 1}]))
        session.flush()
        session.add(Flag(message_id=answer.id, kind="refusal", group_id="g", score=0.1))
        session.add(Label(id="l", message_id=answer.id, person="ben", verdict="accepted", draft_id="d", group_id="g"))
        session.add(Dataset(version=1, path="datasets/v1", sha256="", counts={"sft": 1}, config={}))
        session.flush()
        session.add(DatasetRow(version=1, kind="sft", split="train", number=0, label_id="l", sha256=""))
        session.add(Evaluation(model="assistant", name="exam", figures={"right": 0.25}))
        answers = {"answer_a": "a", "answer_b": "b", "model_a": "a", "model_b": "b", "winner": "tie", "judge": "ben"}
        session.add(Comparison(prompt=[], **answers))
        promote(session, "base", "ana", "why not")


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    with store.session() as session:
        tables = Base.metadata.sorted_tables
        rows = {table.name: [dict(row._mapping) for row in session.execute(select(table))] for table in tables}
    return {name: sorted(of, key=str) for name, of in rows.items()}


def other_life(life: Path) -> Path:
    """Another life with the same models and no store."""
    other = life.parent / "other"
    shutil.copytree(life, other, ignore=shutil.ignore_patterns("eyas.db*"), dirs_exist_ok=True)
    return other


@pytest.fixture
def source(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A filled store of `life` that the verbs find."""
    if not store.is_sqlite:
        monkeypatch.setenv(VARIABLE, store.engine.url.render_as_string(hide_password=False))
    fill(store)
    return store


@pytest.mark.parametrize("kind", ["db", "jsonl"])
@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
def test_a_backup_goes_back_whole_into_either_database(
    source: Store, life: Path, kind: str, into: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(source)
    file = life.parent / f"copy.{kind}"
    counts = backup(life, file)
    assert counts == {name: len(rows) for name, rows in before.items()} and all(counts.values())
    other = other_life(life)
    if into == "sqlite":
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, request.getfixturevalue("postgres")())
    assert restore(other, file) == counts
    store = open_store(other)
    assert everything(store) == before
    with store.session() as session:
        assert len(search(session, "bäckerei")) == 1
        again = record(session, turn("Where is the bäckerei?", "In Mill Lane.", "So?", "No.", user="ana"))
        assert again.conversation_id in {row["id"] for row in before["conversation"]}
    store.close()


def test_a_backup_is_one_file_of_sqlite(sqlite: Store, life: Path) -> None:
    fill(sqlite)
    backup(life, life.parent / "copy.db")
    (life.parent / "copy.db").chmod(0o400)
    assert [file.name for file in life.parent.iterdir()].count("copy.db") == 1
    plain = sqlite3.connect(f"file:{life.parent / 'copy.db'}?mode=ro", uri=True)
    assert plain.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert plain.execute("SELECT count(*) FROM message").fetchone() == (5,)
    plain.close()


@pytest.mark.parametrize("kind", ["db", "jsonl"])
def test_a_backup_of_a_store_in_use_is_of_one_moment(
    source: Store, life: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, written = threading.Event(), threading.Semaphore(0)

    def write() -> None:
        while not stop.wait(0.005):
            with source.session() as session:
                done = record(session, turn("hi", "hello"))
                session.add(Flag(message_id=done.message_id, kind="loop"))
            written.release()

    def copy(file: Path) -> dict[str, int]:
        while written.acquire(blocking=False):
            pass
        for _ in range(2):  # the second one began after the last copy
            assert written.acquire(timeout=60), "nothing is written meanwhile"
        return backup(life, file)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        files = [life.parent / f"copy{number}.{kind}" for number in range(2)]
        counts = [copy(file) for file in files]
    finally:
        stop.set()
        writer.join()
    monkeypatch.delenv(VARIABLE, raising=False)
    assert counts[0]["flag"] < counts[1]["flag"]
    for number, file in enumerate(files):
        other = life.parent / f"life{number}"
        other.mkdir()
        assert restore(other, file) == counts[number]
        # `fill` made one conversation with five messages and one flag.
        assert counts[number]["conversation"] == counts[number]["flag"] == (counts[number]["message"] - 5) // 2 + 1


def test_a_store_that_holds_something_is_replaced_only_when_asked(source: Store, life: Path) -> None:
    file = life.parent / "copy.jsonl"
    backup(life, file)
    before = everything(source)
    with source.session() as session:
        record(session, turn("after the backup", "yes"))
    with pytest.raises(EyasError, match="is not empty; give --replace"):
        restore(life, file)
    assert len(everything(source)["conversation"]) == 2
    restore(life, file, replace=True)
    assert everything(source) == before  # seen by who had it open


def lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines(keepends=True)


def broken(file: Path, how: str) -> None:
    """Damage a dump."""
    whole = lines(file)
    if how == "cut":
        whole[-3:] = [whole[-3][:20]]
    elif how == "short":
        del whole[-1]
    elif how == "a row less":
        del whole[-2]
    elif how == "no head":
        del whole[0]
    elif how == "newer":
        whole[0] = '{"eyas_store": "9999"}\n'
    elif how == "other table":
        whole[1] = '{"table": "sqlite_master", "row": {"name": "x"}}\n'
    elif how == "other column":
        whole[1] = '{"table": "conversation", "row": {"name": "x"}}\n'
    elif how == "no object":
        whole[1] = "[1, 2]\n"
    elif how == "no parent":
        place = next(number for number, line in enumerate(whole) if '"table": "conversation"' in line)
        whole[place] = '{"table": "alias", "row": {"name": "x", "model": "y", "updated": 0}}\n'
    file.write_text("".join(whole), encoding="utf-8")


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("cut", "is damaged: line "),
        ("short", "is damaged: it ends after"),
        ("a row less", "is damaged: it says .* rows and holds"),
        ("no head", "its first line does not say so"),
        ("newer", r"written by a newer eyas \(version 9999\)"),
        ("other table", "line 2 is no row of a store"),
        ("other column", "a row of conversation has other columns than the table"),
        ("no object", "line 2 is no row of a store"),
        ("no parent", "a row of .* belongs to one of conversation that is missing"),
    ],
)
def test_a_damaged_dump_is_refused_and_the_store_stays(sqlite: Store, life: Path, how: str, why: str) -> None:
    fill(sqlite)
    file = life.parent / "copy.jsonl"
    backup(life, file)
    broken(file, how)
    before = everything(sqlite)
    with pytest.raises(EyasError, match=why):
        restore(life, file, replace=True)
    assert everything(sqlite) == before
    assert [one.name for one in life.iterdir() if one.name.startswith(".")] == []


def test_a_damaged_or_foreign_file_is_refused_and_the_store_stays(sqlite: Store, life: Path) -> None:
    fill(sqlite)
    before = everything(sqlite)
    file = life.parent / "copy.db"
    backup(life, file)
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"a letter" * 1000, whole[:8192] + b"\xa5" * (len(whole) - 8192)):
        file.write_bytes(content)
        with pytest.raises(EyasError, match=r"copy.db (is damaged|cannot be copied)"):
            restore(life, file, replace=True)
    file.unlink()
    with sqlite3.connect(file) as mail:
        mail.execute("CREATE TABLE letters (text)")
    mail.close()
    with pytest.raises(EyasError, match=r"holds other tables \(letters\) and is no store of eyas"):
        restore(life, file, replace=True)
    assert everything(sqlite) == before


@pytest.mark.parametrize("kind", ["db", "jsonl"])
def test_a_backup_of_the_first_version_goes_back_and_is_brought_up_to_date(
    life: Path, kind: str, monkeypatch: Any
) -> None:
    old = open_url(f"sqlite:///{life.parent / 'old.db'}")
    with old.session() as session:
        done = record(session, turn("Where is the bakery?", "In Mill Lane."))
    file = life.parent / f"copy.{kind}"
    with old.engine.begin() as connection:
        for name in ("insert", "delete", "update"):
            connection.exec_driver_sql(f"DROP TRIGGER message_search_{name}")
        connection.exec_driver_sql("DROP TABLE message_search")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    old.close()
    if kind == "db":
        os.rename(life.parent / "old.db", file)
    else:
        rows = [{"table": table, "row": row} for table, of in everything(old).items() for row in of]
        rows.sort(key=lambda one: (one["table"], one["row"]["id"]))
        head, tail = {"eyas_store": "0001", "created": 0}, {"rows": len(rows)}
        file.write_text("".join(json.dumps(one) + "\n" for one in [head, *rows, tail]))
    restore(life, file)
    store = open_store(life)
    with store.session() as session:
        assert len(search(session, "bakery")) == 1
        assert session.get_one(Message, done.message_id).tokens == [["a", -0.5], ["b", -1.5]]
        version = session.connection().exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    store.close()
    assert version == migrate.HEAD


def test_no_backup_is_written_over_a_file_or_of_nothing(sqlite: Store, life: Path) -> None:
    (life.parent / "copy.db").write_text("mine")
    with pytest.raises(EyasError, match="copy.db exists already"):
        backup(life, life.parent / "copy.db")
    with pytest.raises(EyasError, match="a backup ends in .db or .jsonl, and copy.zip does not"):
        backup(life, life.parent / "copy.zip")
    with pytest.raises(EyasError, match="has no store yet; `eyas serve"):
        backup(other_life(life), life.parent / "none.db")
    with pytest.raises(EyasError, match="there is no backup .*nowhere.db"):
        restore(life, life.parent / "nowhere.db")
    assert sorted(one.name for one in life.parent.iterdir()) == ["copy.db", "life", "other"]
