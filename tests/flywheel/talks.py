"""Recorded answers for tests of the monitor: one line a talk."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from eyas.flywheel.facts import Facts
from eyas.flywheel.flags import flag_feedback, flag_turn
from eyas.store.conversations import Turn, feedback, record
from eyas.store.database import Store, open_store
from eyas.store.tables import Conversation, Flag, Message

SURE = -0.01


def new_store(folder: Path) -> Store:
    """The store of a new, empty life."""
    folder.mkdir(parents=True)
    return open_store(folder)


def turn(question: str, *answers: str | dict[str, Any], **given: Any) -> Turn:
    """A turn that ends with the last of `answers`; `given` replaces what is said of it otherwise."""
    messages = [one if isinstance(one, dict) else {"role": "assistant", "content": one} for one in answers]
    pieces = str(messages[-1].get("content")).split()
    usual: dict[str, Any] = {
        "model": "assistant", "model_sha256": None, "sampling": {"temperature": 0.0}, "tools": None,
        "tokens": [(f" {piece}", SURE) for piece in pieces], "prompt_tokens": 10, "completion_tokens": len(pieces),
        "first_seconds": 0.05, "seconds": 0.25, "finish_reason": "stop", "user": "ada",
    }  # fmt: skip
    return Turn([{"role": "user", "content": question}], messages, **usual | given)


def say(
    store: Store,
    question: str,
    *answers: str | dict[str, Any],
    thumb: int | None = None,
    days_ago: float = 0.0,
    facts: Facts | None = None,
    **given: Any,
) -> str:
    """Record a talk of one turn, flag it, and give the id of its answer."""
    with store.session() as session:
        place = record(session, turn(question, *answers, **given))
        flag_turn(session, place.message_id, facts)
        if thumb is not None:
            flag_feedback(session, feedback(session, place.message_id, rating=thumb, user="ada").id)
        if days_ago:
            at = time.time() - 86400 * days_ago
            talk = Message.conversation_id == place.conversation_id
            session.execute(update(Message).where(talk).values(created=at))
            session.execute(
                update(Conversation).where(Conversation.id == place.conversation_id).values(created=at, updated=at)
            )
    return place.message_id


def flags_of(store: Store, message_id: str) -> dict[str, str]:
    """The details of an answer's flags, by kind."""
    with store.session() as session:
        found: Sequence[Flag] = session.scalars(select(Flag).where(Flag.message_id == message_id)).all()
        return {flag.kind: flag.detail for flag in found}
