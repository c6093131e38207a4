"""`eyas tokenizer SRC... -o DIR`."""

from eyas.cli.flags import stage_command
from eyas.cli.show import print_figures, print_json
from eyas.data.vocabulary import TokenizerConfig, run
from eyas.progress import Progress

HELP = """Train a tokenizer.

SRC is `world`, `python-docs`, a file, a folder or hf:OWNER/NAME, each with an optional :weight.

\b
Example:
  eyas tokenizer world -o tokenizers/town --vocab-size 1024 --megabytes 2
"""


def body(config: TokenizerConfig, as_json: bool) -> None:
    with Progress("reading", total=config.megabytes * 1e6) as progress:
        result = run(config, progress)
    if as_json:
        print_json(result)
    else:
        print_figures(
            f"{result.out}: a tokenizer of {result.vocab_size:,} tokens",
            {
                "text read": f"{result.text_bytes / 1e6:.1f} MB",
                "bytes per token": round(result.bytes_per_token, 2),
                "left out": result.left_out or None,
                "seconds": result.seconds,
            },
        )


command = stage_command(
    TokenizerConfig, body, name="tokenizer", help=HELP, arguments={"data": "SRC..."}, short={"out": "-o"}
)
