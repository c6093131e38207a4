"""A real HTTP server that answers chats as an OpenAI-compatible one does, with what a test gives it to say."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Endpoint:
    """`says` are the next answers, in turn; `heard` the requests (body and headers). `status` other than 200 fails."""

    url: str = ""
    says: list[str] = field(default_factory=list)
    heard: list[tuple[dict[str, Any], dict[str, str]]] = field(default_factory=list)
    status: int = 200
    raw: bytes | None = None


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """The server, while the block lasts."""
    told = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.heard.append((body, dict(self.headers)))
            said: Any = {
                "choices": [{"message": {"role": "assistant", "content": told.says.pop(0) if told.says else ""}}]
            }
            if told.status >= 400:
                said = {"error": {"message": "the model is asleep"}}
            answer = json.dumps(said).encode() if told.raw is None else told.raw
            self.send_response(told.status)
            if told.status in (302, 307):
                self.send_header("Location", f"{told.url}/elsewhere")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
