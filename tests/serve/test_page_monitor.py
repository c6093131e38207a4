"""/monitor: what is wrong comes first, filters hold, single talks are whole, and hostile text stays text."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from eyas.serve import errors, guard, page_monitor, pages
from eyas.serve.config import ServeConfig
from eyas.store.conversations import record
from eyas.store.database import Store
from eyas.store.tables import Group, Label, Message
from tests.flywheel.talks import new_store, say, turn
from tests.serve.browser import faint, open_browser, running, sideways, window

HOSTILE = '<img src=x onerror=alert(1)>{{ 7 * 7 }}<script>alert(2)</script> "quoted" ' + "long" * 40


def served(life: Path | None, store: Store | None) -> FastAPI:
    """The page alone: it needs the life and its store, and no model that speaks."""
    app = FastAPI()
    app.state.eyas = SimpleNamespace(life=life, store=store)
    errors.install(app)
    app.include_router(page_monitor.router)
    pages.mount(app)
    guard.install(app, ServeConfig(model="life"), lambda request: None)
    return app


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two weeks of traffic: an issue of three, a refusal, good answers, tools, a branch, and a hostile talk."""
    opened = new_store(tmp_path_factory.mktemp("monitor") / "tarn")
    for number in range(3):
        unsure = [(" At", -0.01), (" nine", -2.5)]
        say(opened, "When does the inn open?", "At nine.", thumb=-1, days_ago=number, tokens=unsure, user="bob")
    say(opened, "Moon salt?", "I will not help.", model="fix-1")
    for number in range(12):
        say(opened, f"Good question {number}?", "Good answer.", thumb=1, days_ago=number)
    call = {"type": "function", "function": {"name": "calculator", "arguments": '{"expression": "40 - 12"}'}}
    say(opened, "40 - 12?", {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "28"}, "It is 29.")  # fmt: skip
    say(opened, HOSTILE, HOSTILE, thumb=-1, tokens=[(HOSTILE, -3.0)], user=HOSTILE, model=HOSTILE)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def app(store: Store) -> FastAPI:
    return served(store.life, store)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1")


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("<main")[2]).split())


def talk_of(store: Store, question: str) -> str:
    with store.session() as session:
        found = session.scalar(select(Message.conversation_id).where(Message.text == question).limit(1))
        assert found is not None
        return found


def test_the_issue_that_matters_most_stands_first_and_leads_to_its_label(client: TestClient, store: Store) -> None:
    page = client.get("/monitor").text
    assert "18 answers in 14 days" in words(page) and "The gravest issue: “When does the inn open?” (3×)" in words(page)
    rows = re.findall(r'<tr>\s*<td class="number big">.*?</tr>', page, re.S)
    assert [words("<main" + row).split()[0] for row in rows] == ["3", "1", "1", "1"]
    assert "At nine." in rows[0] and "thumbs down 3" in rows[0] and "low confidence 3" in rows[0]
    with store.session() as session:
        group = session.scalar(select(Group.id).where(Group.title == "When does the inn open?"))
    assert f'href="/label?group={group}"' in rows[0]
    assert (
        page.index('id="issues"') < page.index('id="changes"') < page.index('id="traffic"') < page.index('id="latest"')
    )


def test_filters_narrow_issues_and_traffic(client: TestClient) -> None:
    refusals = words(client.get("/monitor?kind=refusal").text)
    assert "Issues 1" in refusals and "Moon salt?" in refusals
    one = words(client.get("/monitor?model=fix-1&days=7").text)
    assert "1 answer in 7 days" in one and "When does the inn" not in one
    assert "No answers of nobody" in words(client.get("/monitor?model=nobody").text)
    assert client.get("/monitor?days=0").status_code == 400


