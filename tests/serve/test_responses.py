"""OpenAI's newer interface: the stateless part of it."""

import json
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from eyas.text.chat import render
from tests.serve.sse import named_events

TOOL = {
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"enum": ["Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
ASKED = {"model": "eyas", "input": "Hello 猫", "temperature": 0, "max_output_tokens": 20}
CALLING = ASKED | {"tools": [TOOL], "tool_choice": "required", "max_output_tokens": 400}


def ask(http: httpx2.Client, **body: Any) -> dict[str, Any]:
    answer = http.post("/v1/responses", json=ASKED | body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def prompt_tokens(app: FastAPI, messages: list[dict[str, Any]]) -> int:
    tokenizer = app.state.eyas.served.load("assistant").engine.tokenizer
    return len(render(tokenizer, messages, add_generation_prompt=True).ids)


def test_a_response_is_whole(http: httpx2.Client, app: FastAPI) -> None:
    made = ask(http, text={"format": {"type": "regex", "pattern": "[a-z]{9}"}}, max_output_tokens=50)
    assert made["id"].startswith("resp_")
    assert (made["object"], made["status"], made["model"]) == ("response", "completed", "assistant")
    assert made["created_at"] <= made["completed_at"]
    (item,) = made["output"]
    assert (item["type"], item["role"], item["status"]) == ("message", "assistant", "completed")
    (part,) = item["content"]
    assert (part["type"], len(part["text"]), part["annotations"]) == ("output_text", 9, [])
    usage = made["usage"]
    assert usage["input_tokens"] == prompt_tokens(app, [{"role": "user", "content": "Hello 猫"}])
    assert usage["input_tokens"] + usage["output_tokens"] == usage["total_tokens"]
    assert made["eyas"]["stored"] is True


def test_one_that_was_cut_says_so(http: httpx2.Client) -> None:
    made = ask(http, text={"format": {"type": "regex", "pattern": "[a-z]{300}"}})
    assert made["status"] == made["output"][0]["status"] == "incomplete"
    assert made["incomplete_details"] == {"reason": "max_output_tokens"}
    assert made["completed_at"] is None


def test_a_stream_tells_each_step_in_order(http: httpx2.Client) -> None:
    whole = ask(http)
    events = named_events(http, "/v1/responses", ASKED)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events if event["type"] != "response.output_text.delta"]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        f"response.{whole['status']}",
    ]
    assert events[0]["response"]["output"] == events[2]["item"]["content"] == []
    assert events[3]["part"]["text"] == ""
    item = events[-1]["response"]["output"][0]
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert {event["item_id"] for event in deltas} == {item["id"]}
    text = "".join(event["delta"] for event in deltas)
    assert text == item["content"][0]["text"] == whole["output"][0]["content"][0]["text"] != ""
    assert events[-1]["response"]["usage"] == whole["usage"]


def test_a_call_is_an_item_of_its_own(http: httpx2.Client) -> None:
    (item,) = http.post("/v1/responses", json=CALLING).json()["output"]
    assert (item["type"], item["name"], item["status"]) == ("function_call", "weather", "completed")
    assert json.loads(item["arguments"]) == {"city": "Rome"}
    events = named_events(http, "/v1/responses", CALLING)
    assert [event["type"] for event in events[2:-1]] == [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]
    assert events[2]["item"]["arguments"] == ""
    assert events[3]["delta"] == events[4]["arguments"] == events[5]["item"]["arguments"]


def test_a_thought_is_an_item_before_the_message(pupil: httpx2.Client) -> None:
    body = {"temperature": 0, "input": "What does a cat say?"}
    thought, message = pupil.post("/v1/responses", json=body).json()["output"]
    assert (thought["type"], thought["content"]) == ("reasoning", [{"type": "reasoning_text", "text": "A cat."}])
    assert (message["type"], message["content"][0]["text"]) == ("message", "Meow.")
    events = named_events(pupil, "/v1/responses", body)
    kinds = list(dict.fromkeys(event["type"] for event in events))
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.completed",
    ]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [(event["output_index"], event["item"]["type"]) for event in done] == [(0, "reasoning"), (1, "message")]
    assert events[-1]["response"]["usage"]["output_tokens_details"]["reasoning_tokens"] > 0


def test_items_of_the_input_become_one_chat(http: httpx2.Client, app: FastAPI) -> None:
    items = [
        {"role": "developer", "content": "Be kind."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "I ask."}]},
        {"type": "function_call", "call_id": "c", "name": "weather", "arguments": '{"city": "Rome"}'},
        {"type": "function_call_output", "call_id": "c", "output": "sunny"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Sunny."}]},
        {"role": "user", "content": "Thanks"},
    ]
    function = {"name": "weather", "arguments": '{"city": "Rome"}'}
    rendered = [
        {"role": "system", "content": "Short."},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "reasoning_content": "I ask.", "tool_calls": [{"function": function}]},
        {"role": "tool", "content": "sunny"},
        {"role": "assistant", "content": "Sunny."},
        {"role": "user", "content": "Thanks"},
    ]
    made = ask(http, input=items, instructions="Short.")
    assert made["usage"]["input_tokens"] == prompt_tokens(app, rendered)


def test_log_probabilities_come_when_they_are_asked_for(http: httpx2.Client) -> None:
    part = ask(http, include=["message.output_text.logprobs"], top_logprobs=2)["output"][0]["content"][0]
    assert b"".join(bytes(token["bytes"]) for token in part["logprobs"]).decode("utf-8", "replace") == part["text"]
    assert {len(token["top_logprobs"]) for token in part["logprobs"]} == {2}
    assert ask(http)["output"][0]["content"][0]["logprobs"] == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "c"}}, "conversation"),
        ({"background": True}, "background"),
        ({"input": []}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"text": {"format": {"type": "json_schema", "schema": {"type": "nonsense"}}}}, "response_format"),
        ({"input": "goat " * 3000}, "messages"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_what_cannot_be_done_names_its_field(http: httpx2.Client, body: dict[str, Any], param: str) -> None:
    answer = http.post("/v1/responses", json=ASKED | body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
