"""Chat completions as clients read them: whole, streamed, several, cut, refused, with tools."""

import asyncio
import json
import re
import socket
import time
from collections.abc import Sequence
from typing import Any

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray

from eyas.serve import turns
from eyas.serve.served import ServedModel
from eyas.store.conversations import history
from eyas.store.tables import Conversation, Message
from eyas.text.tokenizer import Tokenizer

USER = [{"role": "user", "content": "What is 12 * 34?"}]
PATH = "/v1/chat/completions"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Rome"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def ask(http: httpx2.Client, **more: Any) -> dict[str, Any]:
    answer = http.post(PATH, json={"messages": USER, "temperature": 0, "max_tokens": 12} | more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def stream(http: httpx2.Client, **more: Any) -> list[dict[str, Any]]:
    """The chunks of a streamed answer; the framing is held to the letter."""
    answer = http.post(PATH, json={"messages": USER, "temperature": 0, "max_tokens": 12, "stream": True} | more)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""] and all(event.startswith("data: ") for event in events[:-1])
    return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]


def exactly(text: str) -> dict[str, Any]:
    """A format that only `text` has."""
    return {"type": "regex", "pattern": re.escape(text)}


def model_of(app: FastAPI) -> ServedModel:
    return app.state.eyas.served.load("assistant")


def test_the_chunks_of_a_stream_are_those_that_clients_expect(http: httpx2.Client) -> None:
    whole = ask(http, seed=1)
    chunks = stream(http, seed=1)
    assert {tuple(chunk) for chunk in chunks[:-1]} == {
        ("id", "object", "created", "model", "system_fingerprint", "choices")
    }
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1 and chunks[0]["id"].startswith("chatcmpl-")
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"} and whole["object"] == "chat.completion"
    choices = [chunk["choices"][0] for chunk in chunks]
    assert choices[0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert all(choice["finish_reason"] is None for choice in choices[:-1])
    assert (choices[-1]["delta"], choices[-1]["finish_reason"]) == ({}, whole["choices"][0]["finish_reason"])
    assert all(set(choice["delta"]) == {"content"} for choice in choices[1:-1])
    assert "".join(choice["delta"]["content"] for choice in choices[:-1]) == whole["choices"][0]["message"]["content"]


def test_the_usage_chunk_comes_last_and_only_when_asked_for(http: httpx2.Client) -> None:
    *chunks, last = stream(http, stream_options={"include_usage": True})
    assert all(chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == [] and last["usage"] == ask(http)["usage"]
    assert last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + last["usage"]["completion_tokens"]
    assert "usage" not in stream(http)[-1]


def test_several_choices_differ_repeat_with_their_seed_and_stream_alike(http: httpx2.Client) -> None:
    wish = {"n": 3, "temperature": 1.0, "seed": 7}
    whole = ask(http, **wish)
    texts = [choice["message"]["content"] for choice in whole["choices"]]
    assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2] and len(set(texts)) == 3
    assert [choice["message"]["content"] for choice in ask(http, **wish)["choices"]] == texts
    streamed = ["", "", ""]
    finished = []
    for chunk in stream(http, **wish):
        (choice,) = chunk["choices"]
        streamed[choice["index"]] += choice["delta"].get("content", "")
        finished += [choice["index"]] if choice["finish_reason"] else []
    assert streamed == texts and sorted(finished) == [0, 1, 2]
    assert len(set(whole["eyas"]["messages"])) == 3


def test_answers_to_one_request_are_siblings_in_one_conversation(http: httpx2.Client, app: FastAPI) -> None:
    place = ask(http, n=3, temperature=1.0)["eyas"]
    with app.state.eyas.store.session() as session:
        said = [session.get_one(Message, one) for one in place["messages"]]
        assert {one.conversation_id for one in said} == {place["conversation"]}
        assert len({one.parent_id for one in said}) == 1


def test_log_probabilities_have_their_alternatives(http: httpx2.Client) -> None:
    wish = {"logprobs": True, "top_logprobs": 3, "seed": 2, "temperature": 1.0}
    choice = ask(http, **wish)["choices"][0]
    tokens = choice["logprobs"]["content"]
    assert (
        b"".join(bytes(token["bytes"]) for token in tokens).decode("utf-8", "replace") == choice["message"]["content"]
    )
    for token in tokens:
        top = [one["logprob"] for one in token["top_logprobs"]]
        assert len(top) == 3 and top == sorted(top, reverse=True) and token["logprob"] <= top[0] + 1e-4
        same = [one for one in token["top_logprobs"] if one["bytes"] == token["bytes"]]
        assert all(one["logprob"] == pytest.approx(token["logprob"], abs=1e-4) for one in same)
    streamed = [chunk["choices"][0]["logprobs"] for chunk in stream(http, **wish)]
    assert [token for part in streamed if part for token in part["content"]] == tokens
    assert ask(http)["choices"][0]["logprobs"] is None


def test_a_stop_string_ends_the_answer_and_is_not_told(http: httpx2.Client) -> None:
    wish = {"response_format": exactly("one two three four"), "max_tokens": 60}
    assert ask(http, **wish)["choices"][0]["message"]["content"] == "one two three four"
    cut = ask(http, **wish, stop=["e f", "zzz"])["choices"][0]
    assert (cut["message"]["content"], cut["finish_reason"]) == ("one two thre", "stop")
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in stream(http, **wish, stop="e f"))
    assert text == "one two thre"


