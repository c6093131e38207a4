"""Turns are recorded as trees and read back whole."""

import math
from dataclasses import replace

import pytest
from sqlalchemy import select

from eyas.errors import EyasError
from eyas.store.conversations import (
    chain_of,
    conversations,
    feedback,
    history,
    messages_of,
    record,
    text_of,
    title_of,
)
from eyas.store.database import Store
from eyas.store.retention import redact
from eyas.store.tables import Conversation, Feedback, Message
from tests.store.turns import talk, turn

CALL = {"id": "c1", "type": "function", "function": {"name": "calculate", "arguments": '{"expression": "2+2"}'}}


def texts(messages: list[Message]) -> list[str]:
    return [message.text for message in messages]


def test_a_turn_is_kept_whole(store: Store) -> None:
    tools = [{"type": "function", "function": {"name": "calculate"}}]
    system = {"role": "system", "content": "Be short."}
    question = {"role": "user", "content": [{"type": "text", "text": "Where is\nthe bakery?"}]}
    given = turn("", "In Mill Lane.", user="ana", source="page", tools=tools)
    with store.session() as session:
        done = record(session, replace(given, messages=[system, question]))
    with store.session() as session:
        first, asked, answer = history(session, done.message_id)
        talked = session.get_one(Conversation, done.conversation_id)
    assert (first.content, asked.content, answer.content) == (system, question, given.answers[0])
    assert (first.model, asked.tokens, asked.seconds) == (None, None, None)
    assert asked.text == "Where is\nthe bakery?"
    assert (answer.model, answer.model_sha256, answer.sampling) == (given.model, given.model_sha256, given.sampling)
    assert (answer.tools, answer.tokens, answer.mean_logprob) == (tools, [["a", -0.5], ["b", -1.5]], -1.0)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.finish_reason) == (11, 2, "stop")
    assert (answer.first_seconds, answer.seconds, answer.shadow) == (0.25, 1.0, False)
    assert (talked.user, talked.source, talked.title) == ("ana", "page", "Where is the bakery?")


def test_a_history_that_is_sent_again_continues_its_conversation(store: Store) -> None:
    with store.session() as session:
        first = record(session, turn("hi", "hello", user="ana"))
        second = record(session, turn("hi", "hello", "and now?", "well", user="ana"))
        third = record(session, turn("hi", "hello", "and now?", "well", "so?", "bye", user="ana"))
        assert first.conversation_id == second.conversation_id == third.conversation_id
        assert texts(messages_of(session, first.conversation_id)) == ["hi", "hello", "and now?", "well", "so?", "bye"]
        assert texts(history(session, third.message_id)) == ["hi", "hello", "and now?", "well", "so?", "bye"]


def test_a_history_of_another_user_or_unknown_or_without_an_answer_is_a_new_conversation(store: Store) -> None:
    with store.session() as session:
        made = [
            record(session, turn("hi", "hello", user="ana")),
            record(session, turn("hi", "hello", "go on", "no", user="ben")),
            record(session, turn("hi", "hello", "go on", "no")),
            record(session, turn("hi", "hello!!", "go on", "no", user="ana")),
            record(session, turn("hi", "hello", user="ana")),
        ]
        assert len({one.conversation_id for one in made}) == 5
        assert texts(history(session, made[1].message_id)) == ["hi", "hello", "go on", "no"]


def test_what_clients_change_in_a_history_does_not_break_the_conversation(store: Store) -> None:
    answer = {"role": "assistant", "content": None, "reasoning_content": "I must reckon.", "tool_calls": [CALL]}
    sent = {"role": "assistant", "content": "", "refusal": None, "tool_calls": [{**CALL, "id": "other"}]}
    result = {"role": "tool", "tool_call_id": "other", "content": "4"}
    with store.session() as session:
        first = record(session, replace(turn("2+2? ", ""), answers=[answer]))
        again = [{"role": "user", "content": [{"type": "text", "text": "2+2?"}]}, sent, result]
        second = record(session, replace(turn("", "It is 4."), messages=again))
        assert second.conversation_id == first.conversation_id
        assert [one.role for one in history(session, second.message_id)] == ["user", "assistant", "tool", "assistant"]
        assert history(session, second.message_id)[1].content == answer
    other = {"id": "c1", "type": "function", "function": {"name": "calculate", "arguments": '{"expression": "2+3"}'}}
    assert chain_of([{**answer, "tool_calls": [other]}]) != chain_of([answer])


