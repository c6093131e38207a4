"""What stands before every request: keys, sizes, rates, whose page asks; and the headers of every answer."""

import hashlib
import hmac
import ipaddress
import math
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import FastAPI, Request, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eyas.errors import EyasError
from eyas.serve.errors import ApiError, error_response

if TYPE_CHECKING:
    from eyas.serve.config import ServeConfig

OPEN = ("/health", "/static/", "/sign-in")
"""Paths that need neither a key nor a person."""
SIGN_IN = "/sign-in"
_ANSWERING = ("/v1/", "/api/battles/")
"""Paths where models answer: the requests that `requests_per_minute` counts."""

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with none at all browsers hide the origin of our own forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_SAFE = ("GET", "HEAD", "OPTIONS")
_CALLERS = 10_000  # whose rates are remembered; beyond it those who have been quiet are forgotten

PersonOf = Callable[[Request], str | None]
"""The name of the person signed in with a request, or None."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`, or names it so."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_binding(config: "ServeConfig") -> None:
    """Raises EyasError where other machines could reach a server that asks nobody for a key."""
    if not is_loopback(config.host) and not config.api_key:
        raise EyasError(
            f"--host {config.host} lets other machines in, so the server needs --api-key KEY; "
            "or leave --host out to serve this machine alone"
        )
    if "" in config.api_key:
        raise EyasError("an --api-key is empty; give one of some length, e.g. from: openssl rand -hex 24")


def install(app: FastAPI, config: "ServeConfig", person_of: PersonOf) -> None:
    """Put the guard before `app`. Call it last, so that it stands outermost. Raises EyasError as `check_binding`."""
    check_binding(config)
    app.add_middleware(Guard, config=config, person_of=person_of)
    if config.origin:
        # outside the guard, for a browser asks beforehand without a key whether it may
        app.add_middleware(
            CORSMiddleware, allow_origins=list(config.origin), allow_methods=["GET", "POST"], allow_headers=["*"]
        )


def csrf_token(request: Request) -> str:
    """What a form of ours carries in its hidden field `csrf`: only pages of this server, shown to this person, know it.

    Requests with a form as their body are refused without it, before any page sees them.
    """
    token: str = request.scope["eyas_csrf"]
    return token


class Guard:
    """The middleware. Where keys are given, every path but `OPEN` needs one, or a person who has signed in."""

    def __init__(self, app: ASGIApp, config: "ServeConfig", person_of: PersonOf) -> None:
        self.app, self.config, self.person_of = app, config, person_of
        self.keys = [_digest(key) for key in config.api_key]
        self.local = is_loopback(config.host)
        self.origins = {_origin(origin) for origin in config.origin}
        self.hosts = {urlsplit(origin).hostname for origin in self.origins}
        self.rate = Rate(config.requests_per_minute)
        self.secret = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # none is served, and none is to slip past this guard
            return await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        guarded = _with_headers(scope["path"], send)
        try:
            body = await self._admitted(scope, receive)
        except ApiError as error:
            return await self._refusal(scope, error)(scope, receive, guarded)
        if body is not None:
            await self.app(scope, _replayed(_ESCAPE.sub(_mended, body), receive), guarded)

    async def _admitted(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body of a request that may pass; None when the client left while sending it. Raises ApiError."""
        request = Request(scope)
        self._check_host(request)
        self._check_origin(request)
        given = _digest(_key(request.headers))
        key = sum(hmac.compare_digest(known, given) for known in self.keys) > 0  # all are compared, whichever fits
        caller = f"key {_key(request.headers)}" if key else request.client.host if request.client else ""
        if scope["path"].startswith(_ANSWERING):
            self.rate.take(caller)
        if scope["path"].startswith("/v1/"):
            person = None if key or not self.keys else self.person_of(request)
        else:
            person = self.person_of(request)
            scope["eyas_csrf"] = hmac.new(self.secret, (person or "").encode(), "sha256").hexdigest()
        if self.keys and not key and person is None and not _is_open(scope["path"]):
            raise ApiError(401, _NO_KEY, code="invalid_api_key", headers={"www-authenticate": "Bearer"})
        body = await _read(request.headers, receive, self.config.max_body)
        if body is not None and scope["method"] not in _SAFE:
            self._check_form(request, body)
        return body

    def _check_host(self, request: Request) -> None:
        """A page elsewhere may let its own name point at this machine (DNS rebinding): its Host header tells."""
        if self.local:
            host = _hostname(request.headers.get("host", ""))
            if not is_loopback(host) and host not in self.hosts:
                raise ApiError(
                    403, f"this server answers to localhost alone, not to {host[:100]!r}; start it with --origin"
                )

    def _check_origin(self, request: Request) -> None:
        """A browser tells from which site a write comes; other programs tell nothing and pass."""
        if request.method in _SAFE:
            return
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "none")
        if origin is not None:
            foreign = origin.partition("://")[2] != request.headers.get("host", "")
        else:
            foreign = site not in ("same-origin", "none")
        if foreign and (origin is None or _origin(origin) not in self.origins):
            raise ApiError(403, "a page of another site may not write here; start the server with --origin to let it")

    def _check_form(self, request: Request, body: bytes) -> None:
        """A form is the one body that any page can make a browser send, so it must carry the token."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.url.path.startswith("/v1/") or kind not in (
            "application/x-www-form-urlencoded",
            "multipart/form-data",
        ):
            return
        given = request.headers.get("x-csrf-token", "")
        if not given and kind == "application/x-www-form-urlencoded":
            try:
                given = parse_qs(body.decode("utf-8", "replace"), max_num_fields=1000).get("csrf", [""])[0]
            except ValueError as error:
                raise ApiError(400, "the form has too many fields") from error
        if not hmac.compare_digest(given.encode(), csrf_token(request).encode()):
            raise ApiError(403, "this form was not made by this server since its start; reload the page and try again")

    def _refusal(self, scope: Scope, error: ApiError) -> Response:
        """`error` as an answer; a person who opens a page is led to sign in instead."""
        path: str = scope["path"]
        wants_page = scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", "")
        if error.status == 401 and wants_page and not path.startswith(("/v1/", "/api/")):
            query = scope["query_string"].decode("latin-1")
            return RedirectResponse(f"{SIGN_IN}?next={quote(path + (f'?{query}' if query else ''), safe='')}", 303)
        return error_response(path, error)


class Rate:
    """A bucket of requests for each caller, refilled evenly over the minute; `per_minute` 0 or None sets no limit."""

    def __init__(self, per_minute: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute, self.clock = per_minute or 0, clock
        self.buckets: dict[str, tuple[float, float]] = {}  # caller -> requests left, and when that was so

    def take(self, caller: str) -> None:
        """Count one request of `caller`. Raises ApiError 429, which tells when to come again."""
        if not self.per_minute:
            return
        now, second = self.clock(), self.per_minute / 60
        left, then = self.buckets.pop(caller, (float(self.per_minute), now))
        left = min(self.per_minute, left + (now - then) * second)
        self.buckets[caller] = (left - 1 if left >= 1 else left, now)
        while len(self.buckets) > _CALLERS:
            del self.buckets[next(iter(self.buckets))]
        if left < 1:
            wait = math.ceil((1 - left) / second)
            raise ApiError(
                429,
                f"more than {self.per_minute} requests a minute; try again in {wait} s",
                code="rate_limit_exceeded",
                headers={"retry-after": str(wait)},
            )


# JSON's escapes one after the other, a pair of surrogates as one
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|u0000|.)", re.DOTALL
)


def _mended(escape: re.Match[bytes]) -> bytes:
    """Half a surrogate pair and NUL, which neither UTF-8 nor every database can carry, as U+FFFD."""
    found = escape[0]
    return rb"\ufffd" if found == rb"\u0000" or (len(found) == 6 and found[2:3] in b"dD") else found


_NO_KEY = "this server needs a key: send it as `Authorization: Bearer KEY` or `x-api-key: KEY`"


def _key(headers: Mapping[str, str]) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def _digest(key: str) -> bytes:
    """Hashed, so that comparing takes the same time whatever the lengths."""
    return hashlib.sha256(key.encode()).digest()


def _is_open(path: str) -> bool:
    return any(path.startswith(start) if start.endswith("/") else path == start for start in OPEN)


def _origin(url: str) -> str:
    return url.rstrip("/").lower()


def _hostname(host: str) -> str:
    """The Host header without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def _read(headers: Mapping[str, str], receive: Receive, limit: int) -> bytes | None:
    """The whole body, for it must be known to be small before anything is made of it. Raises ApiError 413."""
    too_large = ApiError(413, f"the body is larger than {limit:,} bytes; send less", code="request_too_large")
    told = headers.get("content-length", "")
    if told.isdecimal() and int(told) > limit:
        raise too_large
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body, then whatever else comes: the client's leaving."""
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


def _with_headers(path: str, send: Send) -> Send:
    """A `send` that adds the headers of every answer; what is not static is not to be kept by browsers."""

    def guarded(
        message: Message,
    ) -> Awaitable[None]:  # no coroutine of its own: it is called for every piece of a stream
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if not path.startswith("/static/"):
                headers.setdefault("cache-control", "no-store")
        return send(message)

    return guarded
