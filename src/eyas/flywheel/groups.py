"""Flagged answers to one question, however it was put, are one issue with a count.

Two questions are one when they share most of their content words by weight, or when they share the subject and were
answered in one form (*Ada Potter works as a baker*, *Ada Potter works as a miller*). A flagged answer joins the group
of the most similar earlier one and stays in it.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from eyas.errors import EyasError
from eyas.flywheel.facts import same_form
from eyas.flywheel.flags import KINDS, WEIGHTS
from eyas.flywheel.similarity import Index, content_words
from eyas.flywheel.traffic import DAY
from eyas.store.conversations import title_of
from eyas.store.database import write_lock
from eyas.store.tables import Flag, Group, Label, Message
from eyas.text.wording import declines, refuses

OPEN, CLOSED = "open", "closed"
SAME = 0.7
"""Similarity of two questions, or of the subjects of two answers of one form, from which they are one issue."""
EVIDENCE = frozenset({"thumbs_down", "contradiction"})
"""Flags that say that an answer is wrong, not only odd: a new one opens a closed group again."""
TREND_DAYS = 14


@dataclass(frozen=True)
class Issue:
    """A group as the monitor shows it. `count` answers in `conversations` talks; `kinds`: answers by kind of flag;
    `trend`: new ones on each of the last `TREND_DAYS` days (UTC), today last; `worth`: sum of the surest flags."""

    id: str
    title: str
    status: str
    count: int
    conversations: int
    labelled: int
    first: float
    newest: float
    worth: float
    kinds: dict[str, int]
    trend: list[int]
    models: list[str]
    message_ids: list[str] = field(repr=False)
    """Newest first."""


@dataclass(frozen=True)
class _Asked:
    """A flagged answer and what it answers."""

    message_id: str
    answer: str
    question: str


def assign(session: Session, most: int = 2000) -> int:
    """Give flagged answers that have none a group, the oldest first; gives how many. Cheap when there are none.

    At most `most` at once: nobody else can write to the store meanwhile, and each takes some 2 ms.
    """
    waiting = select(Flag.id).join(Message, Message.id == Flag.message_id)
    waiting = waiting.where(Flag.group_id.is_(None), Message.shadow.is_(False))
    if session.scalar(waiting.limit(1)) is None:
        return 0
    write_lock(session)
    grouped = session.execute(select(Flag.message_id, Flag.group_id).where(Flag.group_id.is_not(None)))
    group_of: dict[str, str] = {message_id: group_id for message_id, group_id in grouped if group_id}
    asked = _asked(session)
    new: dict[str, list[Flag]] = defaultdict(list)
    for flag in session.scalars(select(Flag).where(Flag.group_id.is_(None))):
        new[flag.message_id].append(flag)
    sorter = _Sorter(asked, group_of)
    changed = [one for one in asked if one.message_id in new][:most]
    for one in changed:
        group = session.get(Group, group_of.get(one.message_id) or sorter.group_of(one) or "")
        title = title_of({"content": one.question})
        if group is None:
            group = Group(title=title)
            session.add(group)
            session.flush()
        group_of[one.message_id] = group.id
        # The shortest way of asking has the least beside the matter.
        group.title = min(group.title, title, key=len) if title else group.title
        for flag in new[one.message_id]:
            flag.group_id = group.id
        if any(flag.kind in EVIDENCE for flag in new[one.message_id]):
            group.status = OPEN
    session.flush()
    return len(changed)


class _Sorter:
    """Finds the group of a question among those that have one."""

    def __init__(self, asked: Sequence[_Asked], groups: Mapping[str, str]) -> None:
        self._all = {one.message_id: one for one in asked}
        self._groups = groups
        # All are indexed from the start: how rare a word is shall not depend on who came first.
        self._index = Index[str]()
        for one in asked:
            self._index.add(one.message_id, one.question)

    def group_of(self, one: _Asked) -> str | None:
        for other, similarity in self._index.near(one.question, most=20):
            if other in self._groups and (similarity >= SAME or self._same_form(one, self._all[other])):
                return self._groups[other]
        return None

    def _same_form(self, a: _Asked, b: _Asked) -> bool:
        if any(declines(one.answer) or refuses(one.answer) for one in (a, b)):
            return False  # "I don't know Ada Potter" tells nothing of what was asked
        of_a, of_b = content_words(a.answer), content_words(b.answer)
        about_a, about_b = of_a & self._index.words[a.message_id], of_b & self._index.words[b.message_id]
        return bool(about_a & about_b) and about_a <= of_b and about_b <= of_a and same_form(a.answer, b.answer)


def issues(
    session: Session,
    *,
    status: str | None = OPEN,
    kind: str | None = None,
    model: str | None = None,
    since: float | None = None,
    ids: Sequence[str] | None = None,
    now: float | None = None,
) -> list[Issue]:
    """The groups with flagged answers, what matters most first; call `assign` before.

    Only answers with a flag of `kind`, by `model`, given after `since` count where these are given.
    """
    now = time.time() if now is None else now
    wanted = select(Flag, Message.conversation_id, Message.created, Message.model)
    wanted = wanted.join(Message, Message.id == Flag.message_id)
    wanted = wanted.where(Flag.group_id.is_not(None), Message.shadow.is_(False))
    if kind is not None:
        of_kind = aliased(Flag)
        wanted = wanted.where(exists().where(of_kind.message_id == Message.id, of_kind.kind == kind))
    if model is not None:
        wanted = wanted.where(Message.model == model)
    if since is not None:
        wanted = wanted.where(Message.created >= since)
    if ids is not None:
        wanted = wanted.where(Flag.group_id.in_(ids))
    rows: dict[str, list[_Flagged]] = defaultdict(list)
    for flag, conversation_id, created, by in session.execute(wanted):
        rows[flag.group_id or ""].append(_Flagged(flag.message_id, flag.kind, flag.score, conversation_id, created, by))
    labelled = set(session.scalars(select(Label.message_id)))
    groups = select(Group).where(Group.id.in_(list(rows)))
    if status is not None:
        groups = groups.where(Group.status == status)
    found = [_issue(group, rows[group.id], labelled, now) for group in session.scalars(groups)]
    return sorted(found, key=lambda one: (-one.worth, -one.newest))


class _Flagged(NamedTuple):
    """A flag and its answer."""

    message_id: str
    kind: str
    score: float
    conversation_id: str
    created: float
    model: str | None


def _issue(group: Group, flags: Sequence[_Flagged], labelled: set[str], now: float) -> Issue:
    created = {one.message_id: one.created for one in flags}
    surest: dict[str, float] = defaultdict(float)
    for one in flags:
        surest[one.message_id] = max(surest[one.message_id], WEIGHTS.get(one.kind, 1.0) * one.score)
    kinds = Counter(one.kind for one in flags)
    trend = [0] * TREND_DAYS
    for at in created.values():
        ago = int(now // DAY - at // DAY)
        if 0 <= ago < TREND_DAYS:
            trend[TREND_DAYS - 1 - ago] += 1
    return Issue(
        id=group.id,
        title=group.title,
        status=group.status,
        count=len(created),
        conversations=len({one.conversation_id for one in flags}),
        labelled=len(labelled & created.keys()),
        first=min(created.values()),
        newest=max(created.values()),
        worth=sum(surest.values()),
        kinds={kind: kinds[kind] for kind in KINDS if kinds[kind]},
        trend=trend,
        models=sorted({one.model for one in flags if one.model}),
        message_ids=sorted(created, key=lambda one: created[one], reverse=True),
    )


def members(session: Session, group_id: str) -> list[str]:
    """Ids of the group's answers, newest first."""
    wanted = select(Message.id).where(Message.id.in_(select(Flag.message_id).where(Flag.group_id == group_id)))
    return list(session.scalars(wanted.order_by(Message.created.desc(), Message.id.desc())))