def test_rounds_of_tools_that_the_client_never_saw_do_not_break_the_conversation(store: Store) -> None:
    rounds = [
        {"role": "assistant", "content": "Let me reckon. ", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "4"},
        {"role": "assistant", "content": "It is 4."},
    ]
    with store.session() as session:
        first = record(session, replace(turn("2+2?", ""), answers=rounds))
        second = record(session, turn("2+2?", "Let me reckon. It is 4.", "sure?", "yes"))
        assert second.conversation_id == first.conversation_id
        said = history(session, second.message_id)
        assert texts(said) == ["2+2?", "Let me reckon. ", "4", "It is 4.", "sure?", "yes"]
        assert [one.model for one in said] == [None, None, None, "assistant", None, "assistant"]


def test_an_answer_made_again_and_a_question_edited_are_siblings(store: Store) -> None:
    with store.session() as session:
        first = record(session, turn("hi", "hello"))
        second = record(session, turn("hi", "hello", "and?", "one"))
        again = record(session, turn("hi", "hello", "and?", "two", parent_id=first.message_id))
        edited = record(session, turn("hi", "hello", "but?", "three", parent_id=first.message_id))
        root = record(session, turn("hi", "hoy", conversation_id=first.conversation_id))
        assert {one.conversation_id for one in (second, again, edited, root)} == {first.conversation_id}
        tree = messages_of(session, first.conversation_id)
        assert texts(tree) == ["hi", "hello", "and?", "one", "two", "but?", "three", "hoy"]
        parents = {one.text: one.parent_id for one in tree}
        ids = {one.text: one.id for one in tree}
        assert parents["one"] == parents["two"] == ids["and?"]
        assert parents["and?"] == parents["but?"] == ids["hello"]
        assert parents["hello"] == parents["hoy"] == ids["hi"]


def test_of_two_equal_answers_the_named_one_is_continued(store: Store) -> None:
    with store.session() as session:
        first = record(session, turn("hi", "hello"))
        twin = record(session, turn("hi", "hello", conversation_id=first.conversation_id))
        for parent in (first, twin):
            done = record(session, turn("hi", "hello", "and?", "so", parent_id=parent.message_id))
            assert history(session, done.message_id)[1].id == parent.message_id


def test_strangers_with_the_same_first_turn_keep_apart(store: Store) -> None:
    with store.session() as session:
        for _ in range(2):
            record(session, turn("hi", "hello"))
        ways = {record(session, turn("hi", "hello", f"I am {name}", "good")).conversation_id for name in "AB"}
        assert len(ways) == 2


def test_a_history_changed_by_the_client_is_kept_as_the_model_saw_it(store: Store) -> None:
    with store.session() as session:
        first = record(session, turn("hi", "hello"))
        given = turn("hi", "hello", "and?", "so", parent_id=first.message_id)
        system = {"role": "system", "content": "Be rude."}
        done = record(session, replace(given, messages=[system, *given.messages]))
        assert done.conversation_id == first.conversation_id
        assert texts(history(session, done.message_id)) == ["Be rude.", "hi", "hello", "and?", "so"]


def test_nobody_joins_a_conversation_of_another_user_by_its_id(store: Store) -> None:
    with store.session() as session:
        hers = record(session, turn("hi", "hello", user="ana"))
        for way in ({"parent_id": hers.message_id}, {"conversation_id": hers.conversation_id}):
            his = record(session, turn("hi", "hello", "who?", "ana", user="ben", **way))
            assert his.conversation_id != hers.conversation_id
        assert len(messages_of(session, hers.conversation_id)) == 2


def test_a_shadow_answer_is_a_sibling_that_no_history_continues(store: Store) -> None:
    with store.session() as session:
        seen = record(session, turn("hi", "hello"))
        record(session, turn("hi", "hello", model="challenger", shadow=True, conversation_id=seen.conversation_id))
        after = record(session, turn("hi", "hello", "and?", "so"))
        assert [one.shadow for one in messages_of(session, seen.conversation_id)] == [False, False, True, False, False]
        assert history(session, after.message_id)[1].id == seen.message_id


def test_a_long_history_is_recognised_by_its_end(sqlite: Store) -> None:
    long = [f"text {number}" for number in range(2401)]
    with sqlite.session() as session:
        first = record(session, turn(*long, "so"))
        second = record(session, turn(*long, "so", "and?", "well"))
        assert second.conversation_id == first.conversation_id
        assert len(history(session, second.message_id)) == 2404


