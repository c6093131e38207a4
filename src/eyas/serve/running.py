"""A server on its port, until it is told to stop."""

import json
import os
import signal
import socket
from types import FrameType

import click
import uvicorn

from eyas.errors import EyasError
from eyas.serve.app import create_app
from eyas.serve.config import KEY_VARIABLE, ServeConfig

_GRACE = 10  # seconds that running answers have to end when the server is stopped
_BACKLOG = 2048


def run(config: ServeConfig, as_json: bool = False) -> None:
    """Serve until Ctrl-C or SIGTERM; says where, as one JSON object with `as_json`. Raises EyasError."""
    if key := os.environ.get(KEY_VARIABLE):
        config = config.model_copy(update={"api_key": [*config.api_key, key]})
    listening = _listen(config.host, config.port)
    with listening:
        app = create_app(config)
        host, port = listening.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        state = app.state.eyas
        if as_json:
            click.echo(json.dumps({"url": url, "models": state.served.names(), "store": state.store is not None}))
        else:
            kept = "" if state.store is not None else " Nothing is kept: a life would have a store."
            click.echo(f"Serving {', '.join(state.served.names())} at {url} (Ctrl-C stops).{kept}")
        settings = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE, server_header=False,
            lifespan="on",
        )  # fmt: skip
        server = _Server(settings)
        server.run(sockets=[listening])
        if server.interrupted:
            raise KeyboardInterrupt


class _Server(uvicorn.Server):
    """A server that knows of Ctrl-C afterwards; raising the signal again, as uvicorn does, is not always seen."""

    interrupted = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.interrupted |= sig == signal.SIGINT
        super().handle_exit(sig, frame)


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises EyasError when the address is taken or not this machine's."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        why = error.strerror or str(error)
        raise EyasError(f"cannot listen on {host}:{port}: {why}; choose another --host or --port") from error
    return listening
