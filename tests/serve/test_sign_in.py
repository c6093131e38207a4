"""Signing in: who may, what the cookie is worth, and where it leads."""

import getpass
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from eyas.flywheel.people import add_person, remove_person
from eyas.serve import errors, guard, pages, sign_in
from eyas.serve.config import ServeConfig
from eyas.store.database import Store, open_store

KEY = "a-key-of-the-server"


def served(life: Path | None, store: Any, **settings: Any) -> TestClient:
    """A server with the sign-in page, and one page that says who asks."""
    app, config = FastAPI(), ServeConfig(model="life", **settings)
    app.state.eyas = SimpleNamespace(life=life, store=store, config=config)
    errors.install(app)
    app.include_router(sign_in.router)
    pages.mount(app)

    @app.get("/who")
    def who(request: Request) -> dict[str, str | None]:
        return {"person": sign_in.person_of(request)}

    guard.install(app, config, sign_in.person_of)
    return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def client(tmp_path: Path, store: Store) -> TestClient:
    return served(tmp_path, store, api_key=[KEY])


def enter(client: TestClient, name: str, token: str, next: str = "/who") -> Any:
    page = client.get("/sign-in", params={"next": next})
    assert page.status_code == 200
    csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
    return client.post("/sign-in", data={"name": name, "token": token, "next": next, "csrf": csrf})


def token_of(store: Store, name: str) -> str:
    with store.session() as session:
        return add_person(session, name)


def test_a_person_with_a_token_gets_in_and_is_led_on(client: TestClient, store: Store) -> None:
    token = token_of(store, "Zoë, the 1st")
    led = client.get("/who", headers={"accept": "text/html"})
    assert led.status_code == 303 and led.headers["location"].startswith("/sign-in?next=")
    assert client.get("/who").status_code == 401
    answer = enter(client, " Zoë, the 1st ", token)
    assert (answer.status_code, answer.headers["location"]) == (303, "/who")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and token.lower() not in cookie
    assert client.get("/who").json() == {"person": "Zoë, the 1st"}
    assert "Zoë, the 1st" in client.get("/sign-in").text


def test_a_wrong_token_says_nothing_of_which_part_was_wrong(client: TestClient, store: Store) -> None:
    token = token_of(store, "ada")
    told = {
        enter(client, name, given).text.split('role="alert"')[1].split("</p>")[0]
        for name, given in (("ada", "wrong"), ("nobody", token), ("nobody", "wrong"))
    }
    assert len(told) == 1
    assert enter(client, "ada", "wrong").status_code == 403 and client.get("/who").status_code == 401


def test_a_removed_person_is_out_at_once(client: TestClient, store: Store) -> None:
    enter(client, "ada", token_of(store, "ada"))
    assert client.get("/who").status_code == 200
    with store.session() as session:
        remove_person(session, "ada")
    assert client.get("/who").status_code == 401


def test_signing_out_forgets_the_cookie(client: TestClient, store: Store) -> None:
    enter(client, "ada", token_of(store, "ada"))
    csrf = client.get("/sign-in").text.split('name="csrf" value="')[1].split('"')[0]
    assert client.post("/sign-out", data={"csrf": "forged"}).status_code == 403
    assert client.post("/sign-out", data={"csrf": csrf}).status_code == 303
    assert client.get("/who").status_code == 401


@pytest.mark.parametrize("change", ["name", "expires", "mark", "cut", "empty", "bytes"])
def test_a_cookie_that_was_touched_is_worth_nothing(
    client: TestClient, store: Store, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(client, "ada", token_of(store, "ada"))
    token_of(store, "bob")
    name, expires, mark = client.cookies[sign_in.COOKIE].strip('"').split(".")
    forged = {
        "name": f"Ym9i.{expires}.{mark}", "expires": f"{name}.{int(expires) + 1}.{mark}",
        "mark": f"{name}.{expires}.{'0' * 64}", "cut": f"{name}.{expires}", "empty": "",
        "bytes": f"%ff.{expires}.{mark}",
    }  # fmt: skip
    client.cookies.clear()
    client.cookies.set(sign_in.COOKIE, forged[change])
    assert client.get("/who").status_code == 401
    client.cookies.clear()
    client.cookies.set(sign_in.COOKIE, f"{name}.{expires}.{mark}")
    assert client.get("/who").status_code == 200
    monkeypatch.setattr(sign_in.time, "time", lambda: float(expires) + 1)
    assert client.get("/who").status_code == 401


@pytest.mark.parametrize(
    ("next", "where"),
    [
        ("/label?group=0a&skip=1", "/label?group=0a&skip=1"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nset-cookie: x=1", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_nobody_is_led_to_another_site(
    client: TestClient, store: Store, next: str, where: str
) -> None:
    assert enter(client, "ada", token_of(store, "ada"), next).headers["location"] == where


def test_a_key_of_the_server_opens_for_any_name_that_has_no_token(client: TestClient, store: Store) -> None:
    token_of(store, "ada")
    assert enter(client, "ada", KEY).status_code == 403
    assert enter(client, "first", KEY).status_code == 303
    assert client.get("/who").json() == {"person": "first"}


def test_a_server_without_a_life_lets_its_keys_in() -> None:
    client = served(None, None, api_key=[KEY])
    assert enter(client, "first", "wrong").status_code == 403 and enter(client, "first", KEY).status_code == 303
    assert client.get("/who").json() == {"person": "first"}


def test_without_keys_everybody_is_this_computers_user_until_they_sign_in(tmp_path: Path, store: Store) -> None:
    client = served(tmp_path, store, api_key=[])
    assert client.get("/who").json() == {"person": getpass.getuser()}
    assert enter(client, "ada", token_of(store, "ada")).status_code == 303
    assert client.get("/who").json() == {"person": "ada"}


def test_guessing_is_slowed_down(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "_TRIES", guard.Rate(3))
    assert [enter(client, "ada", "x").status_code for _ in range(5)] == [403, 403, 403, 429, 429]
