"""What looks wrong about an answer, by cheap rules right after it was given.

thumbs_down     a person said so, or wrote the better answer
contradiction   it says otherwise than an accepted label, a fact of the life, or what a tool had just returned
loop            it repeats itself
runaway         it ran into the limit of tokens
tool_error      a tool failed, or was called in a way that cannot be read
refusal         it refused, or said that it does not know
low_confidence  the model was unsure of some of its words, and more so than it usually is
"""

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from eyas.errors import EyasError
from eyas.flywheel.facts import Facts, replaced, unsupported_numbers
from eyas.store.database import write_lock
from eyas.store.tables import Feedback, Flag, Message
from eyas.text.wording import declines, loops, refuses

__all__ = ["KINDS", "WEIGHTS", "flag_feedback", "flag_turn", "flag_turns"]

WEIGHTS = {
    "thumbs_down": 3.0, "contradiction": 2.5, "loop": 2.0, "runaway": 1.5, "tool_error": 1.5, "refusal": 0.5,
    "low_confidence": 0.5,
}  # fmt: skip
"""How surely a flag of each kind, at score 1, means that there is something to correct."""
KINDS = tuple(WEIGHTS)

UNSURE = 0.35
"""Probability of the least sure tenth of the tokens (geometric mean) below which an answer may count as unsure."""
USUAL, USUAL_LEAST, USUAL_SHARE = 200, 40, 0.25
"""... if it also is among the least sure quarter of the model's last answers, once there are some."""
LONG = 64
"""Tokens from which an answer that was cut off counts as runaway: a short limit was wanted so."""
DETAIL = 300
_STARTS = ("user", "system")


@dataclass(frozen=True)
class _Found:
    score: float
    detail: str


def flag_turn(session: Session, message_id: str, facts: Facts | None = None) -> list[Flag]:
    """Look at one recorded answer and keep its flags; a second look replaces the first. Thumbs stay as they are.

    `facts` of the life, kept by the caller, spares reading them each time. Raises EyasError for an unknown message.
    """
    return flag_turns(session, [message_id], facts)


def flag_turns(session: Session, message_ids: Sequence[str], facts: Facts | None = None) -> list[Flag]:
    """Look at several recorded answers, as `flag_turn` does, with a few queries for all of them."""
    write_lock(session)
    known = {one.id: one for one in _messages(session, message_ids)}
    for message_id in message_ids:
        if message_id not in known or known[message_id].role != "assistant":
            raise EyasError(f"there is no answer {message_id[:40]} in this store")
    if facts is None:
        facts = Facts(session.info.get("life"))
    facts.refresh(session)
    answers = [known[message_id] for message_id in message_ids]
    wanted = {one.parent_id for one in answers if one.parent_id} - known.keys()
    while wanted:
        found = _messages(session, wanted)
        known |= {one.id: one for one in found}
        wanted = {one.parent_id for one in found if one.parent_id and one.role not in _STARTS} - known.keys()
    there: dict[str, dict[str, Flag]] = {message_id: {} for message_id in message_ids}
    for flag in session.scalars(select(Flag).where(Flag.message_id.in_(message_ids))):
        there[flag.message_id][flag.kind] = flag
    usual = cache(partial(_usual, session))
    flags: list[Flag] = []
    for message in answers:
        for kind, one in _look(message, known, facts, usual).items():
            flags += _keep(session, message.id, kind, there[message.id].get(kind), one)
    session.flush()
    return flags


def flag_feedback(session: Session, feedback_id: str) -> Flag | None:
    """Flag the answer that somebody thinks badly of, or take that flag away when nobody does any more.

    Raises EyasError for unknown feedback.
    """
    write_lock(session)
    given = session.get(Feedback, feedback_id)
    if given is None:
        raise EyasError(f"there is no feedback {feedback_id[:40]} in this store")
    said = session.scalars(select(Feedback).where(Feedback.message_id == given.message_id).order_by(Feedback.created))
    bad = [one for one in said if one.rating == -1 or (one.better and one.rating != 1)]
    words = "; ".join(one.comment or (f"better: {one.better}" if one.better else "") for one in bad).strip("; ")
    there = session.scalar(select(Flag).where(Flag.message_id == given.message_id, Flag.kind == "thumbs_down"))
    kept = _keep(session, given.message_id, "thumbs_down", there, _Found(1.0, words) if bad else None)
    session.flush()
    return kept[0] if kept else None


def _messages(session: Session, ids: Collection[str]) -> list[Message]:
    return list(session.scalars(select(Message).where(Message.id.in_(ids))))


def _look(
    message: Message, known: Mapping[str, Message], facts: Facts, usual: Callable[[str | None], float]
) -> dict[str, _Found | None]:
    """What every rule says of an answer; `known` holds the messages of its turn, `usual` is `_usual` of a model."""
    question, rounds = _turn(message, known)
    return {
        "contradiction": _contradiction(message, question, rounds, facts),
        "loop": _loop(message),
        "runaway": _runaway(message),
        "tool_error": _tool_error([*rounds, message]),
        "refusal": _refusal(message.text),
        "low_confidence": _low_confidence(message, usual),
    }


