"""/label: the queue of answers to correct, one at a time, with the instructions, drafts and their critique beside it.

Everything works by forms; the script adds keys and saves reloading.
"""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup, escape
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eyas.errors import EyasError
from eyas.flywheel import groups, guidelines, labels
from eyas.flywheel.agreement import agreements, counts
from eyas.flywheel.drafts import Desk, Speaker, as_json, broken, draft_remote
from eyas.flywheel.proposals import propose
from eyas.serve import pages
from eyas.serve.errors import ApiError
from eyas.serve.sign_in import person_of
from eyas.store.database import Store
from eyas.store.tables import Draft, Group, Label, Message

router = APIRouter(prefix="/label", include_in_schema=False)
SKIPPED = 40
"""Items passed over that the address of the page remembers."""
Text = Annotated[str, Form(max_length=30_000)]
Short = Annotated[str, Form(max_length=2000)]


@router.get("", response_class=HTMLResponse)
def label_page(
    request: Request,
    item: str | None = None,
    group: str | None = None,
    skip: Annotated[list[str], Query()] = [],  # noqa: B006 (FastAPI's own form)
    done: str | None = None,
    proposed: int | None = None,
) -> HTMLResponse:
    """The first item that waits, or `item`; of one `group`; without those to `skip`. `done` was labelled just now, and
    its correction `proposed` for so many others."""
    with _session(request) as session:
        groups.assign(session)
    return _page(request, item, group, skip, done=done, proposed=proposed)


@router.get("/guidelines", response_class=HTMLResponse)
def guidelines_page(request: Request, version: int | None = None) -> HTMLResponse:
    """The instructions, to read and to change, and every version there was."""
    person, state = _person(request), request.app.state.eyas
    with _session(request) as session:
        current = guidelines.current(session, state.life, person)
        every = guidelines.versions(session)
    shown = next((one for one in every if one.version == version), current)
    return pages.render(
        request, "label_guidelines.html.j2", shown=shown, current=current, versions=every,
        points=guidelines.points(shown.text), most=guidelines.MAX_CHARACTERS, inline=inline,
    )  # fmt: skip


@router.post("/guidelines")
def change_guidelines(
    request: Request, text: Annotated[str, Form()], version: Annotated[int, Form()]
) -> RedirectResponse:
    """Make a new version; refused when somebody else has made one since `version` was read."""
    person, state = _person(request), request.app.state.eyas
    with _session(request) as session:
        newest = guidelines.current(session, state.life, person).version
        if newest != version:
            raise ApiError(
                409, f"version {newest} of the instructions was made meanwhile; go back, reload and try again"
            )
        guidelines.change(session, state.life, text, person)
    return RedirectResponse("/label/guidelines", 303)


@router.get("/people", response_class=HTMLResponse)
def people_page(request: Request) -> HTMLResponse:
    """Who has labelled how much, and how far they agree."""
    person = _person(request)
    with _session(request) as session:
        return pages.render(
            request, "label_people.html.j2", you=person, counted=counts(session), pairs=agreements(session),
            doubled=labels.DOUBLED,
        )  # fmt: skip


@router.post("/propose")
def propose_for_group(request: Request, label: Short) -> RedirectResponse:
    """Draft the correction of a label for the rest of its group, and go through them one by one."""
    person = _person(request)
    with _session(request) as session:
        made = session.get(Label, label)
        if made is None or made.person != person:
            raise ApiError(404, "you have no such label")
        drafts = propose(session, _desk(request), made)
        group = made.group_id
    return _to(group=group, proposed=len(drafts))


@router.post("/{message_id}")
def put_label(
    request: Request,
    message_id: str,
    verdict: Short,
    answer: Text = "",
    note: Short = "",
    draft: Short = "",
    group: Short = "",
    skip: Annotated[list[str], Form()] = [],  # noqa: B006
) -> RedirectResponse:
    """Accept or discard, and go on to the next item."""
    person, state = _person(request), request.app.state.eyas
    with _session(request) as session:
        version = guidelines.current(session, state.life).version
        labels.label(
            session, message_id, person, verdict, answer, note=note, draft_id=draft or None, guideline_version=version
        )
    return _to(group=group, skip=skip, done=message_id)


