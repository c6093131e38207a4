"""Whatever goes wrong, the answer has the documented shape."""

from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.testclient import TestClient

from eyas.errors import EyasError
from eyas.serve import errors
from eyas.serve.errors import ApiError


class Body(BaseModel):
    messages: list[dict[str, str]]


@pytest.fixture
def client() -> TestClient:
    app = FastAPI(responses=errors.RESPONSES)
    errors.install(app)

    @app.post("/v1/echo")
    def echo(body: Body) -> Body:
        return body

    @app.get("/v1/raise/{what}")
    def fail(what: str) -> None:
        raise {
            "known": ApiError(429, "later", code="queue_full", headers={"retry-after": "2"}),
            "refused": EyasError("there is no model x; name another"),
            "bug": RuntimeError("secret of the server"),
        }[what]

    @app.get("/v1/messages/{status}")
    def anthropic(status: int) -> None:
        raise ApiError(status, "no", code="x")

    return TestClient(app, raise_server_exceptions=False)


def test_every_field_of_the_shape_is_there(client: TestClient) -> None:
    answer = client.get("/v1/raise/known")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "2"
    assert answer.json() == {
        "error": {"message": "later", "type": "rate_limit_error", "param": None, "code": "queue_full"}
    }


def test_a_sentence_for_the_user_is_a_400(client: TestClient) -> None:
    answer = client.get("/v1/raise/refused")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "there is no model x; name another"


def test_a_bug_tells_nothing_of_the_server(client: TestClient) -> None:
    answer = client.get("/v1/raise/bug")
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "api_error"
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [("GET", "/nowhere", 404, "not_found_error"), ("PUT", "/v1/echo", 405, "invalid_request_error")],
)
def test_unknown_paths_and_methods(client: TestClient, method: str, path: str, status: int, kind: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == kind
    assert path in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param", "part"),
    [
        (b'{"messages": [{"role": 1}]}', "messages[0].role", "valid string"),
        (b"{}", "messages", "required"),
        (b"{", None, "not valid JSON"),
        (b"[1]", None, "JSON object"),
        (b'{"\xff"}', None, "parsing the body"),
    ],
)
def test_a_bad_body_is_a_400_that_names_the_field(
    client: TestClient, body: bytes, param: str | None, part: str
) -> None:
    answer = client.post("/v1/echo", content=body, headers={"content-type": "application/json"})
    error: dict[str, Any] = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert part in error["message"]


def test_anthropics_shape_under_its_own_path(client: TestClient) -> None:
    assert client.get("/v1/messages/404").json() == {
        "type": "error",
        "error": {"type": "not_found_error", "message": "no"},
    }
    assert client.get("/v1/messages/503").json()["error"]["type"] == "overloaded_error"


def test_what_the_document_says_is_the_shape(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    answers = document["paths"]["/v1/echo"]["post"]["responses"]
    assert set(answers) == {"200", "4XX", "5XX"}  # FastAPI's own 422 is not what is sent
    assert set(document["components"]["schemas"]["ErrorDetail"]["required"]) == {"message", "type", "param", "code"}
