"""The page people talk on, and the JSON it asks for beside /v1/chat/completions: conversations, feedback, votes."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from eyas.flywheel.flags import flag_feedback
from eyas.serve import pages
from eyas.serve.chat_completions import logprob
from eyas.serve.errors import ApiError
from eyas.serve.sign_in import person_of
from eyas.serve.splitter import Token
from eyas.store.conversations import conversations, feedback, history, messages_of, text_of
from eyas.store.database import Store
from eyas.store.forget import forget_conversation
from eyas.store.tables import Comparison, Conversation, Feedback, Message
from eyas.text.chat import render

router = APIRouter()
PAGE = 40
"""Conversations listed at once."""
TOP = 6
"""What could have stood in a token's place, told of each."""
_Text = Annotated[str, Field(max_length=20_000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FeedbackBody(_Body):
    """What a person thinks of an answer; what is left out stays as it was.

    A program names in `user` whom it speaks for, as it did when it asked; a person who has signed in needs not.
    """

    message: str
    user: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    rating: Literal[-1, 0, 1] | None = None
    comment: _Text | None = None
    better: _Text | None = None


class ComparisonBody(_Body):
    """Which of two answers to one question is better."""

    message_a: str
    message_b: str
    winner: Literal["model_a", "model_b", "tie", "both_bad"]


def _session(request: Request) -> AbstractContextManager[Session]:
    """A transaction of the store. Raises ApiError 404 where there is no store."""
    store: Store | None = request.app.state.eyas.store
    if store is None:
        raise ApiError(404, "this server keeps nothing: start it on a life, `eyas serve LIFE`", code="no_store")
    return store.session()


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
def chat(request: Request) -> HTMLResponse:
    """The page."""
    state = request.app.state.eyas
    return pages.render(
        request, "chat.html.j2", stored=state.store is not None, content=state.config.content, user=person_of(request)
    )


@router.post("/api/conversations", status_code=201)
def new_conversation(request: Request) -> dict[str, str]:
    """An empty conversation; the page names it when it asks for answers. It is listed once something was said."""
    with _session(request) as session:
        made = Conversation(user=person_of(request), source="page")
        session.add(made)
        session.flush()
        return {"id": made.id}


@router.get("/api/conversations")
def list_conversations(request: Request, query: str | None = None, before: float | None = None) -> dict[str, Any]:
    """This person's conversations, last spoken in first; `before` asks for those before the last one listed."""
    with _session(request) as session:
        found = conversations(session, person_of(request), query or None, PAGE + 1, before)
    listed = [{"id": one.id, "title": one.title, "updated": one.updated} for one in found[:PAGE] if one.title]
    return {"conversations": listed, "before": found[PAGE - 1].updated if len(found) > PAGE else None}


@router.get("/api/conversations/{conversation_id}")
def one_conversation(request: Request, conversation_id: str) -> dict[str, Any]:
    """Every message of a conversation, all branches of its tree, with what this person thought of the answers."""
    with _session(request) as session:
        found = _own(request, session, conversation_id)
        wanted = select(Feedback).join(Message).where(Message.conversation_id == found.id, Feedback.user == found.user)
        thoughts = {one.message_id: one for one in session.scalars(wanted)}
        messages = [_shown(one, thoughts.get(one.id)) for one in messages_of(session, found.id) if not one.shadow]
        return {"id": found.id, "title": found.title, "messages": messages}


@router.delete("/api/conversations/{conversation_id}")
def remove_conversation(request: Request, conversation_id: str) -> dict[str, list[str]]:
    """Forget a conversation and all that hangs on it; names the models that were trained on it."""
    with _session(request) as session:
        _own(request, session, conversation_id)
    state = request.app.state.eyas
    return {"models": forget_conversation(state.life, state.store, conversation_id).models}


@router.get("/api/messages/{message_id}/words")
def words(request: Request, message_id: str) -> list[dict[str, Any]]:
    """The tokens of a stored answer and what else could have stood in their place, as its model reads it once more."""
    with _session(request) as session:
        answer = _own_answer(request, session, message_id)
        line, model, tools = [one.content for one in history(session, answer.id)], answer.model, answer.tools
    engine = request.app.state.eyas.served.load(model).engine
    rendered = render(engine.tokenizer, line, tools=tools)
    end = len(rendered.mask) - 1 - rendered.mask[::-1].index(True)  # of its turn, which <|im_end|> ends
    start = end
    while rendered.mask[start - 1]:
        start -= 1
    ids, decode = rendered.ids[:end], engine.tokenizer.decode_bytes
    scored = zip(ids[1:], engine.logprobs([ids])[0].tolist(), engine.alternatives([ids], TOP)[0], strict=True)
    tokens = [Token(decode((i,)), score, [(decode((j,)), other) for j, other in near]) for i, score, near in scored]
    return [logprob(token) for token in tokens[start - 1 :]]


@router.put("/api/feedback")
def give_feedback(request: Request, body: FeedbackBody) -> dict[str, Any]:
    """Keep what a person thinks of an answer, in place of what they thought before. Raises ApiError 403 and 404."""
    person = person_of(request)
    if body.user not in (None, person) and getattr(request.state, "person", None) is not None:
        raise ApiError(403, f"you have signed in as {person}, so you speak for yourself alone", param="user")
    user, whose = (person, [person]) if body.user is None else (body.user, [body.user, None])
    with _session(request) as session:
        message = _answer_of(whose, session, body.message)
        kept = feedback(session, message.id, rating=body.rating, comment=body.comment, better=body.better, user=user)
        flag_feedback(session, kept.id)
        return {"rating": kept.rating, "comment": kept.comment, "better": kept.better}


@router.post("/api/comparisons", status_code=201)
def compare(request: Request, body: ComparisonBody) -> dict[str, str]:
    """Keep a vote between two answers to one question. Raises ApiError 400 when they answer different ones."""
    with _session(request) as session:
        a, b = _own_answer(request, session, body.message_a), _own_answer(request, session, body.message_b)
        prompt, other = _asked(session, a), _asked(session, b)
        if a.id == b.id or prompt[-1].id != other[-1].id:
            raise ApiError(400, "these are not two answers to one question", param="message_b")
        made = Comparison(
            prompt=[one.content for one in prompt],
            answer_a=a.text, answer_b=b.text, model_a=a.model or "", model_b=b.model or "",
            winner=body.winner, judge=person_of(request) or "", message_a=a.id, message_b=b.id,
        )  # fmt: skip
        session.add(made)
        session.flush()
        return {"id": made.id}


def _own(request: Request, session: Session, conversation_id: str) -> Conversation:
    """A conversation of the person who asks; to others it does not exist."""
    return _conversation_of([person_of(request)], session, conversation_id)


def _own_answer(request: Request, session: Session, message_id: str) -> Message:
    return _answer_of([person_of(request)], session, message_id)


def _conversation_of(users: Sequence[str | None], session: Session, conversation_id: str) -> Conversation:
    found = session.get(Conversation, conversation_id)
    if found is None or found.user not in users:
        raise ApiError(404, f"you have no conversation {conversation_id[:40]!r}", code="not_found")
    return found


def _answer_of(users: Sequence[str | None], session: Session, message_id: str) -> Message:
    """An answer in a conversation of one of `users` (None: of nobody in particular)."""
    found = session.get(Message, message_id)
    if found is None or found.model is None:
        raise ApiError(404, f"there is no answer {message_id[:40]!r}", code="not_found")
    _conversation_of(users, session, found.conversation_id)
    return found


def _asked(session: Session, answer: Message) -> list[Message]:
    """The history up to the question that `answer` answers; the tools it ran on the way are its own."""
    line = history(session, answer.id)[:-1]
    while line and line[-1].role != "user":
        line.pop()
    if not line:
        raise ApiError(400, f"the answer {answer.id} answers no question")
    return line


def _shown(message: Message, thought: Feedback | None) -> dict[str, Any]:
    return {
        "id": message.id, "parent": message.parent_id, "created": message.created, "role": message.role,
        "content": text_of(message.content), "thought": message.content.get("reasoning_content") or "",
        "calls": message.content.get("tool_calls") or [], "model": message.model, "tokens": message.tokens,
        "finish_reason": message.finish_reason, "seconds": message.seconds,
        "completion_tokens": message.completion_tokens,
        "rating": thought.rating if thought else None, "comment": thought.comment if thought else "",
        "better": thought.better if thought else "",
    }  # fmt: skip
