"""What was said: turns recorded as trees of messages, and read back.

A client sends its whole history with each request. `chain`, a hash of everything said so far, recognises what the
store has already, so that a talk of many turns is one conversation, and an edited question or a second answer is a
sibling in its tree.
"""

import hashlib
import json
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import exists, insert, select, update
from sqlalchemy.orm import Session

from eyas.errors import EyasError
from eyas.store.database import write_lock
from eyas.store.search import found_by
from eyas.store.tables import Conversation, Feedback, Message, new_id

TITLE_LENGTH = 80
USER_LENGTH = 256
"""Of a longer name the beginning counts: an index of PostgreSQL takes no longer ones."""
# Most histories are short; of a longer one the end alone is looked up.
LOOKED_UP = 1000
TWINS = 50
_SECRET = secrets.token_bytes(32)
_ANSWER_COLUMNS = [
    column.name for column in Message.__table__.columns if column.nullable and column.name != "parent_id"
]


@dataclass(frozen=True)
class Turn:
    """One answer, whole."""

    messages: Sequence[Mapping[str, Any]]
    """The request's history in OpenAI's shape, as the client sent it."""
    answers: Sequence[Mapping[str, Any]]
    """What the server said, in order: the rounds of tools it ran itself, then the answer."""
    model: str
    model_sha256: str | None
    sampling: Mapping[str, Any]
    tools: Sequence[Any] | None
    tokens: Sequence[tuple[str, float]]
    """The pieces of the answer and their log-probabilities in nats."""
    prompt_tokens: int
    completion_tokens: int
    first_seconds: float
    seconds: float
    finish_reason: str
    user: str | None = None
    source: str = "api"
    parent_id: str | None = None
    """The message that the last question follows, where the client knows it."""
    conversation_id: str | None = None
    shadow: bool = False


@dataclass(frozen=True)
class Recorded:
    """Where a turn stands: its conversation and the last assistant message."""

    conversation_id: str
    message_id: str


def record(session: Session, turn: Turn, *, content: bool = True) -> Recorded:
    """Store one turn. It joins the conversation that its history continues, if the same user had it; else a new one.

    Without `content` no text, token or tool call is kept, and the hashes of what was said are keyed by a secret of
    this process. A redacted conversation is never continued. Raises EyasError when a turn has no answer.
    """
    if not turn.answers:
        raise EyasError("a turn without an answer cannot be recorded")
    write_lock(session)
    turn = replace(turn, user=turn.user and turn.user[:USER_LENGTH])
    key = b"" if content else _SECRET
    chains = _chains(turn.messages, key)
    title = next((title_of(one) for one in turn.messages if one.get("role") == "user" and content), "")
    known, parent = 0, None
    if (conversation_id := _continued(session, turn, chains)) is None:
        conversation_id = new_id()
        new = {"id": conversation_id, "user": turn.user, "source": turn.source, "title": title}
        session.execute(insert(Conversation), [new])
    else:
        talked = update(Conversation).where(Conversation.id == conversation_id)
        session.execute(talked.values(updated=time.time()))
        session.execute(talked.where(Conversation.title == "").values(title=title))
        known, parent = _known(session, turn, conversation_id, chains)
    rows = [_row(one, chain, content) for one, chain in zip(turn.messages[known:], chains[known:], strict=True)]
    # The client gets one answer, not the rounds before it, and sends that back: only its hash continues the chain.
    before = chains[-1] if chains else ""
    rows += [_row(one, _link(before, {"round": number}, key), content) for number, one in enumerate(turn.answers[:-1])]
    told = "".join(text_of(one) for one in turn.answers if one.get("role") == "assistant")
    rows.append(_row(turn.answers[-1], _link(before, {**turn.answers[-1], "content": told}, key), content))
    for row in rows[-len(turn.answers) :]:
        row["shadow"] = turn.shadow
    for row in rows:
        row |= {"conversation_id": conversation_id, "parent_id": parent}
        parent = row["id"]
    rows[-1] |= _figures(turn, content)
    session.execute(insert(Message), rows)
    return Recorded(conversation_id, rows[-1]["id"])