def test_penalties_and_biases_change_what_is_said(http: httpx2.Client, app: FastAPI) -> None:
    tokenizer = model_of(app).engine.tokenizer
    (token,) = tokenizer.encode("!")
    said = ask(http, logit_bias={str(token): 100})["choices"][0]["message"]["content"]
    assert said == "!" * 12
    wish = {"logit_bias": {str(token): 100}, "frequency_penalty": 2.0, "max_tokens": 90}
    assert len(set(ask(http, **wish)["choices"][0]["message"]["content"])) > 1
    assert http.post(PATH, json={"messages": USER, "logit_bias": {"99999999": 1}}).status_code == 400
    assert http.post(PATH, json={"messages": USER, "logit_bias": {"x": 1}}).json()["error"]["param"] == "logit_bias"


def test_a_forced_call_is_told_whole_and_in_parts(http: httpx2.Client) -> None:
    wish = {"tools": [WEATHER], "tool_choice": "required", "max_tokens": 150}
    choice = ask(http, **wish)["choices"][0]
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None
    call = choice["message"]["tool_calls"][0]
    assert call["type"] == "function" and json.loads(call["function"]["arguments"]) == {"city": "Rome"}
    choices = [chunk["choices"][0] for chunk in stream(http, **wish)]
    first, second = choices[1]["delta"]["tool_calls"][0], choices[2]["delta"]["tool_calls"][0]
    assert first["index"] == second["index"] == 0 and first["function"] == {"name": "weather", "arguments": ""}
    assert set(second) == {"index", "function"} and choices[-1]["finish_reason"] == "tool_calls"
    after = [*USER, choice["message"], {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}]
    assert ask(http, messages=after, tools=[WEATHER])["choices"][0]["finish_reason"] in ("stop", "length")


def says(tokenizer: Tokenizer, rounds: list[list[int]]) -> Any:
    """In place of a grammar's mask: the answer is the next of `rounds`, then an end."""

    async def mask_of(*_: Any) -> Any:
        ids = [*rounds.pop(0), tokenizer.im_end]

        def mask(said: Sequence[int]) -> NDArray[np.uint32]:
            bits = np.zeros(-(-tokenizer.vocab_size // 32), np.uint32)
            token = ids[len(said)]
            bits[token // 32] = np.uint32(1) << np.uint32(token % 32)
            return bits

        return mask

    return mask_of


def call_of(tokenizer: Tokenizer, name: str, arguments: str) -> list[int]:
    text = tokenizer.encode(f'{{"name": "{name}", "arguments": {arguments}}}')
    return [tokenizer.special["<tool_call>"], *text, tokenizer.special["</tool_call>"]]


def test_the_server_runs_its_own_tools(http: httpx2.Client, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = model_of(app).engine.tokenizer
    sum_ = call_of(tokenizer, "calculator", '{"expression": "12 * 34"}')
    monkeypatch.setattr(turns, "_mask", says(tokenizer, [sum_, tokenizer.encode("It is 408.")]))
    made = ask(http, max_tokens=200)
    assert made["choices"][0]["message"] == {"role": "assistant", "content": "It is 408.", "refusal": None}
    assert made["choices"][0]["finish_reason"] == "stop"
    (tool,) = made["eyas"]["tools"]
    assert (tool["name"], json.loads(tool["arguments"]), tool["answer"]) == (
        "calculator", {"expression": "12 * 34"}, "408",
    )  # fmt: skip
    with app.state.eyas.store.session() as session:
        line = history(session, made["eyas"]["message"])
        assert [one.role for one in line] == ["user", "assistant", "tool", "assistant"] and line[2].text == "408"
        assert "".join(piece for piece, _ in line[3].tokens or []).endswith("</tool_call>It is 408.")
    unknown = call_of(tokenizer, "moon", "{}")
    monkeypatch.setattr(turns, "_mask", says(tokenizer, [unknown, tokenizer.encode("Sorry.")]))
    assert "no tool named moon" in ask(http, max_tokens=200)["eyas"]["tools"][0]["answer"]


def test_a_model_that_keeps_calling_is_stopped(
    http: httpx2.Client, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = model_of(app).engine.tokenizer
    rounds = [call_of(tokenizer, "calculator", '{"expression": "1"}') for _ in range(9)]
    monkeypatch.setattr(turns, "_mask", says(tokenizer, rounds))
    made = ask(http, max_tokens=200)
    assert made["choices"][0]["finish_reason"] == "length" and "tool_calls" not in made["choices"][0]["message"]
    assert len(made["eyas"]["tools"]) == turns.MAX_ROUNDS == 4 and len(rounds) == 4


def test_a_tool_of_the_client_is_left_to_the_client(
    http: httpx2.Client, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = model_of(app).engine.tokenizer
    own = {"type": "function", "function": {"name": "calculator", "parameters": {"type": "object"}}}
    monkeypatch.setattr(turns, "_mask", says(tokenizer, [call_of(tokenizer, "calculator", '{"a": 1}')]))
    choice = ask(http, tools=[own], max_tokens=60)["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "calculator", "arguments": '{"a": 1}'}


def test_what_does_not_fit_is_refused_and_never_cut(http: httpx2.Client, app: FastAPI) -> None:
    answer = http.post(PATH, json={"messages": [{"role": "user", "content": "cat " * 2000}]})
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "context_length_exceeded"
    long = ask(http, max_tokens=10_000, logit_bias={"20": 100})
    assert (
        long["choices"][0]["finish_reason"] == "length"
        and long["usage"]["total_tokens"] == model_of(app).engine.context
    )


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "messages"),
        ({"temperature": 3}, "temperature"),
        ({"n": 0}, "n"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "poem"}}, "response_format"),
    ],
)
def test_wrong_requests_name_the_field(http: httpx2.Client, wrong: dict[str, Any], param: str) -> None:
    answer = http.post(PATH, json={"messages": USER} | wrong)
    assert answer.status_code == 400 and answer.json()["error"]["param"] == param
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_parts_and_developers_are_understood(http: httpx2.Client, app: FastAPI) -> None:
    parts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "12 * 34?"}]
    plain = ask(http, messages=[{"role": "system", "content": "Be brief."}, *USER])
    same = ask(http, messages=[{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}])
    assert plain["choices"] == same["choices"] and plain["usage"] == same["usage"]


