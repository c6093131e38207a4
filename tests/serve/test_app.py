"""The server as a whole: what it serves, what it counts, how it starts and stops."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from eyas.errors import EyasError
from eyas.serve.config import KEY_VARIABLE, ServeConfig
from eyas.serve.running import run

PATHS = """/v1/models /v1/models/{model} /v1/chat/completions /v1/completions /v1/embeddings /v1/responses
/v1/messages /health /metrics / /monitor /label /lives""".split()


def test_everything_is_served_at_its_place(http: httpx2.Client) -> None:
    for path in PATHS:
        answer = http.get(path.replace("{model}", "eyas"), headers={"accept": "text/html"})
        assert answer.status_code in (200, 405), path  # 405: it is there, for POST
    documented = http.get("/openapi.json").json()["paths"]
    assert {path for path in PATHS if path.startswith("/v1")} <= set(documented)
    assert all(operation["description"] for path in documented.values() for operation in path.values())


def metrics(http: httpx2.Client) -> dict[str, float]:
    lines = [line for line in http.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_prometheus_reads_what_was_answered(http: httpx2.Client) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3, "logit_bias": {"40": 100}}
    before = metrics(http)
    for stream in (False, True):
        assert http.post("/v1/chat/completions", json=body | {"stream": stream}).status_code == 200
    after = metrics(http)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert grown('eyas_answers_total{finish_reason="length",model="assistant"}') == 2
    assert grown('eyas_completion_tokens_total{model="assistant"}') == 6
    assert grown('eyas_time_to_first_token_seconds_count{model="assistant"}') == 2
    assert after['eyas_champion{model="assistant"}'] == 1 and after['eyas_requests{model="assistant"}'] == 0


def test_an_address_that_is_taken_is_one_sentence(life: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EyasError, match=f"cannot listen on 127.0.0.1:{port}.*--port"):
            run(ServeConfig(model=str(life), port=port))


def test_other_machines_are_let_in_only_with_a_key(life: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(EyasError, match="--api-key"):
        run(ServeConfig(model=str(life), host="0.0.0.0", port=0))


def test_a_model_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="there is no model"):
        run(ServeConfig(model=str(tmp_path / "nothing"), port=0))


def test_a_single_model_is_served_and_says_that_nothing_is_kept(life: Path) -> None:
    command = [sys.executable, "-c", "from eyas.cli.main import main; main()", "serve", str(life / "models/assistant")]
    environment = os.environ | {KEY_VARIABLE: "secret"}
    with subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        url = line.split(" at ")[1].split()[0]
        body: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3}
        with httpx2.Client(base_url=url, timeout=30) as client:
            assert client.post("/v1/chat/completions", json=body).status_code == 401, "the key of the environment"
            key = {"authorization": "Bearer secret"}
            made = client.post("/v1/chat/completions", json=body, headers=key).json()
        server.send_signal(signal.SIGINT)
        rest = server.stdout.read()
    assert "Nothing is kept" in line and made["eyas"] == {"stored": False} and made["model"] == "assistant"
    assert server.returncode == 130 and "Traceback" not in rest