def history(session: Session, message_id: str) -> list[Message]:
    """The messages from the first to this one. Raises EyasError when there is no such message."""
    step = select(Message.id, Message.parent_id).where(Message.id == message_id).cte(recursive=True)
    step = step.union_all(select(Message.id, Message.parent_id).join(step, Message.id == step.c.parent_id))
    found = {one.id: one for one in session.scalars(select(Message).where(Message.id.in_(select(step.c.id))))}
    if message_id not in found:
        raise EyasError(f"there is no message {message_id} in this store")
    line = [found[message_id]]
    while (parent := line[-1].parent_id) is not None:
        line.append(found[parent])
    return line[::-1]


def conversation_of(session: Session, conversation_id: str) -> Conversation:
    """The conversation of this id. Raises EyasError when there is none."""
    if (found := session.get(Conversation, conversation_id)) is None:
        raise EyasError(f"there is no conversation {conversation_id} in this store; `eyas monitor LIFE` lists them")
    return found


def messages_of(session: Session, conversation_id: str) -> list[Message]:
    """All messages of a conversation, every branch of its tree, oldest first."""
    return list(session.scalars(select(Message).filter_by(conversation_id=conversation_id).order_by(Message.id)))


def conversations(
    session: Session,
    user: str | None = None,
    query: str | None = None,
    limit: int = 50,
    before: float | None = None,
) -> list[Conversation]:
    """Conversations, last spoken in first; of one user, or with a message that `query` finds, where these are given.

    For the next page give as `before` the `updated` of the last one.
    """
    wanted = select(Conversation).order_by(Conversation.updated.desc(), Conversation.id.desc()).limit(limit)
    if user is not None:
        wanted = wanted.where(Conversation.user == user[:USER_LENGTH])
    if before is not None:
        wanted = wanted.where(Conversation.updated < before)
    if query is not None:
        wanted = wanted.where(Conversation.id.in_(select(Message.conversation_id).where(found_by(session, query))))
    return list(session.scalars(wanted))


def feedback(
    session: Session,
    message_id: str,
    *,
    rating: int | None = None,
    comment: str | None = None,
    better: str | None = None,
    user: str | None = None,
) -> Feedback:
    """What a person thinks of an answer: `rating` 1, -1 or 0 (taken back), a comment, the answer it should have been.

    Each person has one word on an answer; what is given replaces what they said before. Raises EyasError when there
    is no such answer or rating.
    """
    if rating not in (None, -1, 0, 1):
        raise EyasError(f"a rating is 1, -1 or 0, not {rating}")
    write_lock(session)
    message = session.get(Message, message_id)
    if message is None or message.role != "assistant":
        raise EyasError(f"there is no answer {message_id} in this store")
    same = select(Feedback).where(Feedback.message_id == message_id, Feedback.user == user)
    found = session.scalars(same.limit(1)).first()
    if found is None:
        found = Feedback(message_id=message_id, user=user)
        session.add(found)
    if rating is not None:
        found.rating = rating or None
    if comment is not None:
        found.comment = comment
    if better is not None:
        found.better = better
    session.flush()
    return found


def chain_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """The hash of a history: of who said what and which tools they called, not of ids, thoughts or outer spaces."""
    return _chains(messages, b"")[-1] if messages else ""


