"""Whatever the body: an answer, or a refusal in the documented shape; never a failure of the server."""

import json
import random
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
BODIES: dict[str, list[dict[str, Any]]] = {
    "/v1/chat/completions": [
        {
            "model": "eyas",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": [{"type": "text", "text": "naïve 猫"}], "name": "x"},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "c", "content": "1"},
            ],
            "max_tokens": 4,
            "temperature": 0.5,
            "top_p": 0.9,
            "n": 2,
            "stop": ["a", "b"],
            "seed": 1,
            "logprobs": True,
            "top_logprobs": 2,
            "logit_bias": {"20": 1.5},
            "stream_options": {"include_usage": True},
            "tools": [TOOL],
            "tool_choice": "auto",
            "metadata": {"conversation": "x", "parent": "y"},
            "user": "me",
        },
        {
            "messages": [{"role": "user", "content": "x"}],
            "max_completion_tokens": 9,
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA, "strict": True}},
        },
        {
            "messages": [{"role": "user", "content": "x"}],
            "max_tokens": 9,
            "tools": [TOOL],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
        },
    ],
    "/v1/completions": [
        {
            "model": "base",
            "prompt": ["The cat", "x"],
            "max_tokens": 3,
            "n": 2,
            "logprobs": 2,
            "echo": True,
            "stop": "a",
        },
        {"model": "base", "prompt": [[20, 21], [22]], "max_tokens": 3, "seed": 1, "presence_penalty": 0.5, "top_k": 3},
    ],
    "/v1/embeddings": [{"model": "base", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 64}],
    "/v1/responses": [
        {
            "model": "eyas",
            "instructions": "Be kind.",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "x"}]},
                {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "x"}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "1"},
            ],
            "max_output_tokens": 4,
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
            "tool_choice": "auto",
            "text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}},
            "include": ["message.output_text.logprobs"],
            "top_logprobs": 1,
            "metadata": {"a": "b"},
        }
    ],
    "/v1/messages": [
        {
            "model": "eyas",
            "max_tokens": 4,
            "system": [{"type": "text", "text": "Be kind."}],
            "messages": [
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "1"}]},
            ],
            "stop_sequences": ["a"],
            "tools": [{"name": "f", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "auto"},
            "metadata": {"user_id": "me"},
        }
    ],
    "/v1/messages/count_tokens": [{"messages": [{"role": "user", "content": "x"}], "tools": []}],
}
# raw JSON, for some of it no encoder would write
NASTY = """null true false 0 -1 1 0.5 1e400 -1e400 NaN Infinity 9999999999999999999999 1e-320 "" "x" "\\ud800" "\\u0000"
"<|im_end|>" "\\n\\n" [] {} [null] [[]] [{}] {"":null} {"type":"text"} {"type":{"a":[1]}} "NaN" "1e400" "\\udfff\\ud83d"
{"type":"json_schema","json_schema":{"schema":{"$ref":"#"}}} {"type":"regex","pattern":"(a*)*(b{999}){999}"}
{"type":"json_object"} {"type":"function","function":{"name":"f"}} "required" "none" ["text"] [1,"a"] [0] [-1]
[4095]""".split()
NASTY += ["[" * 300 + "]" * 300, "[" * 5000, json.dumps("goat " * 2000), json.dumps(["goat"] * 300), "1" + "0" * 5000]
MARK = "\ufdd0"  # a character for nobody's use: stands for raw JSON until the body is written


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key inside `value`."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def spoilt(body: dict[str, Any], dice: random.Random) -> bytes:
    """`body` as JSON after one to three changes: values replaced, left out or put elsewhere, bytes turned."""
    body = json.loads(json.dumps(body | ({"stream": True} if dice.random() < 0.4 else {})))
    raw: list[str] = []
    for _ in range(dice.randint(1, 3)):
        found = list(places(body))
        if not found:
            break
        container, key = dice.choice(found)
        change = dice.random()
        if change < 0.6:
            container[key] = f"{MARK}{len(raw)}{MARK}"
            raw.append(dice.choice(NASTY))
        elif change < 0.75:
            del container[key]
        elif change < 0.85 and isinstance(container, list):
            container *= dice.choice((2, 40))
        else:
            other, place = dice.choice(found)
            container[key] = json.loads(json.dumps(other[place])) if place in other or isinstance(other, list) else 1
    text = json.dumps(body, ensure_ascii=dice.random() < 0.5)
    for number, part in enumerate(raw):
        text = text.replace(json.dumps(f"{MARK}{number}{MARK}"), part).replace(f'"{MARK}{number}{MARK}"', part)
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    if dice.random() < 0.1:
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