def _turn(message: Message, known: Mapping[str, Message]) -> tuple[Message | None, list[Message]]:
    """What the user asked, and what came between that and the answer: calls of tools and their results, in order."""
    between: list[Message] = []
    at = message
    while (parent := known.get(at.parent_id or "")) is not None and parent.role != "system":
        if parent.role == "user":
            return parent, between[::-1]
        between.append(parent)
        at = parent
    return None, between[::-1]


def _keep(session: Session, message_id: str, kind: str, flag: Flag | None, found: _Found | None) -> list[Flag]:
    """Make the stored `flag` equal to what was found. A flag that stays keeps its group."""
    if found is None:
        if flag is not None:
            session.delete(flag)
        return []
    if flag is None:
        flag = Flag(message_id=message_id, kind=kind)
        session.add(flag)
    flag.score, flag.detail = round(found.score, 4), found.detail[:DETAIL]
    return [flag]


def _contradiction(
    message: Message, question: Message | None, rounds: Sequence[Message], facts: Facts
) -> _Found | None:
    if question is None or not message.text:
        return None
    conflict = facts.conflict(question.text, message.text, message.id)
    if conflict is not None:
        return _Found(conflict.score, conflict.detail)
    results = [one.text for one in rounds if one.role == "tool" and one.text and not _is_error(one.text)]
    for result in results:
        if changed := replaced(result, message.text):
            return _Found(1.0, "; ".join(f"a tool returned “{old}”, not “{new}”" for old, new in changed))
    calls = [json.dumps(one.content.get("tool_calls")) for one in rounds if one.role == "assistant"]
    # Only a tool that answered in numbers is a witness about numbers.
    counted = any(character.isdigit() for result in results for character in result)
    if counted and (invented := unsupported_numbers(message.text, [question.text, *results, *calls])):
        return _Found(1.0, f"no tool returned {', '.join(invented)}")
    return None


def _loop(message: Message) -> _Found | None:
    thought = message.content.get("reasoning_content")
    share = max(loops(message.text), loops(thought) if isinstance(thought, str) else 0.0)
    return _Found(share, f"{share:.0%} of it was said before") if share else None


def _runaway(message: Message) -> _Found | None:
    if message.finish_reason != "length" or (message.completion_tokens or 0) < LONG:
        return None
    return _Found(1.0, f"cut off after {message.completion_tokens} tokens")


def _tool_error(turn: Sequence[Message]) -> _Found | None:
    for message in turn:
        if message.role == "tool" and _is_error(message.text):
            return _Found(1.0, message.text)
        for call in message.content.get("tool_calls") or []:
            function = call.get("function") or {}
            if not _is_object(function.get("arguments")):
                return _Found(1.0, f"{function.get('name')} was called with {function.get('arguments')}")
    if "<tool_call>" in turn[-1].text:
        return _Found(1.0, "a call that is no JSON")
    return None


def _is_error(result: str) -> bool:
    start = result.lstrip()[:2000]
    return start[:5].lower() == "error" or start.startswith(('{"error"', "{'error'", "Traceback (most recent"))


def _is_object(arguments: object) -> bool:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except ValueError:
            return False
    return isinstance(arguments, dict) or arguments is None


def _refusal(text: str) -> _Found | None:
    if refuses(text):
        return _Found(1.0, "refuses")
    return _Found(0.5, "does not know or understand") if declines(text) else None


def _usual(session: Session, model: str | None) -> float:
    """The mean log-probability that three quarters of the model's last answers exceed; 0 while there are too few."""
    # The newest messages are cut off before the model is asked for: sorting all of a model's would take ever longer.
    recent = select(Message.id).order_by(Message.id.desc()).limit(4 * USUAL)
    said = select(Message.mean_logprob).where(Message.id.in_(recent.scalar_subquery()), Message.model == model)
    usual = sorted(one for one in session.scalars(said) if one is not None)
    return usual[int(USUAL_SHARE * len(usual))] if len(usual) >= USUAL_LEAST else 0.0


def _low_confidence(message: Message, usual: Callable[[str | None], float]) -> _Found | None:
    if not message.tokens or message.mean_logprob is None:
        return None
    least = sorted(message.tokens, key=lambda token: token[1])[: max(1, len(message.tokens) // 10)]
    sure = math.exp(sum(logprob for _, logprob in least) / len(least))
    if sure >= UNSURE or message.mean_logprob > usual(message.model):
        return None
    shown = ", ".join(f"“{piece.strip()}” {math.exp(logprob):.0%}" for piece, logprob in least[:3] if logprob < -0.7)
    return _Found(1 - sure, f"least sure of {shown}")