@router.post("/{message_id}/back")
def take_back(request: Request, message_id: str, group: Short = "") -> RedirectResponse:
    """Take a label back and look at the item again."""
    person = _person(request)
    with _session(request) as session:
        labels.take_back(session, message_id, person)
    return _to(item=message_id, group=group)


@router.post("/{message_id}/drafts")
def make_drafts(
    request: Request,
    message_id: str,
    group: Short = "",
    skip: Annotated[list[str], Form()] = [],  # noqa: B006
) -> RedirectResponse:
    """Let the served model, and whoever else is to be asked, draft better answers."""
    _desk(request).draft(message_id, _person(request), _speaker(request))
    return _to(item=message_id, group=group, skip=skip)


@router.post("/{message_id}/check", response_class=HTMLResponse)
def check(
    request: Request,
    message_id: str,
    answer: Text = "",
    note: Short = "",
    draft: Short = "",
    take: Short = "",
    group: Short = "",
    skip: Annotated[list[str], Form()] = [],  # noqa: B006
) -> HTMLResponse:
    """The page again, with the critique of the answer as it is now, or of the draft to `take`."""
    if take:
        with _session(request) as session:
            taken = session.get(Draft, take)
        if taken is not None and taken.message_id == message_id:
            draft, answer = taken.id, taken.text
    return _page(request, message_id, group, skip, answer=answer, note=note, chosen=draft)


def _page(
    request: Request,
    message_id: str | None,
    group_id: str | None,
    skip: Sequence[str],
    *,
    done: str | None = None,
    proposed: int | None = None,
    answer: str | None = None,
    note: str = "",
    chosen: str = "",
) -> HTMLResponse:
    person, state, desk = _person(request), request.app.state.eyas, _desk(request)
    skip, group_id = list(skip)[-SKIPPED:], group_id or None
    with _session(request) as session:
        waiting = labels.queue(session, person, group_id)
        if group_id and message_id is None and not waiting:  # that group is done; go on with the others
            group_id, waiting = None, labels.queue(session, person)
        first = next((one for one in waiting if one.message_id not in skip), waiting[0] if waiting else None)
        found = message_id or (first.message_id if first else None)
        guideline = guidelines.current(session, state.life, person)
        values: dict[str, Any] = {
            "waiting": len(waiting), "group": session.get(Group, group_id) if group_id else None, "skip": skip,
            "done": labels.label_of(session, done, person) if done else None, "you": person, "item": None,
            "labelled": session.scalar(select(func.count()).where(Label.person == person)) or 0,
            "guideline": guideline, "points": guidelines.points(guideline.text), "proposed": proposed,
        }  # fmt: skip
        values["proposable"] = _proposable(session, values["done"])
        if found is not None:
            shown = labels.item(session, found, person)
            values |= _item(session, desk, _speaker(request), shown, guideline.version, answer, note, chosen)
            values["second"] = any(one.message_id == found and one.second for one in waiting)
    return pages.render(request, "label.html.j2", **values)


