"""/monitor: what looks wrong, how much is asked and how fast it is answered, and any conversation in full."""

import json
import math
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from eyas.errors import EyasError
from eyas.flywheel import groups
from eyas.flywheel.flags import KINDS
from eyas.flywheel.monitor import ANY, Filter, answers, talk
from eyas.flywheel.traffic import DAY, Figures, traffic
from eyas.runtime.sampling import Sampling
from eyas.serve import pages
from eyas.serve.errors import ApiError
from eyas.store.database import Store
from eyas.store.tables import Group, Label, Message

router = APIRouter(prefix="/monitor", include_in_schema=False)
ISSUES, LATEST, PAGE = 20, 8, 40
SPANS = (1, 7, 14, 30, 90)
"""Days to choose from."""
SURPRISE = (0.5, 1, 2, 4, 7)
"""Bits from which a token has the next colour, as on the chat page."""
MEANING = {
    "thumbs_down": "a person said that it is bad",
    "contradiction": "it says otherwise than a label, a fact of the life, or what a tool returned",
    "loop": "it repeats itself",
    "runaway": "it was cut off by the limit of tokens",
    "tool_error": "a tool failed or was called wrongly",
    "refusal": "it refused, or said that it does not know",
    "low_confidence": "the model was unsure of some words",
}
Short = Annotated[str, Query(max_length=300)]


@dataclass(frozen=True)
class Column:
    """A bar of a chart over the days, in per cent of the highest: the whole bar and the part of it that is marked."""

    title: str
    whole: float
    part: float


