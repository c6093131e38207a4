"""Who may ask what, and which headers every answer carries."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient, WebSocketDisconnect

from eyas.errors import EyasError
from eyas.serve import errors, guard
from eyas.serve.config import ServeConfig
from eyas.serve.errors import ApiError
from eyas.serve.guard import Rate, check_binding, csrf_token

Make = Callable[..., TestClient]
PATHS = ("/", "/v1/models", "/api/state", "/metrics", "/health", "/sign-in", "/static/x.css", "/static", "/healthy")


def nobody(request: Request) -> str | None:
    return None


def named(request: Request) -> str | None:
    return request.cookies.get("person")


def make(person_of: guard.PersonOf = nobody, **settings: Any) -> TestClient:
    """A client of an app with a few paths behind the guard, as the browser or program on this machine would be."""
    settings.setdefault("api_key", [])
    app = FastAPI()
    errors.install(app)

    def here(request: Request) -> dict[str, str]:
        return {"path": request.url.path}

    def form(request: Request) -> dict[str, str]:
        return {"token": csrf_token(request)}

    async def echo(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    async def said(request: Request) -> Any:
        return await request.json()

    for path in PATHS:
        app.get(path)(here)
    app.post("/api/said")(said)
    app.get("/form")(form)
    app.post("/form")(echo)
    app.post("/v1/echo")(echo)
    app.post("/api/echo")(echo)
    guard.install(app, ServeConfig(model="m", **settings), person_of)
    return TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False)


# -- starting


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_machines_are_let_in_with_a_key_only(host: str) -> None:
    with pytest.raises(EyasError, match="--api-key"):
        check_binding(ServeConfig(model="m", host=host, api_key=[]))
    check_binding(ServeConfig(model="m", host=host, api_key=["secret"]))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_needs_no_key(host: str) -> None:
    check_binding(ServeConfig(model="m", host=host, api_key=[]))


def test_an_empty_key_opens_nothing() -> None:
    with pytest.raises(EyasError, match="empty"):
        check_binding(ServeConfig(model="m", api_key=["good", ""]))


# -- keys


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": "Basic secret"},
        {"x-api-key": "secret2"},
        {"x-api-key": "sécret".encode("latin-1")},
    ],
)
def test_without_the_key_nothing_but_the_open_paths_answers(headers: dict[str, Any]) -> None:
    client = make(api_key=["secret", "other"])
    for path in PATHS:
        opened = path in ("/health", "/sign-in", "/static/x.css")
        answer = client.get(path, headers=headers)
        assert answer.status_code == (200 if opened else 401), path
        assert opened or answer.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    "headers", [{"authorization": "Bearer secret"}, {"authorization": "bearer other"}, {"x-api-key": "secret"}]
)
def test_any_of_the_keys_opens_everything(headers: dict[str, str]) -> None:
    client = make(api_key=["secret", "other"])
    assert {client.get(path, headers=headers).status_code for path in PATHS} == {200}


def test_a_person_who_signed_in_needs_no_key() -> None:
    client = make(named, api_key=["secret"])
    client.cookies.set("person", "Mira")
    assert {client.get(path).status_code for path in PATHS} == {200}


def test_a_browser_is_led_to_sign_in_and_back() -> None:
    client = make(api_key=["secret"])
    answer = client.get("/?label=3&x=//evil", headers={"accept": "text/html,*/*"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2F%3Flabel%3D3%26x%3D%2F%2Fevil"
    assert client.get("/api/state", headers={"accept": "text/html"}).status_code == 401


# -- hosts and origins


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[::1", "192.168.1.5"]
)
def test_a_name_that_points_here_is_not_this_machine(host: str) -> None:
    answer = make().get("/v1/models", headers={"host": host})
    assert answer.status_code == 403
    assert "error" in answer.json()


@pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST", "127.0.0.1", "[::1]:8000", "127.9.9.9:1"])
def test_all_names_of_this_machine_are_good(host: str) -> None:
    assert make().get("/v1/models", headers={"host": host}).status_code == 200


def test_a_proxys_name_is_good_where_it_was_told() -> None:
    client = make(origin=["https://chat.example.org"])
    assert client.get("/v1/models", headers={"host": "chat.example.org"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9000"},
        {"origin": "http://localhost:8000"},
        {"origin": "http://[::1"},
        {"origin": "127.0.0.1:8000"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/echo", "/api/echo", "/form"])
def test_pages_of_other_sites_write_nothing(path: str, headers: dict[str, str]) -> None:
    assert make().post(path, json={}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "http://127.0.0.1:8000"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}]
)
def test_programs_and_our_own_pages_write(headers: dict[str, str]) -> None:
    assert make().post("/v1/echo", json={}, headers=headers).status_code == 200


def test_cors_is_off_unless_told() -> None:
    asked = {"origin": "https://app.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in make().options("/v1/echo", headers=asked).headers
    client = make(origin=["https://app.example"], api_key=["secret"])
    before = client.options("/v1/echo", headers=asked)
    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == "https://app.example"
    key = {"authorization": "Bearer secret"}
    answer = client.post("/v1/echo", json={}, headers={"origin": "https://app.example", **key})
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert client.post("/v1/echo", json={}, headers={"origin": "https://other.example", **key}).status_code == 403


# -- bodies


def test_a_body_beyond_the_limit_is_a_413() -> None:
    client = make(max_body=1024)
    assert client.post("/v1/echo", content=b"x" * 1024).json() == {"size": 1024}
    told = client.post("/v1/echo", content=b"x" * 1025)
    assert (told.status_code, told.json()["error"]["type"]) == (413, "request_too_large")
    parts = client.post("/v1/echo", content=iter([b"x" * 1000] * 3))  # chunked: nobody says how long it will be
    assert parts.status_code == 413
    assert client.post("/v1/echo", content=iter([b"x" * 500] * 2)).json() == {"size": 1000}


def test_a_length_that_is_no_number_is_no_way_round() -> None:
    client = make(max_body=1024)
    assert client.post("/v1/echo", content=b"x" * 1025, headers={"content-length": "-1"}).status_code == 413


def test_half_characters_and_nul_are_mended_before_anybody_reads_them() -> None:
    body = rb'"a\\ud800 \ud83d\ude00 \ud83d\ud83d\ude00 \ude00x \u0000 \\u0000 \n \uDBFFud \u00e9"'
    kept = make().post("/api/said", content=body, headers={"content-type": "application/json"}).json()
    assert kept == "a\\ud800 😀 \ufffd😀 \ufffdx \ufffd \\u0000 \n \ufffdud é"


# -- forms


def test_a_form_needs_the_token_of_this_server_and_person() -> None:
    client = make(named)
    client.cookies.set("person", "Mira")
    mira = client.get("/form").json()["token"]
    assert client.post("/form", data={"csrf": mira, "x": "1"}).status_code == 200
    assert client.post("/form", data={"x": "1"}).status_code == 403
    assert client.post("/form", data={"csrf": "0" * 64}).status_code == 403
    assert client.post("/form", data={"csrf": "\udfff".encode("utf-8", "surrogatepass")}).status_code == 403
    assert client.post("/form", files={"file": b"x"}).status_code == 403
    assert client.post("/form", files={"file": b"x"}, headers={"x-csrf-token": mira}).status_code == 200
    client.cookies.set("person", "Tom")
    assert client.post("/form", data={"csrf": mira}).status_code == 403
    later = make(named)  # the same server, started again
    later.cookies.set("person", "Mira")
    assert later.post("/form", data={"csrf": mira}).status_code == 403


def test_json_needs_no_token() -> None:
    assert make().post("/api/echo", json={"a": 1}).status_code == 200


# -- rates


def test_a_caller_gets_so_many_requests_a_minute() -> None:
    now = 0.0
    rate = Rate(60, clock=lambda: now)
    for _ in range(60):
        rate.take("a")
    with pytest.raises(ApiError) as error:
        rate.take("a")
    assert (error.value.status, error.value.headers) == (429, {"retry-after": "1"})
    rate.take("b")
    now = 2.0
    rate.take("a")
    rate.take("a")
    with pytest.raises(ApiError):
        rate.take("a")


def test_many_callers_are_not_remembered_for_ever() -> None:
    rate = Rate(10)
    for i in range(10_500):
        rate.take(str(i))
    assert len(rate.buckets) == 10_000


def test_each_key_has_its_own_rate() -> None:
    client = make(api_key=["one", "two"], requests_per_minute=2)
    status = [client.get("/v1/models", headers={"x-api-key": key}).status_code for key in ("one", "one", "one", "two")]
    assert status == [200, 200, 429, 200]
    assert [client.get("/v1/models").status_code for _ in range(3)] == [401, 401, 429]  # guessing keys is counted too
    assert client.get("/health").status_code == 200


# -- headers


@pytest.mark.parametrize("path", ["/", "/v1/models", "/nowhere"])
def test_every_answer_forbids_foreign_scripts_and_frames(path: str) -> None:
    headers = make().get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_refusals_carry_the_headers_too() -> None:
    assert "content-security-policy" in make(api_key=["k"]).get("/").headers


def test_what_is_static_may_be_kept_by_browsers() -> None:
    assert "cache-control" not in make().get("/static/x.css").headers


def test_web_sockets_are_refused() -> None:
    with pytest.raises(WebSocketDisconnect), make().websocket_connect("/v1/models"):
        pass