def test_answers_are_searched_filtered_and_paged(
    client: TestClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(query: str) -> list[str]:
        return re.findall(r'class="asked"[^>]*>([^<]*)<', client.get(f"/monitor/answers?{query}").text)

    assert asked("search=inn") == ["When does the inn open?"] * 3 == asked("kind=low_confidence&user=bob")
    assert asked("model=fix-1") == ["Moon salt?"] and asked("search=nowhere") == []
    monkeypatch.setattr(page_monitor, "PAGE", 10)
    first = client.get("/monitor/answers").text
    older = re.search(r'href="/monitor/answers\?(before=\w+)">Older', first)
    assert older is not None and len(asked("")) == 10 and len(asked(older[1])) == 8
    wrong = client.get("/monitor/answers?kind=odd")
    assert wrong.status_code == 400 and "flags are thumbs_down" in wrong.json()["error"]["message"]


def test_an_issue_is_closed_and_opened_by_a_form_with_its_token(client: TestClient, store: Store) -> None:
    page = client.get("/monitor?kind=refusal").text
    action = re.search(r'action="(/monitor/groups/\w+)"', page)
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert action is not None and token is not None
    assert client.post(action[1], data={"status": "closed"}).status_code == 403
    done = client.post(action[1], data={"status": "closed", "csrf": token[1]}, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, "/monitor#issues")
    assert "Moon salt?" not in words(client.get("/monitor").text).partition("Latest")[0]
    assert "Moon salt?" in words(client.get("/monitor?status=closed").text).partition("Latest")[0]
    client.post(action[1], data={"status": "open", "csrf": token[1]})
    assert "Moon salt?" in words(client.get("/monitor").text).partition("Latest")[0]
    assert client.post("/monitor/groups/x", data={"status": "open", "csrf": token[1]}).status_code == 400


def test_a_conversation_shows_tools_flags_feedback_labels_and_each_token(client: TestClient, store: Store) -> None:
    tools = words(client.get(f"/monitor/{talk_of(store, '40 - 12?')}").text)
    assert 'calculator {"expression": "40 - 12"}'.replace('"', "&#34;") in tools
    assert "contradiction no tool returned 29" in tools
    inn = talk_of(store, "When does the inn open?")
    with store.session() as session:
        place = record(session, turn("When does the inn open?", "At ten.", conversation_id=inn, user="bob"))
        session.add(Label(message_id=place.message_id, person="eve", verdict="accepted", answer="At eight."))
    page = client.get(f"/monitor/{inn}").text
    assert '<span class="s3" title="8.2%, 3.6 bits"> nine</span>' in page
    assert f'href="/label?item={place.message_id}"' in page
    assert "1 of 2 here" in words(page) and "accepted “At eight.” eve" in words(page)
    assert client.get("/monitor/nothing").status_code == 404


def test_without_a_life_or_without_traffic_the_page_says_so(tmp_path: Path) -> None:
    bare = TestClient(served(None, None), base_url="http://127.0.0.1").get("/monitor")
    assert bare.status_code == 404 and "eyas serve LIFE" in bare.json()["error"]["message"]
    empty = new_store(tmp_path / "new")
    page = TestClient(served(empty.life, empty), base_url="http://127.0.0.1").get("/monitor").text
    assert "Nobody has asked anything yet" in page
    empty.close()


@pytest.fixture(scope="module")
def tab(chromium: str, app: FastAPI) -> Iterator[Any]:
    with running(app) as url, open_browser(chromium) as browser:
        opened = window(browser)
        opened.url_of = lambda path: url + path
        yield opened
        assert opened.complaints == [] and all(one.startswith(url) for one in opened.requests)


@pytest.mark.browser
def test_in_a_browser_nothing_runs_sticks_out_or_is_faint(tab: Any, store: Store) -> None:
    for path in ("/monitor", "/monitor/answers", f"/monitor/{talk_of(store, HOSTILE)}"):
        tab.goto(tab.url_of(path))
        assert sideways(tab, 320, 390, 768, 1280) == [], path
        assert tab.locator("img").count() == 0
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            assert faint(tab, "main .aside", "main .badge", "main a", "main .text") == [], (path, scheme)


@pytest.mark.browser
def test_in_a_browser_tokens_are_read_with_the_arrow_keys(tab: Any, store: Store) -> None:
    tab.goto(tab.url_of(f"/monitor/{talk_of(store, 'When does the inn open?')}"))
    box = tab.locator(".words").first
    box.focus()
    readout = tab.locator(".readout").first
    assert readout.inner_text() == "“ At”: 99.0%, 0.0 bits"
    tab.keyboard.press("ArrowRight")
    assert readout.inner_text() == "“ nine”: 8.2%, 3.6 bits"
    tab.keyboard.press("Home")
    assert box.locator(".at").inner_text() == " At"


@pytest.mark.browser
def test_in_a_browser_a_filter_works_when_it_is_chosen_and_an_issue_is_closed(tab: Any) -> None:
    tab.goto(tab.url_of("/monitor"))
    tab.select_option("#model", "fix-1")
    tab.wait_for_url("**/monitor?model=fix-1*")
    tab.get_by_role("button", name="Close “Moon salt?”").click()
    tab.wait_for_url("**/monitor#issues")
    assert tab.get_by_role("button", name="Close “Moon salt?”").count() == 0
    tab.get_by_role("link", name="1 closed").click()
    tab.get_by_role("button", name="Open “Moon salt?”").click()
    tab.wait_for_url("**/monitor#issues")
    tab.get_by_role("button", name="Close “Moon salt?”").wait_for()