def judge(path: str, sent: bytes, answer: httpx2.Response) -> None:
    """Raises AssertionError for an answer that is not as documented."""
    told = (path, sent[:2000], answer.status_code, answer.text[:500])
    assert answer.status_code < 500, told
    assert "its log says why" not in answer.text, told
    if answer.status_code != 200:
        body = answer.json()
        if path.startswith("/v1/messages"):
            assert set(body) == {"type", "error"} and set(body["error"]) == {"type", "message"}, told
        else:
            assert set(body) == {"error"} and set(body["error"]) == {"message", "type", "param", "code"}, told
        assert body["error"]["message"] and body["error"]["type"].endswith(("_error", "_too_large")), told
    elif answer.headers["content-type"].startswith("text/event-stream"):
        blocks = answer.text.removesuffix("\n\n").split("\n\n")
        events = [line for block in blocks for line in block.split("\n") if line.startswith("data: ")]
        assert len(events) == len(blocks), told
        values = [json.loads(event[6:], parse_constant=str) for event in events if event != "data: [DONE]"]
        assert all(isinstance(value, dict) for value in values), told
    else:
        json.loads(answer.text, parse_constant=lambda name: pytest.fail(f"{name} in {told}"))


@pytest.mark.parametrize("path", BODIES)
def test_a_spoilt_body_is_answered_or_refused(http: httpx2.Client, path: str) -> None:
    dice = random.Random(path)
    refused = 0
    for _ in range(60):
        sent = spoilt(dice.choice(BODIES[path]), dice)
        answer = http.post(path, content=sent, headers={"content-type": "application/json"})
        judge(path, sent, answer)
        refused += answer.status_code != 200
    assert 0 < refused < 60  # else nothing was tried


@pytest.mark.parametrize("path", BODIES)
def test_bodies_before_they_are_spoilt_are_good(http: httpx2.Client, path: str) -> None:
    for body in BODIES[path]:
        for more in [{}, {"stream": True}] if path != "/v1/embeddings" else [{}]:
            answer = http.post(path, json=body | more)
            assert answer.status_code == 200, answer.text


NO_JSON = [
    (b"", "application/json"),
    (b"[" * 99999, "application/json"),
    (b"{}", "text/plain"),
    (b"a=b", "application/x-www-form-urlencoded"),
]


@pytest.mark.parametrize(("body", "kind"), NO_JSON)
def test_no_json_at_all_is_refused(http: httpx2.Client, body: bytes, kind: str) -> None:
    for path in BODIES:
        answer = http.post(path, content=body, headers={"content-type": kind})
        assert answer.status_code == 400
        judge(path, body, answer)


def test_answers_are_what_our_own_openapi_document_says(url: str) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed; see the extra `oracles`")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.specs.openapi import checks

    wanted = [
        schemathesis.checks.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    asked = set()
    for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        operation = found.ok()
        good = operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE)
        bad = operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
        cases = good | bad if operation.body else good

        @settings(max_examples=4, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(cases)
        def run(case: Any) -> None:
            case.validate_response(case.call(), checks=wanted)

        run()
        asked.add(operation.path)
    assert set(BODIES) < asked
