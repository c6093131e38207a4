"""/arena: blind until the vote, which leaves what a battle should, and the board of the votes."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import delete, select

from eyas.flywheel.people import this_user
from eyas.model.checkpoint import save_model
from eyas.runtime.sampling import Sampling
from eyas.serve import battles, page_arena
from eyas.serve.app import create_app
from eyas.serve.battles import Battle, Side
from eyas.serve.config import ServeConfig
from eyas.store.champion import promote
from eyas.store.database import Store, open_store
from eyas.store.tables import Comparison, Conversation, Message
from eyas.text.tokenizer import train_tokenizer
from tests.runtime.conftest import random_model
from tests.serve.browser import faint, open_browser, running, sideways, window
from tests.serve.small import TEXT

VOTES = 3


@pytest.fixture(scope="module", autouse=True)
def short_answers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(battles, "SAMPLING", Sampling(temperature=0.0, max_tokens=16))
        yield


def make_life(folder: Path, **seeds: int) -> Path:
    """A life with a random model for each name, which says words alone; equal seeds say equal things."""
    tokenizer = train_tokenizer([TEXT] * 20, 330)
    others = [i for i in range(tokenizer.vocab_size) if not re.fullmatch(r" ?[a-zA-Z]+", tokenizer.decode([i]))]
    for name, seed in seeds.items():
        model = random_model(tokenizer.vocab_size, seed=seed, max_seq_len=700)
        with torch.no_grad():
            model.lm_head.weight[others] = 0
        lineage: dict[str, Any] = {"stage": "pretrain", "parent": None, "data": []}
        save_model(folder / "models" / name, model, tokenizer, lineage=lineage)
    store = open_store(folder)
    with store.session() as session:
        promote(session, next(iter(seeds)), "ann", "")
    store.close()
    return folder


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    life = make_life(tmp_path_factory.mktemp("arena") / "life", kestrel=0, merlin=1)
    reward = shutil.copytree(life / "models" / "merlin", life / "models" / "reward") / "config.json"
    reward.write_text(reward.read_text().replace("ForCausalLM", "ForSequenceClassification"))
    return create_app(ServeConfig(model=str(life), api_key=[], votes_per_day=VOTES))


@pytest.fixture(scope="module")
def whole_client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def store(app: FastAPI) -> Store:
    """The store, with nothing in it."""
    store: Store = app.state.eyas.store
    with store.session() as session:
        session.execute(delete(Comparison))
        session.execute(delete(Conversation))
    return store


@pytest.fixture
def client(whole_client: TestClient, store: Store) -> TestClient:
    return whole_client


def new_battle(client: TestClient) -> str:
    return f"/api/battles/{client.post('/api/battles').json()['id']}"


def events(answer: Any) -> list[dict[str, Any]]:
    blocks = answer.text.removesuffix("data: [DONE]\n\n").removesuffix("\n\n").split("\n\n")
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def ask(client: TestClient, battle: str, question: str) -> Any:
    answer = client.post(f"{battle}/questions", json={"content": question})
    assert answer.status_code == 200 and answer.text.endswith("data: [DONE]\n\n")
    return answer


def said(answer: Any, side: str) -> str:
    return "".join(one.get("text", "") for one in events(answer) if one["side"] == side).strip()


def fought(store: Store, *battles: tuple[str, str, str, str | None], times: int = 1, judge: str = "ann") -> None:
    """Enter comparisons: model A, model B, winner, and the message of a person's vote (None: a judge's)."""
    with store.session() as session:
        for a, b, winner, message in battles * times:
            session.add(
                Comparison(
                    prompt=[], answer_a="yes", answer_b="no", model_a=a, model_b=b, winner=winner, judge=judge,
                    message_a=message, message_b=message,
                )
            )  # fmt: skip


def test_nothing_tells_who_answers_before_the_vote(client: TestClient, app: FastAPI) -> None:
    started = client.post("/api/battles")
    battle = f"/api/battles/{started.json()['id']}"
    received = [client.get("/arena"), started, ask(client, battle, "Where is it?"), ask(client, battle, "And why?")]
    shown = b"".join(str(dict(one.headers)).encode() + one.content for one in received).lower()
    hashes = [one.sha256[:8] for one in app.state.eyas.served.loaded()]
    assert len(hashes) == 2 and not [tell for tell in ("kestrel", "merlin", *hashes) if tell.encode() in shown]
    assert {tuple(one) for one in events(received[2])} == {("side", "text"), ("side", "finish")}
    told = client.post(f"{battle}/vote", json={"winner": "tie"}).json()
    assert sorted(told.values()) == ["kestrel", "merlin"] and list(told) == ["model_a", "model_b"]


def test_a_vote_keeps_both_talks_and_the_verdict_together(client: TestClient, store: Store) -> None:
    battle = new_battle(client)
    first, second = ask(client, battle, "Where is it?"), ask(client, battle, "And why?")
    told = client.post(f"{battle}/vote", json={"winner": "model_b"}).json()
    with store.session() as session:
        kept = session.scalars(select(Comparison)).one()
        assert (kept.winner, kept.judge, kept.model_a, kept.model_b) == ("model_b", this_user(), *told.values())
        assert [one["content"] for one in kept.prompt] == ["Where is it?", "And why?"]
        assert kept.answer_a == f"{said(first, 'a')}\n\n{said(second, 'a')}"
        assert kept.answer_b == f"{said(first, 'b')}\n\n{said(second, 'b')}"
        talk = session.scalars(select(Conversation)).one()
        assert (talk.source, talk.user, talk.title) == ("arena", this_user(), "Where is it?")
        messages = {one.id: one for one in session.scalars(select(Message))}
        assert sorted(one.role for one in messages.values()) == ["assistant"] * 4 + ["user"] * 3
        for last, name, side in ((kept.message_a, kept.model_a, "a"), (kept.message_b, kept.model_b, "b")):
            assert messages[last or ""].model == name and messages[last or ""].text.strip() == said(second, side)


def test_a_battle_without_a_vote_leaves_nothing_and_is_voted_on_once(client: TestClient, store: Store) -> None:
    battle = new_battle(client)
    early = client.post(f"{battle}/vote", json={"winner": "tie"})
    assert early.status_code == 409 and "before both models have answered" in early.json()["error"]["message"]
    ask(client, battle, "Where is it?")
    with store.session() as session:
        assert session.scalars(select(Conversation)).all() == [] == session.scalars(select(Comparison)).all()
    votes = [client.post(f"{battle}/vote", json={"winner": "both_bad"}).status_code for _ in range(2)]
    assert votes == [201, 404] and client.post(f"{battle}/questions", json={"content": "?"}).status_code == 404
    with store.session() as session:
        assert [one.winner for one in session.scalars(select(Comparison))] == ["both_bad"]


def test_a_person_votes_so_many_times_a_day(client: TestClient, store: Store) -> None:
    fought(store, ("kestrel", "merlin", "tie", "m"), times=VOTES - 1, judge=this_user())
    first, second = new_battle(client), new_battle(client)
    for battle in (first, second):
        ask(client, battle, "Where is it?")
    assert client.post(f"{first}/vote", json={"winner": "tie"}).status_code == 201
    refused = [client.post(f"{second}/vote", json={"winner": "tie"}), client.post("/api/battles")]
    assert [one.status_code for one in refused] == [429, 429]
    assert refused[0].json()["error"]["message"].startswith(f"you have voted {VOTES} times in 24 hours")
    with store.session() as session:
        for one in session.scalars(select(Comparison)):
            one.created -= 90_000
    assert client.post(f"{second}/vote", json={"winner": "tie"}).status_code == 201


def test_a_question_that_is_too_long_is_told_and_not_asked(client: TestClient, store: Store) -> None:
    battle = new_battle(client)
    ask(client, battle, "Where is it?")
    told = client.post(f"{battle}/questions", json={"content": "goat " * 900})
    assert events(told)[0]["error"]["message"] == "the talk is longer than both models can read; vote, or ask less"
    assert client.post(f"{battle}/vote", json={"winner": "model_a"}).status_code == 201
    with store.session() as session:
        assert len(session.scalars(select(Comparison)).one().prompt) == 1


def test_equal_answers_are_a_tie_and_a_battle_needs_two_models(tmp_path: Path) -> None:
    life = make_life(tmp_path / "life", one=0, twin=0)
    with TestClient(create_app(ServeConfig(model=str(life), api_key=[])), base_url="http://127.0.0.1") as client:
        battle = new_battle(client)
        *_, last = events(ask(client, battle, "Where is it?"))
        assert last["winner"] == "tie" and {last["model_a"], last["model_b"]} == {"one", "twin"}
        assert client.post(f"{battle}/vote", json={"winner": "model_a"}).status_code == 404
        assert "1 battle on 1 prompt, 1 tied" in client.get("/arena/board").text
        battle = new_battle(client)
        shutil.rmtree(life / "models" / "twin")
        gone = client.post(f"{battle}/questions", json={"content": "?"}).text
        assert "one of the two models is gone" in gone and "twin" not in gone
        assert "this life has one" in client.get("/arena").text
        assert client.post("/api/battles").json()["error"]["code"] == "too_few_models"


def test_where_keys_are_asked_for_only_people_vote_and_only_in_their_battles(tmp_path: Path) -> None:
    life = make_life(tmp_path / "life", one=0, other=1)
    app = create_app(ServeConfig(model=str(life), api_key=["k" * 20], requests_per_minute=1))
    with TestClient(app, base_url="http://127.0.0.1", headers={"authorization": f"Bearer {'k' * 20}"}) as client:
        assert "sign in" in client.get("/arena").text
        refused = client.post("/api/battles")
        assert refused.status_code == 403 and "sign in to vote" in refused.json()["error"]["message"]
        app.state.battles = {"b": Battle("ann", (Side("one"), Side("other")))}
        asked = [client.post("/api/battles/b/questions", json={"content": "?"}) for _ in range(2)]
        assert [one.status_code for one in asked] == [404, 429]  # every question counts for the rate


def test_a_server_that_keeps_no_content_or_no_life_has_no_arena(tmp_path: Path) -> None:
    life = make_life(tmp_path / "life", one=0, other=1)
    for model, content, status in ((life, False, 403), (life / "models" / "one", True, 404)):
        config = ServeConfig(model=str(model), api_key=[], content=content)
        with TestClient(create_app(config), base_url="http://127.0.0.1") as client:
            assert client.post("/api/battles").status_code == status


def test_those_meet_of_whom_peoples_votes_have_told_least(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_arena, "RANDOM_SHARE", 0)
    fought(store, ("a", "c", "model_a", "m"), ("b", "c", "model_a", "m"), times=40)
    fought(store, ("a", "b", "model_a", None), times=40)  # by a judge
    assert {frozenset(page_arena._pair(store, "abc", "bob", VOTES)) for _ in range(5)} == {frozenset("ab")}
    monkeypatch.setattr(page_arena, "RANDOM_SHARE", 1)
    monkeypatch.setattr(page_arena._DRAWN, "sample", lambda models, count: ["c", "a", "b"])
    assert page_arena._pair(store, "abc", "bob", VOTES) == ("c", "a")


def test_the_board_rates_people_and_judges_apart_with_intervals(client: TestClient, store: Store) -> None:
    assert "No two models have met yet" in client.get("/arena/board").text
    fought(store, ("kestrel", "merlin", "model_a", "m"), ("kestrel", "merlin", "model_b", "m"), times=4)
    fought(store, ("merlin", "kestrel", "model_a", None), times=2)
    page = client.get("/arena/board").text
    assert re.findall(r'<h2 id="(\w+)-title">', page) == ["all", "human", "judge"]
    people, judges = (page.split(f'id="{name}-title"')[1].split("</section>")[0] for name in ("human", "judge"))
    number = r'<td class="number">(.*?)</td>\s*'
    line = number + r'<th scope="row">(\w+)</th>\s*' + 2 * number
    found = re.findall(line, people)
    assert [one[:3] for one in found] == [("1", "kestrel", "1000"), ("1", "merlin", "1000")]
    for low, high in (one[3].split(" to ") for one in found):
        assert int(low) < 1000 < int(high)
    assert [one[1] for one in re.findall(line, judges)] == ["merlin", "kestrel"] and "to open" in judges
    assert "Cohen" in page and "pairs of verdicts on 1 prompt" in page


@pytest.mark.browser
def test_a_battle_by_keys_alone_and_on_a_phone(tmp_path: Path, chromium: str) -> None:
    app = create_app(ServeConfig(model=str(make_life(tmp_path / "life", kestrel=0, merlin=1)), api_key=[]))
    store: Store = app.state.eyas.store
    with running(app) as address, open_browser(chromium) as browser:
        for options in ({}, {"color_scheme": "dark", "viewport": {"width": 390, "height": 780}, "has_touch": True}):
            tab = window(browser, **options)
            tab.goto(f"{address}/arena")
            tab.locator("html[data-ready]").wait_for()
            for number, question in enumerate(["Where <b>is</b> it?", "And why?"], 1):
                tab.keyboard.type(question)
                tab.keyboard.press("Enter")
                tab.locator(".turn.assistant[aria-busy=false]").nth(2 * number - 1).wait_for()
                tab.locator("#vote button:enabled").first.wait_for()
            assert tab.locator(".turn.user .text").all_inner_texts() == ["Where <b>is</b> it?", "And why?"]
            assert set(tab.locator(".who").all_inner_texts()) == {"Answer A", "Answer B"}
            assert not re.search("kestrel|merlin", tab.content())
            assert faint(tab, ".who", "#vote button", ".turn.user .text", ".markdown") == []
            assert sideways(tab, 320, 390, 1280) == []
            tab.keyboard.press("Escape")
            tab.keyboard.press("b")
            tab.locator("#told").wait_for()
            with store.session() as session:
                vote = session.scalars(select(Comparison).order_by(Comparison.id.desc())).first()
                assert vote is not None and vote.winner == "model_b"
                told = tab.locator("#told").inner_text()
                assert told.startswith(f"You said: B is better. A was {vote.model_a}, B was {vote.model_b}.")
            assert tab.locator(".better .model").all_inner_texts() == [f" · {vote.model_b}"] * 2
            tab.keyboard.type("A new one?")
            tab.keyboard.press("Enter")
            tab.locator("#vote button:enabled").first.wait_for()
            assert tab.locator(".turn.user").count() == 1 and tab.evaluate("document.activeElement.id") == "ask"
            tab.goto(f"{address}/arena/board")
            assert faint(tab, ".number", "thead th", ".aside") == [] and sideways(tab, 320, 390, 1280) == []
            assert tab.complaints == [] and [one for one in tab.requests if not one.startswith(address)] == []
            tab.context.close()