def _item(
    session: Session,
    desk: Desk,
    speaker: Speaker,
    item: labels.Item,
    version: int,
    answer: str | None,
    note: str,
    chosen: str,
) -> dict[str, Any]:
    """What the page shows of one item. `answer` is what the person has written; without it the best draft stands."""
    drafts = sorted(item.drafts, key=lambda one: (broken(one), not one.author.startswith("label ")))
    case = desk.case(session, item)
    if answer is None:
        chosen, answer = _start(item, drafts)
        note = item.own.note if item.own else ""
    # the critique made with a draft may hold the word of another model, which is not asked again
    made = next((one for one in drafts if one.text == answer and one.guideline_version == version), None)
    findings = made.critique if made else as_json(desk.check(case, answer, speaker.engine)) if answer.strip() else []
    points = {point.number: point for point in case.points}
    return {
        "item": item, "drafts": drafts, "chosen": chosen, "answer": answer, "note": note, "broken": broken,
        "told": [one for one in findings if one["verdict"] != "unchecked"],
        "unchecked": [points[one["point"]] for one in findings if one["verdict"] == "unchecked"],
        "passages": desk.passages.near(item.question), "turns": [_turn(one) for one in item.history],
        "author": _author, "inline": inline,
    }  # fmt: skip


def _start(item: labels.Item, drafts: Sequence[Draft]) -> tuple[str, str]:
    """(draft, answer) to begin with: what this person has said, else the best draft, else what was said."""
    if item.own is not None and item.own.verdict == labels.ACCEPTED:
        return item.own.draft_id or "", item.own.answer
    best = drafts[0] if drafts else None
    return (best.id, best.text) if best else ("", item.message.text)


def _turn(message: Message) -> dict[str, Any]:
    """A message as the talk shows it: its text, its thought, and its calls of tools as text."""
    calls = [call.get("function") or {} for call in message.content.get("tool_calls") or []]
    thought = message.content.get("reasoning_content")
    return {
        "id": message.id, "role": message.role, "text": message.text, "model": message.model,
        "thought": thought if isinstance(thought, str) else "",
        "calls": [f"{call.get('name')}({call.get('arguments')})" for call in calls],
    }  # fmt: skip


def inline(text: str) -> Markup:
    """*Emphasis* and `code` of the instructions as markup; everything else stays text."""
    shown = str(escape(text))
    for pattern, tag in ((r"`([^`]+)`", "code"), (r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])", "em")):
        shown = re.sub(pattern, rf"<{tag}>\1</{tag}>", shown)
    return Markup(shown)


def _author(draft: Draft) -> str:
    """Who drafted, in words."""
    if draft.author == "user":
        return "written by the user"
    return "another correction" if draft.author.startswith("label ") else f"by {draft.author}"


def _proposable(session: Session, done: Label | None) -> int:
    """For how many other answers the label made just now could be proposed."""
    if done is None or done.verdict != labels.ACCEPTED or done.group_id is None:
        return 0
    return len(labels.queue(session, done.person, done.group_id))


def _person(request: Request) -> str:
    """Who labels. Raises ApiError 401 for a program that came in by a key alone: a label needs a name."""
    person = person_of(request)
    if person is None:
        raise ApiError(401, "a label needs a name: sign in at /sign-in")
    return person


def _session(request: Request) -> AbstractContextManager[Session]:
    store: Store | None = request.app.state.eyas.store
    if store is None:
        raise ApiError(404, "this server has a single model and no life: start it on a life, `eyas serve LIFE`")
    return store.session()


def _desk(request: Request) -> Desk:
    """The one desk of this server, made when it is first needed."""
    state = request.app.state
    if not hasattr(state, "desk"):
        config, remote = state.eyas.config, None
        if config.draft_url:
            if not config.draft_model:
                raise EyasError("--draft-url needs --draft-model, the name of the model to ask there")
            remote = draft_remote(config.draft_url, config.draft_model)
        _session(request)  # says so where there is no life
        state.desk = Desk(state.eyas.life, state.eyas.store, remote)
    desk: Desk = state.desk
    return desk


def _speaker(request: Request) -> Speaker:
    """The champion, as it is served now."""
    served = request.app.state.eyas.served
    model = served.load(served.aliases["champion"])
    return Speaker(model.name, model.engine)


def _to(**where: Any) -> RedirectResponse:
    """Back to the page."""
    return RedirectResponse(
        f"/label?{urlencode({k: v for k, v in where.items() if v not in ('', None)}, doseq=True)}", 303
    )
