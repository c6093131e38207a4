"""The tables of the store: what was said, what people thought of it, what was made of that.

Times are seconds since 1970 (UTC) as floats; ids are 32 hexadecimal digits that sort by time. A change here needs a
migration in `migrations/versions`; a test holds the two equal.
"""

import secrets
import time
from typing import Any

from sqlalchemy import JSON, Dialect, ForeignKey, Index, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from eyas.store.clean import clean_text

__all__ = [
    "Alias",
    "Base",
    "Comparison",
    "Conversation",
    "Dataset",
    "DatasetRow",
    "Draft",
    "Evaluation",
    "Feedback",
    "Flag",
    "Group",
    "Guideline",
    "Label",
    "Message",
    "Person",
    "Promotion",
    "new_id",
]


def new_id() -> str:
    """A fresh id: nanoseconds since 1970 and 64 random bits, so that ids sort by time."""
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


class Words(TypeDecorator[str]):
    """Text from anywhere, as every database can hold it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean_text(value)


class Base(DeclarativeBase):
    """Root of all tables."""

    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own form)
        str: Words,
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }


class Conversation(Base):
    """A tree of messages. `user` is what the client called the person, if at all; `source` api, page, arena, shadow."""

    __tablename__ = "conversation"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    created: Mapped[float] = mapped_column(default=time.time, index=True)
    updated: Mapped[float] = mapped_column(default=time.time, index=True)
    user: Mapped[str | None] = mapped_column(index=True)
    source: Mapped[str] = mapped_column(default="api")
    title: Mapped[str] = mapped_column(default="")
    redacted: Mapped[bool] = mapped_column(default=False)


class Message(Base):
    """One message in OpenAI's shape. The columns after `chain` belong to an answer and are null in other messages.

    `chain` is the hash of all messages from the first to this one: a client that sends its history again is
    recognised by it. `text` is the content alone, for search; `content` the whole message. The rounds of tools that
    the server ran before an answer are messages of their own; the answer's columns tell of all of them.
    """

    __tablename__ = "message"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"), index=True)
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), index=True)
    created: Mapped[float] = mapped_column(default=time.time, index=True)
    role: Mapped[str]
    text: Mapped[str] = mapped_column(default="")
    content: Mapped[dict[str, Any]]
    chain: Mapped[str] = mapped_column(index=True)
    model: Mapped[str | None] = mapped_column(index=True)
    """Name of the model folder that spoke (never an alias)."""
    model_sha256: Mapped[str | None]
    shadow: Mapped[bool] = mapped_column(default=False)
    """Said by a challenger in the shadow: nobody saw it."""
    sampling: Mapped[dict[str, Any] | None]
    tools: Mapped[list[Any] | None]
    tokens: Mapped[list[Any] | None]
    """[[piece, logprob], ...] of the answer, in nats."""
    mean_logprob: Mapped[float | None]
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    first_seconds: Mapped[float | None]
    seconds: Mapped[float | None]
    finish_reason: Mapped[str | None]


class Feedback(Base):
    """What a person thought of an answer: `rating` 1 or -1, `comment`, or `better`, the answer it should have been."""

    __tablename__ = "feedback"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    message_id: Mapped[str] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), index=True)
    created: Mapped[float] = mapped_column(default=time.time)
    rating: Mapped[int | None]
    comment: Mapped[str] = mapped_column(default="")
    better: Mapped[str] = mapped_column(default="")
    user: Mapped[str | None]


class Group(Base):
    """Misbehaviours that are one issue: near-duplicate questions that got wrong answers. `status` open or closed."""

    __tablename__ = "issue_group"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    created: Mapped[float] = mapped_column(default=time.time)
    title: Mapped[str]
    status: Mapped[str] = mapped_column(default="open")


class Flag(Base):
    """Something that looks wrong about an answer. `kind` is one of `flywheel.flags`; `score` says how much, 0 to 1."""

    __tablename__ = "flag"
    __table_args__ = (UniqueConstraint("message_id", "kind"),)
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    message_id: Mapped[str] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), index=True)
    group_id: Mapped[str | None] = mapped_column(ForeignKey("issue_group.id", ondelete="SET NULL"), index=True)
    created: Mapped[float] = mapped_column(default=time.time)
    kind: Mapped[str] = mapped_column(index=True)
    score: Mapped[float] = mapped_column(default=1.0)
    detail: Mapped[str] = mapped_column(default="")


class Guideline(Base):
    """A version of the labelling instructions; the newest holds. Never changed."""

    __tablename__ = "guideline"
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created: Mapped[float] = mapped_column(default=time.time)
    author: Mapped[str] = mapped_column(default="")
    text: Mapped[str]


class Person(Base):
    """Somebody who labels. `token_sha256` is the hash of the token they sign in with."""

    __tablename__ = "person"
    name: Mapped[str] = mapped_column(primary_key=True)
    created: Mapped[float] = mapped_column(default=time.time)
    token_sha256: Mapped[str]


class Draft(Base):
    """A better answer as a model proposes it, and its critique: [{"point", "verdict", "why"}, ...]."""

    __tablename__ = "draft"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    message_id: Mapped[str] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), index=True)
    created: Mapped[float] = mapped_column(default=time.time)
    author: Mapped[str]
    """Who drafted: the model's name, or the URL and model asked, or `label ID` for another label's correction."""
    text: Mapped[str]
    critique: Mapped[list[Any]] = mapped_column(default=list)
    guideline_version: Mapped[int | None]


class Label(Base):
    """A person's word on one answer. `verdict` accepted (`answer` is right) or discarded (nothing is to be learnt)."""

    __tablename__ = "label"
    __table_args__ = (UniqueConstraint("message_id", "person"),)
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    message_id: Mapped[str] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), index=True)
    created: Mapped[float] = mapped_column(default=time.time)
    person: Mapped[str]
    verdict: Mapped[str]
    answer: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(default="")
    guideline_version: Mapped[int | None]
    draft_id: Mapped[str | None] = mapped_column(ForeignKey("draft.id", ondelete="SET NULL"))
    group_id: Mapped[str | None] = mapped_column(ForeignKey("issue_group.id", ondelete="SET NULL"))


