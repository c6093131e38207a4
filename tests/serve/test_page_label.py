"""/label: the queue as a page, by forms alone, by keys alone, and between two people."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import delete, select

from eyas.errors import EyasError
from eyas.flywheel.critique import Case, judge
from eyas.flywheel.facts import Facts
from eyas.flywheel.guidelines import Point
from eyas.flywheel.labels import is_doubled
from eyas.flywheel.people import add_person
from eyas.runtime.remote import Remote
from eyas.serve.app import create_app
from eyas.serve.config import ServeConfig
from eyas.store.conversations import feedback
from eyas.store.database import Store
from eyas.store.tables import Conversation, Draft, Flag, Group, Guideline, Label
from tests.flywheel.labelled import answered, grouped, labelled
from tests.serve.browser import faint, open_browser, running, sideways, window
from tests.serve.small import make_life

HOSTILE = '"><script>document.title = "run"</script><img src=x onerror=alert(1)>'
RIGHT = "Ada Potter lives in Mill Lane."


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    life = make_life(tmp_path_factory.mktemp("label") / "life")
    (life / "corpus").mkdir()
    (life / "corpus" / "papers.txt").write_text("The mill turns. Ada Potter has a house in Mill Lane. Rain fell.")
    app = create_app(ServeConfig(model=str(life), api_key=[]))
    yield app
    app.state.eyas.served.close()
    app.state.eyas.recorder.close()
    app.state.eyas.store.close()


@pytest.fixture
def store(app: FastAPI) -> Store:
    """The store, with nothing in it."""
    store: Store = app.state.eyas.store
    with store.session() as session:
        for table in (Conversation, Label, Group, Guideline):
            session.execute(delete(table))
    (app.state.eyas.life / "labelling.md").unlink(missing_ok=True)
    return store


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1")


def wrong(store: Store, asked: str = "Where does Ada Potter live?", said: str = "Ada Potter lives in Oak Row.") -> str:
    """An answer with a thumb down, which nobody else is to see."""
    while is_doubled(message := answered(store, asked, said)):
        pass
    with store.session() as session:
        session.add(Flag(message_id=message, kind="thumbs_down"))
    return message


def send(client: TestClient, path: str, **fields: Any) -> Any:
    """Send a form of the page, with its token."""
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/sign-in").text)
    assert csrf is not None
    return client.post(path, data={"csrf": csrf[1], **fields})


def box(page: str) -> str:
    """What stands in the box for the right answer."""
    found = re.search(r"<textarea id=\"answer\".*?>(.*?)</textarea>", page, re.S)
    assert found is not None
    return found[1]


def labels(store: Store) -> list[tuple[str, str, str, str]]:
    with store.session() as session:
        found = session.scalars(select(Label).order_by(Label.created))
        return [(one.message_id, one.person, one.verdict, one.answer) for one in found]


def test_the_page_shows_the_item_the_documents_and_the_instructions(client: TestClient, store: Store) -> None:
    message = wrong(store)
    with store.session() as session:
        feedback(session, message, rating=-1, comment="she moved", user="u1")
    page = client.get("/label").text
    assert "1 waiting" in page and "Ada Potter lives in Oak Row." in page and "thumbs down" in page
    assert "u1: “she moved”" in page and "a house in Mill Lane" in page and "From corpus" in page
    assert 'id="point-1.2"' in page and "answer is longer than five sentences" in page
    assert "<em>I don&#39;t know</em>" in page and "<code>40 - 12 = 28</code>" in page
    assert box(page) == "Ada Potter lives in Oak Row."
    assert client.get("/label/people").status_code == client.get("/label/guidelines").status_code == 200


def test_an_answer_is_drafted_accepted_and_undone_without_script(client: TestClient, store: Store) -> None:
    first, second = wrong(store), wrong(store, "Who is the mayor?", "Nobody.")
    with store.session() as session:
        feedback(session, first, rating=-1, better=RIGHT)
    page = send(client, f"/label/{first}/drafts").text
    assert box(page) == RIGHT and "written by the user" in page and "by assistant" in page
    draft = re.search(r'name="draft" value="(\w+)"', page)
    assert draft is not None
    other = re.findall(r'name="take" value="(\w+)"', page)[1]
    page = send(client, f"/label/{first}/check", take=other, answer=RIGHT, draft=draft[1]).text
    assert box(page) != RIGHT and f'name="draft" value="{other}"' in page
    page = send(client, f"/label/{first}", verdict="accepted", answer=RIGHT, draft=draft[1], note="moved").text
    assert "Accepted." in page and "Who is the mayor?" in page and "1 labelled by you" in page
    (made,) = labels(store)
    assert made[0] == first and made[2:] == ("accepted", RIGHT)
    with store.session() as session:
        kept = session.scalars(select(Label)).one()
        assert (kept.draft_id, kept.note, kept.guideline_version) == (draft[1], "moved", 1)
    page = send(client, f"/label/{second}", verdict="discarded", answer="Nobody.").text
    assert "Discarded." in page and "Nothing waits" in page and labels(store)[1][2:] == ("discarded", "")
    page = send(client, f"/label/{first}/back").text
    assert len(labels(store)) == 1 and box(page) == RIGHT


def test_what_was_skipped_does_not_come_back_until_all_was(client: TestClient, store: Store) -> None:
    some = [wrong(store, f"Question {i}?") for i in range(3)]
    page = client.get("/label").text
    for i in (1, 2):
        skip = re.search(r'href="(/label\?[^"]*)" data-key="s"', page)
        assert skip is not None
        page = client.get(skip[1].replace("&amp;", "&")).text
        assert f"Question {i}?" in page and page.count('name="skip"') >= i
    page = send(client, f"/label/{some[2]}", verdict="discarded", skip=some[:2]).text
    assert "Question 0?" in page


def test_the_critique_follows_the_answer_as_it_is_written(client: TestClient, store: Store) -> None:
    message = wrong(store)
    page = send(client, f"/label/{message}/check", answer="She lives in", note="n").text
    found = re.findall(r'<li class="(\w+)">\s*<span.*?</span>\s*<span><a href="#point-([\d.]+)">', page)
    assert ("broken", "1.3") in found and ("broken", "1.4") in found and ("kept", "1.2") in found
    assert 'id="point-1.3" class="broken"' in page and box(page) == "She lives in" and 'value="n"' in page
    assert "the served model gives each token of this answer" in page and "other points are for you to judge" in page
    assert labels(store) == []


def test_a_correction_is_proposed_for_its_group_and_each_accepted_singly(client: TestClient, store: Store) -> None:
    asked = ["Where does Ada Potter live?", "Please, where does Ada Potter live?", "Where does Ida Stone live?"]
    messages = [answered(store, one, "Oak Row.") for one in asked]
    grouped(store, messages)
    page = send(client, f"/label/{messages[0]}", verdict="accepted", answer=RIGHT).text
    assert "Propose it for 2 more of its group" in page
    made = re.search(r'name="label" value="(\w+)"', page)
    assert made is not None
    page = send(client, "/label/propose", label=made[1]).text
    assert "drafted for 1 other" in page and "Only the group" in page
    with store.session() as session:
        assert [one.message_id for one in session.scalars(select(Draft))] == [messages[1]]
    assert len(labels(store)) == 1
    page = client.get("/label", params={"item": messages[1]}).text
    assert box(page) == RIGHT and "another correction" in page
    assert send(client, "/label/propose", label="0" * 32).status_code == 404


def test_a_new_version_of_the_instructions_holds_from_then_on(app: FastAPI, client: TestClient, store: Store) -> None:
    message = wrong(store)
    page = client.get("/label/guidelines").text
    assert 'name="version" value="1"' in page
    text = "## 1. All\n- At most two words.\n- *Kind* & <b>polite</b>."
    page = send(client, "/label/guidelines", text=text, version="1").text
    assert 'name="version" value="2"' in page and "<em>Kind</em> &amp; &lt;b&gt;polite&lt;/b&gt;." in page
    stale = send(client, "/label/guidelines", text="## 1. Other\n- One.", version="1")
    assert stale.status_code == 409 and "version 2" in stale.json()["error"]["message"]
    assert client.get("/label/guidelines", params={"version": 1}).text.count("as it was") == 1
    send(client, f"/label/{message}", verdict="accepted", answer="Mill Lane.")
    with store.session() as session:
        assert session.scalars(select(Label)).one().guideline_version == 2
    assert (app.state.eyas.life / "labelling.md").read_text() == text + "\n"


def test_forms_without_their_token_and_labels_without_a_name_are_refused(app: FastAPI, store: Store) -> None:
    message = wrong(store)
    client = TestClient(app, base_url="http://127.0.0.1")
    for path in (f"/label/{message}", f"/label/{message}/drafts", "/label/propose", "/label/guidelines"):
        assert client.post(path, data={"csrf": "guessed", "verdict": "accepted", "answer": "x"}).status_code == 403
    assert client.post(f"/label/{message}", json={"verdict": "accepted"}).status_code == 400
    assert send(client, f"/label/{message}", verdict="accepted", answer=" ").status_code == 400
    assert send(client, "/label/nowhere", verdict="discarded").status_code == 400
    assert labels(store) == []


def test_two_people_label_the_same_answer_unseen_and_their_agreement_is_shown(app: FastAPI, store: Store) -> None:
    message = wrong(store)
    labelled(store, message, "Ada Potter lives in Secret Row.", "ada")
    with store.session() as session:
        token = add_person(session, "bob")
    client = TestClient(app, base_url="http://127.0.0.1")
    send(client, "/sign-in", name="bob", token=token)
    page = client.get("/label").text
    assert "second opinion" in page and "Secret" not in page and ">bob<" in page
    send(client, f"/label/{message}", verdict="accepted", answer=RIGHT)
    assert [(one[1], one[3]) for one in labels(store)] == [("ada", "Ada Potter lives in Secret Row."), ("bob", RIGHT)]
    page = " ".join(re.sub(r"<[^>]+>", " ", client.get("/label/people").text).split())
    assert "bob (you) 1 1 0" in page and "ada, bob 1 100 % 1.00 [1.00, 1.00] 0 % [0 %, 79 %] of 1" in page


def test_without_a_life_the_page_says_so(app: FastAPI) -> None:
    model = app.state.eyas.life / "models" / "assistant"
    alone = create_app(ServeConfig(model=str(model), api_key=[]))
    answer = TestClient(alone, base_url="http://127.0.0.1").get("/label")
    assert answer.status_code == 404 and "no life" in answer.json()["error"]["message"]
    alone.state.eyas.served.close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    pytest.importorskip("playwright", reason="Playwright is not installed (the extra `browser`)")
    with open_browser(chromium) as opened:
        yield opened


@pytest.fixture(scope="module")
def address(app: FastAPI) -> Iterator[str]:
    with running(app) as found:
        yield found


def test_another_eyas_may_be_asked_and_a_model_too_small_to_judge_is_said_to_be(address: str) -> None:
    page = [Point("1", "All", "", "Be kind.")]
    case = Case(talk=[{"role": "user", "content": "Who?"}], said="Me.", points=page, facts=Facts(None))
    with pytest.raises(EyasError, match=r"assistant at 127\.0\.0\.1 gave no list of points; it may be too small"):
        judge(Remote(f"{address}/v1", "assistant", "--draft-url"), case, "Ada.")
    with pytest.raises(EyasError, match="answered 404: there is no model 'gpt'"):
        Remote(f"{address}/v1", "gpt", "--draft-url").chat([{"role": "user", "content": "Who?"}])


def keys_work(tab: Any) -> None:
    """Wait until a page has its script, for what stands in it is there before."""
    tab.locator("#keys-open").wait_for()


def test_the_keyboard_alone_drafts_edits_accepts_proposes_and_undoes(browser: Any, address: str, store: Store) -> None:
    first, second = (answered(store, f"{please}where does Ada Potter live?", "Oak Row.") for please in ("", "Please, "))
    with store.session() as session:
        feedback(session, first, rating=-1, better="Ada Potter lives in Mill Lane, I think")
    grouped(store, [first, second])
    tab = window(browser)
    tab.goto(f"{address}/label?item={first}")
    keys_work(tab)
    tab.locator(".draft.chosen").wait_for()  # drafted by itself, for there was no draft
    assert tab.locator("#answer").input_value() == "Ada Potter lives in Mill Lane, I think"
    keys = tab.keyboard
    keys.press("e")
    keys.press("Control+a")
    keys.type("She lives")
    tab.locator(".findings .broken", has_text="does not name Ada Potter").wait_for()
    keys.press("Control+a")
    keys.type(RIGHT)
    tab.locator(".findings .kept", has_text="names Ada Potter").wait_for()
    keys.press("Escape")
    keys.press("?")
    tab.locator("#keys").wait_for()
    keys.press("Escape")
    tab.locator("#keys").wait_for(state="hidden")
    keys.press("a")
    tab.get_by_text("Accepted.").wait_for()
    keys_work(tab)
    assert [one[2:] for one in labels(store)] == [("accepted", RIGHT)]
    keys.press("p")
    tab.get_by_text("drafted for 1 other").wait_for()
    keys_work(tab)
    assert len(labels(store)) == 1 and tab.locator("#answer").input_value() == RIGHT
    keys.press("e")
    keys.press("Control+Enter")
    tab.get_by_text("Nothing waits").wait_for()
    assert [(one[0], one[3]) for one in labels(store)] == [(first, RIGHT), (second, RIGHT)]
    keys_work(tab)
    keys.press("u")
    tab.locator("#answer").wait_for()
    keys_work(tab)
    assert [one[0] for one in labels(store)] == [first]
    keys.press("d")
    tab.get_by_text("Discarded.").wait_for()
    assert tab.complaints == []
    tab.context.close()


def test_it_reads_well_in_both_lights_on_a_phone_and_with_hostile_words(
    browser: Any, address: str, store: Store
) -> None:
    message = wrong(store, f"Who is {HOSTILE}?", f"It is {HOSTILE} {'x' * 300}")
    with store.session() as session:
        feedback(session, message, rating=-1, comment=HOSTILE, better=HOSTILE, user=HOSTILE)
        session.add(Group(title=HOSTILE))
    for scheme in ("light", "dark"):
        tab = window(browser, color_scheme=scheme)
        tab.goto(f"{address}/label")
        tab.locator(".draft.chosen").wait_for()
        assert faint(tab, ".badge", ".draft .by", ".points dd", "#waiting", ".button.danger", ".aside") == []
        assert sideways(tab, 320, 360, 768, 1280) == []
        assert tab.locator("#answer").input_value() == HOSTILE and "Label" in tab.title()
        assert tab.complaints == [] and {url.split("/")[2] for url in tab.requests} == {address.split("/")[2]}
        tab.context.close()
