"""Search finds words, on SQLite and PostgreSQL alike, and no query breaks it."""

from typing import Any

import pytest
from sqlalchemy import Connection, delete, event, func, select, text, update

from eyas.store.conversations import messages_of, record
from eyas.store.database import Store
from eyas.store.search import found_by, search
from eyas.store.tables import Conversation, Message
from tests.store.turns import turn

TEXTS = [
    "When does the bakery in Mill Lane open?",
    "It opens at seven, e-mail ana@example.org or see https://example.org/hours.",
    "Das Café in der Straße öffnet früh",
    "面包店几点开门",
    "हिन्दी में बेकरी कब खुलती है",
    "snake_case and don't, 100% NEAR(x) AND NOT OR",
]


@pytest.fixture
def told(store: Store) -> Store:
    with store.session() as session:
        for one in TEXTS:
            record(session, turn("?", one))
    return store


def found(store: Store, query: str) -> list[str]:
    with store.session() as session:
        return [session.get_one(Message, one).text for one in search(session, query)]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("bakery", [0]),
        ("BAKERY lane", [0]),
        ("lane bak", [0]),  # the last word may be cut short
        ("bak lane", []),
        ("open", [1, 0]),
        ("ana@example.org", [1]),
        ("example hours", [1]),
        ("café ÖFFNET", [2]),
        ("cafe", []),
        ("straße", [2]),
        ("几点", [3]),
        ("开门 面包", [3]),
        ("几点 bakery", []),
        ("बेकरी", [4]),
        ("snake case", [5]),
        ("don't", [5]),
        ('bakery OR "', []),
        ('"mill lane" open', [0]),
        ("NEAR(x) NOT", [5]),
        ("text:bakery", []),
        ("-bakery *", [0]),
        ("bakery' & !lane | (", [0]),
        ("100%", [5]),
        ("%", []),
        ("", []),
        ("\0 \ud800 bakery", [0]),
        ("x" * 5000, []),
        ("bakery " * 5000, [0]),
        ("面包 " * 5000, [3]),
    ],
)
def test_a_query_finds_the_messages_that_hold_all_its_words(told: Store, query: str, numbers: list[int]) -> None:
    assert found(told, query) == [TEXTS[number] for number in numbers]


def test_the_newest_come_first_and_no_more_than_asked(told: Store) -> None:
    with told.session() as session:
        assert len(search(session, "ope", limit=1)) == 1
        assert search(session, "ope", limit=1) == search(session, "ope")[:1]


def test_the_index_follows_what_is_changed_and_deleted(told: Store) -> None:
    with told.session() as session:
        session.execute(update(Message).where(found_by(session, "bakery")).values(text="When does the smithy open?"))
    assert found(told, "bakery") == [] and found(told, "smithy") == ["When does the smithy open?"]
    with told.session() as session:
        talk = session.scalars(select(Message.conversation_id).where(found_by(session, "smithy"))).one()
        assert len(messages_of(session, talk)) == 2
        session.execute(delete(Conversation).where(Conversation.id == talk))
    assert found(told, "smithy") == [] and found(told, "seven") == [TEXTS[1]]


def test_the_index_of_sqlite_holds_what_the_messages_hold(sqlite: Store) -> None:
    with sqlite.session() as session:
        for one in TEXTS:
            record(session, turn("?", one))
        session.execute(delete(Message).where(found_by(session, "bakery")))
        rows = session.execute(text("SELECT message_id, text FROM message_search ORDER BY message_id")).all()
        assert rows == session.execute(select(Message.id, Message.text).order_by(Message.id)).all()
    with sqlite.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM")  # renumbers rows
    with sqlite.session() as session:
        session.execute(delete(Message).where(found_by(session, "café")))
        assert session.scalar(select(func.count()).select_from(text("message_search"))) == 10
    assert found(sqlite, "seven") == [TEXTS[1]] and found(sqlite, "café") == []


def test_postgresql_answers_from_its_index(team: Store) -> None:
    plans: list[str] = []

    def explain(connection: Connection, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "to_tsquery" in statement:
            plans.extend(row[0] for row in cursor.connection.execute(f"EXPLAIN {statement}", parameters))

    event.listen(team.engine, "after_cursor_execute", explain)
    try:
        with team.session() as session:
            session.execute(text("SET LOCAL enable_seqscan = off"))
            search(session, "bakery")
    finally:
        event.remove(team.engine, "after_cursor_execute", explain)
    assert any("Bitmap Index Scan on message_search" in line for line in plans)


def test_a_huge_message_is_stored_and_found_by_its_beginning(store: Store) -> None:
    words = "bakery " + " ".join(f"w{number}" for number in range(60_000))
    with store.session() as session:
        record(session, turn("?", words))
    assert found(store, "bakery w100") == [words]
