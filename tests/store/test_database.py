"""Opening a store: what is refused, who waits, what survives."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from eyas.errors import EyasError
from eyas.store.conversations import messages_of, record
from eyas.store.database import VARIABLE, Store, has_store, open_store, open_url, write_lock
from eyas.store.tables import Alias, Conversation, Guideline, new_id
from tests.store.turns import turn


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


def test_a_store_lies_in_its_life_and_is_made_when_it_is_opened(life: Path) -> None:
    assert not has_store(life)
    open_store(life).close()
    assert has_store(life) and (life / "eyas.db").is_file()
    assert sorted(file.name for file in life.iterdir()) == ["eyas.db", "models"]  # no log is left behind


def test_a_life_may_have_any_name(tmp_path: Path) -> None:
    odd = tmp_path / "50% of ?x=1#é"
    odd.mkdir()
    open_store(odd).close()
    assert (odd / "eyas.db").is_file()


def test_the_variable_names_another_database(life: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path / 'team.db'}")
    assert has_store(life)
    open_store(life).close()
    assert (tmp_path / "team.db").is_file() and not (life / "eyas.db").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"This is a letter. " * 500, "file is not a database; move the file away .* `eyas restore`"),
        (b"SQLite format 3\0" + b"\xff" * 5000, "the store .*eyas.db cannot be opened"),
    ],
)
def test_a_file_that_is_no_database_is_told_in_one_sentence(life: Path, content: bytes, why: str) -> None:
    (life / "eyas.db").write_bytes(content)
    with pytest.raises(EyasError, match=why):
        open_store(life)
    assert (life / "eyas.db").read_bytes() == content


def test_a_damaged_store_is_told_when_it_is_opened_or_read(life: Path, sqlite: Store) -> None:
    with sqlite.session() as session:
        for number in range(300):
            record(session, turn(f"question {number}", "an answer " * 50))
    sqlite.close()
    file = life / "eyas.db"
    whole = file.read_bytes()
    for start in (100, len(whole) // 3, len(whole) // 2):
        file.write_bytes(whole[:start] + b"\xa5" * (len(whole) - start))
        with pytest.raises(EyasError, match="the store .*eyas.db (cannot be opened|failed)"):
            damaged = open_store(life)
            with damaged.session() as session:
                for conversation in session.scalars(select(Conversation)).all():
                    messages_of(session, conversation.id)


def test_the_database_of_another_program_is_refused_and_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "mail.db"
    with sqlite3.connect(file) as mail:
        mail.execute("CREATE TABLE letters (text)")
    mail.close()
    before = file.read_bytes()
    with pytest.raises(EyasError, match=r"mail.db holds other tables \(letters\) and is no store of eyas"):
        open_url(f"sqlite:///{file}")
    assert file.read_bytes() == before


def test_a_store_of_a_newer_eyas_is_refused(url: str) -> None:
    store = open_url(url)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(EyasError, match=r"was written by a newer eyas \(version 9999\); update this one"):
        open_url(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://root@localhost/x", "EYAS_DB must be a sqlite or postgresql URL, not mysql"),
        ("somewhere", "EYAS_DB is no database URL: Could not parse"),
        ("sqlite:////nowhere/at/all.db", "the store /nowhere/at/all.db cannot be opened: unable to open"),
        ("postgresql://ana:secret@localhost:1/x", r"the store postgresql\+psycopg://ana:\*\*\*@localhost:1/x cannot"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(url: str, why: str) -> None:
    with pytest.raises(EyasError, match=why) as told:
        open_url(url)
    assert "secret" not in str(told.value)


def test_a_life_that_is_not_there_gets_no_store(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="there is no life .*nobody; make one with `eyas raise"):
        open_store(tmp_path / "nobody")


def test_a_session_that_raises_leaves_nothing_and_tells_the_caller_of_its_own_mistake(store: Store) -> None:
    with pytest.raises(IntegrityError), store.session() as session:
        session.add(Alias(name="champion", model="a"))
        session.flush()
        session.add(Guideline(version=1, text="a"))
        session.add(Guideline(version=1, text="b"))
    with store.session() as session:
        assert session.scalars(select(Alias)).all() == []


def test_a_full_disk_is_one_sentence_and_leaves_the_store_as_it_was(sqlite: Store) -> None:
    with pytest.raises(EyasError, match="the store .*db failed: database or disk is full"), sqlite.session() as session:
        record(session, turn("hi", "hello"))
        session.connection().exec_driver_sql("PRAGMA max_page_count = 1")
        record(session, turn("hi", "hello " * 100_000))
    with sqlite.session() as session:
        assert session.scalars(select(Conversation)).all() == []


def test_a_server_that_goes_away_is_one_sentence_and_found_again(postgresql: Store) -> None:
    stop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    stop += " AND datname = current_database()"
    with pytest.raises(EyasError, match="the store postgresql.* failed: "), postgresql.session() as session:
        record(session, turn("hi", "hello"))
        with postgresql.engine.connect() as other:
            other.exec_driver_sql(stop)
        record(session, turn("hi", "hello"))
    with postgresql.session() as session:
        assert session.scalars(select(Conversation)).all() == []


def test_writers_that_read_first_wait_for_each_other_and_lose_nothing(store: Store) -> None:
    def add() -> None:
        for _ in range(10):
            with store.session() as session:
                write_lock(session)
                newest = session.scalar(select(Guideline.version).order_by(Guideline.version.desc()).limit(1))
                session.add(Guideline(version=(newest or 0) + 1, text="a"))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.session() as session:
        assert list(session.scalars(select(Guideline.version).order_by(Guideline.version))) == list(range(1, 41))


def test_the_lock_may_be_taken_with_something_to_write_and_twice(store: Store) -> None:
    with store.session() as session:
        session.add(Guideline(version=1, text="a"))
        write_lock(session)
        session.flush()
        write_lock(session)
    with store.session() as session:
        assert session.scalars(select(Guideline.version)).all() == [1]


def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    with store.session() as writer:
        write_lock(writer)
        record(writer, turn("hi", "hello"))
        with store.session() as reader:
            assert reader.scalars(select(Conversation)).all() == []
    with store.session() as reader:
        assert len(reader.scalars(select(Conversation)).all()) == 1


WRITE = """
import sys
from pathlib import Path
from eyas.store.conversations import record
from eyas.store.database import open_store
from tests.store.turns import turn
store = open_store(Path(sys.argv[1]))
number = 0
while True:
    with store.session() as session:
        done = record(session, turn(f"question {number}", "yes"))
    print(done.message_id, flush=True)
    number += 1