def text_of(message: Mapping[str, Any]) -> str:
    """The words of a message, whose content is a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if isinstance(part, dict) and part.get("text"))
    return content or ""


def title_of(message: Mapping[str, Any]) -> str:
    """The first words of a message, on one line."""
    words = " ".join(text_of(message).split())
    return words if len(words) <= TITLE_LENGTH else words[: TITLE_LENGTH - 1] + "…"


def _chains(messages: Sequence[Mapping[str, Any]], key: bytes) -> list[str]:
    chains: list[str] = []
    for message in messages:
        chains.append(_link(chains[-1] if chains else "", message, key))
    return chains


def _link(before: str, message: Mapping[str, Any], key: bytes) -> str:
    """The chain `before`, one message longer. What clients drop or change when they send it back does not count."""
    content = message.get("content")
    parts = [part for part in content if part.get("type") != "text"] if isinstance(content, list) else []
    calls = [call.get("function", call) for call in message.get("tool_calls") or []]
    said = json.dumps([before, message.get("role"), text_of(message).strip(), parts, calls, message.get("round")])
    return hashlib.blake2b(said.encode(), key=key, digest_size=16).hexdigest()


def _continued(session: Session, turn: Turn, chains: Sequence[str]) -> str | None:
    """The id of this user's open conversation that the turn names or continues."""
    open_ones = select(Conversation.id).where(Conversation.user == turn.user, Conversation.redacted.is_(False))
    if turn.parent_id is not None:
        named = session.scalar(open_ones.join(Message).where(Message.id == turn.parent_id))
        if named is not None:
            return named
    if turn.conversation_id is not None:
        named = session.scalar(open_ones.where(Conversation.id == turn.conversation_id))
        if named is not None:
            return named
    said = [one for message, one in zip(turn.messages, chains, strict=True) if message.get("role") == "assistant"]
    if not said:
        return None
    twins = open_ones.join(Message).where(Message.chain == said[-1], Message.shadow.is_(False))
    newest = twins.add_columns(Message.id.label("answer")).order_by(Message.id.desc()).limit(TWINS).subquery()
    # Of equal histories (two strangers got the same greeting) the one that nobody has continued is meant.
    continued = exists().where(Message.parent_id == newest.c.answer)
    return session.scalar(select(newest.c.id).order_by(continued, newest.c.answer.desc()).limit(1))


def _known(session: Session, turn: Turn, conversation_id: str, chains: Sequence[str]) -> tuple[int, str | None]:
    """How many messages of the history stand in the conversation already, and the id of the last of these."""
    there = select(Message.id, Message.chain, Message.parent_id).where(
        Message.conversation_id == conversation_id,
        Message.chain.in_(chains[-LOOKED_UP:]),
        Message.shadow.is_(False),
    )
    place = {chain: number for number, chain in enumerate(chains, 1)}
    rows = session.execute(there.order_by(Message.id)).all()
    number, last = max(((place[row.chain], row.id) for row in rows), default=(0, None))
    if named := [place[row.chain] for row in rows if row.id == turn.parent_id]:
        # There may be equal messages on other branches; the one that the client means leads the way.
        number, last = named[0], turn.parent_id
        below = {(row.parent_id, row.chain): row.id for row in rows}
        while number < len(chains) and (child := below.get((last, chains[number]))) is not None:
            number, last = number + 1, child
    return number, last


def _row(message: Mapping[str, Any], chain: str, content: bool) -> dict[str, Any]:
    """A message as a row of its table; the columns of answers are filled in later, for one of them."""
    kept = dict(message) if content else {"role": message.get("role"), "content": ""}
    return dict.fromkeys(_ANSWER_COLUMNS) | {
        "id": new_id(),
        "role": message.get("role"),
        "text": text_of(kept),
        "content": kept,
        "chain": chain,
        "shadow": False,
    }


def _figures(turn: Turn, content: bool) -> dict[str, Any]:
    logprobs = [logprob for _, logprob in turn.tokens if math.isfinite(logprob)]
    return {
        "model": turn.model,
        "model_sha256": turn.model_sha256,
        "sampling": dict(turn.sampling),
        "tools": list(turn.tools) if turn.tools and content else None,
        # Five decimals tell all that the number knows, in half the space.
        "tokens": [[piece, round(logprob, 5)] for piece, logprob in turn.tokens] if content else None,
        "mean_logprob": sum(logprobs) / len(logprobs) if logprobs else None,
        "prompt_tokens": turn.prompt_tokens,
        "completion_tokens": turn.completion_tokens,
        "first_seconds": turn.first_seconds,
        "seconds": turn.seconds,
        "finish_reason": turn.finish_reason,
    }
