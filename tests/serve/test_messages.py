"""Anthropic's interface: the same turns, in its shapes, read by its own client."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from eyas.text.chat import render
from tests.serve.sse import named_events

ROOT = Path(__file__).parents[2]
TOOL = {
    "name": "weather",
    "description": "Tell the weather.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"enum": ["Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
ASKED = {"model": "eyas", "max_tokens": 20, "temperature": 0, "messages": [{"role": "user", "content": "Hello 猫"}]}
CALLING = ASKED | {"tools": [TOOL], "tool_choice": {"type": "any"}, "max_tokens": 400}


def ask(http: httpx2.Client, **body: Any) -> dict[str, Any]:
    answer = http.post("/v1/messages", json=ASKED | body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def prompt_tokens(app: FastAPI, messages: list[dict[str, Any]], tools: Any = None) -> int:
    tokenizer = app.state.eyas.served.load("assistant").engine.tokenizer
    return len(render(tokenizer, messages, tools=tools, add_generation_prompt=True).ids)


def test_a_message_is_answered(http: httpx2.Client, app: FastAPI) -> None:
    made = ask(http)
    assert made["id"].startswith("msg_")
    assert (made["type"], made["role"], made["model"]) == ("message", "assistant", "assistant")
    assert [block["type"] for block in made["content"]] == ["text"]
    assert made["usage"]["input_tokens"] == prompt_tokens(app, ASKED["messages"])
    assert (made["stop_reason"], made["stop_sequence"]) in [("max_tokens", None), ("end_turn", None)]
    assert made["eyas"]["stored"] is True


def test_a_stream_builds_the_same_message(http: httpx2.Client) -> None:
    whole = ask(http)
    events = named_events(http, "/v1/messages", ASKED)
    kinds = [event["type"] for event in events]
    assert [kind for kind in kinds if kind != "content_block_delta"] == [
        "message_start",
        "content_block_start",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start = events[0]["message"]
    assert (start["content"], start["stop_reason"], start["usage"]["output_tokens"]) == ([], None, 0)
    assert events[1]["content_block"] == {"type": "text", "text": ""}
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    assert text == whole["content"][0]["text"]
    assert events[-2]["delta"] == {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    assert events[-2]["usage"] == whole["usage"]
    assert events[-2]["eyas"]["stored"] is True


def test_a_stop_sequence_is_told(http: httpx2.Client) -> None:
    text = ask(http)["content"][0]["text"]
    stop = text[3:5]
    made = ask(http, stop_sequences=["never said", stop])
    assert (made["stop_reason"], made["stop_sequence"]) == ("stop_sequence", stop)
    assert "".join(block["text"] for block in made["content"]) == text[: text.index(stop)]


def test_a_tool_is_called_and_its_result_read(http: httpx2.Client, app: FastAPI) -> None:
    made = http.post("/v1/messages", json=CALLING).json()
    assert made["stop_reason"] == "tool_use"
    call = made["content"][-1]
    assert (call["type"], call["name"], call["input"]) == ("tool_use", "weather", {"city": "Rome"})
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": "sunny"}]}
    history = [*ASKED["messages"], {"role": "assistant", "content": [call]}]
    after = ask(http, messages=[*history, {"role": "user", "content": [result, {"type": "text", "text": "And?"}]}])
    function = {"name": "weather", "arguments": {"city": "Rome"}}
    rendered = [
        *ASKED["messages"],
        {"role": "assistant", "content": "", "tool_calls": [{"function": function}]},
        {"role": "tool", "content": "sunny"},
        {"role": "user", "content": "And?"},
    ]
    assert after["usage"]["input_tokens"] == prompt_tokens(app, rendered)


def test_a_call_is_streamed_as_json_in_parts(http: httpx2.Client) -> None:
    events = named_events(http, "/v1/messages", CALLING)
    (start,) = [event for event in events if event["type"] == "content_block_start"]
    assert start["content_block"]["input"] == {}
    assert (start["content_block"]["type"], start["content_block"]["name"]) == ("tool_use", "weather")
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert {delta["type"] for delta in deltas} == {"input_json_delta"}
    assert json.loads("".join(delta["partial_json"] for delta in deltas)) == {"city": "Rome"}
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_system_tools_and_thoughts_are_rendered_as_everywhere(http: httpx2.Client, app: FastAPI) -> None:
    thought = {"type": "thinking", "thinking": "A cat.", "signature": "x"}
    history = [
        *ASKED["messages"],
        {"role": "assistant", "content": [thought, {"type": "text", "text": "Meow"}]},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]
    body = {"messages": history, "system": [{"type": "text", "text": "Be kind."}], "tools": [TOOL]}
    rendered = [
        {"role": "system", "content": "Be kind."},
        *ASKED["messages"],
        {"role": "assistant", "content": "Meow", "reasoning_content": "A cat."},
        {"role": "user", "content": "ab"},
    ]
    described = {"name": "weather", "description": "Tell the weather.", "parameters": TOOL["input_schema"]}
    wanted = prompt_tokens(app, rendered, [{"type": "function", "function": described}])
    assert http.post("/v1/messages/count_tokens", json=body).json() == {"input_tokens": wanted}
    assert ask(http, **body)["usage"]["input_tokens"] == wanted


def test_a_thought_is_a_block_before_the_text(pupil: httpx2.Client) -> None:
    body = {"max_tokens": 50, "temperature": 0, "messages": [{"role": "user", "content": "What does a cat say?"}]}
    blocks = [{"type": "thinking", "thinking": "A cat.", "signature": ""}, {"type": "text", "text": "Meow."}]
    whole = pupil.post("/v1/messages", json=body).json()
    assert (whole["content"], whole["stop_reason"], whole["eyas"]) == (blocks, "end_turn", {"stored": False})
    events = named_events(pupil, "/v1/messages", body)
    steps = [(event["type"], event["index"]) for event in events if "index" in event and "delta" not in event]
    assert steps == [
        ("content_block_start", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_stop", 1),
    ]
    told = {"thinking_delta": "", "text_delta": ""}
    for event in events:
        if event["type"] == "content_block_delta":
            kind = event["delta"]["type"]
            told[kind] += event["delta"][kind.removesuffix("_delta")]
    assert told == {"thinking_delta": "A cat.", "text_delta": "Meow."}


def test_a_sum_is_worked_out_by_the_server_and_not_shown_as_a_call(pupil: httpx2.Client) -> None:
    body = {"max_tokens": 99, "temperature": 0, "messages": [{"role": "user", "content": "What is 12 * 34?"}]}
    whole = pupil.post("/v1/messages", json=body).json()
    assert whole["content"] == [{"type": "text", "text": "It is 408."}]
    assert whole["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    ("body", "kind", "part"),
    [
        ({"max_tokens": None}, "invalid_request_error", "max_tokens"),
        ({"messages": []}, "invalid_request_error", "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "invalid_request_error", "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "invalid_request_error", "image"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_use"}]}]}, "invalid_request_error", "tool_use"),
        ({"messages": [{"role": "user", "content": "goat " * 3000}]}, "invalid_request_error", "context"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "invalid_request_error", "input_schema"),
        ({"tool_choice": {"type": "tool", "name": "rain"}, "tools": [TOOL]}, "invalid_request_error", "rain"),
        ({"model": "claude"}, "not_found_error", "claude"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_anthropics_shape(
    http: httpx2.Client, body: dict[str, Any], kind: str, part: str, stream: bool
) -> None:
    answer = http.post("/v1/messages", json=ASKED | body | {"stream": stream})
    assert answer.status_code == (404 if kind == "not_found_error" else 400)
    assert set(answer.json()) == {"type", "error"}
    error = answer.json()["error"]
    assert error["type"] == kind
    assert part in error["message"]


def test_its_own_client_reads_all_of_it(url: str) -> None:
    folder = ROOT / ".venv" / "clients" / "anthropic"
    if not (folder / "ready").exists():
        pytest.skip("anthropic is not installed here; run: sh tools/clients.sh")
    script = Path(__file__).with_name("anthropic_calls.py")
    done = subprocess.run(
        [sys.executable, "-I", str(script), str(folder), url], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["whole"] == found["stream"] != ""
    assert found["call"] == found["stream_call"] == ["tool_use", "weather", {"city": "Rome"}]
    assert found["count"] == found["input_tokens"]
    assert found["error"] == ["NotFoundError", 404, "not_found_error"]
