"""What the monitor shows: answers that a filter finds, and one conversation in full."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from eyas.errors import EyasError
from eyas.flywheel.flags import KINDS
from eyas.store.conversations import messages_of
from eyas.store.search import found_by
from eyas.store.tables import Conversation, Feedback, Flag, Label, Message

__all__ = ["Asked", "Filter", "Spoken", "Talk", "answers", "talk"]


ANY = "any"


@dataclass(frozen=True)
class Filter:
    """Which answers to show; what is None does not matter. `kind` of a flag, or "any"; `since` a time since 1970;
    `before` a message id, where the last page ended."""

    kind: str | None = None
    model: str | None = None
    user: str | None = None
    search: str | None = None
    group: str | None = None
    since: float | None = None
    before: str | None = None


@dataclass(frozen=True)
class Asked:
    """An answer in a list: what was asked, what was said, and what looks wrong about it."""

    message_id: str
    conversation_id: str
    created: float
    user: str | None
    model: str | None
    question: str
    answer: str
    flags: list[str]
    ratings: list[int]
    labels: int


@dataclass(frozen=True)
class Spoken:
    """A message of a talk. `level` counts the branchings above it; `branch` is (which, of how many) answers or
    questions in its place."""

    message: Message
    level: int
    branch: tuple[int, int]
    flags: list[Flag]
    feedback: list[Feedback]
    labels: list[Label]


@dataclass(frozen=True)
class Talk:
    """A conversation in full: every branch, each message before what follows it."""

    conversation: Conversation
    messages: list[Spoken]


def answers(session: Session, wanted: Filter, limit: int = 50) -> list[Asked]:
    """The answers that `wanted` describes, newest first. `search` may stand in the question or in the answer.

    Shadow answers are left out. Raises EyasError for a kind of flag that there is none of.
    """
    query = select(Message, Conversation.user).join(Conversation).where(*_conditions(session, wanted))
    rows = [(answer, user) for answer, user in session.execute(query.order_by(Message.id.desc()).limit(limit))]
    ids = [answer.id for answer, _ in rows]
    flags: dict[str, list[str]] = defaultdict(list)
    for message_id, kind in session.execute(select(Flag.message_id, Flag.kind).where(Flag.message_id.in_(ids))):
        flags[message_id].append(kind)
    ratings: dict[str, list[int]] = defaultdict(list)
    given = select(Feedback.message_id, Feedback.rating).where(Feedback.message_id.in_(ids))
    for message_id, rating in session.execute(given):
        if rating:
            ratings[message_id].append(rating)
    labels = list(session.scalars(select(Label.message_id).where(Label.message_id.in_(ids))))
    questions = _questions(session, [answer for answer, _ in rows])
    return [
        Asked(
            message_id=answer.id,
            conversation_id=answer.conversation_id,
            created=answer.created,
            user=user,
            model=answer.model,
            question=questions.get(answer.id, ""),
            answer=answer.text,
            flags=sorted(flags[answer.id], key=KINDS.index),
            ratings=ratings[answer.id],
            labels=labels.count(answer.id),
        )
        for answer, user in rows
    ]


def _conditions(session: Session, wanted: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [Message.model.is_not(None), Message.shadow.is_(False)]
    if wanted.kind == ANY:
        found.append(exists().where(Flag.message_id == Message.id))
    elif wanted.kind in KINDS:
        found.append(exists().where(Flag.message_id == Message.id, Flag.kind == wanted.kind))
    elif wanted.kind is not None:
        raise EyasError(f"there is no flag {wanted.kind[:40]!r}; flags are {', '.join(KINDS)}, or {ANY}")
    if wanted.group is not None:
        found.append(exists().where(Flag.message_id == Message.id, Flag.group_id == wanted.group))
    if wanted.search is not None:
        # What was searched for may stand in the question above the answer.
        hits = select(Message.id).where(found_by(session, wanted.search))
        found.append(Message.id.in_(hits) | Message.parent_id.in_(hits))
    if wanted.model is not None:
        found.append(Message.model == wanted.model)
    if wanted.user is not None:
        found.append(Conversation.user == wanted.user)
    if wanted.since is not None:
        found.append(Message.created >= wanted.since)
    if wanted.before is not None:
        found.append(Message.id < wanted.before)
    return found


def _questions(session: Session, some: Sequence[Message]) -> dict[str, str]:
    """What the user had asked, by the answer's id."""
    found: dict[str, str] = {}
    above = {one.id: one.parent_id for one in some if one.parent_id}
    while above:
        parents = {one.id: one for one in session.scalars(select(Message).where(Message.id.in_(above.values())))}
        found |= {of: parents[parent].text for of, parent in above.items() if parents[parent].role == "user"}
        above = {of: up for of, parent in above.items() if of not in found and (up := parents[parent].parent_id)}
    return found


def talk(session: Session, conversation_id: str) -> Talk:
    """A conversation in full. Raises EyasError when there is none of this id."""
    conversation = session.get(Conversation, conversation_id)
    if conversation is None:
        raise EyasError(f"there is no conversation {conversation_id[:40]} in this store")
    messages = messages_of(session, conversation_id)
    ids = [one.id for one in messages]
    flags, feedback, labels = defaultdict(list), defaultdict(list), defaultdict(list)
    for flag in session.scalars(select(Flag).where(Flag.message_id.in_(ids))):
        flags[flag.message_id].append(flag)
    for given in session.scalars(select(Feedback).where(Feedback.message_id.in_(ids))):
        feedback[given.message_id].append(given)
    for label in session.scalars(select(Label).where(Label.message_id.in_(ids))):
        labels[label.message_id].append(label)
    children: dict[str | None, list[Message]] = defaultdict(list)
    for one in messages:
        children[one.parent_id].append(one)
    told: list[Spoken] = []
    waiting = [(one, 0, (place, len(children[None]))) for place, one in enumerate(children[None], 1)][::-1]
    while waiting:
        one, level, branch = waiting.pop()
        told.append(Spoken(one, level, branch, flags[one.id], feedback[one.id], labels[one.id]))
        below = children[one.id]
        deeper = level + (len(below) > 1)
        waiting += [(child, deeper, (place, len(below))) for place, child in enumerate(below, 1)][::-1]
    return Talk(conversation, told)