def set_status(session: Session, group_id: str, status: str) -> Group:
    """Close a group (dealt with, or nothing wrong) or open it again. Raises EyasError for what is neither."""
    if status not in (OPEN, CLOSED):
        raise EyasError(f"a group is {OPEN} or {CLOSED}, not {status[:40]!r}")
    group = session.get(Group, group_id)
    if group is None:
        raise EyasError(f"there is no group {group_id[:40]} in this store")
    group.status = status
    return group


def _asked(session: Session) -> list[_Asked]:
    """Every flagged answer that somebody saw, oldest first; what answers no question stands for one itself."""
    start = select(Message.id.label("answer"), Message.id, Message.parent_id, Message.role)
    flagged = exists().where(Flag.message_id == Message.id)
    step = start.where(flagged, Message.shadow.is_(False)).cte(recursive=True)
    above = select(step.c.answer, Message.id, Message.parent_id, Message.role)
    step = step.union_all(above.join(step, Message.id == step.c.parent_id).where(step.c.role != "user"))
    top, answer = aliased(Message), aliased(Message)
    wanted = select(answer.id, answer.text, top.role, top.text).select_from(step)
    wanted = wanted.where((step.c.role == "user") | step.c.parent_id.is_(None))
    wanted = wanted.join(top, top.id == step.c.id).join(answer, answer.id == step.c.answer).order_by(answer.id)
    return [
        _Asked(message_id, said, text if role == "user" else said)
        for message_id, said, role, text in session.execute(wanted)
    ]
