"""Another model behind an OpenAI-compatible URL, asked only where the user names it."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from eyas.errors import EyasError

_MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class Remote:
    """`url` is what clients call the base URL, as in `http://localhost:11434/v1`; `model` the name to ask for there.

    `flag` is the one that gave the URL, as errors name it.
    """

    url: str
    model: str
    flag: str
    key: str = field(default="", repr=False)
    timeout: float = 120.0

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise EyasError(f"{self.flag} {self.url} is no http(s) URL; give one such as http://localhost:11434/v1")

    @property
    def name(self) -> str:
        """Who speaks, for people to read: without what may be secret in a URL."""
        return f"{self.model} at {urlsplit(self.url).hostname}"

    def chat(self, messages: Sequence[Mapping[str, Any]], *, temperature: float = 0.0, max_tokens: int = 1000) -> str:
        """The answer to a chat. Raises EyasError in one sentence whatever goes wrong on the way."""
        body = {"model": self.model, "messages": messages, "temperature": temperature, "max_tokens": max_tokens}
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        request = urllib.request.Request(
            f"{self.url.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers, method="POST"
        )
        try:
            with _OPENER.open(request, timeout=self.timeout) as response:
                found = json.loads(response.read(_MAX_BYTES))
            text = found["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as error:
            raise EyasError(f"{self.flag} {self.url} answered {error.code}: {_reason(error)}") from error
        except (OSError, ValueError) as error:
            raise EyasError(f"{self.flag} {self.url} cannot be asked: {error}") from error
        except (KeyError, IndexError, TypeError) as error:
            raise EyasError(
                f"{self.flag} {self.url} answers in another shape than OpenAI's chat completions"
            ) from error
        return text if isinstance(text, str) else ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key and the conversation go to the address that was named, nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(_MAX_BYTES))["error"]["message"])[:300]
    except (OSError, ValueError, KeyError, TypeError):
        return str(error.reason)
