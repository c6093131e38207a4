"""Forgetting: conversations go with all that was made of them, and the models that learnt from them are named."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, false, func, literal, or_, select
from sqlalchemy.orm import Session

from eyas.errors import EyasError
from eyas.store.conversations import conversation_of, text_of, title_of
from eyas.store.database import Store, write_lock
from eyas.store.lineage import FILE_NAME, ancestry, dataset_sources, stored_sources
from eyas.store.names import models_of
from eyas.store.retention import scrub
from eyas.store.tables import (
    Base,
    Comparison,
    Conversation,
    Dataset,
    DatasetRow,
    Draft,
    Feedback,
    Flag,
    Group,
    Guideline,
    Label,
    Message,
    Person,
    Promotion,
    new_id,
)


@dataclass(frozen=True)
class Forgotten:
    """How much went. `datasets`: versions whose files held it and were removed; `models`: those that learnt from it."""

    conversations: int
    messages: int
    feedback: int
    labels: int
    comparisons: int
    datasets: list[int]
    models: list[str]


def forget_conversation(life: Path, store: Store, conversation_id: str) -> Forgotten:
    """Remove one conversation. Raises EyasError when there is none of this id."""
    with store.session() as session:
        conversation_of(session, conversation_id)
    return _forget(life, store, Conversation.id == conversation_id)


def forget_old(life: Path, store: Store, older: ColumnElement[bool]) -> Forgotten:
    """Remove the conversations that `older` (`retention.older_than`) holds of."""
    return _forget(life, store, older)


def forget_person(life: Path, store: Store, name: str) -> Forgotten:
    """Remove what `name` said and thought of answers. Their labels of other people's talks stay, under no name.

    Raises EyasError when the store knows nobody of this name.
    """
    return _forget(life, store, Conversation.user == name, name)


def _forget(life: Path, store: Store, which: ColumnElement[bool], person: str | None = None) -> Forgotten:
    conversations = select(Conversation.id).where(which)
    messages = select(Message.id).where(Message.conversation_id.in_(conversations))
    labels = select(Label.id).where(Label.message_id.in_(messages))
    given = false() if person is None else Feedback.user == person
    feedback = or_(Feedback.message_id.in_(messages), given)
    judged = false() if person is None else Comparison.judge == person
    linked = or_(Comparison.message_a.in_(messages), Comparison.message_b.in_(messages), judged)
    with store.session() as session:
        write_lock(session)
        comparisons = or_(linked, Comparison.id.in_(_battles_about(session, messages)))
        versions = select(DatasetRow.version).where(DatasetRow.label_id.in_(labels)).distinct()
        datasets = session.scalars(select(Dataset).where(Dataset.version.in_(versions)).order_by(Dataset.version)).all()
        thumbs = set(session.scalars(select(Feedback.id).where(feedback)))
        corrections = set(session.scalars(labels))
        votes = set(session.scalars(select(Comparison.id).where(comparisons)))
        done = Forgotten(
            _count(session, conversations),
            _count(session, messages),
            len(thumbs),
            len(corrections),
            len(votes),
            [one.version for one in datasets],
            _trained_on(life, [one.path for one in datasets], thumbs | corrections | votes),
        )
        # Files first: stopped after this, the same call can be made again.
        for dataset in datasets:
            _remove(life, dataset.path)
        _retitle_groups(session, messages)
        # A correction proposed for its whole group stands as a draft below the answers of others.
        session.execute(
            delete(Draft).where(Draft.author.in_(select(literal("label ") + Label.id).where(Label.id.in_(labels))))
        )
        session.execute(delete(Comparison).where(comparisons))
        session.execute(delete(Feedback).where(feedback))
        session.execute(delete(Conversation).where(which))
        if person is not None:
            anonymous = _take_name_away(session, person)
            if not (anonymous or done.conversations or done.feedback or done.comparisons):
                raise EyasError(f"the store of {life} knows nobody called {person}; `eyas monitor {life}` shows users")
    scrub(store)
    return done


def _count(session: Session, ids: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(ids.subquery())) or 0


def _battles_about(session: Session, messages: Select[Any]) -> list[str]:
    """Comparisons that name no messages, as those of `eyas fix`, but ask what was asked there."""
    questions = select(Message.text).where(Message.id.in_(messages), Message.role == "user", Message.text != "")
    asked = set(session.scalars(questions))
    unlinked = Comparison.message_a.is_(None) & Comparison.message_b.is_(None)
    loose = select(Comparison.id, Comparison.prompt).where(unlinked)
    return [row.id for row in session.execute(loose) if any(text_of(message) in asked for message in row.prompt)]


def _trained_on(life: Path, paths: list[str], ids: set[str]) -> list[str]:
    """The models of the life that learnt from these dataset folders or entries of the store, or their forebears did."""

    def learnt(lineage: dict[str, Any]) -> bool:
        return bool(ids & stored_sources(lineage)) or any(dataset_sources(lineage, path) for path in paths)

    known = [model for model in models_of(life) if (model / FILE_NAME).is_file()]
    return [model.name for model in known if any(learnt(lineage) for _, lineage in ancestry(model))]


def _remove(life: Path, path: str) -> None:
    folder = (life / path).resolve()
    if folder.is_relative_to(life.resolve()) and folder != life.resolve():
        shutil.rmtree(folder, ignore_errors=True)


def _retitle_groups(session: Session, messages: Select[Any]) -> None:
    """A group is called by a question of its own; one that loses all its answers goes."""
    touched = select(Flag.group_id).where(Flag.message_id.in_(messages))
    for group in session.scalars(select(Group).where(Group.id.in_(touched))).all():
        left = select(Flag.message_id).where(Flag.group_id == group.id, Flag.message_id.not_in(messages))
        answer = session.get(Message, session.scalar(left.order_by(Flag.id).limit(1)) or "")
        question = answer and answer.parent_id and session.get(Message, answer.parent_id)
        if question:
            group.title = title_of(question.content)
        else:
            session.delete(group)
    session.flush()


def _take_name_away(session: Session, person: str) -> bool:
    """Put a pseudonym in the place of a labeller's name; whether it stood anywhere."""
    found = False
    pseudonym = f"forgotten-{new_id()[-8:]}"
    columns: tuple[tuple[type[Base], str], ...] = ((Label, "person"), (Guideline, "author"), (Promotion, "person"))
    for table, column in columns:
        for row in session.scalars(select(table).filter_by(**{column: person})).all():
            setattr(row, column, pseudonym)
            found = True
    if (labeller := session.get(Person, person)) is not None:
        session.delete(labeller)
        found = True
    return found
