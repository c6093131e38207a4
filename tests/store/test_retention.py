"""Redaction takes personal data out of everything that is kept, and out of the files."""

from pathlib import Path

import pytest
from sqlalchemy import select

from eyas.data.personal_data import remove_personal_data
from eyas.errors import EyasError
from eyas.store.conversations import feedback, history, record
from eyas.store.database import Store
from eyas.store.retention import older_than, redact
from eyas.store.search import search
from eyas.store.tables import Base, Comparison, Conversation, Draft, Flag, Group, Label
from tests.store.turns import turn

MAIL = "ana@example.org"


def clean(text: str) -> str:
    return remove_personal_data(text)[0]


def talk_about_mail(store: Store) -> tuple[str, str]:
    """A conversation with the address in every place that holds text: its id, and that of its answer."""
    with store.session() as session:
        done = record(session, turn(f"write to {MAIL}", f"to {MAIL}?", user=MAIL, tools=[{"name": MAIL}]))
        feedback(session, done.message_id, comment=MAIL, better=MAIL, user=MAIL)
        session.add(Group(id="g", title=MAIL))
        session.flush()
        session.add(Flag(message_id=done.message_id, kind="refusal", detail=MAIL, group_id="g"))
        session.add(Draft(message_id=done.message_id, author="assistant", text=MAIL, critique=[{"why": MAIL}]))
        session.add(Label(message_id=done.message_id, person="ben", verdict="accepted", answer=MAIL, note=MAIL))
        prompt = [{"role": "user", "content": MAIL}]
        named = {"prompt": prompt, "answer_a": MAIL, "answer_b": MAIL, "model_a": "a", "model_b": "b", "winner": "tie"}
        session.add(Comparison(**named, judge=MAIL, message_a=done.message_id))
    return done.conversation_id, done.message_id


def everything(store: Store) -> str:
    with store.session() as session:
        return "\n".join(str(row) for table in Base.metadata.sorted_tables for row in session.execute(select(table)))


def test_nothing_that_is_redacted_is_left_anywhere(store: Store) -> None:
    _, message_id = talk_about_mail(store)
    assert everything(store).count(MAIL) == 20
    assert redact(store, clean) == 2
    assert MAIL not in everything(store)
    with store.session() as session:
        asked, answer = history(session, message_id)
        assert asked.text == asked.content["content"] == "write to [email]"
        assert (answer.tokens, answer.chain, answer.mean_logprob) == (None, "", -1.0)
        assert search(session, "example") == [] and len(search(session, "write email")) == 1


def test_what_holds_no_personal_data_keeps_its_tokens(store: Store) -> None:
    with store.session() as session:
        done = record(session, turn("hi", "hello"))
    assert redact(store, clean) == 0
    with store.session() as session:
        assert history(session, done.message_id)[1].tokens == [["a", -0.5], ["b", -1.5]]
        assert session.get_one(Conversation, done.conversation_id).redacted


def test_only_the_named_conversations_are_redacted(store: Store) -> None:
    first, _ = talk_about_mail(store)
    with store.session() as session:
        other = record(session, turn("hi", f"I am {MAIL}"))
    assert redact(store, clean, []) == 0
    assert redact(store, clean, [first]) == 2
    assert everything(store).count(MAIL) == 2
    with store.session() as session:
        assert history(session, other.message_id)[1].text == f"I am {MAIL}"


def test_what_is_said_about_a_redacted_answer_later_is_redacted_the_next_time(store: Store) -> None:
    _, message_id = talk_about_mail(store)
    redact(store, clean)
    with store.session() as session:
        feedback(session, message_id, comment=f"I said {MAIL}", user="ben")
    redact(store, clean)
    assert MAIL not in everything(store)


def test_an_unknown_conversation_is_refused(sqlite: Store) -> None:
    with pytest.raises(EyasError, match="there is no conversation nowhere in this store"):
        redact(sqlite, clean, ["nowhere"])


def test_the_files_of_sqlite_hold_no_trace_of_what_was_redacted(sqlite: Store, life: Path) -> None:
    talk_about_mail(sqlite)
    assert b"ana@example" in b"".join(file.read_bytes() for file in life.glob("eyas.db*"))
    redact(sqlite, clean)
    kept = b"".join(file.read_bytes() for file in life.glob("eyas.db*"))
    assert b"ana@example" not in kept and b"example" not in kept  # the index holds single words


def test_old_is_what_nobody_has_spoken_in(store: Store) -> None:
    with store.session() as session:
        old = record(session, turn("hi", "hello"))
        session.get_one(Conversation, old.conversation_id).updated -= 3 * 86400
        record(session, turn("hi", "hello"))
        assert session.scalars(select(Conversation.id).where(older_than(2))).all() == [old.conversation_id]
        assert session.scalars(select(Conversation.id).where(older_than(4))).all() == []
