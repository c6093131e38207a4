"""What all pages of the server share: templates in which text never becomes markup, and the files beside them.

A page is a template that extends `base.html.j2` and fills its blocks `title`, `head`, `main_class` and `main`. In it
`page` is the path asked for, `life` the life's name (None without one), `person` who has signed in, else None, and
`csrf` the token of this visit, for forms. Filters: `count`, `percent`, `seconds`, `when`.
"""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from eyas.serve.guard import csrf_token

_HERE = Path(__file__).parent


def render(request: Request, name: str, status_code: int = 200, **values: Any) -> HTMLResponse:
    """The page `name` (below `templates/`) with `values` in it. Raises jinja2's errors on a value that is missing."""
    life = request.app.state.eyas.life
    page = _environment().get_template(name).render(
        page=request.url.path, life=life.name if life else None, person=getattr(request.state, "person", None),
        csrf=csrf_token(request), **values,
    )  # fmt: skip
    return HTMLResponse(page, status_code)


def mount(app: FastAPI) -> None:
    """Serve `static/` at /static."""
    app.mount("/static", _Static(directory=_HERE / "static"), name="static")


class _Static(StaticFiles):
    """Files that a browser keeps but asks about each time, so that an upgraded server never meets old scripts."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


@cache
def _environment() -> Environment:
    """Jinja with autoescape: what models and people wrote is text, never markup."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(count=count, percent=percent, seconds=seconds, when=when)
    return environment


def count(value: int) -> str:
    """12345 as "12,345"."""
    return f"{value:,}"


def percent(value: float, digits: int = 1) -> str:
    """0.123 as "12.3 %"."""
    return f"{100 * value:.{digits}f} %"


def seconds(value: float) -> str:
    """A duration in the unit people would use: "85 ms", "1.24 s", "3 min 5 s"."""
    if value < 0.995:
        return f"{1000 * value:.0f} ms"
    if value < 99.5:
        return f"{value:.3g} s"
    return f"{round(value) // 60} min {round(value) % 60} s"


def when(value: float) -> Markup:
    """A time (seconds since 1970) as a <time> element in UTC; the page's script turns it into the reader's own."""
    then = datetime.fromtimestamp(value, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        then.isoformat(timespec="seconds"), then.strftime("%Y-%m-%d %H:%M UTC")
    )
