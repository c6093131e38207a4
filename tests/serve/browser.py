"""A real browser on a real server, for tests of pages."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve `app` on a free port while the block lasts; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def open_browser(chromium: str) -> Iterator[Any]:
    """A headless Chromium; the path of one is the fixture `chromium`."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright package: pip install playwright")
    with playwright.sync_playwright() as driver:
        # The sandbox needs rights that containers lack; the only pages opened are those of the tests.
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"], timeout=180e3)
        yield opened
        opened.close()


def window(browser: Any, **options: Any) -> Any:
    """A new window; `complaints` gathers what the browser says, `requests` what it asks for."""
    tab = browser.new_context(
        **{"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"} | options
    ).new_page()
    tab.set_default_timeout(60e3)
    tab.complaints, tab.requests = [], []
    tab.on("console", lambda message: tab.complaints.append(message.text))
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.on("request", lambda request: tab.requests.append(request.url))
    return tab


_CONTRAST = """(selectors) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const painted = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => c / 255)
      .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  };
  return selectors.flatMap((selector) => {
    const found = [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility()).slice(0, 5);
    if (!found.length) return [[selector, 0]];
    return found.map((element) => {
      const grounds = [];
      for (let at = element; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
      const [a, b] = [painted([...grounds, getComputedStyle(element).color]), painted(grounds)];
      return [selector, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
  });
}"""


def faint(tab: Any, *selectors: str) -> list[str]:
    """Which texts stand out from their ground by less than 4.5 to 1, or are not there at all."""
    measured = tab.evaluate(_CONTRAST, list(selectors))
    return [f"{selector}: {ratio:.2f}" for selector, ratio in measured if ratio < 4.5]


def sideways(tab: Any, *widths: int) -> list[int]:
    """At which widths of the window the page is wider than it."""
    wide = []
    for width in widths:
        tab.set_viewport_size({"width": width, "height": 800})
        if tab.evaluate("document.documentElement.scrollWidth") > width:
            wide.append(width)
    return wide
