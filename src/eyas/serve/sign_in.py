"""Who is asking: people sign in by name and token, and a signed cookie remembers them until the server's next start."""

import hashlib
import hmac
import re
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from eyas.flywheel.people import check_token, names, this_user
from eyas.serve import pages
from eyas.serve.guard import Rate
from eyas.store.tables import Person

router = APIRouter(include_in_schema=False)
COOKIE = "eyas-person"
DAYS = 30
_SECRET = secrets.token_bytes(32)
_TRIES = Rate(60)
"""Of one address in a minute: an API key that may also be used to sign in need not be as long as a token is."""
_OWN_PATH = re.compile(r"/(?![/\\])[\w./~%-]*(?:\?[\w./~%&=+-]*)?")


def person_of(request: Request) -> str | None:
    """Who asks: the person who signed in; else, on a server without keys, this computer's user; else None.

    The person is kept in `request.state.person`, which pages show.
    """
    name = _in_cookie(request)
    if name is not None:
        request.state.person = name
        return name
    return None if request.app.state.eyas.config.api_key else this_user()


@router.get("/sign-in", response_class=HTMLResponse)
def sign_in_page(request: Request, next: str = "/") -> HTMLResponse:
    """The form; a server without keys says that nobody needs it."""
    return _page(request, _own_path(next))


@router.post("/sign-in")
def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=200)],
    token: Annotated[str, Form(max_length=500)],
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Set the cookie and go on to `next`. A server's API key does as a token for a name that no person has."""
    _TRIES.take(request.client.host if request.client else "")
    name = name.strip()
    if not name or not _is_right(request, name, token.strip()):
        return _page(request, _own_path(next), wrong=True, name=name)
    answer = RedirectResponse(_own_path(next), 303)
    expires = int(time.time()) + DAYS * 86_400
    value = f"{urlsafe_b64encode(name.encode()).decode()}.{expires}.{_mark(name, expires, _hash(token.strip()))}"
    answer.set_cookie(
        COOKIE, value, max_age=DAYS * 86_400, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return answer


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """Forget the cookie."""
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _page(request: Request, next: str, *, wrong: bool = False, name: str = "") -> HTMLResponse:
    state = request.app.state.eyas
    listed: list[str] = []
    if state.store is not None:
        with state.store.session() as session:
            listed = names(session)
    return pages.render(
        request, "sign_in.html.j2", 403 if wrong else 200, next=next, wrong=wrong, given=name,
        local=not state.config.api_key, user=this_user(), anybody=bool(listed),
    )  # fmt: skip


def _in_cookie(request: Request) -> str | None:
    """The name in a cookie that this server has set, that has not expired and whose token still holds."""
    coded, _, rest = request.cookies.get(COOKIE, "").partition(".")
    expires, _, mark = rest.partition(".")
    if not expires.isdecimal() or not expires.isascii() or len(expires) > 12 or int(expires) < time.time():
        return None
    try:
        name = urlsafe_b64decode(coded.encode()).decode()
    except ValueError:
        return None
    known = [_mark(name, int(expires), one) for one in _credentials(request, name)]
    return name if any(hmac.compare_digest(one.encode(), mark.encode()) for one in known) else None


def _is_right(request: Request, name: str, token: str) -> bool:
    store, given = request.app.state.eyas.store, _hash(token).encode()
    if store is not None:
        with store.session() as session:
            if check_token(session, name, token) is not None:
                return True
            if session.get(Person, name) is not None:
                return False  # whoever has a token of their own needs it
    return any(hmac.compare_digest(_hash(key).encode(), given) for key in request.app.state.eyas.config.api_key)


def _credentials(request: Request, name: str) -> list[str]:
    """Hashes of what `name` may have signed in with: their own token, or else the server's keys."""
    state = request.app.state.eyas
    if state.store is not None:
        with state.store.session() as session:
            if (person := session.get(Person, name)) is not None:
                return [person.token_sha256]
    return [_hash(key) for key in state.config.api_key]


def _mark(name: str, expires: int, credential: str) -> str:
    """Signs the cookie; with the credential in it, removing a person or a key ends their visits."""
    return hmac.new(_SECRET, f"{expires} {credential} {name}".encode(), "sha256").hexdigest()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _own_path(path: str) -> str:
    """`path` when it leads to a page of this server, else the first page."""
    return path if _OWN_PATH.fullmatch(path) else "/"