"""


def test_what_was_committed_survives_a_killed_program(life: Path, root: Path) -> None:
    writing = subprocess.Popen([sys.executable, "-c", WRITE, life], stdout=subprocess.PIPE, text=True, cwd=root)
    assert writing.stdout is not None
    told = [writing.stdout.readline().strip() for _ in range(20)]
    os.kill(writing.pid, signal.SIGKILL)
    told += writing.stdout.read().split()
    writing.wait()
    store = open_store(life)
    with store.session() as session:
        kept = {one.id for talk in session.scalars(select(Conversation)) for one in messages_of(session, talk.id)}
    store.close()
    assert set(told) <= kept and len(told) >= 20


def test_ids_sort_by_time() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids) and len(set(ids)) == 1000 and {len(one) for one in ids} == {32}


def test_only_what_needs_the_database_loads_it(life: Path, sqlite: Store) -> None:
    names = "import sys; from eyas.store.names import resolve_model; resolve_model(sys.argv[1] + '/base')"
    heavy = "; print([one for one in ('sqlalchemy', 'alembic') if one in sys.modules])"
    assert run(f"import sys; import eyas.cli.main; {names}{heavy}", life).stdout.strip() == "[]"
    opened = "import sys, pathlib; from eyas.store.database import open_store; open_store(pathlib.Path(sys.argv[1]))"
    assert run(opened + heavy, life).stdout.strip() == "['sqlalchemy']"  # Alembic is for a new or old store
