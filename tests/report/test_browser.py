"""The page in a real browser: quiet, offline, narrow, by keyboard, in the dark and on paper."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from eyas.report.page import render
from tests.report.hostile import hostile_data

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright package: pip install playwright")
pytestmark = pytest.mark.browser
_OPEN_ALL = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
_PAPER = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        # The sandbox needs rights that containers lack; the only pages opened are those made here.
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"], timeout=180e3)
        yield opened
        opened.close()


def _window(browser: Any, **options: Any) -> Any:
    """A new window; `complaints` gathers what the browser says, `requests` what it asks for."""
    tab = browser.new_context(viewport={"width": 1280, "height": 800}, **options).new_page()
    tab.set_default_timeout(180e3)
    tab.complaints, tab.requests = [], []
    tab.on("console", lambda message: tab.complaints.append(message.text))
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.on("dialog", lambda dialog: (tab.complaints.append("a dialog"), dialog.dismiss()))
    tab.on("request", lambda request: tab.requests.append(request.url))
    return tab


def _loaded(tab: Any) -> list[str]:
    """What was asked for apart from the page itself and the icon inside it."""
    return [url for url in tab.requests if not url.startswith("data:") and not url.endswith("report.html")]


@pytest.fixture(scope="module")
def tab(browser: Any, page: Path) -> Any:
    """One window for all tests that leave the page as it was; opening costs more than the tests."""
    window = _window(browser, color_scheme="light")
    window.goto(page.as_uri())
    return window


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(tab: Any) -> None:
    where = """() => { const e = document.activeElement;
        return [e.id || e.getAttribute("href") || e.getAttribute("role") || e.tagName,
                e.getBoundingClientRect().top + scrollY, getComputedStyle(e).outlineStyle]; }"""
    seen: list[tuple[str, float]] = []
    while len(seen) < 200:
        tab.keyboard.press("Tab")
        name, top, outline = tab.evaluate(where)
        if name == "BODY" or (seen and name == seen[0][0]):
            break
        assert outline != "none", f"{name} does not show that it has the focus"
        seen.append((name, top))
    names = [name for name, _ in seen]
    contents = ["#trained", "#curves", "#bits", "#exam", "#preferences", "#dreams", "#chat", "#lineage"]
    assert names[:10] == ["#main", "theme", *contents]
    assert {"slider", "SUMMARY", "region", "PRE"} <= set(names)
    # Curves side by side may begin a line apart.
    assert [(a, b) for a, b in pairwise(top for _, top in seen[10:]) if b < a - 60] == []


def test_a_curve_is_read_with_the_arrow_keys(tab: Any) -> None:
    slider = tab.locator("[role=slider]").first
    slider.focus()
    tab.keyboard.press("Home")
    first = slider.get_attribute("aria-valuetext")
    tab.keyboard.press("End")
    last = slider.get_attribute("aria-valuetext")
    assert first != last and "16.4M tokens: training 0.4" in last and "held out 0.4" in last
    assert tab.locator(".readout").first.inner_text() == last


def test_a_curve_is_read_with_the_mouse(tab: Any) -> None:
    slider = tab.locator("[role=slider]").nth(1)
    slider.scroll_into_view_if_needed()
    slider.hover()
    assert " tokens: 0.0" in tab.locator(".readout").nth(1).inner_text()
    tab.mouse.move(1, 1)
    assert tab.locator(".readout").nth(1).inner_text() == ""


def test_the_switch_turns_the_lights_and_is_remembered(tab: Any) -> None:
    light, switch = tab.evaluate(_PAPER), tab.locator("#theme")
    assert switch.inner_text() == "Dark"
    switch.click()
    dark = tab.evaluate(_PAPER)
    assert dark != light and switch.inner_text() == "Light"
    tab.reload()
    assert tab.evaluate(_PAPER) == dark
    switch.click()
    assert tab.evaluate(_PAPER) == light
    tab.evaluate("localStorage.clear(); delete document.documentElement.dataset.theme")


_CONTRAST = """(selectors) => {
  const light = (colour) => {
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => c / 255)
      .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  };
  return selectors.map((selector) => {
    const element = document.querySelector(selector);
    let behind = element;
    while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    const style = getComputedStyle(element);
    const [a, b] = [light(element.tagName === "text" ? style.fill : style.color),
                    light(getComputedStyle(behind).backgroundColor)];
    return [selector, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), b];
  });
}"""
_TEXTS = [
    "p.summary", ".tiles dt", ".tiles small", ".toc a", "caption", ".own th", ".verdict.good", ".verdict.bad",
    ".turn.user .who", ".turn.assistant .text", ".thought", "svg.chart text",
]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_lies_behind_it(tab: Any, scheme: str) -> None:
    tab.emulate_media(color_scheme=scheme)
    for selector, ratio, behind in tab.evaluate(_CONTRAST, _TEXTS):
        assert ratio >= 4.5, f"{selector} has a contrast of {ratio:.2f}"
        assert (behind > 0.5) == (scheme == "light"), selector


def test_the_page_prints_in_light_colours(tab: Any) -> None:
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate(_PAPER) == "rgb(255, 255, 255)"
    assert not tab.locator("nav.toc").is_visible() and not tab.locator("#theme").is_visible()
    tab.emulate_media(media="screen", color_scheme="light")


def test_nothing_sticks_out_sideways_on_any_screen(tab: Any) -> None:
    tab.evaluate(_OPEN_ALL)
    for width in (320, 360, 768, 1280):
        tab.set_viewport_size({"width": width, "height": 800})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_the_browser_has_nothing_to_complain_of_and_loads_nothing(tab: Any) -> None:
    assert len(tab.requests) >= 1
    assert tab.complaints == [] and _loaded(tab) == []


def test_a_hostile_life_runs_nothing_and_stays_within_a_phone(browser: Any, life: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(hostile_data(life)), encoding="utf-8")
    tab = _window(browser)
    tab.set_viewport_size({"width": 360, "height": 800})
    tab.goto(path.as_uri())
    tab.evaluate(_OPEN_ALL)
    assert tab.complaints == [] and _loaded(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_policy_stops_a_script_and_a_load_that_slip_in(browser: Any, page: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    slipped = '<script>document.title = "run"</script><img src="http://127.0.0.1:9/x.png" onerror="document.title=1">'
    path.write_text(page.read_text(encoding="utf-8").replace("<footer>", slipped + "<footer>"), encoding="utf-8")
    tab = _window(browser)
    tab.goto(path.as_uri())
    assert "the life of a language model" in tab.title()
    assert len(tab.complaints) >= 2 and "Content Security Policy" in tab.complaints[0]


def test_the_page_reads_whole_without_script(browser: Any, page: Path) -> None:
    tab = _window(browser, java_script_enabled=False, color_scheme="dark")
    tab.goto(page.as_uri())
    assert tab.complaints == [] and not tab.locator("#theme").is_visible()
    assert tab.locator("svg.chart").first.is_visible() and tab.locator("polyline").count() >= 10
    tab.locator("summary").first.click()
    assert tab.locator("details[open] table").first.is_visible()
