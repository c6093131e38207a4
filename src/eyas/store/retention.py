"""What is not kept: personal data redacted, old talks found, and no trace left in the file."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.orm import Session

from eyas.store.conversations import conversation_of
from eyas.store.database import Store, write_lock
from eyas.store.tables import Base, Comparison, Conversation, Draft, Feedback, Flag, Group, Label, Message

DAY = 86400.0
BATCH = 100
"""Conversations redacted in one transaction: the server writes in between."""
# What people and models wrote beside the messages. Names of labellers and models stay.
_BESIDE: dict[type[Base], tuple[str, ...]] = {
    Feedback: ("comment", "better", "user"),
    Flag: ("detail",),
    Draft: ("text", "critique"),
    Label: ("answer", "note"),
}
_COMPARED = ("prompt", "answer_a", "answer_b", "judge")


def older_than(days: float) -> ColumnElement[bool]:
    """The condition on `Conversation` that nobody has spoken in it for `days`."""
    return Conversation.updated < time.time() - days * DAY


def redact(store: Store, clean: Callable[[str], str], conversation_ids: Sequence[str] | None = None) -> int:
    """Put every text of these conversations (of all when None) through `clean`; gives how many messages it changed.

    The tokens of a changed message and the hashes by which a talk is continued are dropped, for they would tell what
    the text was. What is said later belongs to a new conversation. Raises EyasError when there is none of these ids.
    """
    ids = conversation_ids
    if ids is None:
        with store.session() as session:
            ids = session.scalars(select(Conversation.id).order_by(Conversation.id)).all()
    changed = 0
    for start in range(0, len(ids), BATCH):
        with store.session() as session:
            write_lock(session)
            changed += sum(_redact_talk(session, one, clean) for one in ids[start : start + BATCH])
    with store.session() as session:
        write_lock(session)
        _redact_rows(session.scalars(select(Group)), ("title",), clean)
        if conversation_ids is None:
            _redact_rows(session.scalars(select(Comparison)), _COMPARED, clean)
    scrub(store)
    return changed


def _redact_talk(session: Session, conversation_id: str, clean: Callable[[str], str]) -> int:
    """Redact a conversation once, and what is said about it each time."""
    conversation = conversation_of(session, conversation_id)
    changed = 0
    if not conversation.redacted:
        conversation.redacted = True
        _redact_columns(conversation, ("title", "user"), clean)
        for message in session.scalars(select(Message).filter_by(conversation_id=conversation_id)).all():
            message.chain = ""
            if _redact_columns(message, ("text", "content", "tools"), clean):
                message.tokens = None
                changed += 1
    messages = select(Message.id).where(Message.conversation_id == conversation_id)
    for table, columns in _BESIDE.items():
        about = select(table).join(Message).where(Message.conversation_id == conversation_id)
        _redact_rows(session.scalars(about), columns, clean)
    compared = select(Comparison).where(Comparison.message_a.in_(messages) | Comparison.message_b.in_(messages))
    _redact_rows(session.scalars(compared), _COMPARED, clean)
    return changed


def _redact_rows(rows: Iterable[Base], columns: Sequence[str], clean: Callable[[str], str]) -> None:
    for row in list(rows):
        _redact_columns(row, columns, clean)


def _redact_columns(row: Base, columns: Sequence[str], clean: Callable[[str], str]) -> bool:
    """Whether any of the columns changed."""
    changed = False
    for column in columns:
        before = getattr(row, column)
        after = _redacted(before, clean)
        if after != before:
            setattr(row, column, after)
            changed = True
    return changed


def _redacted(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_redacted(one, clean) for one in value]
    if isinstance(value, dict):
        return {key: _redacted(one, clean) for key, one in value.items()}
    return value


def scrub(store: Store) -> None:
    """Take deleted text out of the search index and the log of SQLite, which keep it for a while."""
    if not store.is_sqlite:
        return
    with store.session() as session:
        session.execute(text("INSERT INTO message_search (message_search) VALUES ('optimize')"))
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
