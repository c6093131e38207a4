"""Every answer that is no success, in the shape that clients know: OpenAI's, and Anthropic's under /v1/messages."""

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import takewhile
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from eyas.errors import EyasError
from eyas.text.tokenizer import mend

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "unavailable_error",
}


class ApiError(Exception):
    """A request that cannot be answered. `code` is what programs look at, `param` the field of the request to mend."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})

    @property
    def type(self) -> str:
        """The kind of error, as both companies name it."""
        return _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "api_error")


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """What every answer but a success holds."""

    error: ErrorDetail


class MessagesErrorDetail(BaseModel):
    type: str
    message: str


class MessagesErrorBody(BaseModel):
    """What every answer but a success holds under /v1/messages."""

    type: Literal["error"]
    error: MessagesErrorDetail


RESPONSES: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorBody}, "5XX": {"model": ErrorBody}}
"""For the OpenAPI document; `FastAPI(responses=RESPONSES)`."""
MESSAGES_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": MessagesErrorBody},
    "5XX": {"model": MessagesErrorBody},
}

STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; as events where `stream` is true.",
        "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}},
    }
}
"""For the routes that answer in either way."""


def error_body(path: str, error: ApiError) -> dict[str, Any]:
    """The JSON body of `error`, in the shape of the interface that `path` belongs to; also for events of a stream."""
    message = mend(error.message)
    if path.startswith("/v1/messages"):
        kind = "overloaded_error" if error.status == 503 else error.type
        return {"type": "error", "error": {"type": kind, "message": message}}
    return {"error": {"message": message, "type": error.type, "param": error.param, "code": error.code}}


def error_response(path: str, error: ApiError) -> Response:
    """`error` as an answer to a request for `path`."""
    body = json.dumps(error_body(path, error)).encode()
    return Response(body, error.status, error.headers, "application/json")


def install(app: FastAPI) -> None:
    """Let `app` answer every exception in this shape; an unforeseen one is logged by the server and says nothing."""

    @app.exception_handler(ApiError)
    async def known(request: Request, error: ApiError) -> Response:
        return error_response(request.url.path, error)

    @app.exception_handler(EyasError)
    async def refused(request: Request, error: EyasError) -> Response:
        return error_response(request.url.path, ApiError(400, str(error)))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return error_response(request.url.path, _validation(error.errors()))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code = "not_found" if error.status_code == 404 else None
        said = f": {error.detail}" if error.detail and error.detail != _phrase(error.status_code) else ""
        message = f"{request.method} {request.url.path}: {_phrase(error.status_code)}{said}"
        return error_response(request.url.path, ApiError(error.status_code, message, code=code, headers=error.headers))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return error_response(request.url.path, ApiError(500, "the server failed on this request; its log says why"))


# Where a field may be one of several shapes, pydantic puts the shape it tried into the path.
_SHAPE = re.compile(r"str|int|float|bool|dict|none|list\[.*|dict\[.*|constrained-.*|function-.*|[A-Z].*", re.DOTALL)


def _validation(errors: Sequence[Any]) -> ApiError:
    """Pydantic's complaints of the first field that is wrong, as one sentence that names it."""
    if errors[0]["type"] == "json_invalid":
        return ApiError(400, f"the body is not valid JSON: {errors[0].get('ctx', {}).get('error', '')}")
    field = _field(errors[0]["loc"])
    if not field:
        return ApiError(400, "the body must be a JSON object, sent with Content-Type: application/json")
    complaints = dict.fromkeys(str(error["msg"]) for error in errors if _field(error["loc"]) == field)
    return ApiError(400, f"`{field}`: {'; or '.join(list(complaints)[:4])}"[:1000], param=field)


def _field(loc: Sequence[str | int]) -> str:
    """A place in the body as `messages[0].content`."""
    place = takewhile(lambda part: isinstance(part, int) or not _SHAPE.fullmatch(part), loc[1:])
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return str(status)