def test_without_content_a_turn_keeps_its_figures_and_its_place(store: Store) -> None:
    secret = turn("my secret", "hello", tools=[{"name": "secret"}])
    with store.session() as session:
        first = record(session, secret, content=False)
        second = record(session, turn("my secret", "hello", "and?", "so"), content=False)
        kept = history(session, second.message_id)
        talked = session.get_one(Conversation, first.conversation_id)
    assert second.conversation_id == first.conversation_id
    assert {one.text for one in kept} == {""} and talked.title == ""
    assert kept[1].content == {"role": "assistant", "content": ""}
    assert (kept[1].tokens, kept[1].tools, kept[1].mean_logprob, kept[1].seconds) == (None, None, -1.0, 1.0)
    assert kept[1].chain != chain_of(talk("my secret", "hello"))  # or a guess at the text could be checked


def test_a_redacted_conversation_is_not_continued(store: Store) -> None:
    with store.session() as session:
        first = record(session, turn("hi", "hello"))
    redact(store, str)
    with store.session() as session:
        second = record(session, turn("hi", "hello", "and?", "so", parent_id=first.message_id))
        assert second.conversation_id != first.conversation_id


def test_text_that_databases_refuse_is_kept_mended(store: Store) -> None:
    odd = "a\0b \ud800 \ud83d\ude00 \u00e9"
    with store.session() as session:
        done = record(
            session,
            turn(odd, odd, user=odd, sampling={odd: math.inf}, tokens=[("\0", -math.inf), ("x", -1.0)]),
        )
        feedback(session, done.message_id, comment=odd)
    with store.session() as session:
        answer = history(session, done.message_id)[-1]
        mended = "a\ufffdb \ufffd \U0001f600 \u00e9"
        assert (answer.text, answer.content["content"]) == (mended, mended)
        assert (answer.sampling, answer.tokens) == ({mended: None}, [["\ufffd", None], ["x", -1.0]])
        assert answer.mean_logprob == -1.0
        assert session.scalars(select(Feedback)).one().comment == mended
        again = record(session, turn(odd, odd, "and?", "so", user=odd))
        assert again.conversation_id == done.conversation_id


def test_a_user_may_have_any_name(store: Store) -> None:
    name = "".join(f"{number} é " for number in range(5000))
    with store.session() as session:
        first = record(session, turn("hi", "hello", user=name))
        second = record(session, turn("hi", "hello", "and?", "so", user=name))
        assert first.conversation_id == second.conversation_id
        assert [one.id for one in conversations(session, user=name)] == [first.conversation_id]


def test_conversations_come_last_spoken_in_first_and_page_by_page(store: Store) -> None:
    with store.session() as session:
        made = [record(session, turn(f"question {n}", "yes", user="ana")).conversation_id for n in range(3)]
        record(session, turn("question 0", "yes", "more", "no", user="ana"))
        record(session, turn("question 9", "no", user="ben"))
        page = conversations(session, user="ana", limit=2)
        assert [one.id for one in page] == [made[0], made[2]]
        assert [one.id for one in conversations(session, "ana", limit=2, before=page[-1].updated)] == [made[1]]
        assert [one.user for one in conversations(session, query="question 9")] == ["ben"]
        assert conversations(session, user="ben", query="question 1") == []


def test_a_person_has_one_word_on_an_answer(store: Store) -> None:
    with store.session() as session:
        done = record(session, turn("hi", "hello"))
        feedback(session, done.message_id, rating=-1, user="ana")
        feedback(session, done.message_id, rating=1)
        feedback(session, done.message_id, comment="too short", better="hello there", user="ana")
        kept = {one.user: (one.rating, one.comment, one.better) for one in session.scalars(select(Feedback))}
        assert kept == {"ana": (-1, "too short", "hello there"), None: (1, "", "")}
        assert feedback(session, done.message_id, rating=0, user="ana").rating is None


def test_feedback_on_nothing_is_refused(store: Store) -> None:
    with store.session() as session:
        done = record(session, turn("hi", "hello"))
        asked = history(session, done.message_id)[0].id
        for message_id in (asked, "nowhere"):
            with pytest.raises(EyasError, match=f"there is no answer {message_id}"):
                feedback(session, message_id, rating=1)
        with pytest.raises(EyasError, match="a rating is 1, -1 or 0, not 5"):
            feedback(session, done.message_id, rating=5)


def test_a_turn_without_an_answer_and_a_message_that_is_not_there_are_refused(sqlite: Store) -> None:
    with sqlite.session() as session:
        with pytest.raises(EyasError, match="a turn without an answer"):
            record(session, turn("hi", "hello", answers=[]))
        with pytest.raises(EyasError, match="there is no message nowhere in this store"):
            history(session, "nowhere")


def test_a_title_is_one_short_line() -> None:
    assert title_of({"content": " Where\n is  it? "}) == "Where is it?"
    assert len(title_of({"content": "x" * 300})) == 80
    assert (
        text_of({"content": [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]})
        == "a\nb"
    )