@router.get("", response_class=HTMLResponse)
def monitor(
    request: Request,
    days: Annotated[int, Query(ge=1, le=366)] = 14,
    model: Short = "",
    kind: Short = "",
    status: Short = groups.OPEN,
    every: bool = False,
) -> HTMLResponse:
    """What is wrong first, then traffic, then the latest answers; of one `model`, issues with one `kind` of flag."""
    now = time.time()
    since = (now // DAY - days + 1) * DAY
    with _session(request) as session:
        groups.assign(session)
    with _session(request) as session:  # another one: the first keeps writers waiting
        everything = groups.issues(session, status=None, model=model or None, since=since, now=now)
        seen = traffic(session, days=days, model=model or None, now=now)
        issues = [one for one in everything if one.status == status]
        shown = [one for one in issues if not kind or kind in one.kinds]
        said = _texts(session, [one.message_ids[0] for one in (shown if every else shown[:ISSUES])])
        latest = answers(session, Filter(kind=ANY, model=model or None, since=since), LATEST)
        models = _models(session)
    chosen: dict[str, Any] = {"days": days, "model": model, "kind": kind, "status": status}
    return pages.render(
        request, "monitor.html.j2", **chosen, spans=SPANS, models=models,
        said=said, n_issues=len(shown), issues=shown if every else shown[:ISSUES],
        kinds={name: sum(name in one.kinds for one in issues) for name in KINDS},
        n_closed=sum(one.status == groups.CLOSED for one in everything),
        meaning=MEANING, seen=seen, latest=latest, changes=[one for one in seen.drift if one.changed],
        asked=_columns(seen.days, "answers", lambda one: one.answers, "flagged", lambda one: one.flagged.hits),
        waited=_columns(seen.days, "s p95", lambda one: one.first and one.first[1], "s p50",
                        lambda one: one.first and one.first[0]),
        link=lambda **changed: _link("/monitor", chosen, changed),
    )  # fmt: skip


@router.get("/answers", response_class=HTMLResponse)
def list_answers(
    request: Request,
    kind: Short = "",
    search: Short = "",
    model: Short = "",
    user: Short = "",
    group: Short = "",
    before: Short = "",
) -> HTMLResponse:
    """The answers that a filter finds, newest first."""
    chosen: dict[str, Any] = {"kind": kind, "search": search, "model": model, "user": user, "group": group}
    wanted = Filter(**{name: value or None for name, value in chosen.items()}, before=before or None)
    with _session(request) as session:
        issue = None
        if group:
            found = groups.issues(session, status=None, ids=[group])
            if not found:
                raise ApiError(404, f"there is no issue {group[:40]!r} in this store", code="not_found")
            issue = found[0]
        listed = answers(session, wanted, PAGE + 1)
        models = _models(session)
    more = listed[PAGE - 1].message_id if len(listed) > PAGE else None
    return pages.render(
        request, "monitor_answers.html.j2", **chosen, issue=issue, listed=listed[:PAGE], models=models, kinds=KINDS,
        any_kind=ANY, meaning=MEANING, before=before, more=more,
        link=lambda **changed: _link("/monitor/answers", chosen, changed),
    )  # fmt: skip


@router.post("/groups/{group_id}")
def set_status(request: Request, group_id: str, status: Annotated[str, Form(max_length=20)]) -> RedirectResponse:
    """Close an issue that is dealt with, or open it again."""
    with _session(request) as session:
        groups.set_status(session, group_id, status)
    return RedirectResponse("/monitor#issues", 303)


@router.get("/{conversation_id}", response_class=HTMLResponse)
def conversation(request: Request, conversation_id: str) -> HTMLResponse:
    """One conversation in full: every branch, with the surprise of each token, flags, feedback and labels."""
    with _session(request) as session:
        try:
            told = talk(session, conversation_id)
        except EyasError as error:
            raise ApiError(404, str(error), code="not_found") from error
        flags = [flag for one in told.messages for flag in one.flags]
        named = session.scalars(select(Group).where(Group.id.in_([flag.group_id for flag in flags if flag.group_id])))
        titles = {group.id: group.title for group in named}
        sources = [flag.detail.split()[1] for flag in flags if flag.detail.startswith("label ")]
        labels = {one.id: one for one in session.scalars(select(Label).where(Label.id.in_(sources)))}
    return pages.render(
        request, "conversation.html.j2", told=told, titles=titles, meaning=MEANING, levels=SURPRISE,
        tokens={one.message.id: list(_tokens(one.message)) for one in told.messages if one.message.tokens},
        settings={one.message.id: _settings(one.message) for one in told.messages},
        calls={one.message.id: list(_calls(one.message)) for one in told.messages},
        label_of=lambda flag: labels.get(flag.detail.split()[1]) if flag.detail.startswith("label ") else None,
    )  # fmt: skip


def _session(request: Request) -> AbstractContextManager[Session]:
    """A transaction of the store. Raises ApiError 404 where there is no store."""
    store: Store | None = request.app.state.eyas.store
    if store is None:
        raise ApiError(404, "this server keeps nothing: start it on a life, `eyas serve LIFE`", code="no_store")
    return store.session()


def _texts(session: Session, ids: Sequence[str]) -> dict[str, str]:
    return {one.id: one.text for one in session.execute(select(Message.id, Message.text).where(Message.id.in_(ids)))}


def _models(session: Session) -> list[str]:
    """Names of the models that have answered."""
    said = select(Message.model).where(Message.model.is_not(None)).distinct()
    return sorted(one for one in session.scalars(said) if one)


def _link(path: str, chosen: dict[str, Any], changed: dict[str, Any]) -> str:
    """`path` with the filters chosen, some of them changed; those that are empty are left out."""
    wanted = {name: value for name, value in (chosen | changed).items() if value not in (None, "", False)}
    return f"{path}?{urlencode(wanted)}"


def _columns(days: dict[str, Figures], *kinds: Any) -> list[Column]:
    """Bars over the days: the name and the value of what a whole bar and of what its marked part stands for."""
    whole_name, whole, part_name, part = kinds
    highest = max((float(whole(one) or 0) for one in days.values()), default=0.0) or 1.0
    return [
        Column(
            f"{day}: {_number(whole(one))} {whole_name}, {_number(part(one))} {part_name}",
            100 * (whole(one) or 0) / highest,
            100 * (part(one) or 0) / highest,
        )
        for day, one in days.items()
    ]


def _number(value: float | None) -> str:
    return "no" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _settings(message: Message) -> dict[str, Any]:
    """How the answer was drawn: the temperature, and what was set otherwise than it usually is."""
    usual = {field.name: field.default for field in fields(Sampling)} | {"temperature": None}
    given = {name: value for name, value in (message.sampling or {}).items() if value not in (None, [], {})}
    # A limit that no context reaches stands for none.
    return {
        name: value
        for name, value in given.items()
        if value != usual.get(name) and not (name == "max_tokens" and value > 1e6)
    }


def _calls(message: Message) -> Iterable[str]:
    """The tools a message calls, each as its name and its arguments."""
    for call in message.content.get("tool_calls") or ():
        function = call.get("function") or {}
        arguments = function.get("arguments") or ""
        shown = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        yield f"{function.get('name')} {shown}"


def _tokens(message: Message) -> Iterable[tuple[str, int, str]]:
    """Each token's text, the level of its surprise (0 to 5), and its probability and surprise in words."""
    for piece, logprob in _pairs(message.tokens):
        bits = max(0.0, -logprob / math.log(2))
        yield piece, sum(bits >= limit for limit in SURPRISE), f"{math.exp(logprob):.1%}, {bits:.1f} bits"


def _pairs(tokens: Sequence[Any] | None) -> Iterable[tuple[str, float]]:
    for piece, logprob in tokens or ():
        yield piece, logprob if logprob is not None else 0.0
