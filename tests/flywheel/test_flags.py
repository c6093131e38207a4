"""What looks wrong about an answer: each rule on what it must find, and on what it must leave alone."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eyas.errors import EyasError
from eyas.flywheel.facts import Facts
from eyas.flywheel.flags import KINDS, LONG, USUAL_LEAST, flag_feedback, flag_turn, flag_turns
from eyas.store.conversations import feedback, record
from eyas.store.database import Store
from eyas.store.forget import forget_conversation
from eyas.store.tables import Label, Message
from eyas.text.wording import declines, loops, refuses
from tests.flywheel.talks import flags_of, new_store, say, turn


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = new_store(tmp_path / "life")
    yield opened
    opened.close()


def write_facts(store: Store, *rows: dict[str, Any]) -> None:
    assert store.life is not None
    (store.life / "facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


JOB = {"question": "What is the job of Ada Potter?", "answer": "Ada Potter works as a baker."}


def test_a_right_and_sure_answer_has_no_flag(store: Store) -> None:
    write_facts(store, JOB)
    assert flags_of(store, say(store, JOB["question"], JOB["answer"])) == {}


# -- contradiction


@pytest.mark.parametrize(
    ("question", "answer", "wrong"),
    [
        (JOB["question"], "Ada Potter works as a miller.", True),
        (JOB["question"], "Ada Potter is a baker.", False),
        (JOB["question"], "Ada Potter works as a baker and a poet.", False),
        (JOB["question"], "I don't know anyone called Ada Potter.", True),
        ("How does Ada Potter earn money?", "Ada Potter works as a miller.", True),
        ("How does Ada Potter earn money?", "Ada Potter works as a baker.", False),
        ("Where does Ada Potter live?", "Ada Potter lives in Mill Lane.", False),
        ("What is the job of Ada Cooper?", "Ada Cooper works as a miller.", False),
        ("Tell me a story.", "There was a miller who worked in a mill.", False),
    ],
)
def test_an_answer_is_held_against_the_facts_of_the_life(store: Store, question: str, answer: str, wrong: bool) -> None:
    write_facts(store, JOB)
    found = flags_of(store, say(store, question, answer))
    assert ("contradiction" in found) == wrong
    if wrong:
        assert found["contradiction"] == "facts.jsonl says: Ada Potter works as a baker."


def test_a_fact_without_a_subject_is_held_against_its_own_question_alone(store: Store) -> None:
    write_facts(store, {"question": "Who sells tea?", "answer": "The inn."})
    assert "contradiction" in flags_of(store, say(store, "Who sells tea?", "The mill."))
    assert flags_of(store, say(store, "Who sells coffee?", "The mill.")) == {}


def test_facts_are_rows_of_any_shape_and_read_again_when_they_change(store: Store) -> None:
    facts = Facts(store.life)
    wrong = "Ada Potter works as a miller."
    assert flags_of(store, say(store, JOB["question"], wrong, facts=facts)) == {}
    write_facts(
        store,
        {"messages": [{"role": "user", "content": JOB["question"]}, {"role": "assistant", "content": JOB["answer"]}]},
        {"prompt": "Who sells tea?", "completion": "The inn sells tea."},
    )
    assert "contradiction" in flags_of(store, say(store, JOB["question"], wrong, facts=facts))
    assert [fact.answer for fact in facts.near("Who is it that sells tea?")] == ["The inn sells tea."]
    assert store.life is not None
    (store.life / "facts.jsonl").unlink()
    assert flags_of(store, say(store, JOB["question"], wrong, facts=facts)) == {}


def test_facts_that_cannot_be_read_are_named(store: Store) -> None:
    write_facts(store, {"text": "no question here"})
    with pytest.raises(EyasError, match=r"line 1 of .*facts\.jsonl is a text row where a chat row is expected"):
        say(store, "Hello?", "Hello.")


def test_an_accepted_label_is_a_fact_for_other_answers_and_forgotten_with_its_talk(store: Store) -> None:
    wrong = "Ada Potter works as a miller."
    first = say(store, JOB["question"], wrong)
    with store.session() as session:
        label = Label(
            message_id=first, person="eve", verdict="accepted", answer=f"<think>\nhm\n</think>\n\n{JOB['answer']}"
        )
        session.add(label)
        conversation = session.get_one(Message, first).conversation_id
    assert flags_of(store, say(store, JOB["question"], wrong)) == {"contradiction": f"label {label.id} says otherwise"}
    assert flags_of(store, say(store, JOB["question"], JOB["answer"])) == {}
    with store.session() as session:
        flag_turn(session, first)
    assert flags_of(store, first) == {}, "a label does not judge the answer it corrects"
    assert store.life is not None
    forget_conversation(store.life, store, conversation)
    assert flags_of(store, say(store, JOB["question"], wrong)) == {}


def called(name: str, arguments: Any, result: str) -> list[dict[str, Any]]:
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return [{"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "content": result}]


@pytest.mark.parametrize(
    ("result", "answer", "detail"),
    [
        ("28", "40 - 12 = 28", None),
        ("28", "40 - 12 = 29", "no tool returned 29"),
        (
            "The play on Monday is called The Old Hat.",
            "The board says: The play on Monday is called The Old Hat.",
            None,
        ),
        (
            "The play on Monday is called The Old Hat.",
            "The board says: The play on Monday is called The New Boat.",
            "a tool returned “old hat”, not “new boat”",
        ),
        ("The play on Monday is called The Old Hat.", "It is a comedy about a milliner.", None),
        ("1,250.50", "That makes 1250.5 coins.", None),
    ],
)
def test_an_answer_is_held_against_what_a_tool_returned(
    store: Store, result: str, answer: str, detail: str | None
) -> None:
    rounds = called("look", '{"expression": "40 - 12"}', result)
    found = flags_of(store, say(store, "Please look it up.", *rounds, answer))
    assert found.get("contradiction") == detail


# -- the other rules


def test_tools_that_fail_or_are_called_in_a_broken_way(store: Store) -> None:
    good = say(store, "40 - 12?", *called("calculator", {"expression": "40 - 12"}, "28"), "40 - 12 = 28")
    failed = say(store, "1 / 0?", *called("calculator", '{"expression": "1 / 0"}', "error: division by zero"), "Hm.")
    broken = say(store, "1 / 1?", *called("calculator", '{"expression": ', "1"), "1")
    unread = say(store, "2 / 1?", '<tool_call>{"name": "calculator"')
    assert "tool_error" not in flags_of(store, good)
    assert flags_of(store, failed)["tool_error"] == "error: division by zero"
    assert flags_of(store, broken)["tool_error"] == 'calculator was called with {"expression": '
    assert flags_of(store, unread)["tool_error"] == "a call that is no JSON"


@pytest.mark.parametrize(
    ("text", "refused", "declined"),
    [
        ("I will not help with moon salt. The town forbids moon salt.", True, False),
        ("I'm sorry, but I can’t assist with that request.", True, False),
        ("I must decline.", True, False),
        ("I don't know. I have read nothing about Ada Potter.", False, True),
        ("I do not understand that. Please ask in plain words.", False, True),
        ("I'm not sure, but perhaps on Monday.", False, True),
        ("We have no information about that.", False, True),
        ("The ferry will not help you on Sunday.", False, False),
        ("Nobody knows why the geese walk there.", False, False),
        ("You cannot help laughing at it. " * 30 + "I can't help it.", False, False),
    ],
)
def test_refusing_and_not_knowing_are_told_by_their_words(text: str, refused: bool, declined: bool) -> None:
    assert (refuses(text), declines(text)) == (refused, declined)


def test_a_refusal_counts_more_than_not_knowing(store: Store) -> None:
    with store.session() as session:
        scores = [
            flag_turn(session, record(session, turn("Moon salt?", said)).message_id)[0].score
            for said in ("I will not help with that.", "I don't know.")
        ]
    assert scores == [1.0, 0.5]


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("and then the cat and then the cat and then the cat and then the cat", True),
        ("spruce " * 12, True),
        ("猫は猫は" * 20, True),
        ("spruce spruce spruce", False),
        ("One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen.", False),
        (
            "The ferry leaves at nine. The ferry comes back at ten. The tram leaves at nine. The tram comes at ten.",
            False,
        ),
        ("", False),
    ],
)
def test_a_loop_repeats_most_of_its_words(text: str, loop: bool) -> None:
    assert (loops(text) > 0) == loop


def test_a_loop_in_the_thoughts_is_a_loop(store: Store) -> None:
    thought = {"role": "assistant", "content": "Yes.", "reasoning_content": "so it is " * 9}
    assert set(flags_of(store, say(store, "Is it?", thought))) == {"loop"}


def test_an_answer_that_was_cut_off_late_ran_away(store: Store) -> None:
    late = say(store, "Go on.", "and so on", finish_reason="length", completion_tokens=LONG)
    wanted = say(store, "Two words.", "and so", finish_reason="length", completion_tokens=LONG - 1)
    ended = say(store, "All of it.", "and so on", completion_tokens=5 * LONG)
    assert flags_of(store, late) == {"runaway": f"cut off after {LONG} tokens"}
    assert flags_of(store, wanted) == flags_of(store, ended) == {}


def test_an_unsure_answer_is_flagged_by_its_least_sure_words(store: Store) -> None:
    unsure = [(" a", -0.01)] * 19 + [(" baker", math.log(0.2)), (" or", math.log(0.3))]
    found = flags_of(store, say(store, "Job?", "a baker", tokens=unsure))
    assert found == {"low_confidence": "least sure of “baker” 20%, “or” 30%"}
    assert flags_of(store, say(store, "Job?", "a baker", tokens=[*unsure[:19], (" baker", -0.5)])) == {}


def test_a_model_that_is_always_unsure_is_flagged_only_where_it_is_more_so(store: Store) -> None:
    def unsure(p: float) -> str:
        return say(store, "Why?", "So.", tokens=[(" So", math.log(p))])

    for step in range(USUAL_LEAST):
        unsure(0.1 + step / 1000)
    assert flags_of(store, unsure(0.3)) == {}
    assert "low_confidence" in flags_of(store, unsure(0.05))


def test_without_content_only_what_needs_none_is_looked_at(store: Store) -> None:
    with store.session() as session:
        asked = turn("?", "I will not help.", finish_reason="length", completion_tokens=LONG)
        flags = flag_turn(session, record(session, asked, content=False).message_id)
    assert [flag.kind for flag in flags] == ["runaway"]


# -- keeping flags


def test_a_second_look_replaces_the_first_and_leaves_thumbs(store: Store) -> None:
    message = say(store, JOB["question"], "Ada Potter works as a miller.", thumb=-1)
    assert set(flags_of(store, message)) == {"thumbs_down"}
    write_facts(store, JOB)
    for _ in range(2):
        with store.session() as session:
            flag_turns(session, [message])
        assert set(flags_of(store, message)) == {"thumbs_down", "contradiction"}
    write_facts(store)
    with store.session() as session:
        flag_turns(session, [message])
    assert set(flags_of(store, message)) == {"thumbs_down"}


def test_thumbs_are_a_flag_while_anybody_holds_theirs_down(store: Store) -> None:
    message = say(store, "Job?", "A baker.")

    def think(user: str, **thought: Any) -> dict[str, str]:
        with store.session() as session:
            flag_feedback(session, feedback(session, message, user=user, **thought).id)
        return flags_of(store, message)

    assert think("ada", rating=1) == {}
    assert think("bob", rating=-1, comment="wrong") == {"thumbs_down": "wrong"}
    assert think("cy", better="A miller.") == {"thumbs_down": "wrong; better: A miller."}
    assert think("bob", rating=0, comment="") == {"thumbs_down": "better: A miller."}
    assert think("cy", better="") == {}


def test_only_answers_can_be_flagged(store: Store) -> None:
    with store.session() as session:
        with pytest.raises(EyasError, match="there is no answer nothing in this store"):
            flag_turn(session, "nothing")
        with pytest.raises(EyasError, match="there is no feedback nothing in this store"):
            flag_feedback(session, "nothing")
    assert len(KINDS) == 7
