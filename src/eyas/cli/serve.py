"""`eyas serve MODEL|LIFE`."""

from eyas.cli.flags import stage_command
from eyas.serve.config import ServeConfig

HELP = """Serve a model or a life over HTTP, with a page to chat.

MODEL is a life, a model folder, LIFE/NAME or a GGUF file. The API is OpenAI's (and Anthropic's /v1/messages); the page
is at /. A life keeps what is said in its store; its champion answers to the model name `eyas`.

\b
Example:
  eyas serve lives/first
  eyas serve lives/first --host 0.0.0.0 --api-key "$KEY" --canary fix-2:0.1
"""


def body(config: ServeConfig, as_json: bool) -> None:
    from eyas.serve.running import run

    run(config, as_json)


command = stage_command(ServeConfig, body, name="serve", help=HELP, arguments={"model": "MODEL"})
