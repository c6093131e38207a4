"""People's words on answers: what to look at next, and labels accepted, discarded or taken back."""

import math
import re
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eyas.errors import EyasError
from eyas.flywheel.flags import WEIGHTS
from eyas.store.conversations import history
from eyas.store.database import write_lock
from eyas.store.tables import Draft, Feedback, Flag, Group, Label, Message

ACCEPTED, DISCARDED = "accepted", "discarded"
MAX_ANSWER = 20_000
_THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
DOUBLED = 5
"""One item in so many is shown to a second person in any case: agreement is measured on these."""


@dataclass(frozen=True)
class Place:
    """An answer that waits in the queue. `worth`: how much its label is likely to teach; `second`: one other person
    has labelled it already (what they said is not shown)."""

    message_id: str
    group_id: str | None
    worth: float
    second: bool


@dataclass(frozen=True)
class Item:
    """All that a labeller looks at: the talk up to the flagged answer, which is its last message."""

    history: list[Message]
    flags: list[Flag]
    feedback: list[Feedback]
    group: Group | None
    group_size: int
    """Flagged answers of the group, this one included."""
    drafts: list[Draft]
    own: Label | None
    """What this person has said before."""

    @property
    def message(self) -> Message:
        return self.history[-1]

    @property
    def question(self) -> str:
        """What the user asked last."""
        return next((one.text for one in reversed(self.history) if one.role == "user"), "")


def queue(session: Session, person: str, group_id: str | None = None) -> list[Place]:
    """Flagged answers for `person` to label, the most useful first; those of one group where `group_id` is given.

    Useful is what is surely wrong, what many ask and what nobody has corrected yet: worth = weight of the surest flag
    * sqrt(size of the group) / (1 + corrections in the group). Answers that one other person has labelled come at the
    end, but for one in `DOUBLED`, which keeps its place until two have labelled it.
    """
    surest: dict[str, float] = defaultdict(float)
    of_group: dict[str, str] = {}
    closed = set(session.scalars(select(Group.id).where(Group.status == "closed")))
    for message_id, kind, score, group in session.execute(
        select(Flag.message_id, Flag.kind, Flag.score, Flag.group_id)
    ):
        surest[message_id] = max(surest[message_id], WEIGHTS.get(kind, 1.0) * score)
        if group is not None:
            of_group[message_id] = group
    people: dict[str, set[str]] = defaultdict(set)
    corrected: dict[str | None, set[str]] = defaultdict(set)
    for message_id, who, verdict in session.execute(select(Label.message_id, Label.person, Label.verdict)):
        people[message_id].add(who)
        if verdict == ACCEPTED:
            corrected[of_group.get(message_id)].add(message_id)
    sizes = Counter(of_group.values())
    places = []
    for message_id, weight in surest.items():
        group, others = of_group.get(message_id), people[message_id]
        if person in others or len(others) > 1 or group in closed or (group_id is not None and group != group_id):
            continue
        size, done = (sizes[group], len(corrected[group] - {message_id})) if group is not None else (1, 0)
        worth = weight * math.sqrt(size) / (1 + done)
        places.append(Place(message_id, group, worth, bool(others)))
    return sorted(places, key=lambda one: (one.second and not is_doubled(one.message_id), -one.worth, one.message_id))


def is_doubled(message_id: str) -> bool:
    """Whether a message is one of those that two people label in any case."""
    return int(message_id[-4:], 16) % DOUBLED == 0


def item(session: Session, message_id: str, person: str) -> Item:
    """The item as `person` sees it. Raises EyasError when there is no such answer."""
    talk = history(session, message_id)
    if talk[-1].role != "assistant":
        raise EyasError(f"message {message_id} is no answer, so there is nothing to label")

    flags = list(session.scalars(select(Flag).where(Flag.message_id == message_id).order_by(Flag.id)))
    group = session.get(Group, next((one.group_id for one in flags if one.group_id), None) or "")
    members = select(func.count(Flag.message_id.distinct())).where(Flag.group_id == group.id) if group else None
    return Item(
        history=talk,
        flags=flags,
        feedback=list(session.scalars(select(Feedback).where(Feedback.message_id == message_id))),
        group=group,
        group_size=session.scalar(members) or 0 if members is not None else 0,
        drafts=list(session.scalars(select(Draft).where(Draft.message_id == message_id).order_by(Draft.id))),
        own=label_of(session, message_id, person),
    )


def spoken(answer: str) -> str:
    """An answer as the user sees it: a labeller may write the thought in front, `<think>...</think>`."""
    return _THOUGHT.sub("", answer, count=1).strip()


def label_of(session: Session, message_id: str, person: str) -> Label | None:
    """What `person` has said of an answer."""
    return session.scalar(select(Label).where(Label.message_id == message_id, Label.person == person))


def label(
    session: Session,
    message_id: str,
    person: str,
    verdict: str,
    answer: str = "",
    *,
    note: str = "",
    draft_id: str | None = None,
    guideline_version: int | None = None,
) -> Label:
    """Set down what `person` says of an answer; it takes the place of what they said before.

    `accepted` needs the answer that is right, which may be what was said; `discarded` means that nothing is to be
    learnt here. Raises EyasError for another verdict, an answer that is empty or too long, or an unknown message.
    """
    answer = answer.replace("\r\n", "\n").strip()
    if verdict not in (ACCEPTED, DISCARDED):
        raise EyasError(f"a label is {ACCEPTED} or {DISCARDED}, not {verdict[:40]!r}")
    if verdict == ACCEPTED and not answer:
        raise EyasError("an accepted label needs the right answer; write one, or discard the item")
    if len(answer) > MAX_ANSWER:
        raise EyasError(f"the answer has {len(answer):,} characters; {MAX_ANSWER:,} are the most")
    write_lock(session)
    message = session.get(Message, message_id)
    if message is None or message.role != "assistant":
        raise EyasError(f"there is no answer {message_id[:40]} in this store")
    draft = session.get(Draft, draft_id) if draft_id else None
    made = label_of(session, message_id, person) or Label(message_id=message_id, person=person)
    made.created = time.time()
    made.verdict, made.answer = verdict, answer if verdict == ACCEPTED else ""
    made.note, made.guideline_version = note.strip(), guideline_version
    made.draft_id = draft.id if draft is not None and draft.message_id == message_id else None
    made.group_id = session.scalar(
        select(Flag.group_id).where(Flag.message_id == message_id, Flag.group_id.is_not(None)).limit(1)
    )
    session.add(made)
    session.flush()
    return made


def take_back(session: Session, message_id: str, person: str) -> None:
    """Remove what `person` said of an answer; it goes back into their queue. Raises EyasError if there is nothing."""
    made = label_of(session, message_id, person)
    if made is None:
        raise EyasError(f"{person} has no label on {message_id[:40]}")
    session.delete(made)
