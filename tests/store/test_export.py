"""Talks leave as training rows and as spans of the semantic conventions."""

import json
from dataclasses import replace
from typing import Any

import pytest

from eyas.data.rows import read_rows
from eyas.errors import EyasError
from eyas.store.clean import dump_json
from eyas.store.conversations import feedback, record
from eyas.store.database import Store
from eyas.store.export import jsonl_rows, otel_lines
from eyas.store.tables import Flag, Label
from tests.store.turns import turn

TOOL = {"type": "function", "function": {"name": "calculate", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "calculate", "arguments": '{"expression": "2+2"}'}}
ROUNDS: list[dict[str, Any]] = [
    {"role": "assistant", "content": "", "reasoning_content": "I must reckon.", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "4"},
    {"role": "assistant", "content": "It is 4."},
]


def test_each_branch_is_a_row_that_training_reads(store: Store, tmp_path: Any) -> None:
    with store.session() as session:
        first = record(session, turn("hi", "hello", user="ana"))
        record(session, turn("hi", "hello", "and?", "one", user="ana"))
        worse = record(session, turn("hi", "hello", "and?", "two", parent_id=first.message_id, user="ana"))
        record(session, replace(turn("2+2?", ""), answers=ROUNDS, tools=[TOOL]))
        feedback(session, worse.message_id, rating=-1, comment="no")
        session.add(Flag(message_id=worse.message_id, kind="thumbs_down", score=1.0, detail="no"))
        session.add(Label(message_id=worse.message_id, person="ben", verdict="accepted", answer="one"))
    with store.session() as session:
        rows = list(jsonl_rows(session))
        assert [row["messages"][-1]["content"] for row in jsonl_rows(session, [first.conversation_id])] == [
            "one",
            "two",
        ]
    assert [[one["content"] for one in row["messages"]] for row in rows] == [
        ["hi", "hello", "and?", "one"],
        ["hi", "hello", "and?", "two"],
        ["2+2?", "", "4", "It is 4."],
    ]
    assert (rows[1]["feedback"], rows[0]["feedback"]) == ([{"rating": -1, "comment": "no", "better": ""}], [])
    assert rows[1]["flags"] == [{"kind": "thumbs_down", "score": 1.0, "detail": "no"}]
    assert rows[1]["labels"] == [{"person": "ben", "verdict": "accepted", "answer": "one"}]
    assert (rows[1]["user"], rows[1]["model"], rows[2]["tools"]) == ("ana", "assistant", [TOOL])
    file = tmp_path / "talks.jsonl"
    file.write_text("".join(dump_json(row) + "\n" for row in rows), encoding="utf-8")
    read = list(read_rows(file, want="chat"))
    assert [len(row["messages"]) for row in read] == [4, 4, 4]


def plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """Attributes of OTLP/JSON as Python has them; keys once only."""
    found = {}
    for one in attributes:
        assert one["key"] not in found
        ((kind, value),) = one["value"].items()
        if kind == "intValue":
            assert isinstance(value, str)
            value = int(value)
        found[one["key"]] = [part["stringValue"] for part in value["values"]] if kind == "arrayValue" else value
    return found


def spans(store: Store, content: bool = True) -> list[dict[str, Any]]:
    with store.session() as session:
        lines = [json.loads(dump_json(line)) for line in otel_lines(session, content=content)]
    found = []
    for line in lines:
        (resource,) = line["resourceSpans"]
        assert plain(resource["resource"]["attributes"])["service.name"] == "eyas"
        ((scope,),) = (resource["scopeSpans"],)
        assert scope["scope"]["name"] == "eyas"
        found += scope["spans"]
    return found


def test_each_answer_is_a_span_of_the_conventions(store: Store) -> None:
    given = turn("", "", sampling={"temperature": 0, "max_tokens": 64, "stop": ["END"], "seed": None}, seconds=2.0)
    with store.session() as session:
        asked = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "2+2?"}]
        done = record(session, replace(given, messages=asked, answers=ROUNDS, tools=[TOOL], user="ana"))
        feedback(session, done.message_id, rating=-1, comment="too short")
    (span,) = spans(store)
    assert span["traceId"] == done.conversation_id and len(span["traceId"]) == 32
    assert len(span["spanId"]) == 16 and int(span["spanId"], 16) > 0
    assert span["name"] == "chat assistant"
    assert int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) == pytest.approx(2e9, abs=1e3)
    assert {"key": "gen_ai.request.temperature", "value": {"doubleValue": 0.0}} in span["attributes"]
    found = plain(span["attributes"])
    assert json.loads(found.pop("gen_ai.system_instructions")) == [{"type": "text", "content": "Be short."}]
    arguments = {"name": "calculate", "arguments": '{"expression": "2+2"}'}
    assert json.loads(found.pop("gen_ai.input.messages")) == [
        {"role": "user", "parts": [{"type": "text", "content": "2+2?"}]},
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "I must reckon."},
                {"type": "tool_call", "id": "c1", **arguments},
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "4"}]},
    ]
    assert json.loads(found.pop("gen_ai.output.messages")) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "It is 4."}], "finish_reason": "stop"}
    ]
    assert json.loads(found.pop("gen_ai.tool.definitions")) == [TOOL]
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "eyas",
        "gen_ai.conversation.id": done.conversation_id,
        "gen_ai.request.model": "assistant",
        "gen_ai.response.model": "assistant",
        "gen_ai.response.id": done.message_id,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.max_tokens": 64,
        "gen_ai.request.stop_sequences": ["END"],
        "user.id": "ana",
    }
    (event,) = span["events"]
    assert event["name"] == "gen_ai.evaluation.result"
    assert plain(event["attributes"]) == {
        "gen_ai.evaluation.name": "thumb",
        "gen_ai.evaluation.score.value": -1.0,
        "gen_ai.evaluation.explanation": "too short",
    }


def test_without_content_no_text_leaves(store: Store) -> None:
    with store.session() as session:
        done = record(session, turn("a secret", "another secret", user="secret", tools=[{"name": "secret"}]))
        feedback(session, done.message_id, rating=1, comment="secret")
    (span,) = spans(store, content=False)
    assert "secret" not in json.dumps(span)
    assert plain(span["attributes"])["gen_ai.usage.input_tokens"] == 11


def test_an_unknown_conversation_is_refused(sqlite: Store) -> None:
    with sqlite.session() as session, pytest.raises(EyasError, match="there is no conversation nowhere"):
        list(jsonl_rows(session, ["nowhere"]))
