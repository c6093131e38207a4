"""The chat page in a real browser, on a real server with two small random models."""

import getpass
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import select

from eyas.model.checkpoint import save_model
from eyas.serve import page_chat
from eyas.serve.app import create_app
from eyas.serve.config import ServeConfig
from eyas.store.conversations import Turn, record
from eyas.store.database import Store
from eyas.store.tables import Comparison, Conversation, Feedback, Flag, Message
from eyas.text.tokenizer import train_tokenizer
from tests.runtime.conftest import random_model
from tests.serve.browser import faint, open_browser, running, sideways, window
from tests.serve.small import TEXT

pytestmark = pytest.mark.browser
SERVE = Path(__file__).parents[2] / "src" / "eyas" / "serve"


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A life with the models base and assistant: random, but they say words alone, and do not end by themselves."""
    folder = tmp_path_factory.mktemp("chat") / "tarn"
    tokenizer = train_tokenizer([TEXT] * 20, 330)
    others = [i for i in range(tokenizer.vocab_size) if not re.fullmatch(r" ?[a-zA-Z]+", tokenizer.decode([i]))]
    for seed, name in enumerate(("base", "assistant")):
        model: Any = random_model(tokenizer.vocab_size, seed=seed, max_seq_len=4096)
        with torch.no_grad():  # one feature is the same whatever was read; it speaks against what is no word
            model.embed.weight[:, 0] = 1
            for block in model.blocks:
                block.out.weight[0] = block.down.weight[0] = 0
            model.lm_head.weight[:, 0] = 0
            model.lm_head.weight[others, 0] = -100
        save_model(folder / "models" / name, model, tokenizer, lineage={"stage": name, "parent": None, "data": []})
    return folder


@pytest.fixture(scope="module")
def app(life: Path) -> Any:
    return create_app(ServeConfig(model=str(life), api_key=[]))


@pytest.fixture(scope="module")
def store(app: Any) -> Store:
    found: Store = app.state.eyas.store
    return found


@pytest.fixture(scope="module")
def url(app: Any) -> Iterator[str]:
    with running(app) as address:
        yield address


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    with open_browser(chromium) as opened:
        yield opened


@pytest.fixture
def tab(browser: Any, url: str) -> Iterator[Any]:
    """The page with short answers; at the end the browser must have had nothing to complain of."""
    opened = opened_at(browser, url)
    yield opened
    assert opened.complaints == [] and [one for one in opened.requests if not one.startswith(url)] == []
    opened.context.close()


def opened_at(browser: Any, url: str, **options: Any) -> Any:
    tab = window(browser, **options)
    tab.context.add_init_script("localStorage['eyas-chat'] ??= '{\"max_completion_tokens\": \"12\"}'")
    tab.goto(url)
    tab.locator("html[data-ready]").wait_for()
    return tab


def ask(tab: Any, question: str) -> Any:
    """Ask and wait for the end; gives the answer."""
    before = tab.locator(".turn.user").count()
    tab.fill("#ask", question)
    tab.keyboard.press("Enter")
    tab.locator(".turn.user").nth(before).wait_for()
    return done(tab)


def done(tab: Any) -> Any:
    tab.locator("#send").wait_for()
    return tab.locator(".turn.assistant").last


def said(answer: Any) -> str:
    text: str = answer.locator(".markdown").inner_text()
    return text


def bodies(tab: Any) -> list[dict[str, Any]]:
    """What the page sends to /v1/chat/completions from now on."""
    sent: list[dict[str, Any]] = []
    tab.on("request", lambda one: sent.append(one.post_data_json) if "/v1/chat/" in one.url else None)
    return sent


def test_an_answer_streams_and_the_conversation_is_there_again_after_a_reload(tab: Any, store: Store) -> None:
    first, second = said(ask(tab, "Where does Mira live?")), said(ask(tab, "And why?"))
    with store.session() as session:
        kept = session.scalars(select(Message).join(Conversation).where(Conversation.id == tab.url[-32:])).all()
        assert [one.role for one in kept] == ["user", "assistant"] * 2
        assert [one.text.strip() for one in kept[1::2]] == [first, second]
        assert session.get_one(Conversation, tab.url[-32:]).source == "page"
    tab.reload()
    tab.locator(".turn.assistant").nth(1).wait_for()
    assert [said(one) for one in tab.locator(".turn.assistant").all()] == [first, second]
    assert tab.locator("#conversations [aria-current]").inner_text().startswith("Where does Mira live?")


def test_edits_and_second_answers_are_branches_that_can_be_walked(tab: Any, store: Store) -> None:
    one = said(ask(tab, "Who keeps a goat?"))
    tab.locator(".turn.assistant [aria-label='Answer again']").click()
    two = said(done(tab))
    tab.locator(".turn.user [aria-label=Edit]").click()
    tab.locator(".turn.user textarea").fill("Who keeps two goats?")
    tab.keyboard.press("Enter")
    tab.get_by_text("Who keeps two goats?", exact=True).and_(tab.locator("#log .text")).wait_for()
    three = said(done(tab))
    tab.locator(".turn.user [aria-label='Branch before']").click()
    assert tab.locator(".turn.user .text").inner_text() == "Who keeps a goat?"
    assert said(tab.locator(".turn.assistant")) == two
    tab.locator(".turn.assistant [aria-label='Branch before']").click()
    assert said(tab.locator(".turn.assistant")) == one
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == "Branch after"
    ask(tab, "And then?")
    with store.session() as session:
        kept = {m.id: m for m in session.scalars(select(Message).filter_by(conversation_id=tab.url[-32:]))}
    first = next(m for m in kept.values() if m.text == "Who keeps a goat?")
    answers = sorted(m.text.strip() for m in kept.values() if m.parent_id == first.id)
    assert answers == sorted([one, two]) and len(kept) == 7
    follows = next(m for m in kept.values() if m.text == "And then?")
    assert kept[follows.parent_id or ""].text.strip() == one
    assert next(m for m in kept.values() if m.text.strip() == three and m.role == "assistant")


def test_the_next_word_view_tells_what_the_model_itself_says(tab: Any, url: str) -> None:
    answer = ask(tab, "Where is it?")
    text = said(answer)
    tab.click("#words")
    words = answer.locator(".words span")
    assert "".join(words.all_text_contents()).strip() == text and words.count() == 12
    question = {"messages": [{"role": "user", "content": "Where is it?"}], "temperature": 0, "max_tokens": 12}
    told = tab.request.post(f"{url}/v1/chat/completions", data=question | {"logprobs": True, "top_logprobs": 6}).json()
    tokens = told["choices"][0]["logprobs"]["content"]
    words.nth(3).hover()
    tops = tab.locator("#word tr")
    assert tops.count() == len(tokens[3]["top_logprobs"]) == 6
    best = tokens[3]["top_logprobs"][0]
    shown = f"{100 * 2.718281828 ** best['logprob']:.1f} %"
    assert shown in tops.first.inner_text() and tops.first.get_attribute("class") == "own"
    tab.mouse.move(1, 1)
    assert not tab.locator("#word").is_visible()
    answer.locator(".words").focus()
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Home")
    tab.keyboard.press("ArrowRight")
    assert tab.locator(".words .at").text_content() == words.nth(1).text_content() and tab.locator("#word").is_visible()
    tab.keyboard.press("Escape")
    assert not tab.locator("#word").is_visible()
    bits = [-one["logprob"] / 0.6931471805599453 for one in tokens]
    levels = [sum(one >= limit for limit in (0.5, 1, 2, 4, 7)) for one in bits]
    assert [one.get_attribute("class") for one in words.all()] == [f"s{level}" for level in levels]
    tab.click("#words")
    assert said(answer) == text


def test_the_words_of_a_stored_answer_are_read_again_by_its_model(tab: Any) -> None:
    ask(tab, "Where is the mill?")
    told = []
    tab.click("#words")
    for _ in range(2):
        words = tab.locator(".words span")
        words.nth(5).hover()
        tab.locator("#word tr").nth(5).wait_for()
        told.append((words.all_text_contents(), tab.locator("#word").inner_text()))
        with tab.expect_response("**/words"):
            tab.reload()
    assert told[0] == told[1] and told[0][1].count("%") == 7


def test_on_a_touch_screen_a_word_is_tapped(browser: Any, url: str) -> None:
    tab = opened_at(browser, url, has_touch=True, is_mobile=True, viewport={"width": 390, "height": 780})
    ask(tab, "Where is the mill?")
    tab.locator("#words").tap()
    tab.locator(".words span").nth(2).tap()
    tab.locator("#word tr").nth(5).wait_for()
    assert sideways(tab, 390) == []
    tab.locator("#ask").tap()
    tab.locator("#word").wait_for(state="hidden")


def test_thumbs_a_comment_and_the_better_answer_are_kept_and_taken_back(tab: Any, store: Store) -> None:
    answer = ask(tab, "Is the goat white?")
    with tab.expect_response("**/api/feedback"):
        answer.get_by_label("Good answer").click()
    with tab.expect_response("**/api/feedback"):
        answer.get_by_label("Bad answer", exact=True).click()
    answer.get_by_label("A comment").fill("it is not about goats")
    answer.get_by_label("The better answer", exact=True).fill("The goat is <b>white</b>.")
    with tab.expect_response("**/api/feedback"):
        answer.get_by_role("button", name="Keep").click()
    with store.session() as session:
        kept = session.scalars(select(Feedback).join(Message).where(Message.conversation_id == tab.url[-32:])).one()
        assert (kept.rating, kept.comment, kept.better) == (-1, "it is not about goats", "The goat is <b>white</b>.")
        kinds = session.scalars(select(Flag.kind).where(Flag.message_id == kept.message_id)).all()
        assert "thumbs_down" in kinds
    tab.reload()
    answer = tab.locator(".turn.assistant")
    down = answer.get_by_label("Bad answer", exact=True)
    assert down.get_attribute("aria-pressed") == "true"
    answer.get_by_label("Write the better answer").click()
    assert answer.get_by_label("The better answer", exact=True).input_value() == "The goat is <b>white</b>."
    tab.keyboard.press("Escape")
    with tab.expect_response("**/api/feedback"):
        down.click()
    assert down.get_attribute("aria-pressed") == "false"


def test_two_models_are_compared_blind_and_the_vote_names_the_right_one(tab: Any, store: Store) -> None:
    sent = bodies(tab)
    tab.click("#compare")
    tab.select_option("#model", "assistant")
    tab.select_option("#model-b", "base")
    tab.fill("#ask", "Where is Mill Lane?")
    tab.keyboard.press("Enter")
    tab.get_by_role("button", name="B is better").and_(tab.locator(":enabled")).wait_for()
    left, right = tab.locator(".duel .turn.assistant").all()
    assert [one.locator(".who").inner_text() for one in (left, right)] == ["Answer A", "Answer B"]
    texts = [said(left), said(right)]
    tab.fill("#ask", "Go on")
    tab.keyboard.press("Enter")
    assert "Say first which answer is better" in tab.locator("#said").inner_text() and len(sent) == 2
    tab.get_by_role("button", name="B is better").click()
    shown = tab.locator(".turn.assistant")
    shown.locator(".branches").wait_for()
    assert said(shown) == texts[1]
    with store.session() as session:
        vote = session.scalars(select(Comparison)).one()
        assert {vote.model_a, vote.model_b} == {"assistant", "base"} and vote.winner == "model_b"
        assert [vote.answer_a.strip(), vote.answer_b.strip()] == texts
        assert vote.prompt == [{"role": "user", "content": "Where is Mill Lane?"}]
        assert session.get_one(Message, vote.message_b).model == vote.model_b
        assert f"A was {vote.model_a}, B was {vote.model_b}." in tab.locator("#said").inner_text()


def test_two_samples_of_one_model_differ_though_it_says_the_likeliest_words(tab: Any) -> None:
    tab.click("#compare")
    tab.fill("#ask", "Where?")
    tab.keyboard.press("Enter")
    tab.get_by_role("button", name="A tie").and_(tab.locator(":enabled")).wait_for()
    one, two = (said(side) for side in tab.locator(".duel .turn.assistant").all())
    assert one != two


def test_an_answer_is_stopped_and_the_talk_goes_on(tab: Any) -> None:
    tab.click("#open-settings")
    tab.fill("#max_completion_tokens", "4000")
    tab.keyboard.press("Escape")
    # The key is pressed within the page, as soon as a word is there: on a busy machine the test's own hand comes late.
    tab.evaluate("""() => new MutationObserver((_, words) => {
        if (!document.querySelector(".markdown :first-child")) return;
        words.disconnect();
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    }).observe(document.body, { childList: true, subtree: true })""")
    tab.fill("#ask", "Tell me everything.")
    tab.keyboard.press("Enter")
    tab.locator(".turn.assistant").wait_for()
    answer = done(tab)
    assert "You stopped this answer." in answer.inner_text() and said(answer)
    tab.click("#open-settings")
    tab.fill("#max_completion_tokens", "12")
    tab.keyboard.press("Escape")
    again = ask(tab, "And in short?")
    assert "12 tokens" in again.inner_text() and "cut" in again.inner_text()


def test_an_answer_goes_on_while_another_conversation_is_shown(tab: Any) -> None:
    ask(tab, "A short one?")
    short = tab.url
    tab.click("#new")
    tab.click("#open-settings")
    tab.fill("#max_completion_tokens", "3000")
    tab.keyboard.press("Escape")
    tab.fill("#ask", "A long one?")
    tab.keyboard.press("Enter")
    tab.locator(".markdown :first-child").wait_for()
    tab.locator("#conversations button", has_text="A short one?").click()
    tab.locator(".turn.user").get_by_text("A short one?").wait_for()
    assert tab.url == short and tab.locator("#send").is_visible()
    tab.locator("#conversations button", has_text="A long one?").click()
    tab.get_by_text("3000 tokens").wait_for()
    assert len(said(tab.locator(".turn.assistant")).split()) > 500


def test_settings_are_sent_with_each_question_and_outlive_the_page(tab: Any) -> None:
    tab.click("#open-settings")
    given = {"temperature": 0.5, "top_p": 0.9, "top_k": 20, "frequency_penalty": 0.2, "seed": 7}
    for name, value in given.items():
        tab.fill(f"#{name}", str(value))
    tab.fill("#system", "You are <i>short</i>.")
    tab.keyboard.press("Escape")
    tab.reload()
    tab.locator("html[data-ready]").wait_for()
    sent = bodies(tab)
    ask(tab, "Who?")
    ask(tab, "Where?")
    first, second = sent
    assert first.items() >= (given | {"model": "eyas", "max_completion_tokens": 12}).items()
    assert [one["role"] for one in second["messages"]] == ["system", "user", "assistant", "user"]
    assert second["messages"][0]["content"] == "You are <i>short</i>."
    assert "parent" not in first["metadata"] and second["metadata"]["conversation"] == tab.url[-32:]
    tab.locator(".turn.system [aria-label='Edit the system prompt']").click()
    tab.locator(".turn.system textarea").fill("You are long.")
    tab.get_by_role("button", name="Ask this instead").click()
    tab.locator(".turn.system").get_by_text("2/2").wait_for()
    done(tab)
    assert sent[2]["messages"] == [{"role": "system", "content": "You are long."}, {"role": "user", "content": "Who?"}]


def test_what_the_server_refuses_is_told_and_asked_again(tab: Any) -> None:
    long = ask(tab, "goat " * 5000)
    assert "context" in long.get_by_role("alert").inner_text()
    tab.complaints.clear()  # the browser notes every 400
    tab.locator(".turn.user [aria-label=Edit]").click()
    tab.locator(".turn.user textarea").fill("goat?")
    tab.keyboard.press("Enter")
    tab.locator(".turn.user").get_by_text("2/2").wait_for()
    assert said(done(tab))


def test_conversations_are_listed_searched_opened_and_forgotten(tab: Any, store: Store) -> None:
    ask(tab, "Does the heron sleep?")
    heron = tab.url[-32:]
    tab.click("#new")
    ask(tab, "Does the otter sleep?")
    listed = tab.locator("#conversations li")
    listed.first.get_by_text("Does the otter sleep?").wait_for()
    tab.fill("#search", "heron")
    listed.filter(has_text="otter").wait_for(state="detached")
    assert listed.count() == 1
    listed.locator("button").first.click()
    tab.locator(".turn.user").get_by_text("Does the heron sleep?").wait_for()
    assert tab.url.endswith(heron)
    tab.once("dialog", lambda dialog: dialog.accept())
    listed.first.hover()
    listed.get_by_label("Forget").click()
    listed.first.wait_for(state="detached")
    assert tab.locator(".turn").count() == 0
    with store.session() as session:
        assert session.get(Conversation, heron) is None
        assert session.scalars(select(Message).filter_by(conversation_id=heron)).all() == []


def test_the_keyboard_does_it_all(tab: Any) -> None:
    assert tab.evaluate("document.activeElement.id") == "ask"
    tab.keyboard.type("one")
    tab.keyboard.press("Shift+Enter")
    tab.keyboard.type("two")
    tab.keyboard.press("Enter")
    tab.locator(".turn.user").wait_for()
    assert tab.locator(".turn.user .text").inner_text() == "one\ntwo"
    done(tab)
    tab.keyboard.press("ArrowUp")
    assert tab.evaluate("document.activeElement.value") == "one\ntwo"
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == "Edit"
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "ask"
    seen: list[str] = []
    while "Dark colours" not in seen and len(seen) < 300:
        tab.keyboard.press("Shift+Tab")
        name, outline = tab.evaluate(
            "(e => [e.getAttribute('aria-label') || e.textContent.trim() || e.id, getComputedStyle(e).outlineStyle])"
            "(document.activeElement)"
        )
        assert outline != "none", f"{name} does not show that it has the focus"
        seen.append(name)
    assert {"Messages", "Good answer", "Bad answer", "Answer again", "Edit", "Settings", "Side by side"} <= set(seen)
    assert {"Next-word view", "New chat", "Dark colours"} <= set(seen)


HOSTILE = """<script>document.title = "run"</script><img src=http://127.0.0.1:9/a.png onerror="document.title=1">
![x](http://127.0.0.1:9/b.png) [a](javascript:document.title=2) [b](JaVaScRiPt:document.title=3) [c](data:text/html,x)
[d](http://127.0.0.1:9/"onmouseover="document.title=4) <https://127.0.0.1:9/e" style="x>
[f](vbscript:x) [g](//127.0.0.1:9/)

```"><script>document.title=5</script>
<iframe src="http://127.0.0.1:9/"></iframe>
```
| <svg onload=document.title=6> | b |
|---|---|
| ![y](//127.0.0.1:9/c.png) | <style>*{display:none}</style> |

<|im_start|>system <|im_end|> \u202e\u0000 &lt;script&gt;"""


def remember(store: Store, user: str | None, question: str, answer: str, **more: Any) -> str:
    """Put a conversation into the store; gives the id of its answer."""
    turn = Turn(
        messages=[{"role": "user", "content": question}], answers=[{"role": "assistant", "content": answer, **more}],
        model='<img src="x">', model_sha256=None, sampling={}, tools=None, tokens=[("<b>", -1.0), ("x", -2.0)],
        prompt_tokens=1, completion_tokens=2, first_seconds=0.1, seconds=0.2, finish_reason="stop", user=user,
        source="page",
    )  # fmt: skip
    with store.session() as session:
        return record(session, turn).message_id


def test_what_a_model_says_never_becomes_markup_runs_or_loads(browser: Any, url: str, store: Store) -> None:
    ids = remember(store, getpass.getuser(), HOSTILE, HOSTILE, reasoning_content=HOSTILE)
    with store.session() as session:
        conversation = session.get_one(Message, ids).conversation_id
    tab = opened_at(browser, f"{url}/#{conversation}")
    answer = tab.locator(".turn.assistant")
    for _ in range(2):
        assert tab.title() == "Chat · tarn"
        found = tab.evaluate(
            "[...document.querySelectorAll('main *')].map((e) => [e.localName, ...e.getAttributeNames()])"
        )
        names = {name for name, *_ in found}
        assert not names & {"script", "img", "iframe", "style", "object", "embed", "link", "base", "meta"}
        assert not [name for _, *attributes in found for name in attributes if name.startswith("on") or name == "style"]
        tab.click("#words")
    assert "<script>document.title" in answer.inner_text()
    links = answer.locator("a").evaluate_all("(all) => all.map((a) => [a.protocol, a.rel, a.target])")
    assert links and all(
        one[0] in ("http:", "https:") and one[1:] == ["noopener noreferrer nofollow", "_blank"] for one in links
    )
    assert answer.get_by_text("image: x").count() == 1
    assert answer.locator(".model").inner_text() == '<img src="x">'
    assert all("400" in one for one in tab.complaints)  # no such model can read its words once more
    assert [one for one in tab.requests if not one.startswith(url)] == []
    assert sideways(tab, 360) == []


def shown(tab: Any, text: str) -> str:
    """The elements that markdown.js makes of `text`, without what is the same on all of them."""
    made: str = tab.evaluate(
        """async (text) => {
          const { showMarkdown } = await import("/static/markdown.js");
          const box = document.createElement("div");
          showMarkdown(box, text);
          return box.innerHTML;
        }""",
        text,
    )
    return re.sub(r' (?:dir|title|target|rel|scope|role|tabindex|aria-label)="[^"]*"', "", made)


MARKDOWN = [
    ("*one* __two__ ~~three~~", "<p><em>one</em> <strong>two</strong> <del>three</del></p>"),
    ("***one** two*", "<p><em><strong>one</strong> two</em></p>"),
    ("snake_case_word 2*3*4 a * b", "<p>snake_case_word 2*3*4 a * b</p>"),
    ("**open *and* not", "<p>**open <em>and</em> not</p>"),
    ("`a *b*` `` ` `` \\*c*", "<p><code>a *b*</code> <code>`</code> *c*</p>"),
    ("a\nb\n\nc", "<p>a<br>b</p><p>c</p>"),
    ("## A *b* ##", "<h4>A <em>b</em></h4>"),
    ("- a\n- b\n  1. c\n  2. d\n- e", "<ul><li>a</li><li>b<ol><li>c</li><li>d</li></ol></li><li>e</li></ul>"),
    ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
    ("> a\n> > b", "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>"),
    ("a\n\n***\nb", "<p>a</p><hr><p>b</p>"),
    ("<b>a</b> &lt;", "<p>&lt;b&gt;a&lt;/b&gt; &amp;lt;</p>"),
    ("[a](https://b.org/c_(d))", '<p><a href="https://b.org/c_(d)">a</a></p>'),
    ("(see https://b.org/c.)", '<p>(see <a href="https://b.org/c">https://b.org/c</a>.)</p>'),
    ("[a](mailto:b@c.org) [d](file:///e) [f](/g)", '<p><a href="mailto:b@c.org">a</a> [d](file:///e) [f](/g)</p>'),
    ("![a](https://b.org/c.png)", '<p><a href="https://b.org/c.png">image: a</a></p>'),
    ("|a|b|\n|-|-:|\n|*c*|d\\|e|", '<div class="wide"><table class="rows"><thead><tr><th>a</th>'
     '<th class="end">b</th></tr></thead><tbody><tr><td><em>c</em></td><td class="end">d|e</td></tr></tbody>'
     "</table></div>"),
]  # fmt: skip


@pytest.fixture(scope="module")
def still(browser: Any, url: str) -> Any:
    """A page for tests that leave it as it was."""
    return opened_at(browser, url)


@pytest.mark.parametrize(("text", "made"), MARKDOWN)
def test_markdown_becomes_elements(still: Any, text: str, made: str) -> None:
    assert shown(still, text) == made


def test_code_is_shown_as_it_is_and_copied(browser: Any, url: str, store: Store) -> None:
    code = 'def f(a):\n\treturn "<b>*a*</b>"'
    answer = remember(store, getpass.getuser(), "Code?", f"So:\n```python\n{code}\n```\nand\n~~~\nopen")
    with store.session() as session:
        conversation = session.get_one(Message, answer).conversation_id
    tab = opened_at(browser, f"{url}/#{conversation}", permissions=["clipboard-read", "clipboard-write"])
    first, second = tab.locator("figure.code").all()
    assert first.locator("figcaption").inner_text().split() == ["python", "Copy"]
    assert first.locator("code").text_content() == code.replace("\t", "    ")
    assert second.locator("code").text_content() == "open"
    first.get_by_role("button").click()
    first.get_by_text("Copied").wait_for()
    assert tab.evaluate("navigator.clipboard.readText()") == code.replace("\t", "    ")


@pytest.mark.parametrize(
    "text",
    ["*a" * 20_000 + "b*" * 20_000, "_a " * 50_000, "[" * 50_000, "[a](b" * 20_000, "` " * 10_000 + "``" * 9_000,
     "> " * 50_000, "- " * 50_000, "\n".join(" " * i + "- x" for i in range(1500)),
     "|a" * 50_000 + "\n" + "|-" * 50_000 + "\n|b" * 50_000, "https://a" + ")" * 100_000 + "x",
     "![" * 30_000 + "](http://x.y)" * 30_000],
    ids=["emphasis", "openers", "brackets", "links", "code", "quotes", "lists", "nested", "table", "address", "images"],
)  # fmt: skip
def test_no_text_is_too_long_or_too_deep(still: Any, text: str) -> None:
    """What takes quadratic time would take minutes here; what nests without end would break the page's layout."""
    depth = still.evaluate(
        """async (text) => {
          const { showMarkdown } = await import("/static/markdown.js");
          const box = document.createElement("div");
          showMarkdown(box, text);
          document.querySelector("#log").append(box);
          const deep = (at) => 1 + Math.max(0, ...[...at.children].slice(0, 50).map(deep));
          const found = box.offsetHeight >= 0 && deep(box);
          box.remove();
          return found;
        }""",
        text,
    )
    assert 1 <= depth < 40


def test_a_growing_answer_keeps_the_blocks_that_did_not_change(still: Any) -> None:
    kept, text = still.evaluate(
        """async () => {
          const { showMarkdown } = await import("/static/markdown.js");
          const box = document.createElement("div");
          const text = "# A\\n\\n- b\\n- c\\n\\n```\\nd\\n```\\nlast **e**";
          let first = null, kept = true;
          for (let end = 1; end <= text.length; end++) {
            showMarkdown(box, text.slice(0, end));
            if (end === 6) first = box.children[0];
            if (end > 6) kept &&= box.children[0] === first;
          }
          return [kept, box.innerHTML];
        }"""
    )
    assert kept and text == still.evaluate(
        """async () => {
          const { showMarkdown } = await import("/static/markdown.js");
          const box = document.createElement("div");
          showMarkdown(box, "# A\\n\\n- b\\n- c\\n\\n```\\nd\\n```\\nlast **e**");
          return box.innerHTML;
        }"""
    )


def test_what_belongs_to_somebody_else_is_not_there(still: Any, url: str, store: Store) -> None:
    mine, theirs = (remember(store, user, "Whose?", "Hers.") for user in (getpass.getuser(), "somebody else"))
    with store.session() as session:
        conversation = session.get_one(Message, theirs).conversation_id
        mine_id = session.get_one(Message, mine).conversation_id
        question = session.get_one(Message, mine).parent_id
    at, web = f"{url}/api", still.request
    listed = [one["id"] for one in web.get(f"{at}/conversations?query=Whose").json()["conversations"]]
    assert mine_id in listed and conversation not in listed
    vote = {"message_a": mine, "message_b": theirs, "winner": "tie"}
    answers = [
        web.get(f"{at}/conversations/{conversation}"),
        web.delete(f"{at}/conversations/{conversation}"),
        web.put(f"{at}/feedback", data={"message": theirs, "rating": 1}),
        web.post(f"{at}/comparisons", data=vote),
        web.put(f"{at}/feedback", data={"message": question, "rating": 1}),  # no answer
        web.get(f"{at}/conversations/none"),
    ]
    assert [(one.status, one.json()["error"]["code"]) for one in answers] == [(404, "not_found")] * 6
    wrong = [
        web.post(f"{at}/comparisons", data=vote | {"message_b": mine}),  # one answer, twice
        web.put(f"{at}/feedback", data={"message": mine, "rating": 5}),
        web.put(f"{at}/feedback", data={"message": mine, "rating": 1, "stars": 5}),
        web.put(f"{at}/feedback", data={"message": mine, "better": "x" * 20_001}),
        web.get(f"{at}/conversations?before=soon"),
    ]
    assert [one.status for one in wrong] == [400] * 5
    with store.session() as session:
        assert session.get(Conversation, conversation) is not None
        assert session.scalars(select(Feedback).where(Feedback.message_id.in_([mine, theirs]))).all() == []


def test_a_program_gives_thumbs_for_its_users_and_for_them_alone(still: Any, url: str, store: Store) -> None:
    annas, bens, nobodys = (remember(store, user, "Thumbs?", "Yes.") for user in ("anna", "ben", None))

    def rate(message: str, **more: Any) -> int:
        status: int = still.request.put(f"{url}/api/feedback", data={"message": message, "rating": -1} | more).status
        return status

    assert [rate(annas, user="anna", better="No."), rate(nobodys, user="anna"), rate(nobodys, user="ben")] == [200] * 3
    assert [rate(bens, user="anna"), rate(annas), rate(nobodys)] == [404] * 3
    assert rate(annas, user="") == 400
    with store.session() as session:
        kept = session.scalars(select(Feedback).where(Feedback.message_id.in_([annas, bens, nobodys]))).all()
        assert sorted((one.message_id == annas, one.user) for one in kept) == [
            (False, "anna"),
            (False, "ben"),
            (True, "anna"),
        ]
        assert next(one.better for one in kept if one.message_id == annas) == "No."


def test_with_keys_people_sign_in_and_speak_for_themselves_alone(browser: Any, life: Path, store: Store) -> None:
    annas = remember(store, "anna", "Key?", "Yes.")
    with running(create_app(ServeConfig(model=str(life), api_key=["k" * 24]))) as url:
        tab = window(browser)
        tab.goto(url)
        assert "/sign-in" in tab.url
        tab.fill("#name", "carla")
        tab.fill("#token", "k" * 24)
        tab.keyboard.press("Enter")
        tab.locator("html[data-ready]").wait_for()
        assert said(ask(tab, "Who am I?")) and "carla" in tab.locator("header.site").inner_text()
        web, body = tab.request, {"message": annas, "rating": 1, "user": "anna"}
        assert web.put(f"{url}/api/feedback", data=body).status == 403
        assert web.put(f"{url}/api/feedback", data=body | {"user": "carla"}).status == 404
        tab.get_by_role("button", name="Sign out").click()
        tab.wait_for_url("**/sign-in")
        key = {"Authorization": "Bearer " + "k" * 24}
        assert web.put(f"{url}/api/feedback", data=body).status == 401
        assert web.put(f"{url}/api/feedback", data=body, headers=key).status == 200
        assert tab.complaints == []
    with store.session() as session:
        assert session.scalars(select(Feedback.user).where(Feedback.message_id == annas)).all() == ["anna"]
        assert session.scalars(select(Conversation.title).filter_by(user="carla")).all() == ["Who am I?"]


def test_a_long_list_of_conversations_comes_in_pages(browser: Any, url: str, store: Store) -> None:
    for number in range(page_chat.PAGE + 5):
        remember(store, getpass.getuser(), f"Zebra number {number}?", "No.")
    tab = opened_at(browser, url)
    listed = tab.locator("#conversations li")
    listed.nth(page_chat.PAGE - 1).wait_for()
    assert listed.count() == page_chat.PAGE and listed.first.inner_text().startswith("Zebra number 44?")
    tab.click("#more")
    listed.get_by_text("Zebra number 0?").wait_for()
    titles = [one.split("\n")[0] for one in listed.all_inner_texts()]
    assert [one for one in titles if "Zebra" in one] == [f"Zebra number {n}?" for n in range(44, -1, -1)]


def test_without_a_life_the_page_says_so_and_talks_all_the_same(browser: Any, life: Path) -> None:
    alone = create_app(ServeConfig(model=str(life / "models" / "assistant"), api_key=[]))
    with running(alone) as url:
        tab = opened_at(browser, url)
        assert "nothing is stored" in tab.locator("#side").inner_text()
        assert tab.locator("header nav a").all_inner_texts() == ["Chat"]
        answer = ask(tab, "Where?")
        assert said(answer) and answer.get_by_label("Good answer").count() == 0
        tab.click("#new")
        second = said(ask(tab, "And who?"))
        tab.locator("#conversations button", has_text="Where?").click()
        assert tab.locator(".turn.user .text").inner_text() == "Where?"
        tab.locator("#conversations button", has_text="And who?").click()
        assert said(tab.locator(".turn.assistant")) == second
        told = tab.request.get(f"{url}/api/conversations")
        assert (told.status, told.json()["error"]["code"]) == (404, "no_store")
        assert tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_and_fits_every_screen(browser: Any, url: str, store: Store, scheme: str) -> None:
    tab = opened_at(browser, url, color_scheme=scheme)
    answer = ask(tab, "Where is the goat?")
    assert (
        faint(tab, ".site nav a", ".turn.user .text", ".who", ".figures", ".markdown", "#conversations span", "small")
        == []
    )
    tab.click("#words")
    tab.evaluate("""document.querySelectorAll(".words span").forEach((one, i) => { one.className = "s" + i % 6; })""")
    assert faint(tab, *(f".words .s{level}" for level in range(6)), "#legend", "#legend .s5") == []
    answer.locator(".words span").first.hover()
    assert faint(tab, "#word td", "#word .soft") == []
    answer.get_by_label("Write the better answer").click()
    assert sideways(tab, 320, 390, 768, 1280) == []
    tab.set_viewport_size({"width": 390, "height": 800})
    tab.locator("#side").wait_for(state="hidden")
    tab.click("#open-side")
    tab.locator("#new").wait_for()
    assert tab.evaluate("document.activeElement.id") == "close-side"
    tab.keyboard.press("Escape")
    tab.locator("#new").wait_for(state="hidden")
    assert tab.complaints == []


def test_the_theme_is_chosen_and_remembered(browser: Any, url: str) -> None:
    tab = opened_at(browser, url)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(ground)
    tab.click("#theme")
    dark = tab.evaluate(ground)
    assert dark != light and tab.locator("#theme").get_attribute("aria-pressed") == "true"
    tab.reload()
    assert tab.evaluate(ground) == dark


def test_without_javascript_the_page_says_what_it_needs(browser: Any, url: str) -> None:
    tab = window(browser, java_script_enabled=False)
    tab.goto(url)
    assert "The chat needs JavaScript" in tab.inner_text("main")


def test_no_script_parses_markup_and_no_template_holds_script_or_style() -> None:
    scripts = {path.name: path.read_text() for path in (SERVE / "static").glob("*.js")}
    assert len(scripts) >= 8
    parsing = r"\.(?:innerHTML|outerHTML|insertAdjacentHTML|srcdoc)\b|document\.write|\beval\(|new Function|Contextual"
    assert [name for name, text in scripts.items() if re.search(parsing, text)] == []
    templates = {path.name: path.read_text() for path in (SERVE / "templates").glob("*.j2")}
    assert "chat.html.j2" in templates
    inline = r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|\|\s*safe\b|https?://"
    assert {name: found for name, text in templates.items() if (found := re.findall(inline, text))} == {}


def test_pages_and_report_share_one_set_of_colours() -> None:
    report = (SERVE.parent / "report" / "templates" / "page.css").read_text()
    own = (SERVE / "static" / "eyas.css").read_text()
    colours = r"--([\w-]+): (light-dark\([^;]+\));"
    assert dict(re.findall(colours, report)).items() <= dict(re.findall(colours, own)).items()
