"""The real `openai` clients of three major versions, each in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["1", "2", "3"])
def found(request: pytest.FixtureRequest, url: str) -> Any:
    """What openai_calls.py found with one major version."""
    folder = ROOT / ".venv" / "clients" / f"openai-{request.param}"
    if not (folder / "ready").exists():
        pytest.skip(f"openai {request.param} is not installed here; run: sh tools/clients.sh")
    script = Path(__file__).with_name("openai_calls.py")
    done = subprocess.run(
        [sys.executable, "-I", str(script), str(folder), url], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["version"].startswith(f"{request.param}.")
    return told


def test_chats_whole_and_streamed_say_the_same(found: Any) -> None:
    chats = found["chats"]
    assert chats["text"] == chats["stream"] != ""
    assert chats["role"] == chats["stream_role"] == "assistant"
    assert chats["stream_finish"] == [None] * (len(chats["stream_finish"]) - 1) + [chats["finish"]]
    assert chats["stream_usage"] == [chats["usage"][2]]
    assert chats["usage"][0] + chats["usage"][1] == chats["usage"][2]
    assert chats["logprobs"][0].encode("latin-1").decode("utf-8", "replace") == chats["text"]
    assert set(chats["tops"]) == {2}
    assert chats["several"] == [0, 1, 2]
    assert chats["stored"] is True


def test_tools_are_called_and_answered(found: Any) -> None:
    tools = found["tools"]
    assert tools["call"] == ["function", "weather", '{"city": "Rome"}']
    assert tools["stream"] == ["weather", '{"city": "Rome"}', "tool_calls"]
    assert tools["after"] in ("stop", "length")


def test_answers_have_the_format_asked_for(found: Any) -> None:
    formats = found["formats"]
    assert len(formats["regex"]) == 5
    assert set(formats["schema"]) == {"ok"}
    assert formats["pet"] == ["Pet", True, "int"]


def test_responses_are_read_whole_and_streamed(found: Any) -> None:
    responses = found["responses"]
    assert responses["text"] == responses["stream"]
    assert len(responses["text"]) == 12
    assert responses["status"] == "completed"
    kinds = responses["kinds"]
    assert [kind for kind in kinds if kind != "response.output_text.delta"] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert "response.output_text.delta" in kinds
    assert responses["cut"] == ["incomplete", "max_output_tokens", 1]
    assert responses["call"] == ["function_call", "weather", '{"city": "Rome"}']
    assert responses["after"] == "message"


def test_completions_embeddings_and_models(found: Any) -> None:
    others = found["others"]
    assert others["models"] == ["assistant", "base"]
    assert others["model"] == "eyas"
    assert others["completion"] == f"The cat{others['completion_stream']}"
    assert others["tokens"] > 5
    assert others["vectors"] == [1.0, 1.0]


def test_errors_are_the_clients_own_exceptions(found: Any) -> None:
    assert found["errors"] == {
        "model": ["NotFoundError", 404, "model_not_found", "model"],
        "long": ["BadRequestError", 400, "context_length_exceeded", "messages"],
        "temperature": ["BadRequestError", 400, None, "temperature"],
        "stream": ["BadRequestError", 400, "context_length_exceeded", "messages"],
        "key": "not_found",
    }


def test_leaving_a_stream_leaves_the_server_free(found: Any, http: httpx2.Client) -> None:
    assert found["left_after"] == 3
    lines = http.get("/metrics").text.splitlines()
    assert [line for line in lines if line.startswith('eyas_requests{model="assistant"}')] == [
        'eyas_requests{model="assistant"} 0.0'
    ]
