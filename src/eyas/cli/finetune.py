"""`eyas finetune MODEL -o NEW --data ROWS`."""

import click

from eyas.cli.flags import stage_command
from eyas.cli.show import print_json, print_result
from eyas.train.finetune import FinetuneConfig, run

HELP = """Train an assistant from a base model and rows.

Rows are JSONL, Parquet or CSV of conversations (`messages`), Alpaca, ShareGPT or OpenAI fine-tuning rows, or `world`.
Only what the assistant says is learned. Stopped or killed, the same command goes on where it was.

\b
Example:
  eyas finetune lives/first/base -o models/helper --data world --minutes 3
"""


def body(config: FinetuneConfig, as_json: bool) -> None:
    result = run(config)
    if as_json:
        print_json(result)
        return
    print_result(f"{result.out}: an assistant", result)
    click.echo(f"\nTalk with it: eyas chat {result.out}")


command = stage_command(
    FinetuneConfig, body, name="finetune", help=HELP, arguments={"model": "MODEL"}, short={"out": "-o"}
)
