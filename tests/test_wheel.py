"""One turn of the wheel, whole: served, asked, complained of, grouped, corrected, retrained, promoted, taken back.

Users ask through the real client; the corrections are made in a real browser by the keyboard. The paraphrases at the
end are in words that nobody who asked, drafted or corrected has used.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from eyas.flywheel.fix import FixConfig, run
from eyas.flywheel.groups import issues
from eyas.serve.app import create_app
from eyas.serve.config import ServeConfig
from eyas.store.champion import rollback
from eyas.store.database import open_store
from tests.serve.browser import open_browser, running, window
from tests.shops import FRAMES, HOURS, MISTAKEN, answer, question, raise_assistant

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
ASKED, UNHEARD = range(3), range(3, len(FRAMES))
WRONG_SHOP, WRONG_HOUR = MISTAKEN


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel") / "life"
    raise_assistant(folder)
    return folder


@pytest.fixture(scope="module")
def app(life: Path) -> FastAPI:
    return create_app(ServeConfig(model=str(life)))


@pytest.fixture(scope="module")
def url(app: FastAPI) -> Iterator[str]:
    with running(app) as address:
        yield address


class Users:
    """People who use the assistant through the real client, and know when it is wrong."""

    def __init__(self, url: str) -> None:
        openai = pytest.importorskip("openai")
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
        self.http = httpx2.Client(base_url=url, timeout=60)

    def ask(self, shop: str, frame: int, model: str = "eyas") -> tuple[str, Any]:
        said = self.client.chat.completions.create(
            model=model, user="ann", temperature=0, messages=[{"role": "user", "content": question(shop, frame)}]
        )
        return str(said.choices[0].message.content), said

    def complain(self, said: Any) -> None:
        body = {
            "message": said.eyas["message"],
            "rating": -1,
            "comment": "I stood before a closed door.",
            "user": "ann",
        }
        self.http.put("/api/feedback", json=body).raise_for_status()


@pytest.fixture(scope="module")
def users(url: str) -> Users:
    return Users(url)


def until(true: Any, seconds: float) -> bool:
    """Whether it becomes true in so many seconds."""
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(true())


def test_a_turn_of_the_wheel(life: Path, url: str, users: Users, chromium: str) -> None:
    # it is asked, and wrong about one shop
    for shop in HOURS:
        for frame in ASKED:
            said, whole = users.ask(shop, frame)
            assert said == answer(shop, WRONG_HOUR if shop == WRONG_SHOP else None)
            if shop == WRONG_SHOP:
                users.complain(whole)

    # the complaints are one issue
    store = open_store(life)
    with open_browser(chromium) as browser:
        tab = window(browser)
        tab.goto(f"{url}/monitor")
        assert WRONG_SHOP in tab.inner_text("main")
        with store.session() as session:
            (issue,) = issues(session, kind="thumbs_down")
            assert issue.count == len(ASKED) and WRONG_SHOP in issue.title

        # a person corrects each of them, by the keyboard
        tab.goto(f"{url}/label")
        for left in range(len(ASKED), 0, -1):
            assert f"{left} waiting" in tab.inner_text("#waiting")
            tab.keyboard.press("e")
            tab.keyboard.press("Control+A")
            tab.keyboard.type(answer(WRONG_SHOP))
            tab.keyboard.press("Escape")
            with tab.expect_navigation():
                tab.keyboard.press("a")
        assert "Nothing waits" in tab.inner_text("main")
        assert tab.complaints == []

    # it is retrained and tried, and takes its predecessor's place in the running server
    result = run(FixConfig(life=life, quiet=True))
    assert result.promoted, result.reason
    assert until(lambda: users.ask(WRONG_SHOP, 0)[1].model == "fix-1", 5)

    # now it is right, in words it was not corrected in, and as good as it was elsewhere
    paraphrased = [users.ask(WRONG_SHOP, frame)[0] == answer(WRONG_SHOP) for frame in UNHEARD]
    assert sum(paraphrased) >= 0.8 * len(paraphrased)
    others = [users.ask(shop, frame)[0] == answer(shop) for shop in HOURS if shop != WRONG_SHOP for frame in UNHEARD]
    assert sum(others) >= 0.99 * len(others)

    # and it can be taken back
    with store.session() as session:
        rollback(session, "ann")
    assert until(lambda: users.ask(WRONG_SHOP, 0)[1].model == "assistant", 5)
    store.close()