def test_a_talk_is_one_conversation_and_an_edit_a_branch(http: httpx2.Client, app: FastAPI) -> None:
    user = {"user": "Mira"}
    first = ask(http, **user)
    answer = first["choices"][0]["message"]
    second = ask(http, messages=[*USER, answer, {"role": "user", "content": "And?"}], **user)
    assert second["eyas"]["conversation"] == first["eyas"]["conversation"]
    edited = {"conversation": first["eyas"]["conversation"], "parent": first["eyas"]["message"], "source": "page"}
    third = ask(http, messages=[*USER, answer, {"role": "user", "content": "Or?"}], metadata=edited, **user)
    with app.state.eyas.store.session() as session:
        lines = [history(session, made["eyas"]["message"]) for made in (second, third)]
        assert [one.text for one in lines[0]][2] == "And?" and [one.text for one in lines[1]][2] == "Or?"
        assert lines[0][1].id == lines[1][1].id == first["eyas"]["message"]
        assert session.get_one(Conversation, first["eyas"]["conversation"]).user == "Mira"


def test_a_client_that_leaves_ends_its_answer(url: str, app: FastAPI) -> None:
    model, store = model_of(app), app.state.eyas.store
    body = json.dumps({
        "messages": [{"role": "user", "content": "Talk on"}], "stream": True, "user": "leaver",
        "logit_bias": {"40": 100},
    }).encode()  # fmt: skip
    host, port = url.removeprefix("http://").split(":")
    for _ in range(5):
        with socket.create_connection((host, int(port))) as connection:
            head = f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert b"200" in connection.recv(500)
    deadline = time.monotonic() + 20
    while model.worker.load and time.monotonic() < deadline:
        time.sleep(0.02)
    assert model.worker.load == 0
    while time.monotonic() < deadline:
        with store.session() as session:
            left = session.query(Message).join(Conversation).filter(
                Conversation.user == "leaver", Message.role == "assistant"
            ).all()  # fmt: skip
        if len(left) == 5:
            break
        time.sleep(0.02)
    assert len(left) == 5 and {one.finish_reason for one in left} <= {"cancelled", "length"}
    assert any(one.finish_reason == "cancelled" and (one.completion_tokens or 0) < 900 for one in left)


def test_many_at_once_say_what_they_say_alone(http: httpx2.Client, url: str) -> None:
    wishes = [{"messages": [{"role": "user", "content": f"cat {i}"}], "seed": i, "temperature": 1.0} for i in range(12)]
    alone = [ask(http, **wish)["choices"] for wish in wishes]

    async def together() -> list[Any]:
        async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
            asked = [client.post(PATH, json={"max_tokens": 12} | wish) for wish in wishes]
            return [answer.json()["choices"] for answer in await asyncio.gather(*asked)]

    assert asyncio.run(together()) == alone
