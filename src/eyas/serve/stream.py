"""Answers that arrive piece by piece, and noticing that the client has left."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, TypeVar

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from eyas.errors import EyasError
from eyas.serve.errors import ApiError, error_body
from eyas.serve.json_text import dumps

_LOG = logging.getLogger(__name__)
Result = TypeVar("Result")


class EventStream(Response):
    """Server-sent events. The iterator is closed when the client leaves; an error becomes the last event."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-cache"
        self.headers["x-accel-buffering"] = "no"  # so that a proxy passes each event on at once
        self.events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await _unless_gone(receive, self._send_all(scope["path"], send))

    async def _send_all(self, path: str, send: Send) -> None:
        try:
            async for event in self.events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
        except (ApiError, EyasError) as error:
            known = error if isinstance(error, ApiError) else ApiError(500, str(error))
            await send({"type": "http.response.body", "body": self._error(path, known), "more_body": True})
        except Exception:
            _LOG.exception("a stream failed")
            failed = ApiError(500, "the server failed on this request; its log says why")
            await send({"type": "http.response.body", "body": self._error(path, failed), "more_body": True})
        finally:
            await self.events.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    @staticmethod
    def _error(path: str, error: ApiError) -> bytes:
        name = "event: error\n" if path.startswith("/v1/messages") else ""
        return f"{name}data: {dumps(error_body(path, error))}\n\n".encode()


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is cancelled when the client leaves. Raises ApiError 499 then; nobody reads it."""
    result = await _unless_gone(request.receive, work)
    if result is None:
        raise ApiError(499, "the client has left")
    return result


async def _unless_gone(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result | None:
    task, gone = asyncio.create_task(work), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        return None
    finally:
        for one in (task, gone):
            if not one.done():
                one.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await one


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def together(streams: "list[AsyncIterator[Result]]") -> AsyncGenerator[tuple[int, Result], None]:
    """What several streams bring, as it comes, with the number of the stream."""
    if len(streams) == 1:
        async for only in streams[0]:
            yield 0, only
        return
    ready: asyncio.Queue[tuple[int, Result] | BaseException | None] = asyncio.Queue()

    async def read(number: int, stream: AsyncIterator[Result]) -> None:
        try:
            async for one in stream:
                ready.put_nowait((number, one))
            ready.put_nowait(None)
        except Exception as error:
            ready.put_nowait(error)

    tasks = [asyncio.create_task(read(number, stream)) for number, stream in enumerate(streams)]
    try:
        left = len(tasks)
        while left:
            one = await ready.get()
            if isinstance(one, BaseException):
                raise one
            if one is None:
                left -= 1
            else:
                yield one
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
