"""What people said of a life's answers, as rows to learn from: votes and corrections are pairs, thumbs are labels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from eyas.data.documents import Tally
from eyas.data.importers import Row
from eyas.data.messages import BadRow, Message, chat_message, turns
from eyas.errors import EyasError
from eyas.store.conversations import history
from eyas.store.database import FILE_NAME, open_existing
from eyas.store.lineage import STORED
from eyas.store.names import models_of
from eyas.store.tables import Comparison, Feedback, Label
from eyas.store.tables import Message as Stored
from eyas.text.parse import parse_assistant


def is_life(path: Path) -> bool:
    """Whether a folder is a life, and no folder of tables."""
    return bool(models_of(path)) or (path / FILE_NAME).is_file()


def stored_rows(life: Path, want: str, tally: Tally) -> list[Row]:
    """The life's rows of shape `want`: "pair" or "label", the oldest first. What judges said is not among them.

    Under `STORED` each has the id of the vote, label or thumb that it was made of, so that `eyas forget` can tell who
    learnt from it. What decides nothing, or holds more than text, is counted in `tally`. Raises EyasError when there is
    no row.
    """
    read: dict[str, tuple[Callable[[Session, Tally], Iterator[Row]], ...]] = {
        "pair": (_decided, _corrections),
        "label": (_thumbs,),
    }
    store = open_existing(life)
    try:
        with store.session() as session:
            rows = [row for part in read[want] for row in part(session, tally)]
    finally:
        store.close()
    if not rows:
        what = "deciding votes or corrections" if want == "pair" else "thumbs"
        raise EyasError(f"--data {life}: people gave no {what} yet; `eyas serve {life}` is where they do")
    return rows


def labelled_answer(text: str, said: Message) -> Message:
    """A label's answer as a message: it may begin with a thought or a call, spelled as the model spells them.

    An answer that only confirms what was `said` keeps the thought that led to it; to another answer it would not lead.
    Raises BadRow for a thought alone and for a call that is none.
    """
    if text.startswith(("<think>", "<tool_call>")):
        answer = parse_assistant(text)
        if "error" in answer or not (answer["content"].strip() or answer.get("tool_calls")):
            raise BadRow(answer.get("error", "a thought without an answer"))
        return answer
    return said if text.strip() == said["content"].strip() else {"role": "assistant", "content": text}


@dataclass(frozen=True)
class Vote:
    """What a person chose: `winner` is model_a, model_b, tie or both_bad. Answers are all messages after the prompt."""

    prompt: list[Message]
    a: list[Message]
    b: list[Message]
    model_a: str
    model_b: str
    winner: str
    id: str


def votes(session: Session, tally: Tally) -> Iterator[Vote]:
    """The comparisons by people, the oldest first: they name the messages that were seen.

    Left out and counted: what is not text, and battles of several questions, whose talks parted after the first.
    """
    for one in session.scalars(select(Comparison).where(Comparison.message_a.is_not(None)).order_by(Comparison.id)):
        try:
            prompt = [chat_message(message) for message in one.prompt]
            a, b = _said(session, one.message_a, one.answer_a), _said(session, one.message_b, one.answer_b)
        except BadRow:
            tally.add("unreadable vote")
            continue
        if any(first["role"] == second["role"] == "user" for first, second in pairwise(prompt)):
            tally.add("vote on several questions")
        else:
            yield Vote(prompt, a, b, one.model_a, one.model_b, one.winner, one.id)


def _decided(session: Session, tally: Tally) -> Iterator[Row]:
    for vote in votes(session, tally):
        if vote.winner in ("model_a", "model_b"):
            chosen, rejected = (vote.a, vote.b) if vote.winner == "model_a" else (vote.b, vote.a)
            yield {"prompt": vote.prompt, "chosen": chosen, "rejected": rejected, STORED: vote.id}
        else:
            tally.add("undecided vote")


def _said(session: Session, message_id: str | None, text: str) -> list[Message]:
    """An answer with its thought and the tools it ran; its text alone where the message is gone."""
    if message_id is None or session.get(Stored, message_id) is None:
        return turns(text, "assistant")
    return _talk(session, message_id)[1]


def _talk(session: Session, message_id: str) -> tuple[list[Message], list[Message]]:
    """What led to an answer, up to the question, and all that followed. Raises BadRow where it is not text."""
    messages = [chat_message(one.content) for one in history(session, message_id)]
    asked = max((at for at, one in enumerate(messages) if one["role"] == "user" and one["content"].strip()), default=-1)
    if asked < 0:
        raise BadRow("no question was kept")
    return messages[: asked + 1], messages[asked + 1 :]


def _corrections(session: Session, tally: Tally) -> Iterator[Row]:
    """Labels that put another answer in the place of what was said."""
    for label in session.scalars(select(Label).where(Label.verdict == "accepted").order_by(Label.created, Label.id)):
        try:
            prompt, said = _talk(session, label.message_id)
            chosen = labelled_answer(label.answer, said[-1])
        except BadRow:
            tally.add("unreadable label")
            continue
        if chosen != said[-1]:
            yield {"prompt": prompt, "chosen": [chosen], "rejected": said, STORED: label.id}


def _thumbs(session: Session, tally: Tally) -> Iterator[Row]:
    for one in session.scalars(select(Feedback).where(Feedback.rating.is_not(None)).order_by(Feedback.id)):
        try:
            prompt, said = _talk(session, one.message_id)
        except BadRow:
            tally.add("unreadable thumb")
            continue
        yield {"prompt": prompt, "completion": said, "label": one.rating == 1, STORED: one.id}