class Comparison(Base):
    """Two answers to one prompt (messages) and who judged how: winner model_a, model_b, tie or both_bad."""

    __tablename__ = "comparison"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    created: Mapped[float] = mapped_column(default=time.time)
    prompt: Mapped[list[Any]]
    answer_a: Mapped[str]
    answer_b: Mapped[str]
    model_a: Mapped[str]
    model_b: Mapped[str]
    winner: Mapped[str]
    judge: Mapped[str]
    message_a: Mapped[str | None]
    message_b: Mapped[str | None]


class Dataset(Base):
    """An immutable version of the life's data, files below `path` (relative to the life). `sha256` of all its rows."""

    __tablename__ = "dataset"
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created: Mapped[float] = mapped_column(default=time.time)
    parent: Mapped[int | None]
    path: Mapped[str]
    sha256: Mapped[str]
    counts: Mapped[dict[str, Any]]
    config: Mapped[dict[str, Any]]


class DatasetRow(Base):
    """A label that a row came from. `split` train or val; `kind` sft or preference; `number` its line in the file."""

    __tablename__ = "dataset_row"
    __table_args__ = (Index("ix_dataset_row_label", "label_id"),)
    version: Mapped[int] = mapped_column(ForeignKey("dataset.version", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    split: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    label_id: Mapped[str] = mapped_column(primary_key=True)
    """Kept after the label is forgotten: it says that something was here."""
    sha256: Mapped[str]


class Evaluation(Base):
    """Figures of a model: `name` says of what (exam, gate, battle)."""

    __tablename__ = "evaluation"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    created: Mapped[float] = mapped_column(default=time.time)
    model: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]
    figures: Mapped[dict[str, Any]]


class Promotion(Base):
    """What `champion` was moved from and to, by whom and why. `action` promote, rollback or refused."""

    __tablename__ = "promotion"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    created: Mapped[float] = mapped_column(default=time.time)
    action: Mapped[str]
    model: Mapped[str]
    previous: Mapped[str | None]
    person: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="")


class Alias(Base):
    """A movable name (champion, challenger, previous) and the immutable model it points at."""

    __tablename__ = "alias"
    name: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]
    updated: Mapped[float] = mapped_column(default=time.time)
