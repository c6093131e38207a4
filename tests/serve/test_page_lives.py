"""/lives: the family tree, decisions with their reasons, dataset versions, and two models side by side."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from eyas.serve import errors, guard, page_lives, pages
from eyas.serve.config import ServeConfig
from eyas.store.champion import refuse
from eyas.store.database import open_store
from tests.flywheel.family import make_family
from tests.flywheel.labelled import model
from tests.serve.browser import faint, open_browser, running, sideways, window


def served(life: Path | None, store: Any) -> FastAPI:
    """The page alone: it needs the life and its store, and no model that speaks."""
    app = FastAPI()
    app.state.eyas = SimpleNamespace(life=life, store=store)
    errors.install(app)
    app.include_router(page_lives.router)
    pages.mount(app)
    guard.install(app, ServeConfig(model="life"), lambda request: None)
    return app


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    life = tmp_path_factory.mktemp("lives") / "first"
    store = make_family(life)
    yield served(life, store)
    store.close()


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1")


def card(page: str, name: str) -> str:
    """The words on a model's card."""
    found = re.search(rf'<article[^>]*id="model-{name}".*?</article>', page, re.S)
    assert found is not None
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def test_each_model_has_its_badges_figures_and_the_reason_of_its_last_decision(client: TestClient) -> None:
    page = client.get("/lives").text
    assert re.findall(r'id="model-([^"]+)"', page) == ["base", "assistant", "fix-1", "fix-2", "fix-3", "fix-4"]
    assert card(page, "fix-3").startswith("fix-3 champion finetune of fix-1")
    assert "corrections 2 labels" in card(page, "fix-3") and "right 0.93" in card(page, "fix-3")
    assert card(page, "fix-1").startswith("fix-1 previous") and card(page, "fix-4").startswith("fix-4 challenger")
    assert "battle +88 points [+31, +146]" in card(page, "fix-3") and "gates passed 1 of 2" in card(page, "fix-2")
    assert re.search(r'<a href="/monitor/[0-9a-f]{32}">What is Ida Stone&#39;s trade\?</a>', page)
    assert "answers given 2" in card(page, "assistant")
    assert "passed corrections : 2 of 2 right" in card(page, "fix-2") and "failed exam : it fell" in card(page, "fix-2")
    assert "Refused" in card(page, "fix-2") and "the exam fell by 3.1 points &lt;b&gt;&amp; more&lt;/b&gt;" in page


def test_the_line_to_the_champion_is_straight_and_the_refused_one_branches_off(client: TestClient) -> None:
    page = client.get("/lives").text
    branch = page.split('aria-label="Branch from fix-1"')[1].split("</ol>")[0]
    assert re.findall(r'id="model-([^"]+)"', branch) == ["fix-2"]
    assert page.count('class="line"') == 2


def test_a_refused_model_branches_off_the_champion_that_stayed(tmp_path: Path) -> None:
    model(tmp_path, "assistant", "finetune", data=[])
    model(tmp_path, "fix-1", "finetune", "assistant", data=[])
    store = open_store(tmp_path)
    with store.session() as session:
        refuse(session, "fix-1", "the exam fell")
    page = TestClient(served(tmp_path, store), base_url="http://127.0.0.1").get("/lives").text
    store.close()
    assert card(page, "assistant").startswith("assistant champion") and card(page, "fix-1").startswith("fix-1 refused")
    assert 'aria-label="Branch from assistant"' in page


def test_decisions_and_dataset_versions_are_listed_newest_first(client: TestClient) -> None:
    page = client.get("/lives").text
    decisions, datasets = page.split('id="decisions-title"')[1].split('id="datasets-title"')
    assert re.findall(r'badge (\w+)">', decisions) == ["good", "bad", "good"]
    assert re.findall(r'<th scope="row">(v\d)</th>', datasets) == ["v2", "v1"]
    assert re.findall(r'href="#model-([^"]+)"', datasets) == ["fix-2", "fix-3", "fix-4", "fix-1"]


def test_two_models_are_compared_and_unknown_ones_refused(client: TestClient) -> None:
    page = client.get("/lives", params={"a": "fix-1", "b": "fix-3"}).text
    assert "fix-3 comes from" in page and "Both have learnt from 1 label;" in page
    assert re.search(r"exam\.right</th><td>0\.91</td><td>0\.93", page)
    wrong = client.get("/lives", params={"a": "fix-1", "b": "<script>"})
    assert wrong.status_code == 404 and wrong.json()["error"]["code"] == "model_not_found"


def test_without_a_life_the_page_says_so() -> None:
    answer = TestClient(served(None, None), base_url="http://127.0.0.1").get("/lives")
    assert answer.status_code == 404 and "no life" in answer.json()["error"]["message"]


def test_in_a_browser_it_reads_well_in_both_lights_and_on_a_phone(app: FastAPI, chromium: str) -> None:
    pytest.importorskip("playwright", reason="Playwright is not installed (the extra `browser`)")
    with running(app) as address, open_browser(chromium) as browser:
        for options in ({}, {"color_scheme": "dark"}):
            tab = window(browser, **options)
            tab.goto(f"{address}/lives?a=fix-1&b=fix-3")
            assert faint(tab, ".badge", ".facts dt", ".decision", ".model summary", "thead th", ".sources li") == []
            assert sideways(tab, 320, 360, 768, 1280) == []
            tab.keyboard.press("Tab")
            tab.locator("#model-fix-3 summary").focus()
            tab.keyboard.press("Enter")
            assert tab.locator("#model-fix-3 table").first.is_visible()
            tab.get_by_label("One", exact=True).select_option("base")
            tab.get_by_role("button", name="Compare").click()
            tab.get_by_text("fix-3 comes from base").wait_for()
            assert tab.complaints == []
            assert {url.split("/")[2] for url in tab.requests} == {address.split("/")[2]}
